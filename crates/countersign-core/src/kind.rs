//! A kind of credential as a row: what whoever handles credentials of every kind has to know of one.
//!
//! A room writes one `static KIND`; [`crate::kinds`] lists them. Nothing outside the rooms asks which kind it has.

use std::fmt;
use std::time::Duration;

use crate::context::Policy;
use crate::decision::Permit;
use crate::environment::Environment;
use crate::id::{CredentialId, IdPrefix};
use crate::principal::Principal;
use crate::record::{CredentialRecord, Terms};
use crate::refusal::Refusal;
use crate::scheme::Scheme;
use crate::scope::Scope;

/// A kind of credential.
pub struct Kind {
    /// How its principals are proven; the scheme's name is the kind's, in records, lists and settings.
    pub scheme: Scheme,
    /// What the ids of its credentials begin with.
    pub id_prefix: IdPrefix,
    /// What its acts are called in the audit.
    pub verbs: Verbs,
    /// What its texts begin with where nothing else is asked for; free to everybody who may mint at all.
    pub default_prefix: fn(Environment) -> &'static str,
    /// The longest life that the operator's policy gives it; `None`: any.
    pub longest_life: fn(&Policy) -> Option<Duration>,
    /// Which scope of a credential with these terms is more than the principal may give; `None`: it may give all.
    pub excess: for<'a> fn(&Principal, &'a Terms) -> Option<&'a Scope>,
    /// Whether a caller who reaches a credential may end or switch it.
    ///
    /// # Errors
    ///
    /// [`Refusal::Outranked`].
    pub may_end: fn(&Permit, &CredentialRecord) -> Result<(), Refusal>,
}

impl Kind {
    /// Returns the kind's name in records, settings and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.scheme.name()
    }

    /// Tells whether `id` names a credential of this kind.
    #[must_use]
    pub fn names(&self, id: CredentialId) -> bool {
        id.prefix() == self.id_prefix
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.scheme == other.scheme
    }
}

impl Eq for Kind {}

impl fmt::Debug for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What acts are called in the audit.
#[derive(Debug)]
pub struct Verbs {
    /// A presented credential was judged.
    pub verify: &'static str,
    /// It was minted.
    pub create: &'static str,
    /// It was changed.
    pub amend: &'static str,
    /// It got a successor.
    pub rotate: &'static str,
    /// It was ended for ever.
    pub revoke: &'static str,
    /// Its row was removed.
    pub forget: &'static str,
    /// It was ended by whoever held it.
    pub leaked: &'static str,
    /// Its owner was warned of its end.
    pub expiring: &'static str,
}

/// Names the acts on a kind: `api_key.create` and so on.
macro_rules! verbs {
    ($kind:literal) => {
        $crate::kind::Verbs {
            verify: concat!($kind, ".verify"),
            create: concat!($kind, ".create"),
            amend: concat!($kind, ".amend"),
            rotate: concat!($kind, ".rotate"),
            revoke: concat!($kind, ".revoke"),
            forget: concat!($kind, ".forget"),
            leaked: concat!($kind, ".leaked"),
            expiring: concat!($kind, ".expiring"),
        }
    };
}
pub(crate) use verbs;
