//! Effects become the steps of one batch.

use countersign_core::effect::Effect;
use countersign_core::ledger::Unavailable;
use countersign_core::record::Record;
use countersign_core::tally::Kept;
use countersign_core::timestamp::Timestamp;

use crate::{credential, mark, owner, taken_over, tally};
use countersign_database::statement::Step;

/// Returns the steps that `effects` ask for, in their order.
///
/// # Errors
///
/// [`Unavailable::Corrupt`] if a record cannot be written.
pub(crate) fn steps(effects: &[Effect], node: &str, now: Timestamp) -> Result<Vec<Step>, Unavailable> {
    let mut steps = Vec::with_capacity(2 * effects.len());
    for effect in effects {
        steps.extend(counted(effect, node));
        steps.push(step(effect, node, now)?);
    }
    Ok(steps)
}

/// Counts what an effect adds or removes.
fn counted(effect: &Effect, node: &str) -> Option<Step> {
    match effect {
        Effect::Insert(Record::Credential(record)) => {
            Some(tally::add(node, record.organisation, Kept::Credentials))
        }
        Effect::Insert(Record::Owner(record)) if record.id != record.organisation => {
            Some(tally::add(node, record.organisation, Kept::Members))
        }
        Effect::Remove(credential) => Some(tally::remove(node, *credential)),
        Effect::Insert(Record::Owner(_))
        | Effect::Advance(_)
        | Effect::Revoke { .. }
        | Effect::TakeOver(_)
        | Effect::Within { .. }
        | Effect::Mark(_) => None,
    }
}

fn step(effect: &Effect, node: &str, now: Timestamp) -> Result<Step, Unavailable> {
    Ok(match effect {
        Effect::Within { organisation, kept, most } => tally::within(node, *organisation, *kept, *most),
        Effect::Insert(Record::Credential(record)) => credential::insert(record)?,
        Effect::Insert(Record::Owner(record)) => owner::insert(record),
        Effect::Advance(Record::Credential(next)) => credential::advance(next)?,
        Effect::Advance(Record::Owner(next)) => owner::advance(next),
        Effect::Revoke { credential, at } => credential::revoke(*credential, *at),
        Effect::Remove(credential) => credential::remove(*credential),
        Effect::TakeOver(record) => taken_over::insert(record),
        Effect::Mark(record) => mark::mark(record, now),
    })
}
