//! Caps of what is kept of tokens: 64 who ask at a time, over two nodes where there can be two, fifty rounds.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::client::Register;
use countersign_core::client_authentication::{ClientRequest, recognise};
use countersign_core::client_terms::{ClientTerms, GrantType};
use countersign_core::context::{Clock as _, Context, Policy, SeededEntropy};
use countersign_core::exchange::{authenticate, issue};
use countersign_core::grant::{Form, GrantError, parse};
use countersign_core::grants::GRANTS;
use countersign_core::issuing::{Draft, Issuer};
use countersign_core::ledger::{Ledger as _, Unavailable};
use countersign_core::principal::Principal;
use countersign_core::resource::{Declared, Resource, SigningAlgorithm, TokenFormat};
use countersign_core::standing::Knows as _;
use countersign_store::Store;
use countersign_testkit::{Fixture, Records, each_database};
use futures_util::future::join_all;
use http::HeaderMap;

use crate::acts::{operator, performed};
use crate::raw::{commit, count, done, insert_owner, until};

const ISSUER: &str = "https://auth.example.com";
const AT_ONCE: u64 = 64;
const ROUNDS: u64 = 50;
const MOST: u64 = 20;

/// Registers a client of the first organisation, and proves it.
async fn client(fixture: &Fixture, store: &Store, seed: u64) -> Principal {
    let grants = [GrantType::ClientCredentials].into();
    let terms = ClientTerms { grants, token_format: TokenFormat::Opaque, ..ClientTerms::default() };
    let act = Register { name: "billing".into(), organisation: None, terms, idempotency: None };
    let registered = performed(seed, fixture, store, &operator(), &act).await.unwrap().unwrap();
    let form = [
        ("client_id".to_owned(), registered.client.id.to_string()),
        ("client_secret".to_owned(), registered.secret.unwrap().expose().clone()),
    ];
    let (headers, form) = (HeaderMap::new(), Form::new(form).unwrap());
    let presented = recognise(ClientRequest { headers: &headers, form: &form, issuer: ISSUER }).unwrap();
    let (mut entropy, policy) = (SeededEntropy::new(1), Policy::default());
    let (now, peppers) = (fixture.clock.now(), store.snapshot().peppers());
    let mut context = Context { now, entropy: &mut entropy, peppers, policy: &policy, address: None };
    authenticate(store, &mut context, &*presented).await.unwrap().unwrap()
}

/// Asks for an opaque token.
async fn token(
    fixture: &Fixture,
    store: &Store,
    client: &Principal,
    seed: u64,
    policy: &Policy,
) -> Result<(), GrantError> {
    let form = Form::new([("grant_type".to_owned(), "client_credentials".to_owned())]).unwrap();
    let request = parse(GRANTS, &form).unwrap();
    let mut entropy = SeededEntropy::new(seed);
    let (now, snapshot) = (fixture.clock.now(), store.snapshot());
    let peppers = snapshot.peppers();
    let mut context = Context { now, entropy: &mut entropy, peppers, policy, address: None };
    let (resources, incarnation) = (snapshot.resources(), snapshot.incarnation());
    let issuer = Issuer {
        url: ISSUER,
        resources,
        incarnation,
        writer: &|_: &Draft<'_>| Err(Unavailable::NoSigningKey),
    };
    issue(store, &mut context, &issuer, client, &*request).await.unwrap().map(drop)
}

fn declare(store: &Store) {
    let default = Arc::new(Resource::any("https://api.example".parse().unwrap(), SigningAlgorithm::Es256));
    store.snapshot().resources().declare(Declared { default: Some(default), named: Vec::new() });
}

fn is_full(answer: &Result<(), GrantError>) -> bool {
    matches!(answer, Err(GrantError::Full(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_opaque_tokens_that_race_a_client_has_as_many_as_its_cap_allows() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        done(commit(&store, vec![insert_owner(&Records::new(1).organisation())]).await);
        declare(&store);
        let policy = Policy { client_max_opaque_tokens: MOST, ..Policy::default() };
        for round in 1..=ROUNDS {
            let client = client(&fixture, &store, 1_000_000 + round).await;
            let racing =
                (1..=AT_ONCE).map(|number| token(&fixture, &store, &client, 1_000 * round + number, &policy));
            let answers = join_all(racing).await;
            let granted = answers.iter().filter(|one| one.is_ok()).count();
            let full = answers.iter().filter(|one| is_full(one)).count();
            assert_eq!((granted, full), (20, 44), "round {round}");
        }
        let tenant = Policy { tenant_max_opaque_tokens: MOST * ROUNDS, ..policy };
        let fresh = client(&fixture, &store, 7).await;
        let refused = token(&fixture, &store, &fresh, 8, &tenant).await;
        assert!(refused.unwrap_err().to_string().contains("tenant.max_opaque_tokens"));
        fixture.clock.advance(Duration::from_secs(16 * 60));
        until("the snapshot is fresh again", async || {
            done(commit(&store, Vec::new()).await);
            store.catch_up().await.is_ok() && store.ready().is_ok()
        })
        .await;
        assert_eq!(token(&fixture, &store, &fresh, 9, &tenant).await, Ok(()), "what has ended makes room");
        store.prune().await.unwrap();
        assert_eq!(count(&fixture, "artifact_count").await, 2, "of one token that lives");
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_race_pass_a_cap_of_tokens_by_what_was_under_way_and_then_keep_it() {
    each_database(async |fixture| {
        if !fixture.is_shared() {
            return;
        }
        let nodes = [fixture.open("a").await, fixture.open("b").await];
        done(commit(&nodes[0], vec![insert_owner(&Records::new(1).organisation())]).await);
        nodes.iter().for_each(declare);
        let policy = Policy { client_max_opaque_tokens: MOST, ..Policy::default() };
        for round in 1..=10 {
            let client = client(&fixture, &nodes[0], 1_000_000 + round).await;
            nodes[1].catch_up().await.unwrap();
            let racing = (1..=AT_ONCE)
                .zip(nodes.iter().cycle())
                .map(|(number, node)| token(&fixture, node, &client, 1_000 * round + number, &policy));
            let granted = join_all(racing).await.iter().filter(|one| one.is_ok()).count();
            assert!((20..=40).contains(&granted), "{granted} in round {round}");
            for node in &nodes {
                assert!(is_full(&token(&fixture, node, &client, round, &policy).await), "round {round}");
            }
        }
        for node in nodes {
            node.close().await;
        }
    })
    .await;
}
