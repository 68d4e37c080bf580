//! What people type to say who they are: a username, or an address that they have proven to be theirs.
//!
//! **Invariant.** An address that nobody has proven names nobody, and takes no name away from anybody.
//!
//! What it does not do: prove that it is they who type it ([`crate::password`]).

use std::str::FromStr;

use thiserror::Error;

use crate::id::OwnerId;
use crate::person_terms::{EmailAddress, Username};
use crate::record::PersonRecord;

/// What somebody has typed. Folded: upper and lower case name the same person.
///
/// RFC 5321 §2.4 leaves the case before the `@` to each host. Letters go to an address as it is registered, never as it was
/// typed: folding sends nothing to anybody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedName(String);

/// The text is neither a username nor an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected a username or an e-mail address")]
pub struct NotATypedName;

impl TypedName {
    /// Returns the folded text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether it is an address that this person has proven to be theirs.
    #[must_use]
    pub fn is_address_of(&self, person: &PersonRecord) -> bool {
        let verified = person.email.as_ref().filter(|_| person.email_verified_at.is_some());
        verified.is_some_and(|email| email.as_str().eq_ignore_ascii_case(&self.0))
    }

    /// Returns who is meant, of all whose username or proven address it is.
    ///
    /// Who reads the mail of an address comes before who only took it as a username; where two read it, it is no name of either.
    pub fn meant<'a>(&self, found: impl IntoIterator<Item = &'a PersonRecord>) -> Option<OwnerId> {
        let (by_address, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|person| self.is_address_of(person));
        match by_address.as_slice() {
            [person] => Some(person.id),
            several => {
                let mut named = several.iter().chain(&others);
                named.find(|person| person.username.as_str() == self.0).map(|person| person.id)
            }
        }
    }
}

impl FromStr for TypedName {
    type Err = NotATypedName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_name = text.parse::<Username>().is_ok() || text.parse::<EmailAddress>().is_ok();
        if is_name { Ok(Self(text.to_ascii_lowercase())) } else { Err(NotATypedName) }
    }
}

impl From<Username> for TypedName {
    fn from(username: Username) -> Self {
        Self(username.as_str().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::TypedName;
    use crate::id::{OwnerId, OwnerKind};
    use crate::person_terms::Profile;
    use crate::record::PersonRecord;
    use crate::testing::{Ground, NOW};

    /// A person of a username, whose address is proven if it begins with `!`.
    fn person(ground: &mut Ground, (username, email): (&str, &str)) -> PersonRecord {
        PersonRecord {
            id: OwnerId::random(OwnerKind::User, ground.context().entropy),
            username: username.parse().unwrap(),
            email: email.trim_start_matches('!').parse().ok(),
            email_verified_at: email.starts_with('!').then_some(NOW),
            password: None,
            password_at: None,
            version: 1,
            updated_at: NOW,
            profile: Profile::default(),
        }
    }

    #[track_caller]
    fn check(typed: &str, persons: &[(&str, &str)], expected: Option<usize>) {
        let mut ground = Ground::new();
        let mut persons: Vec<_> = persons.iter().map(|one| person(&mut ground, *one)).collect();
        let expected = expected.map(|index| persons[index].id);
        let typed: TypedName = typed.parse().unwrap();
        assert_eq!(typed.meant(&persons), expected);
        persons.reverse();
        assert_eq!(typed.meant(&persons), expected, "in whatever order they are found");
    }

    #[test]
    fn an_address_names_the_one_person_who_has_proven_that_it_is_theirs() {
        const ANA: &str = "ana@example.com";
        for (typed, persons, expected) in [
            ("ana", &[("ana", "")][..], Some(0)),
            ("ANA", &[("ana", "")], Some(0)),
            ("bo", &[("ana", "!bo@example.com")], None),
            (ANA, &[("ana", "!ana@example.com")], Some(0)),
            ("Ana@EXAMPLE.com", &[("ana", "!aNa@example.com")], Some(0)),
            // Nobody has proven it.
            (ANA, &[("ana", ANA)], None),
            (ANA, &[("eve", ANA), ("ana", "!ana@example.com")], Some(1)),
            // Two have: it is no name of either, also where they are of two tenants.
            (ANA, &[("ana", "!ana@example.com"), ("ana2", "!Ana@example.com")], None),
            ("ana2", &[("ana", "!ana@example.com"), ("ana2", "!ana@example.com")], Some(1)),
            (ANA, &[(ANA, "!ana@example.com"), ("ana2", "!ana@example.com")], Some(0)),
            // A username that looks like an address, and what it is against a proof.
            (ANA, &[(ANA, "")], Some(0)),
            (ANA, &[(ANA, "!ana@example.com")], Some(0)),
            (ANA, &[(ANA, "!eve@example.com"), ("ana", "!ana@example.com")], Some(1)),
            (ANA, &[(ANA, ""), ("eve", ANA)], Some(0)),
        ] {
            check(typed, persons, expected);
        }
    }

    #[test]
    fn rfc5321_2_4_what_is_typed_is_ascii_and_folded() {
        for (text, expected) in [
            ("Ana", Some("ana")),
            ("O'Neill!@Example.com", Some("o'neill!@example.com")),
            ("an\u{131}@example.com", None),
            ("\u{212a}im@example.com", None),
            ("ana@example.com\0", None),
            ("", None),
        ] {
            let read = text.parse::<TypedName>().ok();
            assert_eq!(read.as_ref().map(TypedName::as_str), expected, "{text:?}");
        }
    }
}
