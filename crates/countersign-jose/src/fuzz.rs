//! What must hold of this crate's parsers for any bytes. Part of tests and of `fuzz/` alone.

#![expect(clippy::unwrap_used, reason = "what must hold for any bytes fails where it stands")]

use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Value, json};

use crate::algorithm::{ContentEncryption, KeyManagement, MacAlgorithm, SignatureAlgorithm};
use crate::jwk::{DecryptionKey, EncryptionKey, JwkSet, Key, MacKey, PublicKey, thumbprint};
use crate::jwt::Claims;
use crate::{base64url, json as strict, jwe, jws};

const MAX: usize = 1 << 16;

/// JSON that is read means what others read in it, and what is printed of it is read again; base64url has one text.
pub fn jose_json(bytes: &[u8]) {
    if let Ok(value) = strict::value(bytes) {
        assert_eq!(value, serde_json::from_slice::<Value>(bytes).unwrap());
        // The last digit of a large fraction may differ: serde_json prints floats exactly, and reads them fast.
        assert!(strict::value(value.to_string().as_bytes()).is_ok());
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(decoded) = base64url::decode(&text) {
        assert_eq!(base64url::encode(&decoded), text);
    }
}

/// A key that is read has one algorithm that fits it, and is written as the same key.
pub fn jwk(bytes: &[u8]) {
    let Ok(value) = strict::value(bytes) else { return };
    for set in [value.clone(), json!({ "keys": [value.clone()] })] {
        for key in keys::<PublicKey>(&set, SignatureAlgorithm::ALL) {
            let written = key.to_jwk();
            assert_eq!(PublicKey::from_jwk(&written, &[key.algorithm()]).unwrap(), *key);
            assert_eq!(thumbprint(&written).unwrap(), key.thumbprint());
            assert!(!key.verifies(bytes, bytes));
        }
        for key in keys::<MacKey>(&set, MacAlgorithm::ALL) {
            assert!(!key.verifies(bytes, b""));
        }
        for key in keys::<DecryptionKey>(&set, KeyManagement::ALL) {
            assert!(key.algorithm() == KeyManagement::Dir || key.content().is_none());
        }
    }
    for algorithm in KeyManagement::ALL {
        if let Ok(key) = EncryptionKey::from_jwk(&value, &[*algorithm]) {
            let content = key.content().unwrap_or(ContentEncryption::A128Gcm);
            let text = jwe::encrypt(&key, content, jwe::Told::default(), bytes);
            assert!(text.is_ok() || *algorithm == KeyManagement::Dir);
            if let (Ok(text), Ok(key)) = (text, DecryptionKey::from_jwk(&value, &[*algorithm])) {
                let opened = jwe::Compact::parse(&text, usize::MAX).unwrap().decrypt(&key).unwrap();
                assert_eq!(opened.plaintext(), bytes);
            }
        }
    }
}

/// Returns the keys of a set, each of which is found by what it says.
fn keys<K: Key>(set: &Value, allowed: &[K::Algorithm]) -> Vec<std::sync::Arc<K>> {
    let Ok(set) = JwkSet::<K>::from_value(set, allowed) else { return Vec::new() };
    for key in set.keys() {
        assert!(allowed.contains(&key.algorithm()));
        if let Ok(found) = set.find(key.kid(), key.algorithm()) {
            assert!(found.kid() == key.kid() || key.kid().is_none());
        }
    }
    set.keys().to_vec()
}

/// Lines that a message may have for its parts, so that no fuzzer has to invent base64url.
fn compact(bytes: &[u8], parts: usize) -> String {
    let part = |line: &[u8]| base64url::encode(line);
    bytes.splitn(parts, |byte| *byte == b'\n').map(part).collect::<Vec<_>>().join(".")
}

/// A signed message that is read in compact form has one text, and none is accepted by a key that signed none.
pub fn jws(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for text in [text.as_ref(), &compact(bytes, 3)] {
        if let Ok(signed) = jws::Compact::parse(text, MAX) {
            let (input, signature) = text.rsplit_once('.').unwrap();
            assert_eq!(base64url::encode(&base64url::decode(signature).unwrap()), signature);
            assert!(
                !signed.header().is_payload_encoded()
                    || input.ends_with(&base64url::encode(signed.unverified_payload()))
            );
            refused(signed);
        }
        if let Ok(signed) = jws::Compact::parse_detached(text, bytes, MAX) {
            assert_eq!(signed.unverified_payload(), bytes);
            refused(signed);
        }
    }
    for signed in jws::parse_json(&text, MAX).into_iter().chain(jws::parse_json_detached(&text, bytes, MAX)) {
        assert!(!signed.is_empty());
        signed.into_iter().for_each(refused);
    }
}

fn refused(signed: jws::Compact<'_>) {
    let header = signed.header();
    let (algorithm, other) = (header.algorithm(), header.other());
    assert!(["alg", "kid", "typ", "cty", "crit", "b64"].iter().all(|name| !other.contains_key(*name)));
    assert!(signed.clone().verify_mac(&SHARED.1).is_err());
    let found = signed.verify(&PUBLIC);
    assert!(matches!(found, Err(jws::Error::Signature | jws::Error::Algorithm { .. })), "{algorithm}");
}

/// An encrypted message that is read inflates nothing, and none is opened by a key that it was not encrypted for.
pub fn jwe(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let messages = [jwe::Compact::parse(&text, MAX).map(|one| vec![one]), jwe::parse_json(&text, MAX)];
    let built = compact(bytes, 5);
    let built = jwe::Compact::parse(&built, MAX).map(|one| vec![one]);
    for message in messages.into_iter().chain([built]).flatten().flatten() {
        let header = message.header();
        assert!(["zip", "alg", "enc", "crit"].iter().all(|name| !header.other().contains_key(*name)));
        for key in &SHARED.0 {
            assert!(message.clone().decrypt(key).is_err());
        }
    }
}

/// A claim that stands in a token is read by its type; what is alive has an end that is yet to come.
pub fn jwt(bytes: &[u8]) {
    let Ok(claims) = Claims::parse(bytes) else { return };
    let value: Value = serde_json::from_slice(bytes).unwrap();
    let registered = [
        ("iss", claims.issuer.is_some()),
        ("sub", claims.subject.is_some()),
        ("aud", claims.audience.is_some()),
        ("exp", claims.expires_at.is_some()),
        ("nbf", claims.not_before.is_some()),
        ("iat", claims.issued_at.is_some()),
        ("jti", claims.id.is_some()),
    ];
    for (name, is_read) in registered {
        assert_eq!(value.get(name).is_some(), is_read, "{name}");
        assert!(!claims.other.contains_key(name));
    }
    let now = Duration::from_secs(1_700_000_000);
    if let Ok(end) = claims.alive(now, Duration::ZERO) {
        assert!(end.since_epoch() > now);
    }
    assert!(claims.issued_by("https://nobody.invalid").is_err());
}

/// The key of RFC 7517 appendix A.1, which signed nothing that was published.
static PUBLIC: LazyLock<PublicKey> = LazyLock::new(|| {
    let jwk = json!({
        "kty": "EC", "crv": "P-256",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    });
    PublicKey::from_jwk(&jwk, &[SignatureAlgorithm::Es256]).unwrap()
});

/// Keys that encrypted nothing, and one that made no MAC.
static SHARED: LazyLock<(Vec<DecryptionKey>, MacKey)> = LazyLock::new(|| {
    let shared = |length: usize| json!({ "kty": "oct", "k": base64url::encode(&vec![7; length]) });
    let agreed = json!({
        "kty": "OKP", "crv": "X25519",
        "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08", "d": "XasIfmJKikt54X-Lg4AO5m87sSkmGLb9HC-LJ_-I4Os",
    });
    let rows = [
        (shared(16), KeyManagement::A128Kw),
        (shared(32), KeyManagement::Dir),
        (agreed.clone(), KeyManagement::EcdhEs),
        (agreed, KeyManagement::EcdhEsA256Kw),
    ];
    let keys =
        rows.iter().map(|(jwk, algorithm)| DecryptionKey::from_jwk(jwk, &[*algorithm]).unwrap()).collect();
    (keys, MacKey::from_jwk(&shared(32), &[MacAlgorithm::Hs256]).unwrap())
});

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn kept_jose_json() {
        replay("jose_json", super::jose_json);
    }

    #[test]
    fn kept_jwe() {
        replay("jwe", super::jwe);
    }

    #[test]
    fn kept_jwk() {
        replay("jwk", super::jwk);
    }

    #[test]
    fn kept_jws() {
        replay("jws", super::jws);
    }

    #[test]
    fn kept_jwt() {
        replay("jwt", super::jwt);
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;
