//! What may be late.

use std::time::Duration;

use countersign_core::context::Clock;
use countersign_core::effect::Effect;
use countersign_core::reach::Reach;
use countersign_core::timestamp::Timestamp;
use countersign_store::{AuditRequest, DecisionCount};
use countersign_testkit::{Records, each_database};

use crate::raw::{commit, done, insert, insert_owner, line, stored};

#[tokio::test(flavor = "multi_thread")]
async fn a_use_is_noted_and_never_lowered() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let mut records = Records::new(1);
        let organisation = records.organisation();
        let (record, _) = records.key(&organisation);
        done(commit(&store, vec![insert_owner(&organisation), insert(&record)]).await);
        let changes = store.nodes().await.unwrap()[0].last_change;
        for (reported, expected) in [(5, 5), (3, 5), (9, 9)] {
            store.report_use(record.id, Timestamp::from_millis(reported));
            store.flush().await.unwrap();
            let found = stored(&store, &record).await.unwrap();
            assert_eq!(found.last_used_at, Some(Timestamp::from_millis(expected)));
            assert_eq!(found.version, 1);
        }
        assert_eq!(store.nodes().await.unwrap()[0].last_change, changes, "a use is no change");
        store.report_use(record.id, Timestamp::from_millis(11));
        store.close().await;
        let again = fixture.open("a").await;
        let found = stored(&again, &record).await.unwrap();
        assert_eq!(found.last_used_at, Some(Timestamp::from_millis(11)), "closing writes what waits");
        again.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_lines_and_counts_are_appended_and_old_things_removed() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let records = Records::new(1);
        let count = DecisionCount {
            minute: fixture.clock.now(),
            route: "orders".into(),
            counted: None,
            verdict: "refused".into(),
            reason: "unknown".into(),
            count: 3,
        };
        store.count_decisions(&[count.clone(), count]);
        store.append_audit(vec![line("gateway.decide"), line("gateway.decide")]);
        let mark = records.mark("k", "x", fixture.clock.now().plus(Duration::from_secs(60)));
        done(commit(&store, vec![Effect::Mark(mark)]).await);
        fixture.clock.advance(Duration::from_secs(31 * 24 * 60 * 60));
        store.prune().await.unwrap();
        let request = AuditRequest { node: None, after: None, last: false, limit: 10 };
        assert_eq!(store.audit(Reach::Installation, &request).await.unwrap().len(), 3, "the audit is kept");
        store.close().await;
    })
    .await;
}
