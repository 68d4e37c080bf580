//! Signed messages: compact, flattened and general JSON serialization (RFC 7515), with their payload attached or
//! detached, encoded or not (RFC 7797).
//!
//! **Invariant.** Nothing is a [`Verified`] but what a key has verified whose one algorithm is the header's. What a header
//! says of keys (`jwk`, `jku`, `x5u`, `x5c`) is not believed. Sizes are bounded before anything is split.
//!
//! What it does not do: choose a key (see [`crate::jwk::JwkSet::find`]), or judge claims (see [`crate::jwt`]).

mod parse;
mod sign;
#[cfg(test)]
mod tests;

pub use parse::{parse_json, parse_json_detached};
pub use sign::sign;

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::algorithm::JwsAlgorithm;
use crate::jwk::{MacKey, PublicKey};
use crate::{base64url, header, json, jwk, jwt};

/// Why a signed message is refused, or not made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The header names another algorithm than the key has.
    #[error("the header's `alg` is {found}, and the key is for {expected}")]
    Algorithm {
        /// The key's
        expected: JwsAlgorithm,
        /// The header's
        found: JwsAlgorithm,
    },
    /// A part is not base64url.
    #[error("the {part} is {reason}")]
    Base64 {
        /// Which part
        part: &'static str,
        /// What is wrong with it
        reason: base64url::Malformed,
    },
    /// The header is refused.
    #[error(transparent)]
    Header(#[from] header::Error),
    /// The text is not JSON with one reading.
    #[error("the message is {0}")]
    Json(#[from] json::Error),
    /// The key could not sign.
    #[error("the message could not be signed: {0}")]
    Key(#[from] jwk::Error),
    /// RFC 7515 §7.1: a compact message has three parts.
    #[error("expected three parts with dots between them")]
    Parts,
    /// A payload is attached where it is told beside the message, or missing where it is not, or cannot be as it is.
    #[error(
        "the payload is missing, or attached and told beside the message, or has characters that it must encode"
    )]
    Payload,
    /// RFC 7515 §7.2: a message of JSON has a signature or a list of them, and a payload.
    #[error(
        "expected an object with `payload` and `signature`, or `payload` and at most {} `signatures`",
        parse::SIGNATURES
    )]
    Serialization,
    /// The signature is not the key's over this message.
    #[error("the signature is wrong")]
    Signature,
    /// The text is longer than its reader allows.
    #[error("expected at most {max} bytes, found {found}")]
    Size {
        /// How long it may be
        max: usize,
        /// How long it is
        found: usize,
    },
}

/// What a message says of itself: of its protected and its unprotected header together.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    algorithm: JwsAlgorithm,
    kid: Option<String>,
    typ: Option<String>,
    cty: Option<String>,
    encoded: bool,
    other: Map<String, Value>,
}

impl Header {
    /// Returns the algorithm that the message claims to be signed with. It selects nothing.
    #[must_use]
    pub const fn algorithm(&self) -> JwsAlgorithm {
        self.algorithm
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

    /// Tells whether the message is of the type `name`, by the rules of media types (RFC 7515 §4.1.9): letters of either
    /// case are alike, and `application/` is left out.
    #[must_use]
    pub fn is_typ(&self, name: &str) -> bool {
        self.typ().is_some_and(|typ| bare(typ).eq_ignore_ascii_case(bare(name)))
    }

    /// Returns the type of the payload.
    #[must_use]
    pub fn cty(&self) -> Option<&str> {
        self.cty.as_deref()
    }

    /// Tells whether the payload is signed as base64url: always, but where `b64` says no (RFC 7797), which no token does.
    #[must_use]
    pub const fn is_payload_encoded(&self) -> bool {
        self.encoded
    }

    /// Returns all other members. Those that name keys prove nothing.
    #[must_use]
    pub const fn other(&self) -> &Map<String, Value> {
        &self.other
    }
}

/// Leaves out `application/` where nothing follows that has a slash of its own.
fn bare(typ: &str) -> &str {
    let (prefix, rest) = typ.split_at_checked(12).unwrap_or(("", typ));
    if prefix.eq_ignore_ascii_case("application/") && !rest.contains('/') { rest } else { typ }
}

/// A signed message that nobody has verified: one in compact form, or one signature of a message of JSON, which stands
/// for one.
#[derive(Debug, Clone)]
pub struct Compact<'a> {
    header: Header,
    signing_input: Cow<'a, [u8]>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Reads a message in compact form of at most `max` bytes.
    ///
    /// # Errors
    ///
    /// Each variant of [`Error`] but [`Error::Algorithm`], [`Error::Key`], [`Error::Serialization`] and
    /// [`Error::Signature`].
    pub fn parse(text: &'a str, max: usize) -> Result<Self, Error> {
        parse::compact(text, None, max)
    }

    /// Reads a message in compact form whose payload is told beside it (RFC 7515 appendix F).
    ///
    /// # Errors
    ///
    /// As [`Self::parse`].
    pub fn parse_detached(text: &'a str, payload: &[u8], max: usize) -> Result<Self, Error> {
        parse::compact(text, Some(payload), max)
    }

    /// Returns the header, which nobody has verified.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the payload, which nobody has verified: for people to look at.
    #[must_use]
    pub fn unverified_payload(&self) -> &[u8] {
        &self.payload
    }

    /// Reads the claims, which nobody has verified: for choosing whose keys to ask, by `iss`, and for nothing else.
    ///
    /// # Errors
    ///
    /// If they are no claims.
    pub fn unverified_claims(&self) -> Result<jwt::Claims, jwt::Error> {
        jwt::Claims::parse(&self.payload)
    }

    /// Verifies the signature.
    ///
    /// # Errors
    ///
    /// [`Error::Algorithm`] and [`Error::Signature`].
    pub fn verify(self, key: &PublicKey) -> Result<Verified, Error> {
        self.is_signed_by(key)?;
        Ok(self.assertion())
    }

    /// Tells whether `key` has signed it: for whoever has read its claims and keeps it.
    ///
    /// # Errors
    ///
    /// [`Error::Algorithm`] and [`Error::Signature`].
    pub fn is_signed_by(&self, key: &PublicKey) -> Result<(), Error> {
        self.expect(JwsAlgorithm::Signature(key.algorithm()))?;
        if key.verifies(&self.signing_input, &self.signature) { Ok(()) } else { Err(Error::Signature) }
    }

    /// Verifies the MAC.
    ///
    /// # Errors
    ///
    /// [`Error::Algorithm`] and [`Error::Signature`].
    pub fn verify_mac(self, key: &MacKey) -> Result<Verified, Error> {
        self.expect(JwsAlgorithm::Mac(key.algorithm()))?;
        if key.verifies(&self.signing_input, &self.signature) {
            Ok(self.assertion())
        } else {
            Err(Error::Signature)
        }
    }

    /// Refuses a header that names another algorithm than the key has (RFC 8725 §3.1).
    fn expect(&self, expected: JwsAlgorithm) -> Result<(), Error> {
        let found = self.header.algorithm;
        if found == expected { Ok(()) } else { Err(Error::Algorithm { expected, found }) }
    }

    fn assertion(self) -> Verified {
        Verified { header: self.header, payload: self.payload }
    }
}

/// A message whose signature was verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    header: Header,
    payload: Vec<u8>,
}

impl Verified {
    /// Returns the header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Reads the payload as the claims of a token.
    ///
    /// # Errors
    ///
    /// If they are no claims.
    pub fn claims(&self) -> Result<jwt::Claims, jwt::Error> {
        jwt::Claims::parse(&self.payload)
    }
}
