//! Which signatures were found good, so that the same token is neither checked nor read twice.
//!
//! **Invariant.** An entry says "this very text was signed by this very key, and reads so" and nothing else: whatever can
//! change is judged at every use (SAFETY 24). Speed is all that is lost with an entry.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_jose::jwk::PublicKey;
use papaya::HashMap;

use crate::id::CredentialId;
use crate::timestamp::Timestamp;
use crate::token::TokenDigest;

/// The most bytes of all texts together, those of some 30,000 tokens; what was read takes as much again, or twice as much
/// where claims are many and small. A bound, not a clause: by bytes, since an issuer's tokens may be long.
const MOST: usize = 16 << 20;

/// The key that has made a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedBy {
    /// A signing key of ours, by its `kid`.
    Ours(CredentialId),
    /// A foreign issuer's: the key itself, since two issuers may give one name.
    Foreign(Arc<PublicKey>),
}

/// What a token says, as its room has read it: a value of the room's own type, made from the token's text alone.
#[derive(Clone)]
pub struct Reading(Arc<dyn Any + Send + Sync>);

impl Reading {
    /// Keeps what was read.
    #[must_use]
    pub fn of<T: Any + Send + Sync>(said: Arc<T>) -> Self {
        Self(said)
    }

    /// Returns it, if it is a `T`.
    #[must_use]
    pub fn get<T: Any + Send + Sync>(self) -> Option<Arc<T>> {
        self.0.downcast().ok()
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Reading")
    }
}

/// A token that was read, and whose signature was found good.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The SHA-256 of the whole token.
    pub digest: TokenDigest,
    /// The key that it is signed by.
    pub by: SignedBy,
    /// When it ends.
    pub until: Timestamp,
    /// What it says.
    pub reading: Reading,
    /// How long its text is, in bytes.
    pub length: usize,
}

/// Signatures that were found good.
#[derive(Debug, Default)]
pub(crate) struct GoodSignatures {
    by_digest: HashMap<TokenDigest, Signed>,
    /// Of all texts, in bytes; told anew whenever it is full.
    length: AtomicUsize,
}

impl GoodSignatures {
    /// Tells whether the token with this digest is known to be signed by `key`.
    pub(crate) fn holds(&self, digest: &TokenDigest, key: &SignedBy) -> bool {
        self.by_digest.pin().get(digest).is_some_and(|signed| signed.by == *key)
    }

    /// Returns what the token with this digest says, if it was read before. By which key it is signed, [`Self::holds`]
    /// tells.
    pub(crate) fn reading(&self, digest: &TokenDigest) -> Option<Reading> {
        self.by_digest.pin().get(digest).map(|signed| signed.reading.clone())
    }

    /// Notes one. When it is full, what has ended goes, and if that is not enough everything: no order is kept.
    pub(crate) fn note(&self, signed: Signed, now: Timestamp) {
        let signatures = self.by_digest.pin();
        if self.length.load(Ordering::Relaxed).saturating_add(signed.length) > MOST {
            signatures.retain(|_, signed| signed.until > now);
            let mut left = signatures.values().map(|signed| signed.length).sum();
            if left > MOST / 2 {
                signatures.clear();
                left = 0;
            }
            self.length.store(left, Ordering::Relaxed);
        }
        let length = signed.length;
        if signatures.insert(signed.digest, signed).is_none() {
            self.length.fetch_add(length, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use countersign_jose::algorithm::SignatureAlgorithm;
    use countersign_jose::jwk::SigningKey;

    use super::{GoodSignatures, MOST, Reading, Signed, SignedBy};
    use crate::context::SeededEntropy;
    use crate::id::CredentialId;
    use crate::signing_key::SIGNING_KEY;
    use crate::timestamp::Timestamp;
    use crate::token::TokenDigest;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn signed(text: &str, by: &SignedBy) -> Signed {
        let reading = Reading::of(Arc::new(text.to_owned()));
        Signed { digest: TokenDigest::of(text), by: by.clone(), until: NOW, reading, length: text.len() }
    }

    #[test]
    fn safety_24_a_signature_is_good_by_its_own_key_and_for_its_own_text_alone() {
        let good = GoodSignatures::default();
        let mut entropy = SeededEntropy::new(1);
        let ours = [(); 2].map(|()| SignedBy::Ours(CredentialId::random(SIGNING_KEY, &mut entropy)));
        let foreign = [(); 2].map(|()| {
            let key = SigningKey::generate(SignatureAlgorithm::Es256).unwrap();
            SignedBy::Foreign(Arc::new(key.public().clone().named("1".to_owned())))
        });
        for [one, other] in [ours, foreign] {
            good.note(signed("a.b.c", &one), NOW);
            assert!(good.holds(&TokenDigest::of("a.b.c"), &one));
            assert!(!good.holds(&TokenDigest::of("a.b.c"), &other));
            assert!(!good.holds(&TokenDigest::of("a.b.d"), &one));
            let read = |text| good.reading(&TokenDigest::of(text)).and_then(Reading::get::<String>);
            assert_eq!(read("a.b.c").as_deref().map(String::as_str), Some("a.b.c"));
            assert_eq!(read("a.b.d"), None);
        }
    }

    #[test]
    fn signatures_are_forgotten_before_they_fill_the_memory() {
        let key = SignedBy::Ours(CredentialId::random(SIGNING_KEY, &mut SeededEntropy::new(1)));
        let later = Timestamp::from_millis(NOW.millis() + 1);
        // How much of a full memory still lives, and whether that stays when one more is noted.
        for (share, stays) in [(1, true), (8, true), (9, false), (16, false)] {
            let good = GoodSignatures::default();
            let part = MOST / 16;
            for n in 0..16 {
                let until = if n < share { later } else { NOW };
                good.note(Signed { until, length: part, ..signed(&n.to_string(), &key) }, NOW);
            }
            assert_eq!(good.by_digest.len(), 16, "what fits is kept");
            good.note(Signed { until: later, length: 1, ..signed("one more", &key) }, NOW);
            let holds = |text| good.holds(&TokenDigest::of(text), &key);
            assert!(holds("one more") && !holds("15"), "{share}");
            assert_eq!(holds("0"), stays, "{share}");
            let left = if stays { share * part + 1 } else { 1 };
            assert_eq!(good.length.load(std::sync::atomic::Ordering::Relaxed), left, "{share}");
        }
    }
}
