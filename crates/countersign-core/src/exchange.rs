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
