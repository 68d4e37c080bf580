//! The audit chain.

use countersign_core::ledger::Durable;
use countersign_store::{OpenError, StoreUrl};
use countersign_testkit::{each_database, on_postgres};

use crate::raw::{done, line, sql};

#[tokio::test(flavor = "multi_thread")]
async fn safety_20_an_altered_moved_or_removed_event_is_found() {
    let rows = [
        ("UPDATE audit_event SET body = '{}' WHERE n = 3", Some(3)),
        ("DELETE FROM audit_event WHERE n = 2", Some(2)),
        ("DELETE FROM audit_event WHERE n = 5", Some(5)),
        ("UPDATE audit_event SET n = 9 WHERE n = 5", Some(5)),
        ("UPDATE audit_event SET subject = 'x' WHERE n = 1", None),
    ];
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        for action in ["one", "two", "three", "four", "five"] {
            done(store.commit(Vec::new(), vec![line(action)]).await);
        }
        for (tampering, expected) in rows {
            sql(&fixture, "CREATE TABLE kept AS SELECT * FROM audit_event").await;
            assert_eq!(store.verify_audit().await.unwrap()[0].broken_at, None);
            sql(&fixture, tampering).await;
            assert_eq!(store.verify_audit().await.unwrap()[0].broken_at, expected, "{tampering}");
            sql(
                &fixture,
                "DELETE FROM audit_event; INSERT INTO audit_event SELECT * FROM kept; DROP TABLE kept",
            )
            .await;
        }
        let chain = store.verify_audit().await.unwrap().remove(0);
        assert_eq!((chain.events, chain.head), (5, store.nodes().await.unwrap()[0].event_hash));
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn safety_3_a_server_that_may_lose_acknowledged_writes_is_refused() {
    on_postgres(async |fixture| {
        sql(&fixture, "ALTER DATABASE postgres SET synchronous_commit = off").await;
        let error = fixture.try_open("a").await.unwrap_err();
        assert!(matches!(&error, OpenError::Lossy { found, .. } if found == "off"), "{error}");
        sql(&fixture, "ALTER DATABASE postgres SET synchronous_commit = on; ALTER DATABASE postgres SET default_transaction_read_only = on").await;
        let error = fixture.try_open("a").await.unwrap_err();
        assert!(matches!(&error, OpenError::Standby { .. }), "{error}");
        assert!(matches!(fixture.url(), StoreUrl::Postgres(_)));
    })
    .await;
}
