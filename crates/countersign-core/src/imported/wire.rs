//! Foreign hashes and foreign keys: from text to bytes, and from a presented text to the hash it must have.

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use thiserror::Error;

use crate::context::Context;
use crate::credential::{Presented, Rejection};
use crate::effect::Outcome;
use crate::imported_set::{Digest, Encoding, ImportedSet, Part, Source};
use crate::key_string::Malformed;
use crate::kind::Kind;
use crate::ledger::{Found, Lookup};
use crate::principal::Principal;
use crate::secret::{Peppers, Secret};
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
                let binding = ImportedSet::binding(&set.prefix, set.header.as_deref());
                let key = peppers.all().find_map(|pepper| pepper.unseal(&binding, sealed))?;
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

/// A text that is no key of our shape, and may be an imported one.
pub(crate) struct PresentedText {
    text: Secret<String>,
    kind: &'static Kind,
    header: Option<String>,
    otherwise: Malformed,
}

impl PresentedText {
    /// Takes what was presented; `otherwise` is what it is if no set claims it.
    pub(crate) fn new(
        kind: &'static Kind,
        text: &str,
        header: Option<&str>,
        otherwise: Malformed,
    ) -> Result<Self, Rejection> {
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain || text.len() > MAX_KEY || text.starts_with("cs_") {
            return Err(Rejection::Malformed(otherwise));
        }
        let (text, header) = (Secret::new(text.to_owned()), header.map(str::to_owned));
        Ok(Self { kind, text, header, otherwise })
    }
}

impl Presented for PresentedText {
    fn lookup(&self) -> Lookup<'_> {
        let source = self.header.as_deref().map_or(Source::Usual, Source::Header);
        Lookup::ImportedKey { source, text: self.text.expose() }
    }

    fn verify(self: Box<Self>, context: &mut Context<'_>, found: Found) -> Outcome<Principal, Rejection> {
        let Found::ImportedKey(found) = found else {
            return verification::verify(context, self.kind, found);
        };
        match found {
            Some(found) => {
                let known = Found::Key(Some(found.known));
                verification::verify(context, self.kind, known)
            }
            None => {
                verification::refuse(context, self.kind.verbs.verify, Rejection::Malformed(self.otherwise))
            }
        }
    }
}
