//! Encrypted messages: compact, flattened and general JSON serialization (RFC 7516).
//!
//! **Invariant.** Why a message cannot be decrypted is one answer, and takes one time: where a key does not unwrap, a
//! random one takes its place (RFC 7516 §11.5). Nothing is inflated (`zip`), nothing hashed at a stranger's word (PBES2),
//! and algorithms with oracles (RSA1_5) are not there.
//!
//! What it does not do: say who encrypted. Anybody can encrypt for a public key.

mod content;
mod encrypt;
mod key_management;
mod parse;
#[cfg(test)]
mod tests;

pub use encrypt::{Told, encrypt};
pub use parse::parse_json;

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::algorithm::{ContentEncryption, KeyManagement};
use crate::jwk::DecryptionKey;
use crate::{base64url, header, json, jwk};

/// Why an encrypted message is refused, or not made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The header names another algorithm than the key has.
    #[error("the header's `alg` is {found}, and the key is for {expected}")]
    Algorithm {
        /// The key's
        expected: KeyManagement,
        /// The header's
        found: KeyManagement,
    },
    /// A part is not base64url.
    #[error("the {part} is {reason}")]
    Base64 {
        /// Which part
        part: &'static str,
        /// What is wrong with it
        reason: base64url::Malformed,
    },
    /// The key is for other content than the header names.
    #[error("the header's `enc` is {0}, which the key is not for")]
    Content(ContentEncryption),
    /// The message was not encrypted for this key, or was changed.
    #[error("the message cannot be decrypted with this key")]
    Decryption,
    /// RFC 7516 §5.2: a key is encrypted where none belongs.
    #[error("the message brings an encrypted key where its algorithm has none")]
    EncryptedKey,
    /// RFC 7518 §4.6.1.1: whoever encrypted names no key on the curve of the reader's.
    #[error("the header's `epk` is no public key on the curve of the reader's")]
    Ephemeral,
    /// The header is refused.
    #[error(transparent)]
    Header(#[from] header::Error),
    /// The text is not JSON with one reading.
    #[error("the message is {0}")]
    Json(#[from] json::Error),
    /// The key could not encrypt.
    #[error("the message could not be encrypted: {0}")]
    Key(#[from] jwk::Error),
    /// RFC 7516 §7.1: a compact message has five parts.
    #[error("expected five parts with dots between them")]
    Parts,
    /// RFC 7516 §7.2: a message of JSON has these members, and one recipient where its key is agreed on.
    #[error(
        "expected an object with `iv`, `ciphertext`, `tag` and one recipient, or at most {} with wrapped keys",
        parse::RECIPIENTS
    )]
    Serialization,
    /// The text is longer than its reader allows.
    #[error("expected at most {max} bytes, found {found}")]
    Size {
        /// How long it may be
        max: usize,
        /// How long it is
        found: usize,
    },
}

/// What a message says of itself: of its protected and its unprotected headers together.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    algorithm: KeyManagement,
    content: ContentEncryption,
    kid: Option<String>,
    typ: Option<String>,
    cty: Option<String>,
    agreement: Agreement,
    other: Map<String, Value>,
}

/// What an agreement is made of (RFC 7518 §4.6.1).
#[derive(Debug, Clone, PartialEq, Default)]
struct Agreement {
    epk: Option<Value>,
    apu: Vec<u8>,
    apv: Vec<u8>,
}

impl Header {
    /// Returns the algorithm by which the message says that its key is told. It selects nothing.
    #[must_use]
    pub const fn algorithm(&self) -> KeyManagement {
        self.algorithm
    }

    /// Returns the algorithm of the content.
    #[must_use]
    pub const fn content(&self) -> ContentEncryption {
        self.content
    }

    /// Returns the name of the key.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Returns the type of the message.
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }

    /// Returns the type of the content.
    #[must_use]
    pub fn cty(&self) -> Option<&str> {
        self.cty.as_deref()
    }

    /// Returns all other members. Those that name keys prove nothing.
    #[must_use]
    pub const fn other(&self) -> &Map<String, Value> {
        &self.other
    }
}

/// An encrypted message: one in compact form, or one recipient's of a message of JSON.
#[derive(Debug, Clone)]
pub struct Compact<'a> {
    header: Header,
    encrypted_key: Vec<u8>,
    content: Arc<Content<'a>>,
}

/// What all recipients of a message have.
#[derive(Debug)]
struct Content<'a> {
    aad: Cow<'a, [u8]>,
    iv: Vec<u8>,
    ciphertext: Vec<u8>,
    tag: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Reads a message in compact form of at most `max` bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Base64`], [`Error::Header`], [`Error::Parts`] and [`Error::Size`].
    pub fn parse(text: &'a str, max: usize) -> Result<Self, Error> {
        parse::compact(text, max)
    }

    /// Returns the header, which nobody has verified.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Decrypts the message.
    ///
    /// # Errors
    ///
    /// [`Error::Algorithm`], [`Error::Content`], [`Error::EncryptedKey`] and [`Error::Ephemeral`] for what a header says
    /// openly; [`Error::Decryption`] for everything else, which is not told apart.
    pub fn decrypt(self, key: &DecryptionKey) -> Result<Decrypted, Error> {
        let (expected, found) = (key.algorithm(), self.header.algorithm);
        if expected != found {
            return Err(Error::Algorithm { expected, found });
        }
        let content_key = key_management::open(&self.header, key, &self.encrypted_key)?;
        let plaintext = content::open(self.header.content, &content_key, &self.content)?;
        Ok(Decrypted { header: self.header, plaintext })
    }
}

/// A message that was decrypted, and is what was encrypted for the key.
#[derive(Debug)]
pub struct Decrypted {
    header: Header,
    plaintext: Zeroizing<Vec<u8>>,
}

impl Decrypted {
    /// Returns the header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the plaintext.
    #[must_use]
    pub fn plaintext(&self) -> &[u8] {
        &self.plaintext
    }
}
