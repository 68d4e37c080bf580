//! What people may make for themselves (`[self_service]`).
//!
//! **Invariant.** Nothing that is not named. A client that a person has registered gets no grant for devices (SAFETY 23): a page
//! that asks for a code is what a stranger would send people to.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::client_terms::GrantType;
use crate::resource::ResourceId;
use crate::scope::ScopeSet;

/// The most API keys of one person; a bound, not a clause.
pub const MOST_KEYS: u64 = 50;
/// The most clients that one person registers; a bound, not a clause.
pub const MOST_CLIENTS: u64 = 20;

/// What people may make for themselves. Default: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SelfService {
    /// API keys, if they may.
    pub api_keys: Option<OwnKeys>,
    /// Clients, if they may.
    pub clients: Option<OwnClients>,
}

/// Which API keys people may make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnKeys {
    /// What a key may do at most.
    pub scopes: ScopeSet,
    /// How long it lives at most; `None`: what holds for all.
    pub max_lifetime: Option<Duration>,
}

/// Which clients people may register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnClients {
    /// The grants that each gets, as far as it can.
    pub grants: BTreeSet<GrantType>,
    /// What a client may be given at most.
    pub scopes: ScopeSet,
    /// What its tokens are for; empty: the default resource.
    pub audiences: Vec<ResourceId>,
}

impl OwnClients {
    /// Returns what whoever registers one may give it: the scopes, and the resources.
    pub(crate) fn grantable(&self) -> ScopeSet {
        let resources =
            self.audiences.iter().filter_map(|id| format!("audience:{}", id.as_str()).parse().ok());
        ScopeSet::try_from(self.scopes.iter().cloned().chain(resources).collect::<Vec<_>>())
            .unwrap_or_default()
    }
}
