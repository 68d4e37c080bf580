//! find → decide → commit, written once. The only asynchronous code of this crate.

use crate::context::Context;
use crate::credential::{Presented, Rejection};
use crate::effect::Outcome;
use crate::ledger::{Commit, Durable, Find, Ledger, Question, Unavailable};
use crate::principal::Principal;

/// How often a lost commit is decided again before the record counts as contended.
const ATTEMPTS: usize = 8;

/// Something that is to be done. Deciding does not consume it: a lost commit decides again.
pub trait Act: Send + Sync {
    /// The one question that it asks.
    type Question: Question;
    /// By whom: a [`crate::decision::Permit`], another proof, or [`System`].
    type By: Sync;
    /// What a granted act answers.
    type Answer: Send;
    /// Why it may be refused: its own reasons.
    type Reason: Send;

    /// Asks the question.
    fn question(&self, context: &Context<'_>, by: &Self::By) -> Self::Question;

    /// Decides; called again with fresh findings when the commit is lost.
    fn decide(
        &self,
        context: &mut Context<'_>,
        by: &Self::By,
        found: <Self::Question as Question>::Answer,
    ) -> Outcome<Self::Answer, Self::Reason>;

    /// Tells whether a refusal without effects is filed. Not where what was to be done is done already: nobody was
    /// refused anything.
    fn is_filed(&self, _reason: &Self::Reason) -> bool {
        true
    }
}

/// Who acts where nobody has asked: the product itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct System;

/// Finds and verifies a presented credential. Verifying commits nothing; the outcome's audit line is the caller's.
///
/// # Errors
///
/// [`Unavailable`] if it is not known whether the credential is good.
pub async fn verify<L: Ledger>(
    ledger: &L,
    context: &mut Context<'_>,
    presented: Box<dyn Presented>,
) -> Result<Outcome<Principal, Rejection>, Unavailable> {
    let found = ledger.look_up(presented.lookup()).await?;
    Ok(presented.verify(context, found))
}

/// Performs an act: finds, decides and commits, again if the commit is lost. A refusal that changes nothing is filed.
///
/// # Errors
///
/// [`Unavailable`] if the store does not answer or the record stays contended.
pub async fn perform<S: Durable + Find<A::Question>, A: Act>(
    store: &S,
    context: &mut Context<'_>,
    by: &A::By,
    act: &A,
) -> Result<Result<A::Answer, A::Reason>, Unavailable> {
    for _attempt in 0..ATTEMPTS {
        let Outcome { answer, effects, audit } = rehearse(store, context, by, act).await?;
        if let Err(reason) = &answer
            && effects.is_empty()
        {
            // Nobody buys a durable commit with a guess.
            if act.is_filed(reason) {
                store.file(audit);
            }
            return Ok(answer);
        }
        if store.commit(effects, audit).await? == Commit::Done {
            return Ok(answer);
        }
    }
    Err(Unavailable::Contended)
}

/// Finds and decides as [`perform`] does, and commits nothing.
///
/// # Errors
///
/// [`Unavailable`] if the store does not answer.
pub async fn rehearse<S: Find<A::Question>, A: Act>(
    store: &S,
    context: &mut Context<'_>,
    by: &A::By,
    act: &A,
) -> Result<Outcome<A::Answer, A::Reason>, Unavailable> {
    let found = store.find(act.question(context, by)).await?;
    Ok(act.decide(context, by, found))
}

#[cfg(test)]
mod tests {
    use super::{ATTEMPTS, Act, System};
    use crate::api_key;
    use crate::audit::{Actor, AuditEvent};
    use crate::authenticators::GATEWAY;
    use crate::context::Context;
    use crate::credential::Rejection;
    use crate::effect::{Effect, Outcome};
    use crate::id::CredentialId;
    use crate::ledger::Unavailable;
    use crate::lifecycle::Amend;
    use crate::question::RecordOf;
    use crate::record::{CredentialRecord, MarkRecord};
    use crate::refusal::Refusal;
    use crate::secret::SecretHash;
    use crate::testing::{Ground, HOUR, NOW, revoke, unchanged};

    fn rename(id: CredentialId) -> Amend {
        Amend { name: Some("deploy".into()), ..unchanged(id) }
    }

    #[test]
    fn a_lost_commit_is_decided_again_on_what_is_stored_then() {
        let mut ground = Ground::new();
        let record = ground.api_key(&ground.organisation.clone(), "").0;
        let (id, end) = (record.id, NOW.plus(HOUR));
        ground.store.meanwhile(move |tables| {
            let other = tables.credentials.get_mut(&id).unwrap();
            (other.version, other.expires_at) = (other.version + 1, Some(end));
        });
        let amended = ground.perform(&ground.caller("keys:write", ""), &rename(id)).unwrap();
        assert_eq!((amended.version, amended.expires_at), (record.version + 2, Some(end)));
        assert_eq!(ground.store.stored(id), Some(amended), "neither change is lost");
        let tables = ground.store.tables();
        assert_eq!((tables.asked, tables.committed.len(), tables.filed.len()), (2, 1, 0));
    }

    #[test]
    fn what_was_granted_is_refused_when_it_no_longer_may_be() {
        let mut ground = Ground::new();
        let id = ground.api_key(&ground.organisation.clone(), "").0.id;
        ground.store.meanwhile(move |tables| {
            let other = tables.credentials.get_mut(&id).unwrap();
            (other.version, other.revoked_at) = (other.version + 1, Some(NOW));
        });
        let refused = ground.perform(&ground.caller("keys:write", ""), &rename(id)).unwrap_err();
        assert_eq!(refused, Refusal::Revoked);
        let tables = ground.store.tables();
        assert_eq!((tables.committed.len(), tables.filed.len()), (0, 1), "one line for one answer");
    }

    #[test]
    fn a_record_that_keeps_changing_is_contended() {
        for (losing, expected) in [(0, None), (ATTEMPTS - 1, None), (ATTEMPTS, Some(Unavailable::Contended))]
        {
            let mut ground = Ground::new();
            let id = ground.api_key(&ground.organisation.clone(), "").0.id;
            ground.store.tables().losing = losing;
            let attempt = ground.attempt(&ground.caller("keys:write", ""), &revoke(id));
            assert_eq!(attempt.map(Result::unwrap).err(), expected, "{losing}");
            assert_eq!(ground.store.stored(id).unwrap().revoked_at.is_some(), expected.is_none());
            assert_eq!(ground.store.tables().asked, (losing + 1).min(ATTEMPTS));
        }
    }

    #[test]
    fn a_refusal_that_changes_nothing_is_filed_and_not_committed() {
        let mut ground = Ground::new();
        let stranger = ground.stranger();
        let id = ground.api_key(&stranger, "").0.id;
        let refused = ground.perform(&ground.caller("keys:write", "*"), &revoke(id)).unwrap_err();
        assert_eq!(refused, Refusal::NotFound);
        let (committed, filed) = ground.store.lines();
        assert_eq!((committed, filed.unwrap().reason.as_deref()), (None, Some("not_found")));
    }

    /// Guesses at a secret.
    struct Guess {
        /// Whether the store counts it.
        counted: bool,
        /// Whether it is worth a line.
        filed: bool,
    }

    impl Act for Guess {
        type Question = RecordOf;
        type By = System;
        type Answer = ();
        type Reason = &'static str;

        fn question(&self, _: &Context<'_>, _: &System) -> RecordOf {
            RecordOf(CredentialId::unset(api_key::KIND.id_prefix))
        }

        fn decide(
            &self,
            context: &mut Context<'_>,
            _: &System,
            _: Option<CredentialRecord>,
        ) -> Outcome<(), &'static str> {
            let (lookup, made, until) = (SecretHash::UNSET, String::new(), context.now);
            let count = Effect::Mark(MarkRecord { lookup, made, until });
            let audit = AuditEvent::refused(context.now, "guess", Actor::UNVERIFIED, "wrong");
            Outcome::refused("wrong", self.counted.then_some(count).into_iter().collect(), audit)
        }

        fn is_filed(&self, _: &&'static str) -> bool {
            self.filed
        }
    }

    #[test]
    fn a_refusal_is_committed_with_its_effects_and_without_effects_buys_no_commit() {
        for (counted, filed, committed, lines) in
            [(false, true, 0, 1), (false, false, 0, 0), (true, true, 1, 0), (true, false, 1, 0)]
        {
            let mut ground = Ground::new();
            assert_eq!(ground.perform(&System, &Guess { counted, filed }), Err("wrong"));
            let tables = ground.store.tables();
            assert_eq!((tables.committed.len(), tables.filed.len()), (committed, lines));
            assert_eq!(tables.marks.len(), committed, "what the refusal wants done is done");
        }
    }

    #[test]
    fn a_rehearsal_decides_and_changes_nothing() {
        let mut ground = Ground::new();
        let record = ground.api_key(&ground.organisation.clone(), "").0;
        let (caller, act) = (ground.caller("keys:write", ""), revoke(record.id));
        let outcome = ground.rehearse(&caller, &act).unwrap();
        assert!(outcome.answer.unwrap().revoked_at.is_some());
        assert_eq!(outcome.effects.len(), 1);
        assert_eq!(ground.store.stored(record.id), Some(record));
        assert_eq!(ground.store.lines(), (None, None));
    }

    #[test]
    fn a_store_that_does_not_answer_is_no_refusal() {
        let down = || Unavailable::Store("gone".into());
        let mut ground = Ground::new();
        let (record, key) = ground.api_key(&ground.organisation.clone(), "");
        let (caller, act) = (ground.caller("keys:write", ""), revoke(record.id));
        ground.store.meanwhile(move |tables| tables.down = Some(down()));
        assert_eq!(ground.attempt(&caller, &act).map(Result::unwrap), Err(down()), "while it commits");
        assert_eq!(ground.attempt(&caller, &act).map(Result::unwrap), Err(down()), "when it is asked");
        assert_eq!(ground.store.stored(record.id), Some(record));
        let fields = [("x-api-key", key.as_str())];
        assert_eq!(ground.attempt_present(GATEWAY, &fields).map(Result::err), Err(down()));
    }

    #[test]
    fn what_is_presented_is_found_and_verified() {
        let mut ground = Ground::new();
        let (record, key) = ground.api_key(&ground.organisation.clone(), "a");
        let principal = ground.present(GATEWAY, &[("x-api-key", &key)]).unwrap().unwrap();
        assert_eq!(principal.credential(), Some(record.id));
        ground.store.tables().credentials.clear();
        assert_eq!(ground.present(GATEWAY, &[("x-api-key", &key)]).unwrap_err(), Rejection::Unknown);
    }
}
