//! How signed messages are made: compact, with a protected header alone.

use serde::Serialize;

use super::Error;
use crate::base64url;
use crate::jwk::SigningKey;

/// Signs a payload. The header says the key's algorithm and name, and the type of the message.
///
/// # Errors
///
/// [`Error::Key`] if AWS-LC cannot sign.
pub fn sign(key: &SigningKey, typ: &str, payload: &[u8]) -> Result<String, Error> {
    let header = Protected { typ, alg: key.algorithm().as_str(), kid: key.kid() };
    let header = serde_json::to_vec(&header).map_err(|error| Error::Json(error.into()))?;
    // Room for the longest signature but RSA's, so that the text is written in one place.
    let mut text = String::with_capacity((header.len() + payload.len()) * 4 / 3 + 200);
    base64url::append(&header, &mut text);
    text.push('.');
    base64url::append(payload, &mut text);
    let signature = key.sign(text.as_bytes())?;
    text.push('.');
    base64url::append(&signature, &mut text);
    Ok(text)
}

#[derive(Serialize)]
struct Protected<'a> {
    typ: &'a str,
    alg: &'static str,
    kid: &'a str,
}
