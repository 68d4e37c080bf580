//! A kind of credential as a row: what whoever handles credentials of every kind has to know of one.
//!
//! A room writes one `static KIND`; [`crate::kinds`] lists them. Nothing outside the rooms asks which kind it has.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::context::Policy;
use crate::decision::{Asked, Condition, Permit};
use crate::due::Due;
use crate::environment::Environment;
use crate::id::{CredentialId, IdPrefix};
use crate::own::Own;
use crate::principal::Principal;
use crate::record::{CredentialRecord, Terms};
use crate::refusal::Refusal;
use crate::scheme::Scheme;
use crate::scope::{NotAScope, Scope, ScopeSet};

/// A kind of credential.
pub struct Kind {
    /// How its principals are proven; the scheme's name is the kind's, in records, lists and settings.
    pub scheme: Scheme,
    /// What the ids of its credentials begin with.
    pub id_prefix: IdPrefix,
    /// What its acts are called in the audit.
    pub verbs: Verbs,
    /// What its conditions may name beyond scopes and owner, in a route's settings. Anything else is refused.
    pub settings: &'static [Setting],
    /// Reads those, and says what is asked where nothing is named.
    ///
    /// # Errors
    ///
    /// [`NotACondition`].
    pub criteria: fn(&Map<String, Value>) -> Result<Asked, NotACondition>,
    /// Reads the own part of a credential's terms, for verifiers. What many cannot have in common, such as its name and
    /// its hint, is empty there.
    pub own: fn(&Terms) -> Arc<dyn Own>,
    /// What its texts begin with where nothing else is asked for; free to everybody who may mint at all.
    pub default_prefix: fn(Environment) -> &'static str,
    /// The longest life that the operator's policy gives it; `None`: any.
    pub longest_life: fn(&Policy) -> Option<Duration>,
    /// Which scope of a credential with these terms is more than the principal may give; `None`: it may give all.
    pub excess: for<'a> fn(&Principal, &'a Terms) -> Option<&'a Scope>,
    /// The work that a stored credential asks for, at its time.
    pub due: fn(&CredentialRecord) -> Option<Due>,
    /// Whether a caller who reaches a credential may end or switch it.
    ///
    /// # Errors
    ///
    /// [`Refusal::Outranked`].
    pub may_end: fn(&Permit, &CredentialRecord) -> Result<(), Refusal>,
}

impl Kind {
    /// Returns the kind's name in records, settings and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.scheme.name()
    }

    /// Tells whether `id` names a credential of this kind.
    #[must_use]
    pub fn names(&self, id: CredentialId) -> bool {
        id.prefix() == self.id_prefix
    }
}

/// A setting of a condition.
#[derive(Debug)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub holds: &'static str,
    /// What is asked where it is not there.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

impl Setting {
    /// Tells whether it is a table whose names the operator chooses.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.holds.starts_with("table")
    }
}

/// What every condition on a credential may name.
pub static COMMON: &[Setting] = &[
    Setting {
        name: "scope",
        holds: "scope or list of scopes",
        default: "none",
        meaning: "The scopes that the credential must hold, all of them.",
    },
    Setting {
        name: "owner",
        holds: "id",
        default: "any",
        meaning: "The owner, or the owner's organisation, that the credential must belong to.",
    },
];

/// Settings of a route that are no condition; says which of them, and why.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{setting}: {why}")]
pub struct NotACondition {
    /// The setting, as `api_key.environment`.
    pub setting: String,
    /// What was expected and found.
    pub why: String,
}

impl Kind {
    /// Walks what a condition on this kind may name.
    pub fn condition_settings(&self) -> impl Iterator<Item = &'static Setting> {
        COMMON.iter().chain(self.settings)
    }

    /// Reads a condition out of a route's settings: the one way to make one of this kind.
    ///
    /// # Errors
    ///
    /// [`NotACondition`], also for a setting that is not known: a misspelt one would mean its default.
    pub fn condition(&self, settings: &Map<String, Value>) -> Result<Condition, NotACondition> {
        let known = |name: &String| self.condition_settings().any(|setting| setting.name == *name);
        if let Some(name) = settings.keys().find(|name| !known(name)) {
            return Err(self.not(name, "there is no such setting"));
        }
        let mut condition = Condition::of(self.scheme, (self.criteria)(settings)?);
        condition.scopes = scopes(settings.get("scope")).map_err(|why| self.not("scope", why))?;
        condition.owner = read(settings, "owner").map_err(|why| self.not("owner", why))?;
        Ok(condition)
    }

    /// Says that a setting of this kind is none.
    #[must_use]
    pub fn not(&self, setting: &str, why: impl Into<String>) -> NotACondition {
        NotACondition { setting: format!("{}.{setting}", self.name()), why: why.into() }
    }
}

/// Reads a setting that is a text, if it is there.
pub(crate) fn read<T>(settings: &Map<String, Value>, name: &str) -> Result<Option<T>, String>
where
    T: FromStr<Err: fmt::Display>,
{
    match settings.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => text.parse().map(Some).map_err(|error: T::Err| error.to_string()),
        Some(_) => Err("expected text".to_owned()),
    }
}

fn scopes(value: Option<&Value>) -> Result<ScopeSet, String> {
    const EXPECTED: &str = "expected text or a list of texts";
    let text = match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) => {
            let texts: Option<Vec<_>> = list.iter().map(Value::as_str).collect();
            texts.ok_or(EXPECTED)?.join(" ")
        }
        Some(_) => return Err(EXPECTED.to_owned()),
    };
    text.parse().map_err(|error: NotAScope| error.to_string())
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.scheme == other.scheme
    }
}

impl Eq for Kind {}

impl fmt::Debug for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What acts are called in the audit.
#[derive(Debug)]
pub struct Verbs {
    /// A presented credential was judged.
    pub verify: &'static str,
    /// It was minted.
    pub create: &'static str,
    /// It was changed.
    pub amend: &'static str,
    /// It got a successor.
    pub rotate: &'static str,
    /// It was ended for ever.
    pub revoke: &'static str,
    /// Its row was removed.
    pub forget: &'static str,
    /// It was ended by whoever held it.
    pub leaked: &'static str,
    /// Its owner was warned of its end.
    pub expiring: &'static str,
}

/// Names the acts on a kind: `api_key.create` and so on.
macro_rules! verbs {
    ($kind:literal) => {
        $crate::kind::Verbs {
            verify: concat!($kind, ".verify"),
            create: concat!($kind, ".create"),
            amend: concat!($kind, ".amend"),
            rotate: concat!($kind, ".rotate"),
            revoke: concat!($kind, ".revoke"),
            forget: concat!($kind, ".forget"),
            leaked: concat!($kind, ".leaked"),
            expiring: concat!($kind, ".expiring"),
        }
    };
}
pub(crate) use verbs;

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use crate::api_key;
    use crate::decision::Condition;
    use crate::environment::Environment;
    use crate::id::{OwnerId, OwnerKind};
    use crate::kinds::KINDS;
    use crate::management_key;
    use crate::testing::{asking_for_key, scopes};

    fn read(settings: Value) -> Result<Condition, String> {
        let Value::Object(settings) = settings else { panic!("a table") };
        api_key::KIND.condition(&settings).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn check(settings: Value, expected: Result<Condition, &str>) {
        let text = settings.to_string();
        assert_eq!(read(settings), expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn a_condition_is_read_with_its_kinds_defaults() {
        let owner = OwnerId::random(OwnerKind::Client, &mut crate::context::SeededEntropy::new(1));
        let live = || asking_for_key(None, Environment::Live);
        check(json!({}), Ok(live()));
        check(json!({ "scope": "a b" }), Ok(live().holding(scopes("a b"))));
        check(json!({ "scope": ["a", "b"] }), Ok(live().holding(scopes("a b"))));
        check(json!({ "owner": owner.to_string() }), Ok(live().owned_by(owner)));
        check(json!({ "environment": "test" }), Ok(asking_for_key(None, Environment::Test)));
        check(json!({ "key_set": "shss" }), Ok(asking_for_key(Some("shss"), Environment::Live)));
        let management = management_key::KIND.condition(&Map::new());
        assert_eq!(management, Ok(management_key::required(scopes(""))));
    }

    #[test]
    fn what_a_kind_does_not_know_is_an_error_and_no_default() {
        check(json!({ "enviroment": "test" }), Err("api_key.enviroment: there is no such setting"));
        check(json!({ "environment": 1 }), Err("api_key.environment: expected text"));
        check(json!({ "scope": [1] }), Err("api_key.scope: expected text or a list of texts"));
        check(json!({ "scope": 1 }), Err("api_key.scope: expected text or a list of texts"));
        check(json!({ "owner": "acme" }), Err("api_key.owner: expected an id such as org_…"));
        for (settings, words) in [
            (json!({ "environment": "prod" }), "api_key.environment: "),
            (json!({ "key_set": "A" }), "api_key.key_set: expected a prefix"),
        ] {
            assert!(read(settings).unwrap_err().starts_with(words), "{words}");
        }
        let Value::Object(settings) = json!({ "environment": "live" }) else { panic!("a table") };
        assert!(management_key::KIND.condition(&settings).is_err(), "another kind's setting");
    }

    #[test]
    fn every_setting_of_a_condition_says_what_it_means() {
        for kind in KINDS {
            let settings: Vec<_> = kind.condition_settings().collect();
            for (position, setting) in settings.iter().enumerate() {
                assert!(setting.meaning.ends_with('.') && !setting.default.is_empty(), "{setting:?}");
                assert!(settings.iter().skip(position + 1).all(|other| other.name != setting.name));
            }
        }
    }
}
