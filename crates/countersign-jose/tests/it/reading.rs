//! How the tests read a message: with the keys of a set, as a caller does.

use countersign_jose::algorithm::{JwsAlgorithm, KeyManagement, MacAlgorithm, SignatureAlgorithm};
use countersign_jose::jwk::{DecryptionKey, JwkSet, MacKey, PublicKey};
use countersign_jose::{jwe, jws};
use serde_json::Value;

const MAX: usize = 1 << 16;

/// Returns the payload of a signed message, all of whose signatures are good.
pub(crate) fn verified(keys: &Value, message: &str, detached: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let public = JwkSet::<PublicKey>::from_value(keys, SignatureAlgorithm::ALL).unwrap();
    let macs = JwkSet::<MacKey>::from_value(keys, MacAlgorithm::ALL).unwrap();
    let mut payload = None;
    for signed in signatures(message, detached).map_err(|error| error.to_string())? {
        let kid = signed.header().kid().map(str::to_owned);
        let found = match signed.header().algorithm() {
            JwsAlgorithm::Signature(algorithm) => {
                let key = public.find(kid.as_deref(), algorithm).map_err(|error| error.to_string())?;
                signed.verify(key)
            }
            JwsAlgorithm::Mac(algorithm) => {
                let key = macs.find(kid.as_deref(), algorithm).map_err(|error| error.to_string())?;
                signed.verify_mac(key)
            }
        };
        payload = Some(found.map_err(|error| error.to_string())?.payload().to_vec());
    }
    payload.ok_or_else(|| "no signature".to_owned())
}

fn signatures<'a>(message: &'a str, detached: Option<&[u8]>) -> Result<Vec<jws::Compact<'a>>, jws::Error> {
    match (message.starts_with('{'), detached) {
        (true, None) => jws::parse_json(message, MAX),
        (true, Some(payload)) => jws::parse_json_detached(message, payload, MAX),
        (false, None) => Ok(vec![jws::Compact::parse(message, MAX)?]),
        (false, Some(payload)) => Ok(vec![jws::Compact::parse_detached(message, payload, MAX)?]),
    }
}

/// Returns the plaintext of an encrypted message, by the first of its recipients whose key the set has.
pub(crate) fn decrypted(keys: &Value, message: &str) -> Result<Vec<u8>, String> {
    let keys = JwkSet::<DecryptionKey>::from_value(keys, KeyManagement::ALL).unwrap();
    let recipients = if message.starts_with('{') {
        jwe::parse_json(message, MAX)
    } else {
        jwe::Compact::parse(message, MAX).map(|one| vec![one])
    };
    for message in recipients.map_err(|error| error.to_string())? {
        if let Ok(key) = keys.find(message.header().kid(), message.header().algorithm()) {
            return message
                .decrypt(key)
                .map(|found| found.plaintext().to_vec())
                .map_err(|error| error.to_string());
        }
    }
    Err(format!("no key: {:?}", keys.passed_over()))
}
