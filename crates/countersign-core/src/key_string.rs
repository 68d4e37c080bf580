//! The text of a key: `<prefix>_<43 base62 characters><6-character checksum>`.
//!
//! The body holds 256 random bits; the checksum is CRC-32 (ISO-HDLC) over the body alone, in base62, left-padded
//! with `0`. The checksum is public and protects nothing: it refuses typing errors and random strings before any
//! lookup, and makes scanners exact.
//!
//! What it does not do: tell whether a key exists, or of which kind it is. The prefix tells that to the rooms.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::base62;
use crate::entropy::Entropy;
use crate::rejection::Rejection;
use crate::secret::{Pepper, Purpose, Secret, SecretHash};

/// What the texts of the product's own credentials begin with, now or later. Only kinds of ours claim such a text.
pub const RESERVED: &str = "cs_";

/// The header field that may carry a key, beside `Authorization`.
pub const KEY_HEADER: &str = "x-api-key";

/// Body length: 43 base62 characters carry 256.03 bits.
const BODY: usize = 43;
/// Checksum length: 62^6 exceeds 2^32.
const CHECKSUM: usize = 6;
/// The longest prefix; a bound, not a clause.
const MAX_PREFIX: usize = 32;
/// Characters of the body that a hint shows.
const HINT: usize = 4;

/// Why a text is not a key. Told to operators; callers learn only that the credential is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The last six characters are not the checksum of the body.
    #[error("the checksum does not match the body: a character was lost or changed")]
    Checksum,
    /// The text is not `<prefix>_<43 base62 characters><6-character checksum>`.
    #[error("expected <prefix>_<43 base62 characters><6-character checksum>")]
    Shape,
}

impl From<Malformed> for Rejection {
    fn from(malformed: Malformed) -> Self {
        Self::malformed(match malformed {
            Malformed::Checksum => {
                "the credential is malformed: the checksum does not match the body: a character was lost or changed"
            }
            Malformed::Shape => {
                "the credential is malformed: expected <prefix>_<43 base62 characters><6-character checksum>"
            }
        })
    }
}

/// The leading part of a key, which tells the keys that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyPrefix(String);

/// The text cannot be a key prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "expected a prefix of 1 to {MAX_PREFIX} characters: lower-case letters and digits in groups joined by `_`, starting with a letter"
)]
pub struct NotAPrefix;

impl KeyPrefix {
    /// Names a prefix of the product's own, which begins with [`RESERVED`].
    pub(crate) fn of_ours(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// Returns the prefix's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyPrefix {
    type Err = NotAPrefix;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_prefix(text) { Ok(Self(text.to_owned())) } else { Err(NotAPrefix) }
    }
}

impl TryFrom<String> for KeyPrefix {
    type Error = NotAPrefix;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<KeyPrefix> for String {
    fn from(prefix: KeyPrefix) -> Self {
        prefix.0
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The text of a key as presented: of the right shape with the right checksum; whether it exists is not known yet.
#[derive(Clone, Copy)]
pub struct KeyText<'a> {
    text: &'a str,
    prefix: &'a str,
}

/// A key with its text, which was drawn here or is kept for a while.
#[derive(Debug)]
pub struct KeyString {
    text: Secret<String>,
    prefix_length: usize,
}

impl<'a> KeyText<'a> {
    /// Reads a key as presented. It copies nothing.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the shape or the checksum is wrong.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        if text.len() > MAX_PREFIX + 1 + BODY + CHECKSUM {
            return Err(Malformed::Shape);
        }
        let (prefix, rest) = text.rsplit_once('_').ok_or(Malformed::Shape)?;
        if !is_prefix(prefix) || rest.len() != BODY + CHECKSUM || !base62::is_base62(rest) {
            return Err(Malformed::Shape);
        }
        let (body, sum) = rest.split_at(BODY);
        // As numbers: of one length, they are the same exactly if the texts are.
        if base62::decode(sum) != Some(u128::from(crc32fast::hash(body.as_bytes()))) {
            return Err(Malformed::Checksum);
        }
        Ok(Self { text, prefix })
    }

    /// Returns the prefix.
    #[must_use]
    pub const fn prefix(&self) -> &'a str {
        self.prefix
    }

    /// Returns the whole text.
    #[must_use]
    pub const fn text(&self) -> &'a str {
        self.text
    }
}

/// Says of which prefix, never what.
impl fmt::Debug for KeyText<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KeyText").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl KeyString {
    /// Draws a new key.
    pub fn mint(prefix: &KeyPrefix, entropy: &mut dyn Entropy) -> Self {
        let body = Secret::new(base62::random(entropy, BODY));
        let text = Secret::new(format!("{prefix}_{}{}", body.expose(), checksum(body.expose())));
        Self { text, prefix_length: prefix.as_str().len() }
    }

    /// Reads a key as presented.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the shape or the checksum is wrong.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let read = KeyText::parse(text)?;
        Ok(Self { text: Secret::new(read.text.to_owned()), prefix_length: read.prefix.len() })
    }

    /// Returns the prefix.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.text.expose().get(..self.prefix_length).unwrap_or_default()
    }

    /// Returns the key as it is presented.
    #[must_use]
    pub fn read(&self) -> KeyText<'_> {
        KeyText { text: self.text.expose(), prefix: self.prefix() }
    }

    /// Returns what may be shown of the key for ever: its prefix and the last four characters of the body.
    #[must_use]
    pub fn hint(&self) -> String {
        let end = self.text.expose().len() - CHECKSUM;
        format!("{}_…{}", self.prefix(), self.text.expose().get(end - HINT..end).unwrap_or_default())
    }

    /// Returns what is stored of the key.
    #[must_use]
    pub fn hash(&self, pepper: &Pepper) -> SecretHash {
        pepper.hash(Purpose::Credential, self.text.expose())
    }

    /// Gives the text away, to be shown once.
    #[must_use]
    pub fn into_secret(self) -> Secret<String> {
        self.text
    }
}

fn is_prefix(text: &str) -> bool {
    let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    let groups = text.split('_').all(|group| {
        !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    });
    starts_well && groups && text.len() <= MAX_PREFIX
}

/// Returns the checksum of a body: CRC-32/ISO-HDLC in base62, left-padded with `0` to six characters.
#[must_use]
pub fn checksum(body: &str) -> String {
    base62::encode::<CHECKSUM>(u128::from(crc32fast::hash(body.as_bytes()))).as_str().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{KeyPrefix, KeyString, Malformed, checksum};
    use crate::entropy::SeededEntropy;

    #[track_caller]
    fn check(text: &str, expected: Result<(), Malformed>) {
        assert_eq!(KeyString::parse(text).map(|_| ()), expected, "{text}");
    }

    #[test]
    fn checksum_vectors() {
        let zeros = "0".repeat(30);
        let letters = "a".repeat(30);
        let rows = [("zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ", "0mLq17"), (&zeros, "2C8GjS"), (&letters, "1yLcDB")];
        for (body, expected) in rows {
            assert_eq!(checksum(body), expected);
        }
        // A widely copied sample whose checksum is wrong.
        assert_eq!(checksum("16C7e42F292c6912E7710c838347Ae"), "4H2Y7G");
    }

    #[test]
    fn a_bad_shape_or_checksum_is_refused() {
        let body = "a".repeat(43);
        let sum = checksum(&body);
        check(&format!("cs_live_{body}{sum}"), Ok(()));
        check(&format!("shss_{body}{sum}"), Ok(()));
        check(&format!("cs_live_{body}zzzzzz"), Err(Malformed::Checksum));
        check(&format!("cs_live_{}b{sum}", "a".repeat(42)), Err(Malformed::Checksum));
        for text in [
            String::new(),
            format!("{body}{sum}"),
            format!("_{body}{sum}"),
            format!("CS_{body}{sum}"),
            format!("cs__live_{body}{sum}"),
            format!("9cs_{body}{sum}"),
            format!("cs_live_{body}a{sum}"),
            format!("cs_live_{}{sum}", "a".repeat(42)),
            format!("cs_live_{}\0{sum}", "a".repeat(42)),
            format!("cs_live_{}é{sum}", "a".repeat(41)),
            format!("{}_{body}{sum}", "a".repeat(33)),
            "a".repeat(10_000_000),
        ] {
            assert_eq!(KeyString::parse(&text).map(|_| ()), Err(Malformed::Shape), "{:.60}", text);
        }
    }

    #[test]
    fn a_hint_shows_the_prefix_and_four_characters_of_the_body() {
        let key = KeyString::mint(&"cs_live".parse::<KeyPrefix>().unwrap(), &mut SeededEntropy::new(3));
        let hint = key.hint();
        let text = key.into_secret();
        let end = text.expose().len() - 6;
        assert_eq!(hint, format!("cs_live_…{}", text.expose().get(end - 4..end).unwrap()));
    }

    proptest! {
        #[test]
        fn what_is_minted_parses(seed in any::<u64>()) {
            let prefix: KeyPrefix = "cs_test".parse().unwrap();
            let minted = KeyString::mint(&prefix, &mut SeededEntropy::new(seed)).into_secret();
            assert_eq!(KeyString::parse(minted.expose()).unwrap().prefix(), "cs_test");
        }

        #[test]
        fn parsing_never_panics(text in ".{0,120}") {
            let _outcome = KeyString::parse(&text);
        }
    }
}
