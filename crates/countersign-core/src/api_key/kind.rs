//! API keys as a row of the register of kinds.

use std::sync::Arc;

use crate::environment::Environment;
use crate::id::IdPrefix;
use crate::key_evidence::{KeyEvidence, grantable};
use crate::kind::{Kind, verbs};
use crate::scheme::Scheme;

use super::criteria::{SETTINGS, criteria};
use super::expiry;

/// How a caller with an API key is proven: a bearer token (RFC 6750 §3).
pub const SCHEME: Scheme = Scheme::new("api_key", Some("Bearer"));

const LIVE: &str = "cs_live";
const TEST: &str = "cs_test";

/// What API keys begin with, of all that the product keeps for itself.
pub(super) const OWN_PREFIXES: [&str; 2] = [LIVE, TEST];

/// API keys.
pub static KIND: Kind = Kind {
    scheme: SCHEME,
    id_prefix: IdPrefix::new("key"),
    verbs: verbs!("api_key"),
    settings: SETTINGS,
    criteria,
    own: |terms| Arc::new(KeyEvidence::of(terms)),
    default_prefix: |environment| match environment {
        Environment::Live => LIVE,
        Environment::Test => TEST,
    },
    longest_life: |policy| policy.api_key_max_lifetime,
    excess: |principal, terms| grantable(principal).first_excess(&terms.scopes),
    due: expiry::due,
    may_end: |_, _| Ok(()),
};
