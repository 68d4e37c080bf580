//! A secret lives once: what was taken over is not taken over again.

use crate::decision::Permit;
use crate::reach::{Reach, reach};
use crate::record::{OwnerRecord, TakenOver};
use crate::refusal::Refusal;
use crate::secret::SecretHash;

/// A secret lives once: whatever became of the key, its hash is not taken over again. That it was is said to the same
/// owner alone.
///
/// # Errors
///
/// [`Refusal::TakenOver`] and [`Refusal::HashRefused`].
pub(crate) fn not_taken_over(
    permit: &Permit,
    owner: &OwnerRecord,
    lookup: &SecretHash,
    taken: &[TakenOver],
) -> Result<(), Refusal> {
    if taken.iter().any(|one| one.owner == owner.id) {
        return Err(Refusal::TakenOver);
    }
    // Another tenant's is no hindrance, nor can it be asked for: it is bound to a set that this tenant has no part in.
    let everywhere = reach(permit.principal()) == Reach::Installation;
    let in_the_way =
        |one: &TakenOver| everywhere || one.organisation == owner.organisation || one.lookup.matches(lookup);
    if taken.iter().any(in_the_way) { Err(Refusal::HashRefused) } else { Ok(()) }
}
