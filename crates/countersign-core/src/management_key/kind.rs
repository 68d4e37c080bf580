//! Management keys as a row of the register of kinds.

use crate::id::IdPrefix;
use crate::kind::{Kind, verbs};
use crate::scheme::Scheme;

use super::rules::not_above;
use super::wire::PREFIX;

/// How a caller with a management key is proven: a bearer token (RFC 6750 §3).
pub const SCHEME: Scheme = Scheme::new("management_key", Some("Bearer"));

/// Management keys.
pub static KIND: Kind = Kind {
    scheme: SCHEME,
    id_prefix: IdPrefix::new("mgk"),
    verbs: verbs!("management_key"),
    default_prefix: |_| PREFIX,
    longest_life: |_| None,
    excess: |principal, terms| principal.scopes().first_missing(&terms.scopes),
    may_end: not_above,
};
