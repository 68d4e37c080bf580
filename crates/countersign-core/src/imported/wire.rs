//! Foreign hashes and foreign keys: from text to bytes, and from a presented text to the hash it must have.

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use thiserror::Error;

use crate::api_key;
use crate::carried::{Carried, DeclaredSets, Way};
use crate::context::Context;
use crate::credential::Verified;
use crate::credential::{Recognition, Row, Verify};
use crate::imported_set::{Digest, Encoding, ImportedSet, Part, Source};
use crate::key_string::{KeyText, RESERVED};
use crate::ledger::{FoundCredential, Lookup};
use crate::secret::Peppers;
use crate::verification;

/// The longest foreign key that is looked at, in bytes; a bound, not a clause.
const MAX_KEY: usize = 512;
/// The longest text of a hash: SHA-512 in hexadecimal.
pub const DIGEST_TEXT: usize = 128;

/// The text is no hash of the declared algorithm in the declared encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected {expected} bytes in the declared encoding")]
pub struct NotADigest {
    /// How many bytes a hash of the algorithm has.
    pub expected: usize,
}

/// Reads the text of a hash.
///
/// # Errors
///
/// [`NotADigest`].
pub fn read_digest(text: &str, digest: &Digest, encoding: Encoding) -> Result<Vec<u8>, NotADigest> {
    let expected = match digest {
        Digest::Sha256 | Digest::HmacSha256(_) => 32,
        Digest::Sha512 => 64,
    };
    let decoded = match encoding {
        Encoding::Hex => hex(text),
        Encoding::Base64 => base64(text, &alphabet::STANDARD),
        Encoding::Base64Url => base64(text, &alphabet::URL_SAFE),
    };
    decoded.filter(|bytes| bytes.len() == expected).ok_or(NotADigest { expected })
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [high, low] if pair.iter().all(u8::is_ascii_hexdigit) => {
            let digit =
                |letter: u8| char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            Some(digit(*high)? * 16 + digit(*low)?)
        }
        _ => None,
    };
    pairs.map(byte).collect()
}

fn base64(text: &str, alphabet: &alphabet::Alphabet) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config).decode(text).ok()
}

/// A set that is ready to hash what is presented.
#[derive(Debug)]
pub(crate) struct PreparedSet {
    pub(crate) set: ImportedSet,
    key: Option<hmac::Key>,
}

impl PreparedSet {
    /// Prepares a set; `None` if its sealed key does not open here.
    pub(crate) fn new(set: ImportedSet, peppers: &Peppers) -> Option<Self> {
        let key = match &set.digest {
            Digest::Sha256 | Digest::Sha512 => None,
            Digest::HmacSha256(sealed) => {
                let header = set.header.as_deref();
                let key = ImportedSet::open_hmac_key(peppers, &set.prefix, header, sealed)?;
                Some(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))
            }
        };
        Some(Self { set, key })
    }

    /// Hashes `text` as the set's keys were hashed, bound to the set; `None`: the set does not claim it.
    pub(crate) fn bound_digest(&self, source: Source<'_>, text: &str) -> Option<Vec<u8>> {
        self.digest(source, text).map(|digest| self.set.bound(&digest))
    }

    /// Hashes `text` as the set's keys were hashed; `None`: the set does not claim it.
    pub(crate) fn digest(&self, source: Source<'_>, text: &str) -> Option<Vec<u8>> {
        if !self.set.claims(source, text) {
            return None;
        }
        let hashed = match self.set.of {
            Part::Key => text,
            Part::Secret => text.strip_prefix(&self.set.prefix)?,
        };
        Some(match (&self.set.digest, &self.key) {
            (Digest::Sha512, _) => digest::digest(&digest::SHA512, hashed.as_bytes()).as_ref().to_vec(),
            (Digest::HmacSha256(_), Some(key)) => hmac::sign(key, hashed.as_bytes()).as_ref().to_vec(),
            (Digest::HmacSha256(_), None) => return None,
            (Digest::Sha256, _) => digest::digest(&digest::SHA256, hashed.as_bytes()).as_ref().to_vec(),
        })
    }
}

/// The register's row for imported keys. They are API keys: only how they are recognised and found differs.
pub const ROW: Row = Row { kind: &api_key::KIND, ways: &[Way::Bearer, Way::KeyField, Way::Told], recognise };

struct PresentedText<'a> {
    source: Source<'a>,
    text: &'a str,
}

/// What a declared set claims, and no key of our shape is.
fn recognise<'a>(carried: Carried<'a>, sets: &dyn DeclaredSets) -> Recognition<'a> {
    let (text, source) = carried.key()?;
    if text.starts_with(RESERVED) || !sets.claims(source, text) {
        return None;
    }
    let malformed = KeyText::parse(text).err()?;
    let plain = text.len() <= MAX_KEY && text.bytes().all(|byte| byte.is_ascii_graphic());
    Some(if plain { Ok(Box::new(PresentedText { source, text })) } else { Err(malformed.into()) })
}

impl Verify for PresentedText<'_> {
    type Answer = Option<FoundCredential>;

    fn lookup(&self) -> Lookup<'_> {
        Lookup::Imported { source: self.source, text: self.text }
    }

    fn verify(&self, context: &mut Context<'_>, found: Self::Answer, _: Option<&Bytes>) -> Verified {
        verification::verify(&api_key::KIND, context, found.as_ref())
    }
}
