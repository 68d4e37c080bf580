//! What is registered of clients, and resources: stored, and known to every node.

use countersign_core::client::{Declare, Register, Undeclare};
use countersign_core::client_terms::{ClientTerms, GrantType};
use countersign_core::context::Clock as _;
use countersign_core::effect::Effect;
use countersign_core::ledger::{Commit, Find};
use countersign_core::question::{OwnerAndKeys, ResourceOf};
use countersign_core::record::{OwnerRecord, ResourceRecord};
use countersign_core::refusal::Refusal;
use countersign_core::resource::{Resource, ResourceId, SigningAlgorithm};
use countersign_store::Store;
use countersign_testkit::{Records, each_database, on_postgres};

use crate::acts::{operator, performed};
use crate::raw::{commit, done, insert_owner, sql, until};

fn terms(scopes: &str) -> Box<ClientTerms> {
    Box::new(ClientTerms {
        grants: [GrantType::ClientCredentials].into(),
        scopes: scopes.parse().unwrap(),
        audiences: vec!["https://api.example.com".parse().unwrap()],
        ..ClientTerms::default()
    })
}

async fn stored(store: &Store, owner: &OwnerRecord) -> OwnerRecord {
    store.find(OwnerAndKeys(owner.id)).await.unwrap().unwrap().owner
}

/// What a node's verifiers know: the scopes of a client, and its generation.
fn known(store: &Store, owner: &OwnerRecord) -> (Option<String>, i64) {
    let known = store.snapshot().owner(owner.id).unwrap();
    (known.client().map(|client| client.scopes.to_string()), known.generation())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_registered_of_a_client_is_stored_and_replaced_in_place() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let organisation = records.organisation();
        let client = OwnerRecord { client: Some(terms("a")), ..records.client(&organisation) };
        done(commit(&store, vec![insert_owner(&organisation), insert_owner(&client)]).await);
        assert_eq!(stored(&store, &client).await, client);
        assert_eq!(stored(&store, &organisation).await.client, None);
        assert_eq!(known(&store, &client), (Some("a".into()), 0));
        let before = store.snapshot().owner(client.id).unwrap();
        let next = OwnerRecord { client: Some(terms("b")), generation: 1, version: 2, ..client.clone() };
        done(commit(&store, vec![Effect::Advance(next.clone().into())]).await);
        assert_eq!(stored(&store, &client).await, next);
        assert_eq!(known(&store, &client), (Some("b".into()), 1));
        assert_eq!(before.generation(), 1, "whoever holds it sees the change");
        let bare = OwnerRecord { client: None, version: 3, ..next };
        done(commit(&store, vec![Effect::Advance(bare.into())]).await);
        assert_eq!(known(&store, &client), (None, 1));
        store.close().await;
        let again = fixture.open("a").await;
        assert_eq!(known(&again, &client), (None, 1));
        again.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_cannot_be_read_is_refused_and_its_neighbours_go_on() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let organisation = records.organisation();
        let client = OwnerRecord { client: Some(terms("a")), ..records.client(&organisation) };
        let other = OwnerRecord { client: Some(terms("a")), ..records.client(&organisation) };
        let owners = [&organisation, &client, &other].map(insert_owner);
        done(commit(&store, owners.to_vec()).await);
        store.close().await;
        let newer = r#"{"grants":[],"auth_method":"none","token_format":"jwt","until_noon":true}"#;
        sql(&fixture, &format!("UPDATE owner SET client = '{newer}' WHERE id = '{}'", client.id)).await;
        let again = fixture.open("a").await;
        assert_eq!(known(&again, &client), (None, 0));
        assert_eq!(known(&again, &other), (Some("a".into()), 0));
        assert!(again.find(OwnerAndKeys(client.id)).await.is_err(), "what is not understood is not changed");
        again.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_is_deleted_is_gone_at_every_node_and_in_use_counts_at_every_node() {
    each_database(async |fixture| {
        let a = fixture.open("a").await;
        let mut records = Records::new(1);
        let organisation = records.organisation();
        done(commit(&a, vec![insert_owner(&organisation)]).await);
        let id: ResourceId = "https://api.example.com/a%20b?c=+d".parse().unwrap();
        let resource = Resource::any(id.clone(), SigningAlgorithm::Es256);
        let declared = performed(1, &fixture, &a, &operator(), &Declare { resource: resource.clone() }).await;
        let record = declared.unwrap().unwrap();
        let b = if fixture.is_shared() { Some(fixture.open("b").await) } else { None };
        let other = b.as_ref().unwrap_or(&a);
        let grants = [GrantType::ClientCredentials].into();
        let terms = ClientTerms { grants, audiences: vec![id.clone()], ..ClientTerms::default() };
        let register = Register { name: "billing".into(), organisation: None, terms, idempotency: None };
        let client = performed(2, &fixture, other, &operator(), &register).await.unwrap().unwrap().client;
        let undeclare = Undeclare { id: id.clone() };
        let refused = performed(3, &fixture, &a, &operator(), &undeclare).await.unwrap();
        assert_eq!(refused, Err(Refusal::ResourceInUse(client.id, 1)), "a moment ago, at another node");
        let terms =
            client.client.clone().map(|terms| Box::new(ClientTerms { audiences: Vec::new(), ..*terms }));
        let next = OwnerRecord { client: terms, version: 2, ..client };
        done(commit(other, vec![Effect::Advance(next.into())]).await);
        assert_eq!(performed(4, &fixture, &a, &operator(), &undeclare).await.unwrap(), Ok(record.clone()));
        assert_eq!(commit(&a, vec![Effect::Undeclare(record)]).await, Ok(Commit::Lost), "once");
        other.catch_up().await.unwrap();
        for node in [&a, other] {
            assert!(node.snapshot().resources().find(id.as_str()).is_none());
        }
        let again = performed(5, &fixture, other, &operator(), &Declare { resource }).await;
        assert_eq!(again.unwrap().unwrap().version, 1, "the name is free");
        for node in [Some(a), b].into_iter().flatten() {
            node.close().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_is_stored_once_and_known_after_a_restart() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let id = "https://api.example.com";
        let record = |algorithm, version| ResourceRecord {
            resource: Resource::any(id.parse().unwrap(), algorithm),
            version,
            created_at: fixture.clock.now(),
        };
        let first = record(SigningAlgorithm::Es256, 1);
        done(commit(&store, vec![Effect::Insert(first.clone().into())]).await);
        assert_eq!(commit(&store, vec![Effect::Insert(first.clone().into())]).await, Ok(Commit::Lost));
        let find = async |store: &Store| store.find(ResourceOf(id.parse().unwrap())).await.unwrap().record;
        assert_eq!(find(&store).await, Some(first.clone()));
        assert_eq!(*store.snapshot().resources().find(id).unwrap(), first.resource);
        let next = record(SigningAlgorithm::Rs256, 2);
        done(commit(&store, vec![Effect::Advance(next.clone().into())]).await);
        assert_eq!(commit(&store, vec![Effect::Advance(next.clone().into())]).await, Ok(Commit::Lost));
        store.close().await;
        let again = fixture.open("a").await;
        assert_eq!(find(&again).await, Some(next.clone()));
        assert_eq!(*again.snapshot().resources().find(id).unwrap(), next.resource);
        again.close().await;
        sql(&fixture, r#"UPDATE resource SET payload = '{"id":"https://other.example"}'"#).await;
        let last = fixture.open("a").await;
        assert!(last.snapshot().resources().find(id).is_none(), "what cannot be read is no resource");
        last.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_and_resources_reach_the_other_node() {
    on_postgres(async |fixture| {
        let (a, b) = (fixture.open("a").await, fixture.open("b").await);
        let mut records = Records::new(1);
        let organisation = records.organisation();
        let client = OwnerRecord { client: Some(terms("a")), ..records.client(&organisation) };
        let resource = Resource::any("urn:x:api".parse().unwrap(), SigningAlgorithm::EdDsa);
        let record = ResourceRecord { resource, version: 1, created_at: fixture.clock.now() };
        let effects =
            vec![insert_owner(&organisation), insert_owner(&client), Effect::Insert(record.clone().into())];
        done(commit(&a, effects).await);
        until("the resource arrives", async || b.snapshot().resources().find("urn:x:api").is_some()).await;
        assert_eq!(known(&b, &client), (Some("a".into()), 0));
        let next = OwnerRecord { generation: 3, version: 2, ..client.clone() };
        done(commit(&a, vec![Effect::Advance(next.into())]).await);
        until("the generation arrives", async || known(&b, &client).1 == 3).await;
        a.close().await;
        b.close().await;
    })
    .await;
}
