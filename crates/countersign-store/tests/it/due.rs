//! Due work: asked for by a commit, leased by one, done once.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::api_key::EXPIRY_WARNING;
use countersign_core::context::Clock as _;
use countersign_core::due::Due;
use countersign_core::effect::Effect;
use countersign_core::ledger::Commit;
use countersign_core::timestamp::Timestamp;
use countersign_store::{Claim, Store};
use countersign_testkit::{Records, each_database};

use crate::raw::{commit, done, insert_owner};

const LEASE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

async fn claim(store: &Store, until: Timestamp, now: Timestamp) -> Vec<Due> {
    let claim = Claim { kind: EXPIRY_WARNING, until, lease: LEASE, limit: 10 };
    store.claim(&claim, now).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_asked_for_by_the_commit_that_makes_it_and_done_once() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let (now, mut records) = (fixture.clock.now(), Records::new(1));
        let (end, organisation) = (now.plus(HOUR), records.organisation());
        let mut key = records.key(&organisation).0;
        key.expires_at = Some(end);
        let lasting = records.key(&organisation).0;
        let made =
            [insert_owner(&organisation), Effect::Insert(key.clone().into()), Effect::Insert(lasting.into())];
        done(commit(&store, made.into()).await);
        assert_eq!(claim(&store, now, now).await, [], "its time has not come");
        let due = claim(&store, end, now).await;
        assert_eq!(due, [Due { kind: EXPIRY_WARNING, subject: key.id.to_string(), at: end }]);
        assert_eq!(claim(&store, end, now).await, [], "it is leased");
        let later = now.plus(LEASE);
        assert_eq!(claim(&store, end, later).await, due, "who had it has died");

        done(commit(&store, vec![Effect::Done(due[0].clone())]).await);
        assert_eq!(commit(&store, vec![Effect::Done(due[0].clone())]).await, Ok(Commit::Lost));
        let long_after = later.plus(HOUR);
        assert_eq!(claim(&store, end, long_after).await, [], "it was done");
        key.version += 1;
        done(commit(&store, vec![Effect::Advance(key.clone().into())]).await);
        assert_eq!(
            claim(&store, end, long_after).await,
            [],
            "a change that leaves its time asks for nothing"
        );

        (key.version, key.expires_at) = (key.version + 1, Some(end.plus(HOUR)));
        done(commit(&store, vec![Effect::Advance(key.clone().into())]).await);
        let again = claim(&store, end.plus(HOUR), long_after).await;
        assert_eq!(again.iter().map(|due| due.at).collect::<Vec<_>>(), [end.plus(HOUR)]);
        assert_eq!(
            commit(&store, vec![Effect::Done(due[0].clone())]).await,
            Ok(Commit::Lost),
            "another time"
        );
        assert_eq!(store.dismiss(&again[0], long_after).await, Ok(Commit::Done));
        assert_eq!(store.dismiss(&again[0], long_after).await, Ok(Commit::Lost));
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_take_due_work_at_once_each_piece_has_one() {
    each_database(async |fixture| {
        let mut stores = vec![Arc::new(fixture.open("a").await)];
        if fixture.is_shared() {
            stores.push(Arc::new(fixture.open("b").await));
        }
        let (now, mut records) = (fixture.clock.now(), Records::new(1));
        let (end, organisation) = (now.plus(HOUR), records.organisation());
        let mut effects = vec![insert_owner(&organisation)];
        for _ in 0..50 {
            let mut key = records.key(&organisation).0;
            key.expires_at = Some(end);
            effects.push(Effect::Insert(key.into()));
        }
        done(commit(&stores[0], effects).await);
        let mut racers = tokio::task::JoinSet::new();
        for store in &stores {
            let store = Arc::clone(store);
            racers.spawn(async move {
                let mut taken = Vec::new();
                loop {
                    let before = taken.len();
                    taken.extend(claim(&store, end, now).await);
                    for due in &taken[before..] {
                        done(commit(&store, vec![Effect::Done(due.clone())]).await);
                    }
                    if taken.len() == before {
                        return taken;
                    }
                }
            });
        }
        let mut subjects: Vec<_> =
            racers.join_all().await.into_iter().flatten().map(|due| due.subject).collect();
        subjects.sort_unstable();
        assert_eq!(subjects.len(), 50);
        subjects.dedup();
        assert_eq!(subjects.len(), 50, "none was taken twice");
        for store in stores {
            store.close().await;
        }
    })
    .await;
}
