//! RFC 7638: a name that a key has by itself.

use aws_lc_rs::digest;
use serde_json::Value;

use super::Error;
use crate::base64url;

/// Returns the thumbprint of any JWK: base64url of SHA-256 over the parameters that make the key (RFC 7638 §3.2,
/// RFC 8037 §2). Nothing else of the record counts, its private part neither.
///
/// # Errors
///
/// [`Error::Base64`], [`Error::Missing`], [`Error::Type`] and [`Error::Unsupported`].
pub fn thumbprint(jwk: &Value) -> Result<String, Error> {
    let text = |name: &'static str| match jwk.get(name) {
        None => Err(Error::Missing(name)),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(Error::Type { member: name, expected: "text" }),
    };
    let (names, curves): (&[&'static str], &[&str]) = match text("kty")? {
        "RSA" => (&["e", "kty", "n"], &[]),
        "EC" => (&["crv", "kty", "x", "y"], &["P-256", "P-384", "P-521", "secp256k1"]),
        "OKP" => (&["crv", "kty", "x"], &["Ed25519", "Ed448", "X25519", "X448"]),
        "oct" => (&["k", "kty"], &[]),
        _ => return Err(Error::Unsupported),
    };
    let mut parameters = Vec::new();
    for name in names {
        let value = text(name)?;
        match *name {
            "kty" => {}
            "crv" if curves.contains(&value) => {}
            "crv" => return Err(Error::Unsupported),
            name => drop(base64url::decode(value).map_err(|_| Error::Base64(name))?),
        }
        parameters.push((*name, value));
    }
    Ok(of(parameters))
}

/// Returns the thumbprint of parameters in the order of their names. None of them needs an escape: they are names of
/// types and curves, and base64url.
pub(super) fn of<'a>(parameters: impl IntoIterator<Item = (&'static str, &'a str)>) -> String {
    let members: Vec<String> =
        parameters.into_iter().map(|(name, text)| format!("\"{name}\":\"{text}\"")).collect();
    let canonical = format!("{{{}}}", members.join(","));
    base64url::encode(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref())
}
