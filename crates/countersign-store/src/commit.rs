//! Effects become the steps of one batch.

use countersign_core::effect::Effect;
use countersign_core::ledger::Unavailable;
use countersign_core::timestamp::Timestamp;

use crate::{credential, mark, owner, taken_over};
use countersign_database::statement::Step;

/// Returns the steps that `effects` ask for, in their order.
///
/// # Errors
///
/// [`Unavailable::Corrupt`] if a record cannot be written.
pub(crate) fn steps(effects: &[Effect], now: Timestamp) -> Result<Vec<Step>, Unavailable> {
    effects.iter().map(|effect| step(effect, now)).collect()
}

fn step(effect: &Effect, now: Timestamp) -> Result<Step, Unavailable> {
    Ok(match effect {
        Effect::InsertCredential(record) => credential::insert(record)?,
        Effect::InsertOwner(record) => owner::insert(record),
        Effect::AdvanceCredential { next } => credential::advance(next)?,
        Effect::AdvanceOwner { next } => owner::advance(next),
        Effect::Revoke { credential, at } => credential::revoke(*credential, *at),
        Effect::Forget { credential } => credential::forget(*credential),
        Effect::TakeOver(record) => taken_over::insert(record),
        Effect::Mark(record) => mark::mark(record, now),
    })
}
