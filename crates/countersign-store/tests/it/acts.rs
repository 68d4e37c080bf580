//! Acts on a store: what is committed, what is filed, and what races.

use countersign_core::audit::{Actor, AuditEvent};
use countersign_core::context::{Clock, Context, Policy, SeededEntropy};
use countersign_core::effect::{Effect, Outcome};
use countersign_core::exchange::{Act, System, perform};
use countersign_core::ledger::{Find, Unavailable};
use countersign_core::question::{MarkOf, RecordOf};
use countersign_core::reach::Reach;
use countersign_core::record::{CredentialRecord, MarkRecord};
use countersign_store::{AuditRequest, Store};
use countersign_testkit::{Fixture, Records, each_database};

/// Performs an act with the store's own time and peppers.
async fn performed<A: Act>(
    fixture: &Fixture,
    store: &Store,
    by: &A::By,
    act: &A,
) -> Result<Result<A::Answer, A::Reason>, Unavailable>
where
    Store: Find<A::Question>,
{
    let (mut entropy, policy) = (SeededEntropy::new(3), Policy::default());
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
        let until = fixture.clock.now().plus(std::time::Duration::from_secs(60));
        let lines = async |store: &Store| {
            store.flush().await.unwrap();
            let request = AuditRequest { node: None, after: None, last: false, limit: 500 };
            store.audit(Reach::Installation, &request).await.unwrap().len()
        };
        let guess = Guess { at: at.clone(), count: None };
        for _ in 0..100 {
            assert_eq!(performed(&fixture, &store, &System, &guess).await, Ok(Err("wrong")));
        }
        assert_eq!(lines(&store).await, 20, "filed up to a rate, and no commit is waited for");
        for number in 0..100 {
            let mark = records.mark(&number.to_string(), "guessed", until);
            let guess = Guess { at: at.clone(), count: Some(mark.clone()) };
            assert_eq!(performed(&fixture, &store, &System, &guess).await, Ok(Err("wrong")));
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
