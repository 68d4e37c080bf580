//! What a route may ask of an API key beyond scopes and owner.

use serde_json::{Map, Value};

use crate::decision::{Asked, Condition, Judge, OwnCriteria, OwnDenial};
use crate::environment::Environment;
use crate::key_evidence::KeyEvidence;
use crate::key_string::KeyPrefix;
use crate::kind::{NotACondition, Setting, read};

use super::kind::{KIND, SCHEME};

/// The settings of [`KeyCriteria`].
pub(super) static SETTINGS: &[Setting] = &[
    Setting {
        name: "environment",
        holds: "`live` or `test`",
        default: "live",
        meaning: "The environment that the key must be made for.",
    },
    Setting {
        name: "key_set",
        holds: "prefix",
        default: "any",
        meaning: "The key set that the key must come from.",
    },
];

/// What is asked of an API key itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyCriteria {
    /// The environment that it must be made for; where nothing is said, `live`.
    pub environment: Environment,
    /// The prefix that it must have; `None`: any.
    pub prefix: Option<KeyPrefix>,
}

impl KeyCriteria {
    /// Asks for an API key that meets this.
    #[must_use]
    pub fn condition(self) -> Condition {
        Condition::of(SCHEME, OwnCriteria::new(self))
    }
}

impl Judge for KeyCriteria {
    type Own = KeyEvidence;

    fn meets(&self, own: &KeyEvidence) -> Result<(), OwnDenial> {
        if own.environment != self.environment {
            let why = "the credential was made for another environment";
            return Err(OwnDenial { code: "wrong_environment", why, nearness: 0 });
        }
        if self.prefix.is_some() && self.prefix != own.prefix {
            let why = "the credential comes from another key set";
            return Err(OwnDenial { code: "wrong_key_set", why, nearness: 1 });
        }
        Ok(())
    }
}

/// Reads the criteria out of a route's settings.
pub(super) fn criteria(settings: &Map<String, Value>) -> Result<Asked, NotACondition> {
    Ok(OwnCriteria::new(KeyCriteria {
        environment: read(settings, "environment")
            .map_err(|why| KIND.not("environment", why))?
            .unwrap_or_default(),
        prefix: read(settings, "key_set").map_err(|why| KIND.not("key_set", why))?,
    })
    .into())
}
