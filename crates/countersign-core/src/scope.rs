//! Scope as RFC 6749 §3.3 writes it, and what may be granted.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::key_string::KeyPrefix;

/// The longest scope-token; a bound, not a clause.
const MAX_TOKEN: usize = 128;
/// The most scope-tokens in one set; a bound, not a clause.
const MAX_TOKENS: usize = 64;

/// Why a scope was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotAScope {
    /// A scope-token has a character outside `%x21 / %x23-5B / %x5D-7E`, or is empty or too long.
    #[error(
        "expected a scope-token of RFC 6749 §3.3: 1 to {MAX_TOKEN} printable characters without space, quote or backslash"
    )]
    Token,
    /// More scope-tokens than one set may hold.
    #[error("expected at most {MAX_TOKENS} scope-tokens")]
    TooMany,
}

/// One scope-token.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(String);

impl Scope {
    /// Returns the token's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
        let printable = text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E));
        if printable && !text.is_empty() && text.len() <= MAX_TOKEN {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAScope::Token)
        }
    }
}

impl TryFrom<String> for Scope {
    type Error = NotAScope;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A set of scope-tokens; its text is space-delimited and ordered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<Scope>", into = "Vec<Scope>")]
pub struct ScopeSet(BTreeSet<Scope>);

impl ScopeSet {
    /// Tells whether the set holds `scope`.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|held| held.as_str() == scope)
    }

    /// Returns the first scope of `required` that this set lacks.
    #[must_use]
    pub fn first_missing<'a>(&self, required: &'a Self) -> Option<&'a Scope> {
        required.0.iter().find(|scope| !self.0.contains(scope))
    }

    /// Returns the tokens of both, or those of `other` alone where they are too many for one set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::try_from(self.0.union(&other.0).cloned().collect::<Vec<_>>()).unwrap_or_else(|_| other.clone())
    }

    /// Returns the tokens that `keep` wants.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&Scope) -> bool) -> Self {
        Self(self.0.iter().filter(|scope| keep(scope)).cloned().collect())
    }

    /// Walks the tokens in order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// Tells whether there is no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Vec<Scope>> for ScopeSet {
    type Error = NotAScope;

    fn try_from(tokens: Vec<Scope>) -> Result<Self, Self::Error> {
        let set: BTreeSet<_> = tokens.into_iter().collect();
        if set.len() > MAX_TOKENS { Err(NotAScope::TooMany) } else { Ok(Self(set)) }
    }
}

impl From<ScopeSet> for Vec<Scope> {
    fn from(set: ScopeSet) -> Self {
        set.0.into_iter().collect()
    }
}

impl FromStr for ScopeSet {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let tokens: Result<Vec<Scope>, _> =
            text.split(' ').filter(|token| !token.is_empty()).map(str::parse).collect();
        Self::try_from(tokens?)
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { " " };
            write!(formatter, "{separator}{scope}")?;
        }
        Ok(())
    }
}

/// A pattern of key sets that no key set meets.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "expected `{KEY_SET}PREFIX`, `{KEY_SET}PREFIX*` or `{KEY_SET}*` with a prefix of lower-case letters, digits and `_`, found `{0}`"
)]
pub struct NotAGrant(Scope);

/// What a pattern begins with that means key sets and not scopes: `key_set:partner`, `key_set:partner*`.
const KEY_SET: &str = "key_set:";

/// What a pattern begins with that means resources: `audience:https://api.example.com`, `audience:https://*`.
const AUDIENCE: &str = "audience:";

/// What somebody may give to others. Scopes: exact tokens or `prefix*`. Key sets: `key_set:PREFIX` or
/// `key_set:PREFIX*`. Resources that clients may have tokens for: `audience:ID` or `audience:ID*`. Everything: `*`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grantable(ScopeSet);

impl Grantable {
    /// Reads the patterns from a set of tokens.
    #[must_use]
    pub const fn new(patterns: ScopeSet) -> Self {
        Self(patterns)
    }

    /// Reads the patterns that somebody asks for.
    ///
    /// # Errors
    ///
    /// [`NotAGrant`].
    pub fn parse(patterns: ScopeSet) -> Result<Self, NotAGrant> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let meets_none = |pattern: &&Scope| {
            let Some(prefix) = pattern.as_str().strip_prefix(KEY_SET) else { return false };
            match prefix.strip_suffix('*') {
                Some(beginning) => !beginning.bytes().all(plain),
                None => prefix.parse::<KeyPrefix>().is_err(),
            }
        };
        let wrong = patterns.iter().find(meets_none).cloned();
        wrong.map_or(Ok(Self(patterns)), |pattern| Err(NotAGrant(pattern)))
    }

    /// Returns the patterns.
    #[must_use]
    pub const fn patterns(&self) -> &ScopeSet {
        &self.0
    }

    /// Tells whether `scope` may be given.
    #[must_use]
    pub fn covers(&self, scope: &str) -> bool {
        self.0.iter().any(|pattern| match pattern.as_str().strip_suffix('*') {
            Some("") => true,
            // INVARIANT: but for `*`, a pattern of scopes gives no key set and no resource, nor the other way about.
            _ if class(pattern.as_str()) != class(scope) => false,
            Some(prefix) => scope.starts_with(prefix),
            None => pattern.as_str() == scope,
        })
    }

    /// Tells whether keys may be minted with `prefix`, or taken over into it.
    #[must_use]
    pub fn covers_prefix(&self, prefix: &KeyPrefix) -> bool {
        self.covers(&format!("{KEY_SET}{prefix}"))
    }

    /// Tells whether clients may be registered for a resource.
    #[must_use]
    pub fn covers_audience(&self, resource: &str) -> bool {
        self.covers(&format!("{AUDIENCE}{resource}"))
    }

    /// Returns the first scope of `asked` that may not be given.
    #[must_use]
    pub fn first_excess<'a>(&self, asked: &'a ScopeSet) -> Option<&'a Scope> {
        asked.iter().find(|scope| !self.covers(scope.as_str()))
    }
}

/// Tells what a pattern is of, by what it begins with; `None`: of scopes.
fn class(pattern: &str) -> Option<&'static str> {
    [KEY_SET, AUDIENCE].into_iter().find(|class| pattern.starts_with(class))
}

#[cfg(test)]
mod tests {
    use super::{Grantable, NotAScope, Scope, ScopeSet};

    #[test]
    fn rfc6749_3_3_scope_token_characters() {
        for text in ["a", "orders:read", "!", "#", "[", "]", "~", "https://api.example.com/x"] {
            assert!(text.parse::<Scope>().is_ok(), "{text}");
        }
        for text in ["", "a b", "\"", "\\", "é", "a\n", "\u{7f}"] {
            assert_eq!(text.parse::<Scope>(), Err(NotAScope::Token), "{text:?}");
        }
    }

    #[test]
    fn rfc6749_3_3_scope_order_does_not_matter() {
        let set: ScopeSet = "b a b".parse().unwrap();
        assert_eq!(set.to_string(), "a b");
        assert_eq!(set, "a b".parse().unwrap());
    }

    #[test]
    fn safety_13_a_key_set_is_granted_by_its_own_pattern() {
        for (patterns, key_set, allowed) in [
            ("", "partner", false),
            ("partner", "partner", false),
            ("k* key_se* partner*", "partner", false),
            ("key_set:partner", "partner", true),
            ("key_set:partner", "partner2", false),
            ("key_set:part*", "partner", true),
            ("key_set:*", "partner", true),
            ("orders:*", "orders", false),
            ("*", "partner", true),
        ] {
            let grantable = Grantable::new(patterns.parse().unwrap());
            assert_eq!(grantable.covers_prefix(&key_set.parse().unwrap()), allowed, "{patterns} {key_set}");
        }
        let sets = Grantable::new("key_set:*".parse().unwrap());
        for (asked, excess) in [
            ("key_set:partner", None),
            ("key_set:p*", None),
            ("orders:read", Some("orders:read")),
            ("*", Some("*")),
            ("key_*", Some("key_*")),
        ] {
            let asked: ScopeSet = asked.parse().unwrap();
            assert_eq!(sets.first_excess(&asked).map(Scope::as_str), excess, "nobody grants more grants");
        }
    }

    #[test]
    fn safety_13_a_resource_is_granted_by_its_own_pattern() {
        for (patterns, allowed) in [
            ("", false),
            ("https://api.example.com", false),
            ("https* audienc*", false),
            ("key_set:*", false),
            ("audience:https://api.example.com", true),
            ("audience:https://api.example", false),
            ("audience:https://*", true),
            ("audience:*", true),
            ("*", true),
        ] {
            let grantable = Grantable::new(patterns.parse().unwrap());
            assert_eq!(grantable.covers_audience("https://api.example.com"), allowed, "{patterns}");
        }
    }

    #[test]
    fn a_pattern_of_key_sets_that_none_meets_is_refused() {
        for (pattern, good) in [
            ("orders:*", true),
            ("*", true),
            ("key_set:partner", true),
            ("key_set:partner_*", true),
            ("key_set:*", true),
            ("key_set:", false),
            ("key_set:Partner", false),
            ("key_set:partner_", false),
            ("key_set:part-*", false),
            ("key_set:**", false),
        ] {
            assert_eq!(Grantable::parse(pattern.parse().unwrap()).is_ok(), good, "{pattern}");
        }
    }

    #[test]
    fn nobody_grants_what_they_do_not_hold() {
        let grantable = Grantable::new("orders:* settle".parse().unwrap());
        let rows =
            [("orders:read", true), ("settle", true), ("settle:all", false), ("order", false), ("*", false)];
        for (scope, allowed) in rows {
            assert_eq!(grantable.covers(scope), allowed, "{scope}");
        }
    }
}
