//! Which signatures were found good, so that the same token is not checked twice.
//!
//! **Invariant.** An entry says "this very text was signed by this very key" and nothing else: whatever can change is
//! judged at every use (SAFETY 24). Speed is all that is lost with an entry.

use std::sync::atomic::{AtomicUsize, Ordering};

use papaya::HashMap;

use crate::id::CredentialId;
use crate::timestamp::Timestamp;
use crate::token::TokenDigest;

/// The most entries, some 80 bytes each; a bound, not a clause.
const MOST: usize = 100_000;

/// Signatures that were found good.
#[derive(Debug, Default)]
pub(crate) struct GoodSignatures {
    by_digest: HashMap<TokenDigest, (CredentialId, Timestamp)>,
    count: AtomicUsize,
}

impl GoodSignatures {
    /// Tells whether the token with this digest is known to be signed by `key`.
    pub(crate) fn holds(&self, digest: &TokenDigest, key: CredentialId) -> bool {
        self.by_digest.pin().get(digest).is_some_and(|(by, _)| *by == key)
    }

    /// Notes one. When it is full, what has ended goes, and if that is not enough everything: no order is kept.
    pub(crate) fn note(&self, digest: &TokenDigest, key: CredentialId, until: Timestamp, now: Timestamp) {
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
    use super::{GoodSignatures, MOST};
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
        let [one, other] = [(); 2].map(|()| CredentialId::random(SIGNING_KEY, &mut entropy));
        good.note(&TokenDigest::of("a.b.c"), one, NOW, NOW);
        assert!(good.holds(&TokenDigest::of("a.b.c"), one));
        assert!(!good.holds(&TokenDigest::of("a.b.c"), other));
        assert!(!good.holds(&TokenDigest::of("a.b.d"), one));
    }

    #[test]
    fn signatures_are_forgotten_before_they_fill_the_memory() {
        let good = GoodSignatures::default();
        let key = CredentialId::random(SIGNING_KEY, &mut SeededEntropy::new(1));
        for n in 0..=2 * MOST {
            good.note(&TokenDigest::of(&n.to_string()), key, NOW, NOW);
            assert!(good.by_digest.len() <= MOST);
        }
        assert!(good.holds(&TokenDigest::of(&(2 * MOST).to_string()), key));
    }
}
