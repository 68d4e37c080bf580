//! What is registered of a person: how they sign in, where they are written to, what is told of them, and their roles.
//!
//! What it does not do: hold a password ([`crate::password`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest username; a bound, not a clause.
const MAX_USERNAME: usize = 100;
/// The longest address (RFC 5321 §4.5.3.1.3, without the angle brackets).
const MAX_EMAIL: usize = 254;
/// The longest part before the `@` (RFC 5321 §4.5.3.1.1).
const MAX_LOCAL_PART: usize = 64;
/// The longest claim, in characters; a bound, not a clause.
const MAX_CLAIM: usize = 500;
/// The longest name of a role; a bound, not a clause.
const MAX_ROLE: usize = 64;
/// The most roles of one membership; a bound, not a clause.
const MAX_ROLES: usize = 32;

/// What a person signs in as. Folded: upper and lower case name the same person.
///
/// ASCII alone, so that no two that look alike are different; what people are called is their name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Username(String);

/// The text is no username.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "expected a username of 1 to {MAX_USERNAME} letters, digits and `.`, `_`, `-`, `+`, `@`, beginning with a letter or a digit"
)]
pub struct NotAUsername;

impl Username {
    /// Returns the folded text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Username {
    type Err = NotAUsername;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+@".contains(&byte);
        let begins = text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        if begins && text.len() <= MAX_USERNAME && text.bytes().all(allowed) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(NotAUsername)
        }
    }
}

impl fmt::Display for Username {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Where a person is written to: the part of RFC 5321 that is in use, nothing quoted and no comments.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress(String);

/// The text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected an e-mail address such as ana@example.com")]
pub struct NotAnAddress;

impl EmailAddress {
    /// Returns the address as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EmailAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (local, domain) = text.rsplit_once('@').ok_or(NotAnAddress)?;
        // RFC 5322 §3.2.3: atext. What else a header or an SMTP command could read is not in it.
        let atext = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
        let atom = |part: &str| !part.is_empty() && part.bytes().all(atext);
        let label = |part: &str| {
            !part.is_empty()
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let sound = text.len() <= MAX_EMAIL
            && local.len() <= MAX_LOCAL_PART
            && local.split('.').all(atom)
            && domain.split('.').all(label);
        if sound { Ok(Self(text.to_owned())) } else { Err(NotAnAddress) }
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What is told of a person beside name, username and address: the standard claims that we keep
/// (OpenID Connect Core 1.0 §5.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Profile(BTreeMap<String, String>);

/// The claims that a profile may hold, all of the scope `profile` (OpenID Connect Core 1.0 §5.4).
pub const PROFILE_CLAIMS: [&str; 11] = [
    "birthdate",
    "family_name",
    "gender",
    "given_name",
    "locale",
    "middle_name",
    "nickname",
    "picture",
    "profile",
    "website",
    "zoneinfo",
];

/// Why something is no profile.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotAProfile {
    /// There is no such claim.
    #[error("expected claims among {known}, found {0:?}", known = PROFILE_CLAIMS.join(", "))]
    Claim(String),
    /// The value is empty, too long or holds control characters.
    #[error("expected 1 to {MAX_CLAIM} characters without control characters for the claim {0}")]
    Value(String),
}

impl Profile {
    /// Returns the claims.
    pub fn claims(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the profile with changes: what is `None` goes.
    ///
    /// # Errors
    ///
    /// [`NotAProfile`].
    pub fn changed(&self, changes: BTreeMap<String, Option<String>>) -> Result<Self, NotAProfile> {
        let mut claims = self.0.clone();
        for (name, value) in changes {
            match value {
                Some(value) => claims.insert(name, value),
                None => claims.remove(&name),
            };
        }
        claims.try_into()
    }
}

impl TryFrom<BTreeMap<String, String>> for Profile {
    type Error = NotAProfile;

    fn try_from(claims: BTreeMap<String, String>) -> Result<Self, Self::Error> {
        for (name, value) in &claims {
            if !PROFILE_CLAIMS.contains(&name.as_str()) {
                return Err(NotAProfile::Claim(name.clone()));
            }
            let length = value.chars().count();
            if length == 0 || length > MAX_CLAIM || value.chars().any(char::is_control) {
                return Err(NotAProfile::Value(name.clone()));
            }
        }
        Ok(Self(claims))
    }
}

impl From<Profile> for BTreeMap<String, String> {
    fn from(profile: Profile) -> Self {
        profile.0
    }
}

/// What a person is in an organisation: names that mean something to it alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeSet<String>", into = "BTreeSet<String>")]
pub struct Roles(BTreeSet<String>);

/// The texts are no roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "expected at most {MAX_ROLES} roles, each of 1 to {MAX_ROLE} letters, digits and `.`, `_`, `-`, `:`, `/`"
)]
pub struct NotRoles;

impl Roles {
    /// Returns the names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl TryFrom<BTreeSet<String>> for Roles {
    type Error = NotRoles;

    fn try_from(names: BTreeSet<String>) -> Result<Self, Self::Error> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:/".contains(&byte);
        let is_role = |name: &String| (1..=MAX_ROLE).contains(&name.len()) && name.bytes().all(allowed);
        if names.len() <= MAX_ROLES && names.iter().all(is_role) { Ok(Self(names)) } else { Err(NotRoles) }
    }
}

impl From<Roles> for BTreeSet<String> {
    fn from(roles: Roles) -> Self {
        roles.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{EmailAddress, Profile, Roles, Username};

    #[test]
    fn rfc8265_3_3_a_username_is_folded_and_holds_nothing_that_looks_alike() {
        for (text, expected) in [
            ("ana", Some("ana")),
            ("Ana.B-1_x+y@Example.com", Some("ana.b-1_x+y@example.com")),
            ("0", Some("0")),
            ("", None),
            (" ana", None),
            ("ana\n", None),
            ("-ana", None),
            ("@ana", None),
            ("an\u{430}", None),
            ("a b", None),
        ] {
            let read = text.parse::<Username>().ok();
            assert_eq!(read.as_ref().map(Username::as_str), expected, "{text:?}");
        }
        assert!("a".repeat(100).parse::<Username>().is_ok());
        assert!("a".repeat(101).parse::<Username>().is_err());
    }

    #[test]
    fn rfc5321_4_5_3_an_address_has_a_local_part_and_a_domain_within_their_bounds() {
        let long =
            |local: usize, label: usize| format!("{}@{}.example", "l".repeat(local), "d".repeat(label));
        for (text, expected) in [
            ("ana@example.com", true),
            ("Ana+tag@mail.example.com", true),
            ("a@localhost", true),
            ("ana", false),
            ("@example.com", false),
            ("ana@", false),
            ("ana@-a.example", false),
            ("ana@a-.example", false),
            ("ana@a..example", false),
            ("a..b@example.com", false),
            ("ana@example.com\r\nBcc: eve@example.com", false),
            ("ana@example.com,eve@example.com", false),
            ("<ana@example.com>", false),
            ("\"ana\"@example.com", false),
            ("ana@exa mple.com", false),
            (&long(64, 10), true),
            (&long(65, 10), false),
            (&long(64, 181), true),
            (&long(64, 182), false),
        ] {
            assert_eq!(text.parse::<EmailAddress>().is_ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn oidc_core_5_1_a_profile_holds_standard_claims_alone() {
        let of = |name: &str, value: &str| {
            Profile::try_from(BTreeMap::from([(name.to_owned(), value.to_owned())])).is_ok()
        };
        for (name, value, expected) in [
            ("given_name", "Ana", true),
            ("locale", "de-CH", true),
            ("sub", "user_1", false),
            ("email_verified", "true", false),
            ("given_name", "", false),
            ("given_name", "A\nB", false),
            ("given_name", &"é".repeat(500), true),
            ("given_name", &"é".repeat(501), false),
        ] {
            assert_eq!(of(name, value), expected, "{name} {value:?}");
        }
        let change = |value: Option<&str>| {
            let before = Profile::try_from(BTreeMap::from([("locale".to_owned(), "de".to_owned())])).unwrap();
            before.changed(BTreeMap::from([("locale".to_owned(), value.map(str::to_owned))])).unwrap()
        };
        assert_eq!(change(Some("en")).claims().collect::<Vec<_>>(), [("locale", "en")]);
        assert_eq!(change(None).claims().count(), 0);
    }

    #[test]
    fn roles_are_few_and_short_names() {
        let roles = |names: &[&str]| {
            Roles::try_from(names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>()).is_ok()
        };
        assert!(roles(&[]) && roles(&["admin", "billing:read", "a/b.c_d-e"]) && roles(&[&"r".repeat(64)]));
        assert!(!roles(&[""]) && !roles(&["a b"]) && !roles(&["ä"]) && !roles(&[&"r".repeat(65)]));
        let many = |n: usize| Roles::try_from((0..n).map(|n| n.to_string()).collect::<BTreeSet<_>>()).is_ok();
        assert!(many(32) && !many(33));
    }
}
