//! Foreign tokens as a row of the register of kinds.

use std::sync::Arc;

use crate::id::IdPrefix;
use crate::kind::{Kind, verbs};
use crate::own::Nothing;
use crate::scheme::Scheme;

use super::criteria::{SETTINGS, criteria};

/// How a caller with a token of another issuer is proven: a bearer token (RFC 6750 §3).
pub const SCHEME: Scheme = Scheme::new("jwt", Some("Bearer"));

/// Foreign tokens. None is stored or made here: whatever is asked of stored credentials is asked of none.
pub static KIND: Kind = Kind {
    scheme: SCHEME,
    id_prefix: IdPrefix::new("jwt"),
    verbs: verbs!("jwt"),
    settings: SETTINGS,
    criteria,
    own: |_| Arc::new(Nothing),
    default_prefix: |_| "jwt",
    longest_life: |_| None,
    excess: |_, terms| terms.scopes.iter().next(),
    due: |_| None,
    may_end: |_, _| Ok(()),
};
