//! find → decide → commit, written once. The only asynchronous code of this crate.

use crate::context::Context;
use crate::credential::{Presented, Rejection};
use crate::decision::Permit;
use crate::effect::Outcome;
use crate::ledger::{Commit, Durable, Found, Ledger, Lookup, Unavailable};
use crate::principal::Principal;

/// How often a lost commit is decided again before the record counts as contended.
const ATTEMPTS: usize = 8;

/// Something that a permitted caller asks to be done. Deciding does not consume it: a lost commit decides again.
pub trait Act: Send + Sync {
    /// What a granted act answers.
    type Answer: Send;
    /// Why it may be refused.
    type Refusal: Send;

    /// Names the one question that it asks.
    fn lookup<'a>(&'a self, context: &Context<'_>) -> Lookup<'a>;

    /// Decides; called again with fresh findings when the commit is lost.
    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Found,
    ) -> Outcome<Self::Answer, Self::Refusal>;
}

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
    let found = ledger.find(presented.lookup()).await?;
    Ok(presented.verify(context, found))
}

/// Performs an act: finds, decides and commits, again if the commit is lost. A refusal that changes nothing is filed.
///
/// # Errors
///
/// [`Unavailable`] if the store does not answer or the record stays contended.
pub async fn perform<L: Durable, A: Act>(
    ledger: &L,
    context: &mut Context<'_>,
    permit: &Permit,
    act: &A,
) -> Result<Result<A::Answer, A::Refusal>, Unavailable> {
    for _attempt in 0..ATTEMPTS {
        let found = ledger.find(act.lookup(context)).await?;
        let outcome = act.decide(context, permit, found);
        if outcome.answer.is_err() && outcome.effects.is_empty() {
            // Nobody buys a durable commit with a guess.
            ledger.file(outcome.audit);
            return Ok(outcome.answer);
        }
        if ledger.commit(outcome.effects, outcome.audit).await? == Commit::Done {
            return Ok(outcome.answer);
        }
    }
    Err(Unavailable::Contended)
}

#[cfg(test)]
mod tests {
    use super::ATTEMPTS;
    use crate::authenticators::GATEWAY;
    use crate::credential::Rejection;
    use crate::id::CredentialId;
    use crate::ledger::Unavailable;
    use crate::lifecycle::Amend;
    use crate::refusal::Refusal;
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
