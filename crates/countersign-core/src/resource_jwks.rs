//! The key that tokens for a resource are encrypted for (RFC 7519 §5.2, RFC 9068 §2.1), as it is declared: a JWK Set with
//! one public key for encryption.
//!
//! **Invariant.** No private key is taken: only the resource can read its tokens. Which key is meant is not guessed: of
//! several none is.

use std::sync::Arc;

use countersign_jose::algorithm::KeyManagement;
use countersign_jose::jwk::{self, EncryptionKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::registered::holds_secrets;

/// The longest set that is declared; a bound, not a clause: one key of RSA 8192 needs 1,400 bytes.
const MAX_JWKS: usize = 16 * 1024;

/// The algorithms of a key that states none: one fits each type of key.
const PRESET: [KeyManagement; 2] = [KeyManagement::EcdhEsA256Kw, KeyManagement::RsaOaep256];

/// A JWK Set with one public key for encryption.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct ResourceJwks {
    set: Value,
    key: Arc<EncryptionKey>,
}

/// Why tokens cannot be encrypted for a set.
#[derive(Debug, Error)]
pub enum NotForEncryption {
    /// The key cannot be used.
    #[error("jwks: {0}")]
    Key(#[from] jwk::Error),
    /// It holds no key for encryption.
    #[error(
        "jwks: expected a key for encryption: `use` is \"enc\", or `alg` is RSA-OAEP-256, ECDH-ES, ECDH-ES+A128KW or ECDH-ES+A256KW"
    )]
    None,
    /// It holds a key that nobody but the resource may have.
    #[error(
        "jwks: expected public keys alone (without d, p, q, dp, dq, qi, oth and k): the private key stays with the resource"
    )]
    Private,
    /// It is no set, or too long.
    #[error("jwks: expected a JWK Set, {{\"keys\":[…]}}, of at most 16 KiB")]
    Set,
    /// It holds several.
    #[error("jwks: expected one key for encryption, found several: a new key takes the place of the old one")]
    Several,
}

impl ResourceJwks {
    /// Returns the key that tokens are encrypted for.
    #[must_use]
    pub fn key(&self) -> &EncryptionKey {
        &self.key
    }
}

impl TryFrom<Value> for ResourceJwks {
    type Error = NotForEncryption;

    fn try_from(set: Value) -> Result<Self, NotForEncryption> {
        let records = set.get("keys").and_then(Value::as_array).ok_or(NotForEncryption::Set)?;
        if set.to_string().len() > MAX_JWKS {
            return Err(NotForEncryption::Set);
        }
        if records.iter().any(holds_secrets) {
            return Err(NotForEncryption::Private);
        }
        let mut candidates = records.iter().filter(|record| is_candidate(record));
        let record = candidates.next().ok_or(NotForEncryption::None)?;
        if candidates.next().is_some() {
            return Err(NotForEncryption::Several);
        }
        let allowed = if record.get("alg").is_some() { KeyManagement::ALL } else { &PRESET };
        let key = Arc::new(EncryptionKey::from_jwk(record, allowed)?);
        Ok(Self { set, key })
    }
}

/// Tells whether a record is meant for encryption; others of a set may be there for something else (RFC 7517 §5).
fn is_candidate(record: &Value) -> bool {
    let text = |member: &str| record.get(member).and_then(Value::as_str);
    match text("use") {
        Some(used) => used == "enc",
        None => text("alg").is_some_and(|alg| alg.parse::<KeyManagement>().is_ok()),
    }
}

impl From<ResourceJwks> for Value {
    fn from(jwks: ResourceJwks) -> Self {
        jwks.set
    }
}

impl PartialEq for ResourceJwks {
    fn eq(&self, other: &Self) -> bool {
        self.set == other.set
    }
}

impl Eq for ResourceJwks {}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::ResourceJwks;

    /// RFC 7517 appendix A.1, the key on P-256.
    fn ec(more: &Value) -> Value {
        let mut key = json!({ "kty": "EC", "crv": "P-256",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM" });
        key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        key
    }

    fn rsa(modulus: usize, more: &Value) -> Value {
        let mut key = json!({ "kty": "RSA", "e": "AQAB",
            "n": countersign_jose::base64url::encode(&vec![0xff; modulus]) });
        key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        key
    }

    /// What is taken, by its algorithm and name, or words of why not.
    #[track_caller]
    fn check(keys: &Value, expected: Result<&str, &str>) {
        let read = serde_json::from_value::<ResourceJwks>(json!({ "keys": keys }));
        match (&read, expected) {
            (Ok(jwks), Ok(key)) => {
                let found = format!("{} {}", jwks.key().algorithm(), jwks.key().kid().unwrap_or_default());
                assert_eq!(found, key, "{keys}");
                let again = serde_json::to_value(jwks).unwrap();
                assert_eq!(serde_json::from_value::<ResourceJwks>(again).unwrap(), *jwks);
            }
            (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{keys}: {error}"),
            (read, expected) => panic!("{keys}: {read:?} for {expected:?}"),
        }
    }

    #[test]
    fn rfc7517_4_2_one_public_key_for_encryption_is_taken() {
        let used = |alg: &str| json!({ "use": "enc", "kid": "1", "alg": alg });
        check(&json!([ec(&json!({ "use": "enc", "kid": "1" }))]), Ok("ECDH-ES+A256KW 1"));
        check(&json!([ec(&used("ECDH-ES"))]), Ok("ECDH-ES 1"));
        check(&json!([ec(&used("ECDH-ES+A128KW"))]), Ok("ECDH-ES+A128KW 1"));
        check(&json!([ec(&json!({ "alg": "ECDH-ES" }))]), Ok("ECDH-ES "));
        check(&json!([rsa(256, &json!({ "use": "enc" }))]), Ok("RSA-OAEP-256 "));
        let x = "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo";
        check(
            &json!([{ "kty": "OKP", "crv": "X25519", "x": x, "use": "enc", "kid": "x" }]),
            Ok("ECDH-ES+A256KW x"),
        );
        let beside = [ec(&json!({ "use": "sig" })), ec(&json!({ "alg": "ES256" })), ec(&json!({}))];
        let [signing, signs, silent] = beside;
        check(&json!([signing, signs, silent, ec(&used("ECDH-ES"))]), Ok("ECDH-ES 1"));
    }

    #[test]
    fn what_is_no_such_key_is_refused_with_what_would_be() {
        check(&json!([]), Err("expected a key for encryption"));
        check(&json!([ec(&json!({}))]), Err("expected a key for encryption"));
        check(&json!([ec(&json!({ "use": "sig" }))]), Err("expected a key for encryption"));
        check(&json!([ec(&json!({ "alg": "ES256" }))]), Err("expected a key for encryption"));
        check(
            &json!([ec(&json!({ "use": "enc" })), ec(&json!({ "use": "enc", "kid": "2" }))]),
            Err("found several"),
        );
        check(&json!([ec(&json!({ "use": "enc", "d": "x" }))]), Err("public keys alone"));
        check(&json!([ec(&json!({ "use": "enc" })), { "kty": "oct", "k": "AA" }]), Err("public keys alone"));
        check(&json!([{ "kty": "oct", "use": "enc", "alg": "dir" }]), Err("`k`"));
        check(&json!([ec(&json!({ "use": "enc", "alg": "RSA-OAEP-256" }))]), Err("does not fit"));
        check(&json!([ec(&json!({ "use": "enc", "alg": "dir" }))]), Err("does not fit"));
        check(&json!([ec(&json!({ "use": "enc", "alg": "none" }))]), Err("`alg`"));
        check(&json!([rsa(256, &json!({ "use": "enc", "alg": "RSA1_5" }))]), Err("`alg`"));
        check(&json!([rsa(128, &json!({ "use": "enc" }))]), Err("2048 to 8192 bits"));
        check(&json!([ec(&json!({ "use": "enc", "x": "AA" }))]), Err("`x`"));
        check(&json!([ec(&json!({ "use": "enc", "kid": "x".repeat(16 * 1024) }))]), Err("16 KiB"));
        check(&json!({}), Err("expected a JWK Set"));
    }
}
