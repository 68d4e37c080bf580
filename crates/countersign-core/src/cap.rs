//! How much a tenant may keep: nobody fills the store for the others.
//!
//! **Invariant.** What is decided here is a condition of the commit too ([`Effect::Within`]): whoever passes a cap in a
//! race has lost, and is decided again. Operators are bound by no cap.

use crate::context::{Context, Policy};
use crate::decision::Permit;
use crate::effect::Effect;
use crate::id::OwnerId;
use crate::reach::{Reach, reach};
use crate::refusal::Refusal;

/// How many rows an organisation keeps, those of ended credentials among them: they go when they are deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Keys of every kind.
    pub credentials: u64,
    /// Clients and users.
    pub members: u64,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Keys of every kind.
    Credentials,
    /// Clients and users.
    Members,
}

impl Kept {
    /// Returns what people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Credentials => "keys",
            Self::Members => "owners",
        }
    }

    /// Returns the setting that caps it.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Credentials => "tenant.max_keys",
            Self::Members => "tenant.max_owners",
        }
    }

    const fn of(self, tally: Tally) -> u64 {
        match self {
            Self::Credentials => tally.credentials,
            Self::Members => tally.members,
        }
    }

    const fn cap(self, policy: &Policy) -> u64 {
        match self {
            Self::Credentials => policy.tenant_max_keys,
            Self::Members => policy.tenant_max_owners,
        }
    }
}

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
