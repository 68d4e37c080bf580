//! How encrypted messages are made: compact, with a protected header alone.

use serde::Serialize;
use serde_json::Value;

use super::{Error, content, key_management};
use crate::algorithm::ContentEncryption;
use crate::base64url;
use crate::jwk::EncryptionKey;

/// Encrypts a plaintext. The header says the algorithms, the key's name, and the type of the content (`JWT` for a token
/// that was signed before, RFC 7519 §5.2).
///
/// # Errors
///
/// [`Error::Content`] if the key is for other content, [`Error::Key`] if AWS-LC cannot encrypt.
pub fn encrypt(
    key: &EncryptionKey,
    enc: ContentEncryption,
    cty: Option<&str>,
    plaintext: &[u8],
) -> Result<String, Error> {
    if key.content().is_some_and(|only| only != enc) {
        return Err(Error::Content(enc));
    }
    let told = key_management::seal(key, enc)?;
    let header =
        Protected { alg: key.algorithm().as_str(), enc: enc.as_str(), kid: key.kid(), cty, epk: told.epk };
    let header = serde_json::to_vec(&header).map_err(|error| Error::Json(error.into()))?;
    let protected = base64url::encode(&header);
    // A content's key is fresh but for `dir`, whose nonces are random: 2^32 messages at most (NIST SP 800-38D §8.3).
    let iv = key_management::random(content::iv_length(enc))?;
    let content = content::seal(enc, &told.key, &iv, protected.as_bytes(), plaintext)?;
    let parts = [&told.encrypted_key, &content.iv, &content.ciphertext, &content.tag]
        .map(|part| base64url::encode(part));
    Ok(format!("{protected}.{}", parts.join(".")))
}

#[derive(Serialize)]
struct Protected<'a> {
    alg: &'static str,
    enc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cty: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epk: Option<Value>,
}
