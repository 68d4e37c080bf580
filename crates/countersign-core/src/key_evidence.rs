//! What keys know of themselves beyond what every credential has.

use std::sync::LazyLock;

use crate::environment::Environment;
use crate::key_string::KeyPrefix;
use crate::own::Own;
use crate::principal::Principal;
use crate::record::Terms;
use crate::scope::Grantable;

/// The own evidence of keys, and of whoever grants like one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyEvidence {
    /// What the key begins with; `None`: there is no key.
    pub prefix: Option<KeyPrefix>,
    /// The environment that it was made for.
    pub environment: Environment,
    /// What its holder may give to others.
    pub grantable: Grantable,
}

impl Own for KeyEvidence {}

impl KeyEvidence {
    /// Reads the own part of a key's terms.
    #[must_use]
    pub fn of(terms: &Terms) -> Self {
        Self {
            prefix: Some(terms.prefix.clone()),
            environment: terms.environment,
            grantable: terms.grantable.clone(),
        }
    }
}

/// Returns what `principal` may give to others: nothing, unless its kind of credential says so.
pub(crate) fn grantable(principal: &Principal) -> &Grantable {
    static NOTHING: LazyLock<Grantable> = LazyLock::new(Grantable::default);
    principal.own::<KeyEvidence>().map_or(&NOTHING, |own| &own.grantable)
}
