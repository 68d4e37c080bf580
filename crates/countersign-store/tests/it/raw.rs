//! What somebody with access to the database does behind the store's back, and small helpers.

use std::time::Duration;

use countersign_core::api_key;
use countersign_core::audit::{Actor, AuditEvent};
use countersign_core::effect::Effect;
use countersign_core::key_string::KeyString;
use countersign_core::known::KnownCredential;
use countersign_core::ledger::{
    Answer as _, Commit, Durable, Find, FoundCredential, Ledger, Lookup, Unavailable,
};
use countersign_core::question::RecordOf;
use countersign_core::record::{CredentialRecord, OwnerRecord};
use countersign_core::timestamp::Timestamp;
use countersign_store::{Store, StoreUrl};
use countersign_testkit::Fixture;

/// Long enough for a machine that compiles beside the test; a passing test waits for the event alone.
const DEADLINE: Duration = Duration::from_secs(20);

/// Runs SQL behind the store's back.
pub(crate) async fn sql(fixture: &Fixture, text: &str) {
    match fixture.url() {
        StoreUrl::Sqlite(path) => {
            let connection = rusqlite::Connection::open(path).unwrap();
            connection.busy_timeout(DEADLINE).unwrap();
            connection.execute_batch(text).unwrap();
        }
        StoreUrl::Postgres(url) => {
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
            let driver = tokio::spawn(connection);
            client.batch_execute(text).await.unwrap();
            drop(client);
            driver.await.unwrap().unwrap();
        }
    }
}

/// Counts rows behind the store's back.
pub(crate) async fn count(fixture: &Fixture, rows: &str) -> i64 {
    let text = format!("SELECT COUNT(*) FROM {rows}");
    match fixture.url() {
        StoreUrl::Sqlite(path) => {
            rusqlite::Connection::open(path).unwrap().query_row(&text, [], |row| row.get(0)).unwrap()
        }
        StoreUrl::Postgres(url) => {
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
            let driver = tokio::spawn(connection);
            let found = client.query_one(&text, &[]).await.unwrap().get(0);
            drop(client);
            driver.await.unwrap().unwrap();
            found
        }
    }
}

/// Any audit line.
pub(crate) fn line(action: &'static str) -> AuditEvent {
    AuditEvent::granted(Timestamp::from_millis(1_800_000_000_000), action, Actor::SYSTEM)
}

/// Commits effects with an audit line.
pub(crate) async fn commit(store: &Store, effects: Vec<Effect>) -> Result<Commit, Unavailable> {
    store.commit(effects, vec![line("test")]).await
}

/// Demands that a commit went through.
#[expect(clippy::needless_pass_by_value, reason = "it ends what is awaited")]
#[track_caller]
pub(crate) fn done(outcome: Result<Commit, Unavailable>) {
    assert_eq!(outcome, Ok(Commit::Done));
}

/// The effect that adds an owner.
pub(crate) fn insert_owner(record: &OwnerRecord) -> Effect {
    Effect::Insert(record.clone().into())
}

/// The effect that adds a credential.
pub(crate) fn insert(record: &CredentialRecord) -> Effect {
    Effect::Insert(record.clone().into())
}

/// What is stored of a credential.
pub(crate) async fn stored(store: &Store, record: &CredentialRecord) -> Option<CredentialRecord> {
    store.find(RecordOf(record.id)).await.unwrap()
}

/// What the node's verifiers say of an API key.
pub(crate) async fn known(
    store: &Store,
    key: &KeyString,
) -> Result<Option<std::sync::Arc<KnownCredential>>, Unavailable> {
    let kind = api_key::KIND.id_prefix;
    let found = store.look_up(Lookup::Credential { kind, secret: key.read().text(), once: None }).await?;
    Ok(Option::<FoundCredential>::of(found)?.map(|found| found.known))
}

/// Waits for a condition that other tasks bring about, asking at short intervals until the deadline.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        let mut interval = tokio::time::interval(Duration::from_millis(5));
        while !condition().await {
            interval.tick().await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, waiting).await.is_ok(), "in vain: {what}");
}
