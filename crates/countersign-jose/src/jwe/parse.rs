//! How encrypted messages are read.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Agreement, Compact, Content, Error, Header};
use crate::{base64url, header, json};

/// The most recipients of one message.
pub(super) const RECIPIENTS: usize = 16;

/// Reads a message in compact form.
pub(super) fn compact(text: &str, max: usize) -> Result<Compact<'_>, Error> {
    bounded(text, max)?;
    let mut parts = text.splitn(5, '.');
    let mut part = || parts.next().ok_or(Error::Parts);
    let (protected, key, iv, ciphertext, tag) = (part()?, part()?, part()?, part()?, part()?);
    if tag.contains('.') {
        return Err(Error::Parts);
    }
    let header = Header::read(header::protected(protected)?, Map::new())?;
    let content = Content {
        aad: Cow::Borrowed(protected.as_bytes()),
        iv: decode("initialization vector", iv)?,
        ciphertext: decode("ciphertext", ciphertext)?,
        tag: decode("tag", tag)?,
    };
    Ok(Compact { header, encrypted_key: decode("encrypted key", key)?, content: Arc::new(content) })
}

/// Reads a message of JSON, flattened or general, of at most `max` bytes: each recipient's as if it were the only one.
/// There is at least one.
///
/// # Errors
///
/// [`Error::Base64`], [`Error::Header`], [`Error::Json`], [`Error::Serialization`] and [`Error::Size`].
pub fn parse_json(text: &str, max: usize) -> Result<Vec<Compact<'static>>, Error> {
    bounded(text, max)?;
    let mut message = json::object(text.as_bytes())?;
    let protected = take_text(&mut message, "protected")?.unwrap_or_default();
    let mut needed = |name| take_text(&mut message, name)?.ok_or(Error::Serialization);
    let (iv, ciphertext, tag) = (needed("iv")?, needed("ciphertext")?, needed("tag")?);
    let aad = match take_text(&mut message, "aad")? {
        None => protected.clone(),
        // RFC 7516 §5.1: what is authenticated beside the header is known by its text, which must be base64url.
        Some(aad) => {
            decode("additional data", &aad)?;
            format!("{protected}.{aad}")
        }
    };
    let content = Arc::new(Content {
        aad: Cow::Owned(aad.into_bytes()),
        iv: decode("initialization vector", &iv)?,
        ciphertext: decode("ciphertext", &ciphertext)?,
        tag: decode("tag", &tag)?,
    });
    let protected = if protected.is_empty() { Map::new() } else { header::protected(&protected)? };
    let unprotected = take_object(&mut message, "unprotected")?;
    let recipients = recipients(message)?;
    let single = recipients.len() == 1;
    let read = |recipient| {
        let read = recipient_of(recipient, &protected, &unprotected, &content)?;
        // RFC 7516 §4.1.1, RFC 7518 §4.5 and §4.6: what is agreed on cannot be the same for two.
        if read.header.algorithm.is_direct() && !single { Err(Error::Serialization) } else { Ok(read) }
    };
    recipients.into_iter().map(read).collect()
}

/// Returns the recipients; without a list, the message itself holds the members of its only one.
fn recipients(mut message: Map<String, Value>) -> Result<Vec<Map<String, Value>>, Error> {
    let Some(listed) = message.remove("recipients") else {
        return Ok(vec![message]);
    };
    // RFC 7516 §7.2.2: what has a list of recipients has none beside it.
    let flattened = ["header", "encrypted_key"].iter().any(|name| message.contains_key(*name));
    let Value::Array(listed) = listed else { return Err(Error::Serialization) };
    if flattened || listed.is_empty() || listed.len() > RECIPIENTS {
        return Err(Error::Serialization);
    }
    let object =
        |value| if let Value::Object(members) = value { Ok(members) } else { Err(Error::Serialization) };
    listed.into_iter().map(object).collect()
}

fn recipient_of(
    mut recipient: Map<String, Value>,
    protected: &Map<String, Value>,
    unprotected: &Map<String, Value>,
    content: &Arc<Content<'static>>,
) -> Result<Compact<'static>, Error> {
    let mut others = unprotected.clone();
    header::join(&mut others, take_object(&mut recipient, "header")?)?;
    let encrypted_key = take_text(&mut recipient, "encrypted_key")?.unwrap_or_default();
    Ok(Compact {
        header: Header::read(protected.clone(), others)?,
        encrypted_key: decode("encrypted key", &encrypted_key)?,
        content: Arc::clone(content),
    })
}

impl Header {
    /// Reads a message's headers.
    fn read(mut protected: Map<String, Value>, others: Map<String, Value>) -> Result<Self, header::Error> {
        header::refuse_unprotected(&others, &["crit"])?;
        header::take_critical(&mut protected, &[])?;
        let mut joined = protected;
        header::join(&mut joined, others)?;
        if joined.contains_key("zip") {
            return Err(header::Error::Zip);
        }
        let bytes = |joined: &mut Map<String, Value>, member| {
            let text = header::take_text(joined, member)?.unwrap_or_default();
            base64url::decode(&text).map_err(|_| header::Error::Type { member, expected: "base64url" })
        };
        let (apu, apv) = (bytes(&mut joined, "apu")?, bytes(&mut joined, "apv")?);
        Ok(Self {
            algorithm: header::take_algorithm(&mut joined, "alg")?,
            content: header::take_algorithm(&mut joined, "enc")?,
            kid: header::take_text(&mut joined, "kid")?,
            typ: header::take_text(&mut joined, "typ")?,
            cty: header::take_text(&mut joined, "cty")?,
            agreement: Agreement { epk: joined.remove("epk"), apu, apv },
            other: joined,
        })
    }
}

fn take_text(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Error> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::Serialization),
    }
}

fn take_object(members: &mut Map<String, Value>, name: &str) -> Result<Map<String, Value>, Error> {
    match members.remove(name) {
        None => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(Error::Serialization),
    }
}

fn bounded(text: &str, max: usize) -> Result<(), Error> {
    let found = text.len();
    if found > max { Err(Error::Size { max, found }) } else { Ok(()) }
}

fn decode(part: &'static str, text: &str) -> Result<Vec<u8>, Error> {
    base64url::decode(text).map_err(|reason| Error::Base64 { part, reason })
}
