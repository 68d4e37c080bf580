//! Who was proven, and how.
//!
//! **Invariant.** A [`Principal`] exists only because something was verified: its constructor is `assertion`,
//! private to this crate, and called by the rooms' `verify` alone.

use std::fmt::{self, Write as _};
use std::sync::{Arc, LazyLock};

use crate::id::{CredentialId, OwnerId};
use crate::known::KnownOwner;
use crate::meter::Metered;
use crate::own::{Evidence, NOTHING, Own};
use crate::scheme::Scheme;
use crate::scope::ScopeSet;
use crate::standing::{LASTING, Standing};

/// Who a principal is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// An owner of credentials: an organisation, a client or a user.
    Owner(OwnerId),
    /// Whom another issuer's tokens are about: its word, and nobody's here.
    Foreign {
        /// The issuer.
        issuer: Arc<str>,
        /// Its name for them (RFC 7519 §4.1.2).
        subject: Arc<str>,
    },
    /// A workload, by its SPIFFE ID.
    Workload(Arc<str>),
}

/// As upstreams are told: an id of ours, a SPIFFE ID, or a foreign issuer and its name for somebody behind `#`, which no
/// issuer holds. So nobody else's word is taken for an id of ours.
impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(owner) => owner.fmt(formatter),
            Self::Foreign { issuer, subject } => {
                write!(formatter, "{issuer}#")?;
                subject.bytes().try_for_each(|byte| match byte {
                    b'%' => formatter.write_str("%25"),
                    byte if byte.is_ascii_graphic() => formatter.write_char(char::from(byte)),
                    // RFC 3986 §2.1: what a header field cannot hold.
                    byte => write!(formatter, "%{byte:02X}"),
                })
            }
            Self::Workload(spiffe_id) => formatter.write_str(spiffe_id),
        }
    }
}

/// What decisions about a principal are counted by: what is kept, or the client whose tokens come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counted {
    /// A credential.
    Credential(CredentialId),
    /// A client.
    Client(OwnerId),
}

impl fmt::Display for Counted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(credential) => credential.fmt(formatter),
            Self::Client(client) => client.fmt(formatter),
        }
    }
}

/// What a credential is bound to: whoever presents it proves that too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// A certificate, by its SHA-256: `x5t#S256` (RFC 8705 §3.1).
    Certificate([u8; 32]),
    /// A key, by its thumbprint: `jkt` (RFC 9449 §6.1).
    Key([u8; 32]),
}

/// A proven caller. Cheap to clone: what stays open keeps it.
#[derive(Debug, Clone)]
pub struct Principal(Arc<Proof>);

impl Principal {
    /// States that `proof` was verified.
    pub(crate) fn assertion(proof: Proof) -> Self {
        Self(Arc::new(proof))
    }

    /// Returns the caller who presented nothing where nothing was asked for.
    pub(crate) fn anonymous() -> Self {
        static ANONYMOUS: LazyLock<Principal> =
            LazyLock::new(|| Principal::assertion(Proof::nothing(Scheme::ANONYMOUS)));
        ANONYMOUS.clone()
    }

    /// Returns how the caller was proven.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.0.scheme
    }

    /// Returns who it is; `None` for the anonymous caller and the local operator.
    #[must_use]
    pub fn subject(&self) -> Option<&Subject> {
        self.0.subject.as_ref()
    }

    /// Returns the client that was proven (RFC 6749 §1.1), if one was.
    #[must_use]
    pub fn client(&self) -> Option<OwnerId> {
        self.0.client
    }

    /// Returns the credential that proved the caller; `None` for the anonymous caller and the local operator.
    #[must_use]
    pub fn credential(&self) -> Option<CredentialId> {
        self.0.credential
    }

    /// Returns who the credential acts for.
    #[must_use]
    pub fn owner(&self) -> Option<OwnerId> {
        self.0.owner.as_ref().map(|owner| owner.id())
    }

    /// Returns who the credential acts for, as verifiers know them.
    pub(crate) fn known_owner(&self) -> Option<&Arc<KnownOwner>> {
        self.0.owner.as_ref()
    }

    /// Returns the tenant that the caller belongs to; `None` for the anonymous caller and the local operator.
    #[must_use]
    pub fn organisation(&self) -> Option<OwnerId> {
        self.0.owner.as_ref().map(|owner| owner.organisation())
    }

    /// Returns what the credential may do.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        &self.0.scopes
    }

    /// Returns for whom the credential was made (RFC 9068 §3); `None`: it does not say.
    #[must_use]
    pub fn audience(&self) -> Option<&str> {
        self.0.audience.as_deref()
    }

    /// Returns what the credential is bound to, and was proven with.
    #[must_use]
    pub fn confirmation(&self) -> Option<Confirmation> {
        self.0.confirmation
    }

    /// Returns what counts its use; `None`: it is not limited.
    #[must_use]
    pub fn meter(&self) -> Option<&Arc<Metered>> {
        self.0.meter.as_ref()
    }

    /// Returns the credential that proved the caller, if it is one that is kept: no token.
    #[must_use]
    pub fn kept(&self) -> Option<CredentialId> {
        self.0.credential.filter(|_| self.0.standing.is_kept())
    }

    /// Returns what decisions about it are counted by; `None`: nothing tells it from others.
    #[must_use]
    pub fn counted(&self) -> Option<Counted> {
        let credential = self.kept().map(Counted::Credential);
        credential.or_else(|| self.0.client.map(Counted::Client))
    }

    /// Tells whether upstreams would be told the same of `other`.
    #[must_use]
    pub fn reads_like(&self, other: &Self) -> bool {
        self.kept() == other.kept()
            && self.0.scheme == other.0.scheme
            && self.0.subject == other.0.subject
            && self.0.client == other.0.client
            && self.organisation() == other.organisation()
            && self.0.confirmation == other.0.confirmation
            && self.0.scopes == other.0.scopes
    }

    /// Returns what tells whether it is still good.
    #[must_use]
    pub fn standing(&self) -> &dyn Standing {
        &*self.0.standing
    }

    /// Returns the kind's own evidence, if it is a `T`.
    #[must_use]
    pub fn own<T: Own>(&self) -> Option<&T> {
        self.0.own.0.get()
    }

    pub(crate) fn evidence(&self) -> &dyn Own {
        &*self.0.own.0
    }
}

/// What a verification has established.
#[derive(Debug)]
pub(crate) struct Proof {
    pub(crate) scheme: Scheme,
    pub(crate) subject: Option<Subject>,
    pub(crate) client: Option<OwnerId>,
    pub(crate) credential: Option<CredentialId>,
    pub(crate) owner: Option<Arc<KnownOwner>>,
    pub(crate) scopes: Arc<ScopeSet>,
    pub(crate) audience: Option<Arc<str>>,
    pub(crate) confirmation: Option<Confirmation>,
    pub(crate) meter: Option<Arc<Metered>>,
    pub(crate) standing: Arc<dyn Standing>,
    pub(crate) own: Arc<Evidence>,
}

impl Proof {
    /// Establishes no more than `scheme`: everything else is absent, and nothing can end.
    pub(crate) fn nothing(scheme: Scheme) -> Self {
        Self {
            scheme,
            subject: None,
            client: None,
            credential: None,
            owner: None,
            scopes: Arc::default(),
            audience: None,
            confirmation: None,
            meter: None,
            standing: LASTING.clone(),
            own: NOTHING.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Subject;
    use crate::context::SeededEntropy;
    use crate::id::{OwnerId, OwnerKind};

    #[test]
    fn nobody_elses_word_reads_like_an_id_of_ours() {
        let owner = OwnerId::random(OwnerKind::Client, &mut SeededEntropy::new(1));
        assert_eq!(Subject::Owner(owner).to_string(), owner.to_string());
        let foreign = |subject: &str| {
            Subject::Foreign { issuer: "https://a.example".into(), subject: subject.into() }.to_string()
        };
        assert_eq!(foreign(&owner.to_string()), format!("https://a.example#{owner}"));
        assert_eq!(foreign("a b%20#é\r\n"), "https://a.example#a%20b%2520#%C3%A9%0D%0A");
    }
}
