//! The keys with which GitHub signs what its secret scanning found, as its page on partners describes them.
//!
//! **Invariant.** Only [`Key::verify`] makes a [`Signed`]. A key that is not current verifies nothing.
//!
//! What it does not do: fetch.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;

/// The most keys of a set; GitHub has a handful.
const MOST: usize = 64;

/// A report that GitHub signed.
#[derive(Debug)]
pub(crate) struct Signed<'a>(&'a [u8]);

impl<'a> Signed<'a> {
    const fn assertion(body: &'a [u8]) -> Self {
        Self(body)
    }

    /// Returns the bytes that were signed.
    pub(crate) const fn bytes(&self) -> &'a [u8] {
        self.0
    }
}

/// A key that may sign.
#[derive(Debug, Clone)]
pub(crate) struct Key(Arc<ParsedPublicKey>);

impl Key {
    /// Reads a key in PEM; `None`: it is no P-256 key.
    fn read(pem: &str) -> Option<Self> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).ok()?;
        ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &*der).ok().map(|key| Self(Arc::new(key)))
    }

    /// Proves that `body`, byte for byte, was signed: `signature` is ASN.1 in base64.
    pub(crate) fn verify<'a>(&self, signature: &[u8], body: &'a [u8]) -> Option<Signed<'a>> {
        let signature = STANDARD.decode(signature).ok()?;
        self.0.verify_sig(body, &signature).ok().map(|()| Signed::assertion(body))
    }
}

/// What is said of an id.
#[derive(Debug)]
pub(crate) enum Trust {
    /// It names this key.
    Current(Key),
    /// It names one that may not sign any more, or more than one.
    Refused,
}

/// A set of keys.
#[derive(Debug)]
pub(crate) struct ProviderKeys {
    /// By id; `None`: not current.
    keys: HashMap<String, Option<Key>>,
}

#[derive(Deserialize)]
struct Document {
    public_keys: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    key_identifier: String,
    key: String,
    is_current: bool,
}

impl ProviderKeys {
    /// Reads a set of keys. A key that cannot be read is none; without any, it is no set.
    pub(crate) fn read(document: &[u8]) -> Option<Self> {
        let rows = serde_json::from_slice::<Document>(document).ok()?.public_keys;
        if rows.len() > MOST {
            return None;
        }
        let mut keys = HashMap::new();
        for row in rows {
            let Some(key) = Key::read(&row.key) else { continue };
            let current = row.is_current.then_some(key);
            // An id that names two keys is not to be guessed at.
            keys.entry(row.key_identifier).and_modify(|one| *one = None).or_insert(current);
        }
        (!keys.is_empty()).then_some(Self { keys })
    }

    /// Says what the set says of `id`; `None`: nothing.
    pub(crate) fn trust(&self, id: &str) -> Option<Trust> {
        self.keys.get(id).map(|key| key.clone().map_or(Trust::Refused, Trust::Current))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::{Key, ProviderKeys, Trust};

    // The vector of GitHub's page on its partner programme.
    const ID: &str = "f9525bf080f75b3506ca1ead061add62b8633a346606dc5fe544e29231c6ee0d";
    const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsz9ugWDj5jK5ELBK42ynytbo38gP\n\
        HzZFI03Exwz8Lh/tCfL3YxwMdLjB+bMznsanlhK0RwcGP3IDb34kQDIo3Q==\n\
        -----END PUBLIC KEY-----\n";
    const BODY: &[u8] =
        br#"[{"token":"some_token","type":"some_type","url":"some_url","source":"some_source"}]"#;
    const SIGNATURE: &str =
        "MEUCIFLZzeK++IhS+y276SRk2Pe5LfDrfvTXu6iwKKcFGCrvAiEAhHN2kDOhy2I6eGkOFmxNkOJ+L2y8oQ9A2T9GGJo6WJY=";

    pub(crate) fn document(rows: &[(&str, bool)]) -> Vec<u8> {
        let rows: Vec<_> = rows
            .iter()
            .map(|(id, current)| json!({ "key_identifier": id, "key": PEM, "is_current": current }))
            .collect();
        json!({ "public_keys": rows }).to_string().into_bytes()
    }

    #[track_caller]
    fn check(rows: &[(&str, bool)], id: &str, expected: &str) {
        let found = match ProviderKeys::read(&document(rows)).unwrap().trust(id) {
            Some(Trust::Current(_)) => "current",
            Some(Trust::Refused) => "refused",
            None => "unknown",
        };
        assert_eq!(found, expected, "{id}");
    }

    #[test]
    fn github_secret_scanning_the_published_vector_verifies() {
        let key = Key::read(PEM).unwrap();
        assert_eq!(BODY.len(), 83);
        assert_eq!(key.verify(SIGNATURE.as_bytes(), BODY).unwrap().bytes(), BODY);
    }

    #[test]
    fn github_secret_scanning_any_other_byte_fails() {
        let key = Key::read(PEM).unwrap();
        for (at, bit) in (0..BODY.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut body = BODY.to_vec();
            *body.get_mut(at).unwrap() ^= 1 << bit;
            assert!(key.verify(SIGNATURE.as_bytes(), &body).is_none(), "byte {at}");
        }
        for at in 0..SIGNATURE.len() {
            let mut signature = SIGNATURE.as_bytes().to_vec();
            let letter = signature.get_mut(at).unwrap();
            *letter = if *letter == b'A' { b'B' } else { b'A' };
            assert!(key.verify(&signature, BODY).is_none(), "letter {at}");
        }
        for body in [&BODY[1..], &BODY[..82], &[BODY, b"\n"].concat(), b""] {
            assert!(key.verify(SIGNATURE.as_bytes(), body).is_none());
        }
        let unpadded = SIGNATURE.trim_end_matches('=');
        for signature in ["", "=", "AA==", unpadded, &format!("{SIGNATURE}\n"), &format!(" {SIGNATURE}")] {
            assert!(key.verify(signature.as_bytes(), BODY).is_none(), "{signature}");
        }
    }

    #[test]
    fn what_is_no_p256_key_is_no_key() {
        // The same numbers, said to be of P-384.
        let other = PEM.replace("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD", "MFYwEAYHKoZIzj0CAQYFK4EEACID");
        for pem in ["", "x", &other, &PEM.replace("PUBLIC KEY", "CERTIFICATE"), &PEM.replace("sz9u", "sz9v")]
        {
            assert!(Key::read(pem).is_none(), "{pem}");
        }
    }

    #[test]
    fn a_set_says_which_key_is_current() {
        let rows = [(ID, true), ("old", false), ("twice", true), ("twice", true)];
        for (id, expected) in
            [(ID, "current"), ("old", "refused"), ("twice", "refused"), ("other", "unknown"), ("", "unknown")]
        {
            check(&rows, id, expected);
        }
    }

    #[test]
    fn what_is_no_set_is_none() {
        let many: Vec<_> = (0..65).map(|id| id.to_string()).collect();
        let many: Vec<_> = many.iter().map(|id| (id.as_str(), true)).collect();
        for set in [&b"x"[..], b"{}", b"{\"public_keys\":[]}", &document(&many)] {
            assert!(ProviderKeys::read(set).is_none());
        }
        assert!(ProviderKeys::read(&document(&many[..64])).is_some());
    }
}
