//! Races of clients: 64 at a time, over two nodes where there can be two, fifty rounds.

use std::time::Duration;

use countersign_core::client::{Register, Registered, RotateSecret};
use countersign_core::client_authentication::{ClientRequest, recognise};
use countersign_core::client_terms::{AuthMethod, ClientTerms, GrantType};
use countersign_core::context::{Clock as _, Context, Policy, SeededEntropy};
use countersign_core::exchange::authenticate;
use countersign_core::grant::Form;
use countersign_core::refusal::Refusal;
use countersign_core::rejection::Rejection;
use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::jwk::SigningKey;
use countersign_jose::jws::sign;
use countersign_store::Store;
use countersign_testkit::{Fixture, each_database};
use futures_util::future::join_all;
use http::HeaderMap;

use crate::acts::{operator, performed};
use crate::nodes::{AT_ONCE, Nodes, ROUNDS};

const ISSUER: &str = "https://auth.example.com";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

async fn register(fixture: &Fixture, store: &Store, seed: u64, terms: ClientTerms) -> Registered {
    let terms = ClientTerms { grants: [GrantType::ClientCredentials].into(), ..terms };
    let act = Register { name: "billing".into(), organisation: None, terms, idempotency: None };
    performed(seed, fixture, store, &operator(), &act).await.unwrap().unwrap()
}

/// Says what becomes of a request that brings `form` along.
async fn prove(fixture: &Fixture, store: &Store, form: &[(&str, &str)]) -> Result<(), Rejection> {
    let (headers, form) = (
        HeaderMap::new(),
        Form::new(form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).unwrap(),
    );
    let presented = recognise(ClientRequest { headers: &headers, form: &form, issuer: ISSUER })?;
    let (mut entropy, policy) = (SeededEntropy::new(1), Policy::default());
    let (now, peppers) = (fixture.clock.now(), store.snapshot().peppers());
    let mut context = Context { now, entropy: &mut entropy, peppers, policy: &policy, address: None };
    authenticate(store, &mut context, &*presented).await.unwrap().map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_rotations_of_one_client_that_race_no_secret_is_lost_and_none_is_too_many() {
    each_database(async |fixture| {
        let nodes = Nodes::open(&fixture).await;
        let operator = operator();
        for round in 0..ROUNDS {
            let seed = 1_000 * (round + 1);
            let registered = register(&fixture, &nodes.first, seed, ClientTerms::default()).await;
            let (id, text) = (registered.client.id, registered.client.id.to_string());
            let rotate = RotateSecret { id, overlap: Some(Duration::from_secs(3600)) };
            let racing = (1..=AT_ONCE)
                .map(|number| performed(seed + number, &fixture, nodes.of(number), &operator, &rotate));
            let ended: Vec<_> = join_all(racing).await.into_iter().map(Result::unwrap).collect();
            let too_many = ended.iter().filter(|one| matches!(one, Err(Refusal::TooManySecrets))).count();
            let mut secrets: Vec<_> = ended.into_iter().filter_map(Result::ok).collect();
            assert_eq!((secrets.len(), too_many), (3, 61), "round {round}");
            let minted = secrets.iter_mut().map(|one| one.secret.take().unwrap());
            for secret in minted.chain(registered.secret) {
                let form = [("client_id", &*text), ("client_secret", secret.expose())];
                for node in [0, 1] {
                    assert_eq!(prove(&fixture, nodes.of(node), &form).await, Ok(()), "round {round}");
                }
            }
        }
        nodes.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_36_of_one_assertion_that_races_at_all_nodes_one_counts() {
    each_database(async |fixture| {
        let nodes = Nodes::open(&fixture).await;
        let key = SigningKey::generate(SignatureAlgorithm::Es256).unwrap();
        let jwks = format!(r#"{{"keys":[{}]}}"#, key.public().to_jwk());
        let auth_method = AuthMethod::PrivateKeyJwt;
        let terms = ClientTerms { auth_method, jwks: Some(jwks.parse().unwrap()), ..ClientTerms::default() };
        let client = register(&fixture, &nodes.first, 7, terms).await.client.id;
        let exp = fixture.clock.now().millis() / 1000 + 60;
        for round in 0..ROUNDS {
            let claims = format!(
                r#"{{"iss":"{client}","sub":"{client}","aud":"{ISSUER}","exp":{exp},"jti":"{round}"}}"#
            );
            let assertion = sign(&key, "JWT", claims.as_bytes()).unwrap();
            let form = [("client_assertion_type", JWT_BEARER), ("client_assertion", &*assertion)];
            let racing = (0..AT_ONCE).map(|number| prove(&fixture, nodes.of(number), &form));
            let ended = join_all(racing).await;
            let proven = ended.iter().filter(|one| one.is_ok()).count();
            let replayed = |one: &&Result<(), Rejection>| {
                one.is_err_and(|rejection| rejection.code() == "client_assertion_replayed")
            };
            assert_eq!((proven, ended.iter().filter(replayed).count()), (1, 63), "round {round}");
        }
        nodes.close().await;
    })
    .await;
}
