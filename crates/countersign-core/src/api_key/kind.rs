//! API keys as a row of the register of kinds.

use crate::environment::Environment;
use crate::id::IdPrefix;
use crate::kind::{Kind, verbs};
use crate::scheme::Scheme;

/// How a caller with an API key is proven: a bearer token (RFC 6750 §3).
pub const SCHEME: Scheme = Scheme::new("api_key", Some("Bearer"));

/// API keys.
pub static KIND: Kind = Kind {
    scheme: SCHEME,
    id_prefix: IdPrefix::new("key"),
    verbs: verbs!("api_key"),
    default_prefix: |environment| match environment {
        Environment::Live => "cs_live",
        Environment::Test => "cs_test",
    },
    longest_life: |policy| policy.api_key_max_lifetime,
    excess: |principal, terms| principal.grantable().first_excess(&terms.scopes),
    may_end: |_, _| Ok(()),
};
