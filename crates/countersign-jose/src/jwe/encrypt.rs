//! How encrypted messages are made: compact, with a protected header alone.

use serde::Serialize;
use serde_json::Value;

use super::{Error, content, key_management};
use crate::algorithm::ContentEncryption;
use crate::base64url;
use crate::jwk::EncryptionKey;

/// What the header says of what is encrypted, which everybody can read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Told<'a> {
    /// `cty`: the type of the content, `JWT` for a token that was signed before (RFC 7519 §5.2).
    pub content_type: Option<&'a str>,
    /// `iss`: who issued the token, said once more outside (RFC 7519 §5.3).
    pub issuer: Option<&'a str>,
}

/// Encrypts a plaintext. The header says the algorithms, the key's name, and what is `told`.
///
/// # Errors
///
/// [`Error::Content`] if the key is for other content, [`Error::Key`] if AWS-LC cannot encrypt.
pub fn encrypt(
    key: &EncryptionKey,
    enc: ContentEncryption,
    told: Told<'_>,
    plaintext: &[u8],
) -> Result<String, Error> {
    if key.content().is_some_and(|only| only != enc) {
        return Err(Error::Content(enc));
    }
    let sealed = key_management::seal(key, enc)?;
    let header = Protected {
        alg: key.algorithm().as_str(),
        enc: enc.as_str(),
        kid: key.kid(),
        cty: told.content_type,
        iss: told.issuer,
        epk: sealed.epk,
    };
    let header = serde_json::to_vec(&header).map_err(|error| Error::Json(error.into()))?;
    let protected = base64url::encode(&header);
    // A content's key is fresh but for `dir`, whose nonces are random: 2^32 messages at most (NIST SP 800-38D §8.3).
    let iv = key_management::random(content::iv_length(enc))?;
    let content = content::seal(enc, &sealed.key, &iv, protected.as_bytes(), plaintext)?;
    let parts = [&sealed.encrypted_key, &content.iv, &content.ciphertext, &content.tag]
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
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epk: Option<Value>,
}
