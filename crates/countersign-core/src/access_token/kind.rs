//! Access tokens as a row of the register of kinds.

use std::sync::Arc;

use crate::kind::{Kind, verbs};
use crate::own::Nothing;
use crate::scheme::Scheme;
use crate::token::TOKEN;

use super::criteria::{SETTINGS, criteria};

/// How a caller with an access token of ours is proven: a bearer token (RFC 6750 §3).
pub const SCHEME: Scheme = Scheme::new("access_token", Some("Bearer"));

/// What opaque tokens begin with.
pub const OPAQUE_PREFIX: &str = "cs_at";

/// Access tokens. They are issued for grants, never minted: nobody may give one to others, and none is amended.
pub static KIND: Kind = Kind {
    scheme: SCHEME,
    id_prefix: TOKEN,
    verbs: verbs!("access_token"),
    settings: SETTINGS,
    criteria,
    own: |_| Arc::new(Nothing),
    default_prefix: |_| OPAQUE_PREFIX,
    longest_life: |_| None,
    excess: |_, terms| terms.scopes.iter().next(),
    due: |_| None,
    may_end: |_, _| Ok(()),
};
