//! How much a tenant may keep: nobody fills the store for the others.
//!
//! **Invariant.** What is decided here is a condition of the commit too ([`Effect::Within`]): whoever passes a cap in a
//! race has lost, and is decided again. Operators are bound by no cap.

use crate::context::Context;
use crate::decision::Permit;
use crate::effect::Effect;
use crate::id::OwnerId;
use crate::reach::{Reach, reach};
use crate::refusal::Refusal;
use crate::tally::{Kept, Tally};

/// Finds room for one more in `organisation`, whose rows are counted in `tally`: what has to hold still when it is committed.
///
/// # Errors
///
/// [`Refusal::Full`].
pub(crate) fn room(
    context: &Context<'_>,
    permit: &Permit,
    organisation: OwnerId,
    tally: Tally,
    kept: Kept,
) -> Result<Option<Effect>, Refusal> {
    if reach(permit.principal()) == Reach::Installation {
        return Ok(None);
    }
    let most = kept.cap(context.policy);
    if kept.of(tally) >= most {
        return Err(Refusal::Full(kept, most));
    }
    Ok(Some(Effect::Within { organisation, kept, most }))
}
