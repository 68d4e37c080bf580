//! Management keys as a row of the register of kinds.

use std::sync::Arc;

use crate::decision::{Condition, OwnCriteria};
use crate::id::IdPrefix;
use crate::key_evidence::KeyEvidence;
use crate::kind::{Kind, verbs};
use crate::scheme::Scheme;
use crate::scope::ScopeSet;

use super::rules::not_above;
use super::wire::PREFIX;

/// How a caller with a management key is proven: a bearer token (RFC 6750 §3).
pub const SCHEME: Scheme = Scheme::new("management_key", Some("Bearer"));

/// Management keys.
pub static KIND: Kind = Kind {
    scheme: SCHEME,
    id_prefix: IdPrefix::new("mgk"),
    verbs: verbs!("management_key"),
    settings: &[],
    criteria: |_| Ok(OwnCriteria::NONE.into()),
    own: |terms| Arc::new(KeyEvidence::of(terms)),
    default_prefix: |_| PREFIX,
    longest_life: |_| None,
    excess: |principal, terms| principal.scopes().first_missing(&terms.scopes),
    due: |_| None,
    may_end: not_above,
};

/// Asks for a management key that holds these scopes.
#[must_use]
pub fn required(scopes: ScopeSet) -> Condition {
    Condition::of(SCHEME, OwnCriteria::NONE).holding(scopes)
}

/// Asks for the operator at the local socket, who holds every scope.
#[must_use]
pub fn required_locally(scopes: ScopeSet) -> Condition {
    Condition::of(Scheme::LOCAL_SOCKET, OwnCriteria::NONE).holding(scopes)
}
