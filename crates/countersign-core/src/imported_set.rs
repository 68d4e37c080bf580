//! Sets of keys that another system minted: how they are recognised, and how their hashes were made.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::HeaderName;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::context::Entropy;
use crate::id::CredentialId;
use crate::key_string::KEY_HEADER;
use crate::keyring::{SealedPlace, SealingFailed, SealingKey};
use crate::secret::{Pepper, Peppers, Secret, SecretHash};

/// The most sets of imported keys: each is one hash more for a text that it claims. A bound, not a clause.
pub const MAX_IMPORTED_SETS: usize = 64;
/// The longest and the shortest beginning by which a set is recognised; bounds, not clauses.
const PREFIX: std::ops::RangeInclusive<usize> = 2..=32;

/// What an imported key carries beyond its terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imported {
    /// The set that it came with.
    pub set: ImportedSet,
    /// Whether its own keyed hash has taken the place of the wrapped one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub upgraded: bool,
}

/// A set of imported keys: how they are recognised, and how their hashes were made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedSet {
    /// What its keys begin with; may be empty only where a header field is declared.
    pub prefix: String,
    /// The header field that carries its keys, in lower case; `None`: those that carry ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// How the hashes were made.
    pub digest: Digest,
    /// Of what.
    pub of: Part,
}

/// How hashes were made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Digest {
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// SHA-512 (FIPS 180-4).
    Sha512,
    /// HMAC-SHA-256 (RFC 2104) under a key that is stored sealed, as base64.
    HmacSha256(String),
}

/// The name of a way to make hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `sha256`
    Sha256,
    /// `sha512`
    Sha512,
    /// `hmac-sha256`
    HmacSha256,
}

/// How a hash is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal, in either case.
    Hex,
    /// Base64 (RFC 4648 §4), padded or not.
    Base64,
    /// Base64 for URLs (RFC 4648 §5), padded or not.
    Base64Url,
}

/// Of what a hash was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Of the whole key.
    Key,
    /// Of what follows the prefix.
    Secret,
}

/// The text names no algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected `sha256`, `sha512` or `hmac-sha256`")]
pub struct NotAnAlgorithm;

impl FromStr for Algorithm {
    type Err = NotAnAlgorithm;

    fn from_str(text: &str) -> Result<Self, NotAnAlgorithm> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            "hmac-sha256" => Ok(Self::HmacSha256),
            _ => Err(NotAnAlgorithm),
        }
    }
}

/// The text names no encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected `hex`, `base64` or `base64url`")]
pub struct NotAnEncoding;

impl FromStr for Encoding {
    type Err = NotAnEncoding;

    fn from_str(text: &str) -> Result<Self, NotAnEncoding> {
        match text {
            "hex" => Ok(Self::Hex),
            "base64" => Ok(Self::Base64),
            "base64url" => Ok(Self::Base64Url),
            _ => Err(NotAnEncoding),
        }
    }
}

/// The declaration recognises nothing, or too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotAnImportedSet {
    /// The header field has no such name, or one that has another meaning.
    #[error("expected a header field of its own such as x-acme-key")]
    Header,
    /// The prefix is too short, too long, or has characters that no key has.
    #[error("expected a prefix of 2 to 32 visible ASCII characters, or a header field that carries the keys")]
    Prefix,
    /// The prefix is the product's.
    #[error("the prefix is reserved: what begins with `cs_` is minted here")]
    Reserved,
}

impl ImportedSet {
    /// Declares a set.
    ///
    /// # Errors
    ///
    /// [`NotAnImportedSet`].
    pub fn new(
        prefix: &str,
        header: Option<&str>,
        digest: Digest,
        of: Part,
    ) -> Result<Self, NotAnImportedSet> {
        let visible = prefix.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
        let long_enough = PREFIX.contains(&prefix.len()) || (prefix.is_empty() && header.is_some());
        if !visible || !long_enough {
            return Err(NotAnImportedSet::Prefix);
        }
        if "cs_".starts_with(prefix) && !prefix.is_empty() || prefix.starts_with("cs_") {
            return Err(NotAnImportedSet::Reserved);
        }
        let header = header.map(own_header).transpose()?;
        Ok(Self { prefix: prefix.to_owned(), header, digest, of })
    }

    /// Tells whether `text`, found at `source`, may be a key of this set.
    #[must_use]
    pub(crate) fn claims(&self, source: Source<'_>, text: &str) -> bool {
        let from_there = match source {
            Source::Anywhere => true,
            Source::Usual => self.header.is_none(),
            Source::Header(name) => self.header.as_deref() == Some(name),
        };
        from_there && text.len() > self.prefix.len() && text.starts_with(&self.prefix)
    }

    /// Returns how much the set says of a text that it claims: that it is where ours are, and how it begins.
    pub(crate) fn precision(&self) -> (bool, usize) {
        (self.header.is_none(), self.prefix.len())
    }

    /// Binds a hash of one of its keys to the set: the same hash in another set is found by nobody who presents the
    /// key, so that whoever takes it over there speaks for no caller.
    pub(crate) fn bound(&self, digest: &[u8]) -> Vec<u8> {
        let algorithm = match &self.digest {
            Digest::Sha256 => "sha256",
            Digest::Sha512 => "sha512",
            Digest::HmacSha256(_) => "hmac-sha256",
        };
        let part = match self.of {
            Part::Key => "key",
            Part::Secret => "secret",
        };
        let header = self.header.as_deref().unwrap_or_default();
        let mut bytes = format!("{}\0{header}\0{algorithm}\0{part}\0", self.prefix).into_bytes();
        bytes.extend_from_slice(digest);
        bytes
    }

    /// Seals the key of an HMAC for storage: under a pepper, because the set's hashes are wrapped under it and both end
    /// together.
    ///
    /// # Errors
    ///
    /// [`SealingFailed`].
    pub fn seal_hmac_key(
        pepper: &Pepper,
        prefix: &str,
        header: Option<&str>,
        key: &Secret<Vec<u8>>,
        entropy: &mut dyn Entropy,
    ) -> Result<Digest, SealingFailed> {
        let header = header.map(str::to_ascii_lowercase);
        let place = hmac_key_place(prefix, header.as_deref());
        let sealed = SealingKey::of_pepper(pepper)?.seal(&place, key, entropy)?;
        Ok(Digest::HmacSha256(STANDARD_NO_PAD.encode(sealed)))
    }

    /// Opens the key of an HMAC that was sealed for a set of these words.
    pub(crate) fn open_hmac_key(
        peppers: &Peppers,
        prefix: &str,
        header: Option<&str>,
        sealed: &str,
    ) -> Option<Secret<Vec<u8>>> {
        let (place, sealed) = (hmac_key_place(prefix, header), STANDARD_NO_PAD.decode(sealed).ok()?);
        peppers.all().find_map(|pepper| SealingKey::of_pepper(pepper).ok()?.open(&place, &sealed))
    }
}

/// Each key of the set holds the sealed key of the HMAC: what it is bound to is the set (SAFETY 14).
fn hmac_key_place<'a>(prefix: &'a str, header: Option<&'a str>) -> SealedPlace<'a> {
    let owner = header.unwrap_or_default();
    SealedPlace { table: "credential", row: prefix, owner, purpose: "imported-key-set" }
}

/// Header fields that mean something already carry no keys.
fn own_header(name: &str) -> Result<String, NotAnImportedSet> {
    let name: HeaderName = name.parse().map_err(|_| NotAnImportedSet::Header)?;
    let text = name.as_str();
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let own = text.starts_with("x-") && !text.starts_with("x-forwarded") || text.ends_with("-key");
    if plain && own && text != KEY_HEADER { Ok(text.to_owned()) } else { Err(NotAnImportedSet::Header) }
}

/// Where a text was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    /// It does not matter: whoever asks has been told the key itself.
    Anywhere,
    /// In `Authorization` or `X-API-Key`.
    Usual,
    /// In this header field, lower case.
    Header(&'a str),
}

/// Proof that an imported key was presented: its own keyed hash, which only the key itself gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    credential: CredentialId,
    wrapped: SecretHash,
    /// Under every pepper, the current one first.
    own: Vec<SecretHash>,
    pepper: u32,
}

impl Upgrade {
    /// States that the key of `credential` was presented.
    pub(crate) const fn assertion(
        credential: CredentialId,
        wrapped: SecretHash,
        own: Vec<SecretHash>,
        pepper: u32,
    ) -> Self {
        Self { credential, wrapped, own, pepper }
    }

    /// Returns whose key it was.
    #[must_use]
    pub const fn credential(&self) -> CredentialId {
        self.credential
    }

    /// Returns the wrapped hash under which the key was found.
    pub(crate) const fn wrapped(&self) -> SecretHash {
        self.wrapped
    }

    /// Returns the key's own hash under every pepper, the current one first.
    #[must_use]
    pub fn own(&self) -> &[SecretHash] {
        &self.own
    }

    /// Returns the version of the pepper that the first of the own hashes was made with.
    pub(crate) const fn pepper(&self) -> u32 {
        self.pepper
    }
}
