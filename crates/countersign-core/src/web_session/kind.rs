//! Sessions at web apps as a row of the register of kinds.

use std::sync::Arc;

use crate::kind::{Kind, verbs};
use crate::own::Nothing;
use crate::scheme::Scheme;
use crate::token::TOKEN;

use super::criteria::{SETTINGS, criteria};
use super::wire::PREFIX;

/// How a caller with a session is proven: by what their browser sends along. There is no challenge for it in HTTP.
pub const SCHEME: Scheme = Scheme::new("session", None);

/// Sessions. They are begun by signing in, never minted: nobody may give one to others, and none is amended.
pub static KIND: Kind = Kind {
    scheme: SCHEME,
    id_prefix: TOKEN,
    verbs: verbs!("session"),
    settings: SETTINGS,
    criteria,
    own: |_| Arc::new(Nothing),
    default_prefix: |_| PREFIX,
    longest_life: |_| None,
    excess: |_, terms| terms.scopes.iter().next(),
    due: |_| None,
    may_end: |_, _| Ok(()),
};
