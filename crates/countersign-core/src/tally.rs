//! How many rows an organisation keeps.

use crate::context::Policy;

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

    /// Returns how much of it is kept.
    pub(crate) const fn of(self, tally: Tally) -> u64 {
        match self {
            Self::Credentials => tally.credentials,
            Self::Members => tally.members,
        }
    }

    /// Returns the most that a tenant may keep of it.
    pub(crate) const fn cap(self, policy: &Policy) -> u64 {
        match self {
            Self::Credentials => policy.tenant_max_keys,
            Self::Members => policy.tenant_max_owners,
        }
    }
}
