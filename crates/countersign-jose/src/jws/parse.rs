//! How signed messages are read.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Compact, Error, Header};
use crate::{base64url, header, json};

/// The most signatures of one message: each costs a verification.
pub(super) const SIGNATURES: usize = 16;

/// Reads a message in compact form, whose payload may be told beside it.
pub(super) fn compact<'a>(text: &'a str, detached: Option<&[u8]>, max: usize) -> Result<Compact<'a>, Error> {
    bounded(text, max)?;
    // CVE-2025-30204: whatever the text is, three splits are all it costs.
    let (input, signature) = text.rsplit_once('.').ok_or(Error::Parts)?;
    let (protected, payload) = input.split_once('.').ok_or(Error::Parts)?;
    if payload.contains('.') {
        return Err(Error::Parts);
    }
    let header = Header::read(header::protected(protected)?, Map::new())?;
    let (signing_input, payload) = match detached {
        None if header.encoded => (Cow::Borrowed(input.as_bytes()), decode("payload", payload)?),
        // RFC 7797 §5.2: what is not encoded must be printable, and have no dot.
        None if payload.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) => {
            (Cow::Borrowed(input.as_bytes()), payload.as_bytes().to_vec())
        }
        Some(detached) if payload.is_empty() => {
            (Cow::Owned(signing_input(protected, &header, detached)), detached.to_vec())
        }
        None | Some(_) => return Err(Error::Payload),
    };
    Ok(Compact { header, signing_input, payload, signature: decode("signature", signature)? })
}

/// Reads a message of JSON, flattened or general, of at most `max` bytes: each of its signatures as the message in
/// compact form that it stands for. There is at least one.
///
/// # Errors
///
/// Each variant of [`Error`] but [`Error::Algorithm`], [`Error::Key`], [`Error::Parts`] and [`Error::Signature`].
pub fn parse_json(text: &str, max: usize) -> Result<Vec<Compact<'static>>, Error> {
    message(text, None, max)
}

/// Reads a message of JSON whose payload is told beside it (RFC 7515 appendix F).
///
/// # Errors
///
/// As [`parse_json`].
pub fn parse_json_detached(text: &str, payload: &[u8], max: usize) -> Result<Vec<Compact<'static>>, Error> {
    message(text, Some(payload), max)
}

fn message(text: &str, detached: Option<&[u8]>, max: usize) -> Result<Vec<Compact<'static>>, Error> {
    bounded(text, max)?;
    let mut message = json::object(text.as_bytes())?;
    let payload = match (message.remove("payload"), detached) {
        (Some(Value::String(payload)), None) => Told::Attached(payload),
        (None, Some(payload)) => Told::Detached(payload),
        (Some(_) | None, _) => return Err(Error::Payload),
    };
    let Some(signatures) = message.remove("signatures") else {
        return Ok(vec![signature(message, &payload)?]);
    };
    // RFC 7515 §7.2.2: what has a list of signatures has none beside it.
    let flattened = ["signature", "protected", "header"].iter().any(|name| message.contains_key(*name));
    let Value::Array(signatures) = signatures else { return Err(Error::Serialization) };
    if flattened || signatures.is_empty() || signatures.len() > SIGNATURES {
        return Err(Error::Serialization);
    }
    let object =
        |value| if let Value::Object(members) = value { Ok(members) } else { Err(Error::Serialization) };
    signatures.into_iter().map(|value| signature(object(value)?, &payload)).collect()
}

/// Where the payload of a message of JSON stands.
enum Told<'a> {
    Attached(String),
    Detached(&'a [u8]),
}

fn signature(mut members: Map<String, Value>, payload: &Told<'_>) -> Result<Compact<'static>, Error> {
    let mut text = |name| match members.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::Serialization),
    };
    let (protected, signature) = (text("protected")?, text("signature")?.ok_or(Error::Serialization)?);
    let unprotected = match members.remove("header") {
        None => Map::new(),
        Some(Value::Object(unprotected)) => unprotected,
        Some(_) => return Err(Error::Serialization),
    };
    let protected = protected.unwrap_or_default();
    let parsed = if protected.is_empty() { Map::new() } else { header::protected(&protected)? };
    let header = Header::read(parsed, unprotected)?;
    let payload = match payload {
        Told::Attached(text) if header.encoded => decode("payload", text)?,
        Told::Attached(text) => text.as_bytes().to_vec(),
        Told::Detached(bytes) => bytes.to_vec(),
    };
    let signing_input = Cow::Owned(signing_input(&protected, &header, &payload));
    Ok(Compact { header, signing_input, payload, signature: decode("signature", &signature)? })
}

/// Returns what is signed (RFC 7515 §5.1, RFC 7797 §3).
fn signing_input(protected: &str, header: &Header, payload: &[u8]) -> Vec<u8> {
    let mut input = format!("{protected}.");
    if header.encoded {
        base64url::append(payload, &mut input);
    }
    let mut input = input.into_bytes();
    if !header.encoded {
        input.extend_from_slice(payload);
    }
    input
}

impl Header {
    /// Reads a message's two headers.
    fn read(
        mut protected: Map<String, Value>,
        unprotected: Map<String, Value>,
    ) -> Result<Self, header::Error> {
        // RFC 7515 §4.1.11 and RFC 7797 §3: both are protected, or anybody could take them away.
        header::refuse_unprotected(&unprotected, &["crit", "b64"])?;
        let critical = header::take_critical(&mut protected, &["b64"])?;
        let encoded = match protected.remove("b64") {
            None => true,
            // RFC 7797 §6: without `crit`, a reader that does not know it would read something else.
            Some(Value::Bool(encoded)) if critical.contains(&"b64") => encoded,
            Some(Value::Bool(_)) => return Err(header::Error::Critical("does not list `b64`")),
            Some(_) => return Err(header::Error::Type { member: "b64", expected: "true or false" }),
        };
        let mut joined = protected;
        header::join(&mut joined, unprotected)?;
        Ok(Self {
            algorithm: header::take_algorithm(&mut joined, "alg")?,
            kid: header::take_text(&mut joined, "kid")?,
            typ: header::take_text(&mut joined, "typ")?,
            cty: header::take_text(&mut joined, "cty")?,
            encoded,
            other: joined,
        })
    }
}

fn bounded(text: &str, max: usize) -> Result<(), Error> {
    let found = text.len();
    if found > max { Err(Error::Size { max, found }) } else { Ok(()) }
}

fn decode(part: &'static str, text: &str) -> Result<Vec<u8>, Error> {
    base64url::decode(text).map_err(|reason| Error::Base64 { part, reason })
}
