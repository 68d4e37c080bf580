//! What a caller may do at the management API, and whose records it reaches.

use crate::authority::Authority;
use crate::id::{OwnerId, OwnerKind};
use crate::principal::Principal;
use crate::scheme::Scheme;
use crate::scope::ScopeSet;

/// A scope of the management API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ManagementScope {
    /// Read the audit.
    AuditRead,
    /// List and read clients and resources.
    ClientsRead,
    /// Register, change and switch clients.
    ClientsWrite,
    /// List what people allow clients.
    GrantsRead,
    /// List and read keys.
    KeysRead,
    /// Verify keys.
    KeysVerify,
    /// Create, change, rotate and revoke keys.
    KeysWrite,
    /// Make and revoke management keys.
    ManagementKeysWrite,
    /// Reach every organisation of the installation.
    Operator,
    /// List owners.
    OwnersRead,
    /// Enter, enable and disable owners.
    OwnersWrite,
    /// Read routes and decisions.
    RoutesRead,
    /// List signing keys.
    SigningKeysRead,
    /// Rotate and revoke signing keys.
    SigningKeysWrite,
    /// End tokens before their time.
    TokensWrite,
    /// List and read users.
    UsersRead,
    /// Create, change, switch and reset users, and give them roles.
    UsersWrite,
}

impl ManagementScope {
    /// Every scope, in the order of their names.
    pub const ALL: [Self; 17] = [
        Self::AuditRead,
        Self::ClientsRead,
        Self::ClientsWrite,
        Self::GrantsRead,
        Self::KeysRead,
        Self::KeysVerify,
        Self::KeysWrite,
        Self::ManagementKeysWrite,
        Self::Operator,
        Self::OwnersRead,
        Self::OwnersWrite,
        Self::RoutesRead,
        Self::SigningKeysRead,
        Self::SigningKeysWrite,
        Self::TokensWrite,
        Self::UsersRead,
        Self::UsersWrite,
    ];

    /// Returns the scope-token.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuditRead => "audit:read",
            Self::ClientsRead => "clients:read",
            Self::ClientsWrite => "clients:write",
            Self::GrantsRead => "grants:read",
            Self::KeysRead => "keys:read",
            Self::KeysVerify => "keys:verify",
            Self::KeysWrite => "keys:write",
            Self::ManagementKeysWrite => "management-keys:write",
            Self::Operator => "operator",
            Self::OwnersRead => "owners:read",
            Self::OwnersWrite => "owners:write",
            Self::RoutesRead => "routes:read",
            Self::SigningKeysRead => "signing-keys:read",
            Self::SigningKeysWrite => "signing-keys:write",
            Self::TokensWrite => "tokens:write",
            Self::UsersRead => "users:read",
            Self::UsersWrite => "users:write",
        }
    }

    /// Returns all scopes: what the installation's first key holds.
    #[must_use]
    pub fn everything() -> ScopeSet {
        let names: Vec<_> = Self::ALL.iter().map(|scope| scope.name()).collect();
        names.join(" ").parse().unwrap_or_default()
    }
}

/// Whose records a caller sees and changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Everybody's.
    Installation,
    /// Those of one organisation.
    Organisation(OwnerId),
    /// Those of one owner.
    Owner(OwnerId),
    /// Nobody's.
    Nothing,
}

impl Reach {
    /// Tells whether a record of `owner`, who belongs to `organisation`, is within reach.
    #[must_use]
    pub fn includes(self, organisation: OwnerId, owner: OwnerId) -> bool {
        match self {
            Self::Installation => true,
            Self::Organisation(reached) => reached == organisation,
            Self::Owner(reached) => reached == owner,
            Self::Nothing => false,
        }
    }
}

/// Returns how far the word of `principal` reaches.
#[must_use]
pub fn authority(principal: &Principal) -> Authority {
    match reach(principal) {
        Reach::Installation => Authority::Operator,
        Reach::Organisation(_) => Authority::Organisation,
        Reach::Owner(_) | Reach::Nothing => Authority::Owner,
    }
}

/// Returns whose records `principal` sees and changes.
#[must_use]
pub fn reach(principal: &Principal) -> Reach {
    if principal.scopes().contains(ManagementScope::Operator.name()) {
        return Reach::Installation;
    }
    match principal.owner() {
        Some(owner) if owner.kind() == OwnerKind::Organisation => Reach::Organisation(owner),
        Some(owner) => Reach::Owner(owner),
        None => Reach::Nothing,
    }
}

/// Returns who registers a client, where that is a person for themselves.
pub(crate) fn registrant(principal: &Principal) -> Option<OwnerId> {
    principal.owner().filter(|_| principal.scheme() == Scheme::SIGN_IN)
}

#[cfg(test)]
mod tests;
