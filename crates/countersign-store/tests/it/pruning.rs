//! What is old is removed, however much of it there is.

use std::time::Duration;

use countersign_core::context::{Clock as _, SeededEntropy};
use countersign_core::effect::Effect;
use countersign_core::id::CredentialId;
use countersign_core::reach::Reach;
use countersign_core::record::EndedToken;
use countersign_core::token::TOKEN;
use countersign_store::{AuditRequest, Store};
use countersign_testkit::{Fixture, Records, each_database, on_postgres};

use crate::raw::{commit, count, done, insert, insert_owner, line, sql};

/// More than two portions.
const OLD: usize = 5_000;

/// Fills every table that grows with old rows.
async fn fill(fixture: &Fixture) {
    let blob = if fixture.is_shared() {
        "decode(lpad(n::text, 64, '0'), 'hex')"
    } else {
        "CAST(printf('%032d', n) AS BLOB)"
    };
    let numbers = format!(
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {OLD})"
    );
    let rows = [
        ("change", "'gone', n, 'owner', 'x', NULL, 1"),
        ("mark", &format!("{blob}, '', 1")),
        // All of one minute.
        ("decision_count", "60000, 'r', 'key_' || n, 'granted', '', 1"),
        ("usage", "'key_' || n, 'burst/1s', 'gone', 7, 1, 1"),
        ("usage", "'key_' || n, 'burst/ever', 'gone', 0, 1, 1"),
    ];
    for (table, values) in rows {
        sql(fixture, &format!("INSERT INTO {table} {numbers} SELECT {values} FROM numbers")).await;
    }
}

async fn left(fixture: &Fixture) -> Vec<i64> {
    let mut left = Vec::new();
    for rows in ["change WHERE node = 'gone'", "mark", "decision_count", "usage WHERE win <> 0", "usage"] {
        left.push(count(fixture, rows).await);
    }
    left
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_due_is_removed_in_portions() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        fill(&fixture).await;
        store.prune().await.unwrap();
        assert_eq!(
            left(&fixture).await,
            [0, 0, 0, 0, OLD.try_into().unwrap()],
            "the window `ever` does not end"
        );
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_pruned_hinders_no_other() {
    on_postgres(async |fixture| {
        let store = fixture.open("a").await;
        fill(&fixture).await;
        let refuse = |table: &str| {
            format!(
                "CREATE FUNCTION refuse_{table}() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
                 CREATE TRIGGER refuse BEFORE DELETE ON {table}
                 FOR EACH STATEMENT EXECUTE FUNCTION refuse_{table}()"
            )
        };
        for table in ["change", "decision_count"] {
            sql(&fixture, &refuse(table)).await;
        }
        store.prune().await.unwrap_err();
        let all = OLD.try_into().unwrap();
        assert_eq!(left(&fixture).await, [all, 0, all, 0, all]);
        store.close().await;
    })
    .await;
}

async fn whole(store: &Store) -> Vec<i64> {
    let chains = store.verify_audit().await.unwrap();
    assert!(chains.iter().all(|chain| chain.broken_at.is_none()), "{chains:?}");
    chains.iter().map(|chain| chain.events).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn safety_20_a_chain_whose_beginning_was_removed_is_verified_from_there() {
    each_database(async |mut fixture| {
        fixture.limits.retention.audit = Some(Duration::from_secs(60 * 60));
        let store = fixture.open("a").await;
        for _ in 0..5 {
            store.append_audit((0..1_000).map(|_| line("gateway.decide")).collect());
        }
        store.flush().await.unwrap();
        store.prune().await.unwrap();
        assert_eq!(whole(&store).await, [5_000], "nothing is due");
        fixture.clock.advance(Duration::from_secs(2 * 60 * 60));
        store.prune().await.unwrap();
        // Each of the three portions is an event.
        assert_eq!(whole(&store).await, [3]);
        let request = AuditRequest { node: None, after: None, last: false, limit: 10 };
        let kept = store.audit(Reach::Installation, &request).await.unwrap();
        assert_eq!(kept.iter().map(|row| row.n).collect::<Vec<_>>(), [5_001, 5_002, 5_003]);
        assert!(kept.iter().all(|row| row.body.contains("audit.pruned")));
        store.prune().await.unwrap();
        assert_eq!(whole(&store).await, [3]);
        sql(&fixture, "DELETE FROM audit_event WHERE n = 5002").await;
        assert_eq!(store.verify_audit().await.unwrap()[0].broken_at, Some(5_002));
        let (mut records, organisation) = (Records::new(1), Records::new(1).organisation());
        done(commit(&store, vec![insert_owner(&organisation), insert(&records.key(&organisation).0)]).await);
        store.catch_up().await.unwrap();
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn safety_17_a_node_whose_clock_is_ahead_forgets_nothing_that_others_still_need() {
    each_database(async |fixture| {
        let (store, now) = (fixture.open("a").await, fixture.clock.now());
        let (records, until) = (Records::new(1), now.plus(Duration::from_secs(60)));
        let token = CredentialId::random(TOKEN, &mut SeededEntropy::new(1));
        let ended = Effect::End(EndedToken { token, until });
        done(commit(&store, vec![ended, Effect::Mark(records.mark("jti", "used", until))]).await);
        for (ahead, kept) in [(Duration::from_secs(10 * 60), 1), (Duration::from_secs(61), 0)] {
            fixture.clock.advance(ahead);
            store.prune().await.unwrap();
            assert_eq!((count(&fixture, "ended").await, count(&fixture, "mark").await), (kept, kept));
        }
        store.close().await;
    })
    .await;
}
