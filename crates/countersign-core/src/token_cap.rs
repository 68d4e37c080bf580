//! How many tokens are kept at a time, opaque ones and those that only their resource can read. Each is in the memory of every node until it ends, so that their number is
//! bounded for each client, and for each tenant that has many clients.
//!
//! **Invariant.** What is kept is counted by the commit that keeps it ([`Effect::Room`]): whoever passes a cap in a race has
//! lost, and is decided again. No client is beyond these caps, an operator's neither: memory asks nobody whose it is.

use std::time::Duration;

use thiserror::Error;

use crate::context::{Context, Policy};
use crate::effect::Effect;
use crate::id::OwnerId;
use crate::timestamp::Timestamp;

/// Whose tokens are bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenCap {
    /// One client's.
    Client,
    /// All of a tenant's.
    Tenant,
}

impl TokenCap {
    const fn setting(self) -> &'static str {
        match self {
            Self::Client => "client.max_opaque_tokens",
            Self::Tenant => "tenant.max_opaque_tokens",
        }
    }

    const fn most(self, policy: &Policy) -> u64 {
        match self {
            Self::Client => policy.client_max_opaque_tokens,
            Self::Tenant => policy.tenant_max_opaque_tokens,
        }
    }
}

/// What is kept for one owner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// How many tokens.
    pub tokens: u64,
    /// When the first of them ends; `None`: there is none.
    pub first_end: Option<Timestamp>,
}

/// What is kept for a client, and for all clients of its tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeptTokens {
    /// The client's own.
    pub client: Counted,
    /// The tenant's.
    pub tenant: Counted,
}

/// There are as many tokens as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{most} opaque or encrypted tokens live already, as many as {s} allows: use each until it ends", s = .cap.setting())]
pub struct Full {
    cap: TokenCap,
    most: u64,
    wait: Duration,
}

impl Full {
    /// Returns the reason in the audit.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        "too_many"
    }

    /// Returns the setting that says how many there may be.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        self.cap.setting()
    }

    /// Returns how long it takes until the first of them ends.
    #[must_use]
    pub const fn wait(self) -> Duration {
        self.wait
    }
}

/// Returns what has to hold when a token is kept until `until`.
pub(crate) fn rooms(
    context: &Context<'_>,
    client: OwnerId,
    organisation: OwnerId,
    until: Timestamp,
) -> [Effect; 2] {
    [(TokenCap::Client, client), (TokenCap::Tenant, organisation)].map(|(cap, owner)| Effect::Room {
        owner,
        until,
        most: cap.most(context.policy),
    })
}

/// Finds room for one more beside what is kept; where that is not known, the commit says so.
///
/// # Errors
///
/// [`Full`].
pub(crate) fn room(context: &Context<'_>, kept: Option<&KeptTokens>) -> Result<(), Full> {
    let Some(kept) = kept else { return Ok(()) };
    for (cap, counted) in [(TokenCap::Client, kept.client), (TokenCap::Tenant, kept.tenant)] {
        let most = cap.most(context.policy);
        if counted.tokens >= most {
            let wait = counted.first_end.map_or(Duration::ZERO, |end| end.since(context.now));
            return Err(Full { cap, most, wait });
        }
    }
    Ok(())
}
