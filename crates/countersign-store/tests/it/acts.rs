//! Acts on a store: what is committed, what is filed, and what races.

use std::time::Duration;

use countersign_core::audit::{Actor, AuditEvent};
use countersign_core::context::{Clock, Context, Policy, SeededEntropy};
use countersign_core::decision::{Decision, Permit, Requirement, decide};
use countersign_core::effect::{Effect, Outcome, Use};
use countersign_core::exchange::{Act, System, perform};
use countersign_core::few::Few;
use countersign_core::ledger::{Answer as _, Find, Ledger as _, Lookup, Settled, Unavailable, Used};
use countersign_core::management_key;
use countersign_core::management_key::required_locally;
use countersign_core::management_key::{LocalPeer, Replace, local_operator};
use countersign_core::question::{Installation, MarkOf, RecordOf};
use countersign_core::reach::Reach;
use countersign_core::record::{CredentialRecord, MarkRecord};
use countersign_core::scope::ScopeSet;
use countersign_core::secret::Purpose;
use countersign_core::timestamp::Timestamp;
use countersign_store::{AuditRequest, Store};
use countersign_testkit::{Fixture, Records, each_database};

use crate::raw::{commit, done, insert, insert_owner, stored};

/// Performs an act with the store's own time and peppers; `seed`: of what it draws.
pub(crate) async fn performed<A: Act>(
    seed: u64,
    fixture: &Fixture,
    store: &Store,
    by: &A::By,
    act: &A,
) -> Result<Result<A::Answer, A::Reason>, Unavailable>
where
    Store: Find<A::Question>,
{
    let (mut entropy, policy) = (SeededEntropy::new(seed), Policy::default());
    let (now, peppers) = (fixture.clock.now(), store.snapshot().peppers());
    let mut context = Context { now, entropy: &mut entropy, peppers, policy: &policy, address: None };
    perform(store, &mut context, by, act).await
}

/// Guesses at a secret; the store keeps the count, if there is one.
struct Guess {
    at: CredentialRecord,
    count: Option<MarkRecord>,
}

impl Act for Guess {
    type Question = RecordOf;
    type By = System;
    type Answer = ();
    type Reason = &'static str;

    fn question(&self, _: &Context<'_>, _: &System) -> RecordOf {
        RecordOf(self.at.id)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        _: &System,
        found: Option<CredentialRecord>,
    ) -> Outcome<(), &'static str> {
        assert_eq!(found, None);
        let audit = AuditEvent::refused(context.now, "guess", Actor::UNVERIFIED, "wrong");
        Outcome::refused("wrong", self.count.clone().map(Effect::Mark).into_iter().collect(), audit)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn safety_20_a_guess_buys_no_commit_unless_its_refusal_has_effects() {
    each_database(async |fixture| {
        let (store, mut records) = (fixture.open("a").await, Records::new(1));
        let organisation = records.organisation();
        let at = records.key(&organisation).0;
        let until = fixture.clock.now().plus(Duration::from_secs(60));
        let lines = async |store: &Store| {
            store.flush().await.unwrap();
            let request = AuditRequest { node: None, after: None, last: false, limit: 500 };
            store.audit(Reach::Installation, &request).await.unwrap().len()
        };
        let guess = Guess { at: at.clone(), count: None };
        for _ in 0..100 {
            assert_eq!(performed(1, &fixture, &store, &System, &guess).await, Ok(Err("wrong")));
        }
        assert_eq!(lines(&store).await, 20, "filed up to a rate, and no commit is waited for");
        for number in 0..100 {
            let mark = records.mark(&number.to_string(), "guessed", until);
            let guess = Guess { at: at.clone(), count: Some(mark.clone()) };
            assert_eq!(performed(1, &fixture, &store, &System, &guess).await, Ok(Err("wrong")));
            assert_eq!(
                store.find(MarkOf(mark.lookup)).await,
                Ok(Some(mark)),
                "with its effects, and durable"
            );
        }
        assert_eq!(lines(&store).await, 120);
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn safety_8_what_counts_once_is_asked_of_the_database() {
    each_database(async |fixture| {
        let store = fixture.open("a").await;
        let used = async |once: &str| Used::of(store.look_up(Lookup::Once(once)).await.unwrap()).unwrap();
        assert_eq!(used("one").await, Used::Never);
        let lookup = store.snapshot().peppers().current().hash(Purpose::FirstUse, "one");
        let until = fixture.clock.now().plus(Duration::from_secs(60));
        done(commit(&store, vec![Effect::Mark(MarkRecord { lookup, made: String::new(), until })]).await);
        assert_eq!((used("one").await, used("other").await), (Used::Before, Used::Never));
        store.close().await;
    })
    .await;
}

/// Who may do everything.
pub(crate) fn operator() -> Permit {
    let (mut entropy, policy, records) = (SeededEntropy::new(1), Policy::default(), Records::new(1));
    let (now, peppers) = (Timestamp::from_millis(0), records.peppers());
    let context = Context { now, entropy: &mut entropy, peppers: &peppers, policy: &policy, address: None };
    let principal = local_operator(&context, LocalPeer { peer_uid: 0, server_uid: 0 }).unwrap();
    let asked = Requirement::Any(vec![required_locally(ScopeSet::default())]);
    let Decision::Permit(permit) = decide(Some(Few::one(principal)), &asked) else { panic!("not permitted") };
    permit
}

#[tokio::test(flavor = "multi_thread")]
async fn safety_8_of_first_uses_that_race_at_all_nodes_one_counts() {
    each_database(async |fixture| {
        let (store, now) = (fixture.open("a").await, fixture.clock.now());
        let second = if fixture.is_shared() { Some(fixture.open("b").await) } else { None };
        let lookup = store.snapshot().peppers().current().hash(Purpose::FirstUse, "jti");
        let mark = || vec![Use::Mark { lookup, until: now.plus(Duration::from_secs(60)) }];
        let other = second.as_ref().unwrap_or(&store);
        let settled = tokio::join!(
            store.settle(now, mark()),
            other.settle(now, mark()),
            store.settle(now, mark()),
            other.settle(now, mark()),
        );
        let settled: [_; 4] = settled.into();
        let first = settled.iter().filter(|one| **one == Ok(Settled::Done(Vec::new()))).count();
        let lost = settled.iter().filter(|one| **one == Ok(Settled::Lost)).count();
        assert_eq!((first, lost), (1, 3), "{settled:?}");
        store.close().await;
        if let Some(second) = second {
            second.close().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_replacements_of_the_installations_key_that_race_the_last_alone_lives() {
    each_database(async |fixture| {
        let (store, mut records) = (fixture.open("a").await, Records::new(1));
        let second = if fixture.is_shared() { Some(fixture.open("b").await) } else { None };
        let other = second.as_ref().unwrap_or(&store);
        let organisation = records.organisation();
        // As a version before stored it: the name and the scope are all that tells it.
        let mut before = records.credential(&organisation, &management_key::KIND).0;
        before.terms.name = "first management key".to_owned();
        before.terms.scopes = "operator".parse().unwrap();
        done(commit(&store, vec![insert_owner(&organisation), insert(&before)]).await);
        let operator = operator();
        for round in 0..3 {
            let replace =
                |number: u64, store| performed(10 * round + number, &fixture, store, &operator, &Replace);
            let made =
                tokio::join!(replace(1, &store), replace(2, other), replace(3, &store), replace(4, other),);
            let made = [made.0, made.1, made.2, made.3].map(|one| one.unwrap().unwrap().record.id);
            let found = store.find(Installation).await.unwrap().unwrap();
            let [live] = found.management_keys.as_slice() else { panic!("{:?}", found.management_keys) };
            assert!(made.contains(&live.id) && live.terms.of_installation);
            assert!(stored(&store, &before).await.unwrap().revoked_at.is_some());
            if round == 1 {
                // Nothing is left whose version could tell the next ones of each other.
                done(commit(&store, vec![Effect::Remove(live.id)]).await);
            }
        }
        store.close().await;
        if let Some(second) = second {
            second.close().await;
        }
    })
    .await;
}
