//! Client secrets as a row of the register of kinds.

use std::sync::Arc;

use crate::client_terms::AuthMethod;
use crate::decision::OwnCriteria;
use crate::id::IdPrefix;
use crate::key_evidence::KeyEvidence;
use crate::kind::{Kind, verbs};
use crate::scheme::Scheme;

use super::told::PREFIX;

/// A client secret, wherever its client is not named with it: nobody accepts it there.
const SCHEME: Scheme = Scheme::new("client_secret", None);

/// How a client is proven by a method, which is named as it is registered.
pub(super) const fn scheme(method: AuthMethod) -> Scheme {
    Scheme::new(method.name(), Some("Basic"))
}

/// Client secrets.
pub static KIND: Kind = Kind {
    scheme: SCHEME,
    id_prefix: IdPrefix::new("secret"),
    verbs: verbs!("client_secret"),
    settings: &[],
    criteria: |_| Ok(OwnCriteria::NONE.into()),
    own: |terms| Arc::new(KeyEvidence::of(terms)),
    default_prefix: |_| PREFIX,
    longest_life: |_| None,
    // What a secret may do is registered of its client.
    excess: |_, _| None,
    due: |_| None,
    may_end: |_, _| Ok(()),
};
