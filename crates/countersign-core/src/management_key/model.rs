//! What is asked about management keys.

use crate::id::OwnerId;
use crate::minting::Expiry;
use crate::scope::{Grantable, ScopeSet};

/// Mints a management key.
#[derive(Debug, Clone)]
pub struct Create {
    /// What people call it.
    pub name: String,
    /// Who it acts for; `None`: the first organisation.
    pub owner: Option<OwnerId>,
    /// What it may do at the management API.
    pub scopes: ScopeSet,
    /// Which scopes it may give to API keys.
    pub grantable: Grantable,
    /// When it ends.
    pub expiry: Expiry,
}
