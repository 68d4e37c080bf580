//! The audit chain.

use countersign_core::context::Clock as _;
use countersign_core::effect::Effect;
use countersign_core::ledger::{Durable, Find as _};
use countersign_core::question::RecordOf;
use countersign_store::OpenError;
use countersign_testkit::{Records, each_database, on_postgres};

use crate::raw::{commit, done, insert, insert_owner, line, sql, stored, until};

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
async fn safety_3_what_is_acknowledged_is_durable_whatever_the_server_is_set_to() {
    on_postgres(async |mut fixture| {
        sql(&fixture, "ALTER DATABASE postgres SET synchronous_commit = off").await;
        let mut records = Records::new(1);
        let organisation = records.organisation();
        let store = fixture.open("a").await;
        done(commit(&store, vec![insert_owner(&organisation)]).await);
        // The server flushes by itself after so long: what is not flushed at the commit is lost in the crash.
        for setting in ["wal_writer_delay = '10s'", "synchronous_commit = off"] {
            sql(&fixture, &format!("ALTER SYSTEM SET {setting}")).await;
        }
        sql(&fixture, "SELECT pg_reload_conf()").await;
        for _ in 0..3 {
            let (record, _) = records.key(&organisation);
            done(commit(&store, vec![insert(&record)]).await);
            done(
                commit(&store, vec![Effect::Revoke { credential: record.id, at: fixture.clock.now() }]).await,
            );
            fixture.server().unwrap().restart();
            until("it is back", async || store.find(RecordOf(record.id)).await.is_ok()).await;
            assert!(stored(&store, &record).await.unwrap().revoked_at.is_some());
        }
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_only_reads_is_refused_at_the_start() {
    on_postgres(async |fixture| {
        sql(&fixture, "ALTER DATABASE postgres SET default_transaction_read_only = on").await;
        let error = fixture.try_open("a").await.unwrap_err();
        assert!(matches!(&error, OpenError::Standby { .. }), "{error}");
    })
    .await;
}
