//! Which signatures were found good, so that the same token is not checked twice.
//!
//! **Invariant.** An entry says "this very text was signed by this very key" and nothing else: whatever can change is
//! judged at every use (SAFETY 24). Speed is all that is lost with an entry.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_jose::jwk::PublicKey;
use papaya::HashMap;

use crate::id::CredentialId;
use crate::timestamp::Timestamp;
use crate::token::TokenDigest;

/// The most entries, some 80 bytes each; a bound, not a clause.
const MOST: usize = 100_000;

/// The key that has made a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedBy {
    /// A signing key of ours, by its `kid`.
    Ours(CredentialId),
    /// A foreign issuer's: the key itself, since two issuers may give one name.
    Foreign(Arc<PublicKey>),
}

/// Signatures that were found good.
#[derive(Debug, Default)]
pub(crate) struct GoodSignatures {
    by_digest: HashMap<TokenDigest, (SignedBy, Timestamp)>,
    count: AtomicUsize,
}

impl GoodSignatures {
    /// Tells whether the token with this digest is known to be signed by `key`.
    pub(crate) fn holds(&self, digest: &TokenDigest, key: &SignedBy) -> bool {
        self.by_digest.pin().get(digest).is_some_and(|(by, _)| by == key)
    }

    /// Notes one. When it is full, what has ended goes, and if that is not enough everything: no order is kept.
    pub(crate) fn note(&self, digest: &TokenDigest, key: SignedBy, until: Timestamp, now: Timestamp) {
        let signatures = self.by_digest.pin();
        if self.count.load(Ordering::Relaxed) >= MOST {
            signatures.retain(|_, (_, until)| *until > now);
            if signatures.len() > MOST / 2 {
                signatures.clear();
            }
            self.count.store(signatures.len(), Ordering::Relaxed);
        }
        if signatures.insert(*digest, (key, until)).is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use countersign_jose::algorithm::SignatureAlgorithm;
    use countersign_jose::jwk::SigningKey;

    use super::{GoodSignatures, MOST, SignedBy};
    use crate::context::SeededEntropy;
    use crate::id::CredentialId;
    use crate::signing_key::SIGNING_KEY;
    use crate::timestamp::Timestamp;
    use crate::token::TokenDigest;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

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
            good.note(&TokenDigest::of("a.b.c"), one.clone(), NOW, NOW);
            assert!(good.holds(&TokenDigest::of("a.b.c"), &one));
            assert!(!good.holds(&TokenDigest::of("a.b.c"), &other));
            assert!(!good.holds(&TokenDigest::of("a.b.d"), &one));
        }
    }

    #[test]
    fn signatures_are_forgotten_before_they_fill_the_memory() {
        let good = GoodSignatures::default();
        let key = SignedBy::Ours(CredentialId::random(SIGNING_KEY, &mut SeededEntropy::new(1)));
        for n in 0..=2 * MOST {
            good.note(&TokenDigest::of(&n.to_string()), key.clone(), NOW, NOW);
            assert!(good.by_digest.len() <= MOST);
        }
        assert!(good.holds(&TokenDigest::of(&(2 * MOST).to_string()), &key));
    }
}
