//! The keys with which GitHub signs what its secret scanning found, as its page on partners describes them.
//!
//! **Invariant.** Only [`Key::verify`] makes a [`Signed`]. A key that is not current verifies nothing, and one that is
//! older than [`LIFE`] is not known any more.
//!
//! What it does not do: fetch. [`ProviderKeys`] says when to, and learns what came of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_core::timestamp::Monotonic;
use http::HeaderValue;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;

/// How long fetched keys are believed: GitHub limits how often they may be fetched and asks to keep them.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// The time between two attempts to fetch, whatever came of the first: strangers choose the ids.
const COOLDOWN: Duration = Duration::from_secs(60);
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

/// What is known of an id.
#[derive(Debug)]
pub(crate) enum Trust {
    /// It names this key.
    Current(Key),
    /// It names none, or one that may not sign any more.
    Refused,
    /// Nothing is known now: the keys could not be fetched.
    Unavailable,
}

/// What came of an attempt to fetch.
pub(crate) enum Fetched<'a> {
    /// The keys, and their version.
    Keys(&'a [u8], Option<HeaderValue>),
    /// They are what they were (RFC 9110 §15.4.5).
    Unchanged,
    /// Nothing.
    Failed,
}

/// The keys that were fetched last, and when.
#[derive(Debug, Default)]
pub(crate) struct ProviderKeys {
    /// By id; `None`: not current.
    keys: HashMap<String, Option<Key>>,
    version: Option<HeaderValue>,
    fetched: Option<Monotonic>,
    attempted: Option<Monotonic>,
    failed: bool,
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
    /// Says what is known of `id`; `None`: fetching may tell more.
    pub(crate) fn known(&self, id: &str, now: Monotonic) -> Option<Trust> {
        if !self.is_alive(now) {
            return None;
        }
        self.keys.get(id).map(|key| key.clone().map_or(Trust::Refused, Trust::Current))
    }

    /// Says what `id` is after the keys were fetched, or when they must not be fetched yet.
    pub(crate) fn trust(&self, id: &str, now: Monotonic) -> Trust {
        let other = if self.is_alive(now) && !self.failed { Trust::Refused } else { Trust::Unavailable };
        self.known(id, now).unwrap_or(other)
    }

    /// Begins an attempt, if one is due; returns the version that is known.
    pub(crate) fn attempt(&mut self, now: Monotonic) -> Option<Option<HeaderValue>> {
        if self.attempted.is_some_and(|attempted| since(attempted, now) < COOLDOWN) {
            return None;
        }
        self.attempted = Some(now);
        // Until it has ended well: who gives up waiting for it is not told that there is no such key.
        self.failed = true;
        Some(self.version.clone())
    }

    /// Ends an attempt. What is no set of keys changes nothing.
    pub(crate) fn learn(&mut self, fetched: &Fetched<'_>, now: Monotonic) {
        match fetched {
            Fetched::Keys(document, version) => {
                let Some(keys) = read(document) else { return };
                self.keys = keys;
                self.version.clone_from(version);
            }
            Fetched::Unchanged if self.version.is_some() => {}
            Fetched::Unchanged | Fetched::Failed => return,
        }
        self.fetched = Some(now);
        self.failed = false;
    }

    fn is_alive(&self, now: Monotonic) -> bool {
        self.fetched.is_some_and(|fetched| since(fetched, now) < LIFE)
    }
}

fn since(earlier: Monotonic, now: Monotonic) -> Duration {
    Duration::from_millis(u64::try_from(now.0.saturating_sub(earlier.0)).unwrap_or(0))
}

/// Reads a set of keys. A key that cannot be read is none; without any, it is no set.
fn read(document: &[u8]) -> Option<HashMap<String, Option<Key>>> {
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
    (!keys.is_empty()).then_some(keys)
}

#[cfg(test)]
pub(crate) mod tests {
    use countersign_core::timestamp::Monotonic;
    use http::HeaderValue;
    use serde_json::json;

    use super::{Fetched, Key, ProviderKeys, Trust};

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

    const MINUTE: i64 = 60_000;
    const DAY: i64 = 24 * 60 * MINUTE;

    pub(crate) fn document(rows: &[(&str, bool)]) -> Vec<u8> {
        let rows: Vec<_> = rows
            .iter()
            .map(|(id, current)| json!({ "key_identifier": id, "key": PEM, "is_current": current }))
            .collect();
        json!({ "public_keys": rows }).to_string().into_bytes()
    }

    #[track_caller]
    fn check(keys: &ProviderKeys, id: &str, at: i64, expected: &str) {
        let found = match keys.trust(id, Monotonic(at)) {
            Trust::Current(_) => "current",
            Trust::Refused => "refused",
            Trust::Unavailable => "unavailable",
        };
        assert_eq!(found, expected, "{id} at {at}");
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
    fn keys_are_believed_for_a_day() {
        let mut keys = ProviderKeys::default();
        check(&keys, ID, 0, "unavailable");
        assert_eq!(keys.attempt(Monotonic(0)), Some(None));
        keys.learn(&Fetched::Keys(&document(&[(ID, true), ("old", false)]), None), Monotonic(10));
        check(&keys, ID, 10, "current");
        check(&keys, "old", 10, "refused");
        check(&keys, "other", 10, "refused");
        check(&keys, ID, DAY + 9, "current");
        check(&keys, ID, DAY + 10, "unavailable");
        assert!(keys.known(ID, Monotonic(DAY + 10)).is_none());
        assert!(keys.known("old", Monotonic(DAY)).is_some(), "one that ended is not asked for again");
        assert!(keys.known("other", Monotonic(DAY)).is_none());
    }

    #[test]
    fn every_attempt_is_stamped_and_the_next_waits() {
        let mut keys = ProviderKeys::default();
        assert!(keys.attempt(Monotonic(0)).is_some());
        assert!(keys.attempt(Monotonic(MINUTE - 1)).is_none(), "while the first one runs, too");
        keys.learn(&Fetched::Failed, Monotonic(1));
        check(&keys, ID, MINUTE - 1, "unavailable");
        assert!(keys.attempt(Monotonic(MINUTE)).is_some());
        keys.learn(&Fetched::Keys(&document(&[(ID, true)]), None), Monotonic(MINUTE));
        assert!(keys.attempt(Monotonic(2 * MINUTE)).is_some());
        check(&keys, "new", 2 * MINUTE, "unavailable");
        check(&keys, ID, 2 * MINUTE, "current");
        keys.learn(&Fetched::Failed, Monotonic(2 * MINUTE));
        check(&keys, "new", 2 * MINUTE, "unavailable");
    }

    #[test]
    fn rfc9110_13_1_2_an_unchanged_set_lives_on() {
        let mut keys = ProviderKeys::default();
        keys.attempt(Monotonic(0));
        keys.learn(&Fetched::Unchanged, Monotonic(0));
        check(&keys, ID, 0, "unavailable");
        let version = HeaderValue::from_static("\"1\"");
        keys.attempt(Monotonic(MINUTE));
        let set = document(&[(ID, true)]);
        keys.learn(&Fetched::Keys(&set, Some(version.clone())), Monotonic(MINUTE));
        assert_eq!(keys.attempt(Monotonic(DAY)), Some(Some(version)));
        keys.learn(&Fetched::Unchanged, Monotonic(DAY));
        check(&keys, ID, 2 * DAY - 1, "current");
        check(&keys, "other", DAY, "refused");
    }

    #[test]
    fn what_is_no_set_changes_nothing() {
        let mut keys = ProviderKeys::default();
        keys.learn(&Fetched::Keys(&document(&[(ID, true)]), None), Monotonic(0));
        let many: Vec<_> = (0..65).map(|id| id.to_string()).collect();
        let many: Vec<_> = many.iter().map(|id| (id.as_str(), true)).collect();
        for set in [&b"x"[..], b"{}", b"{\"public_keys\":[]}", &document(&many)] {
            keys.attempt(Monotonic(DAY - 1));
            keys.learn(&Fetched::Keys(set, None), Monotonic(DAY - 1));
            check(&keys, ID, DAY - 1, "current");
            check(&keys, ID, DAY, "unavailable");
        }
        keys.learn(&Fetched::Keys(&document(&[(ID, true), (ID, true)]), None), Monotonic(DAY));
        check(&keys, ID, DAY, "refused");
    }
}
