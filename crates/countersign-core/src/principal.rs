//! Who was proven, and how.
//!
//! **Invariant.** A [`Principal`] exists only because something was verified: its constructor is `assertion`,
//! private to this crate, and called by the rooms' `verify` alone.

use std::sync::Arc;

use crate::environment::Environment;
use crate::id::{CredentialId, OwnerId, OwnerKind};
use crate::key_string::KeyPrefix;
use crate::known::KnownOwner;
use crate::scheme::Scheme;
use crate::scope::{Grantable, ScopeSet};

/// A proven caller.
#[derive(Debug, Clone)]
pub struct Principal {
    scheme: Scheme,
    credential: Option<CredentialId>,
    owner: Option<Arc<KnownOwner>>,
    prefix: Option<Arc<KeyPrefix>>,
    environment: Environment,
    scopes: Arc<ScopeSet>,
    grantable: Arc<Grantable>,
}

impl Principal {
    /// States that `proof` was verified.
    pub(crate) fn assertion(proof: Proof) -> Self {
        Self {
            scheme: proof.scheme,
            credential: proof.credential,
            owner: proof.owner,
            prefix: proof.prefix,
            environment: proof.environment,
            scopes: proof.scopes,
            grantable: proof.grantable,
        }
    }

    /// Returns the caller who presented nothing where nothing was asked for.
    pub(crate) fn anonymous() -> Self {
        Self::assertion(Proof {
            scheme: Scheme::ANONYMOUS,
            credential: None,
            owner: None,
            prefix: None,
            environment: Environment::Live,
            scopes: Arc::default(),
            grantable: Arc::default(),
        })
    }

    /// Returns how the caller was proven.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the credential that proved the caller; `None` for the anonymous caller and the local operator.
    #[must_use]
    pub const fn credential(&self) -> Option<CredentialId> {
        self.credential
    }

    /// Returns who the credential acts for.
    #[must_use]
    pub fn owner(&self) -> Option<OwnerId> {
        self.owner.as_ref().map(|owner| owner.id())
    }

    /// Returns the tenant that the caller belongs to; `None` for the anonymous caller and the local operator.
    #[must_use]
    pub fn organisation(&self) -> Option<OwnerId> {
        self.owner.as_ref().map(|owner| owner.organisation())
    }

    /// Returns the client that the credential belongs to, if a client owns it.
    #[must_use]
    pub fn client(&self) -> Option<OwnerId> {
        self.owner().filter(|owner| owner.kind() == OwnerKind::Client)
    }

    /// Returns the prefix of the credential.
    #[must_use]
    pub fn prefix(&self) -> Option<&KeyPrefix> {
        self.prefix.as_deref()
    }

    /// Returns the environment that the credential was made for.
    #[must_use]
    pub const fn environment(&self) -> Environment {
        self.environment
    }

    /// Returns what the credential may do.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    /// Returns what the caller may give to others.
    #[must_use]
    pub fn grantable(&self) -> &Grantable {
        &self.grantable
    }
}

/// What a verification has established.
#[derive(Debug)]
pub(crate) struct Proof {
    pub(crate) scheme: Scheme,
    pub(crate) credential: Option<CredentialId>,
    pub(crate) owner: Option<Arc<KnownOwner>>,
    pub(crate) prefix: Option<Arc<KeyPrefix>>,
    pub(crate) environment: Environment,
    pub(crate) scopes: Arc<ScopeSet>,
    pub(crate) grantable: Arc<Grantable>,
}
