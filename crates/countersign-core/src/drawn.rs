//! A hasher for what is random already: keyed hashes and drawn ids, of which nobody outside chooses a bit.

use std::hash::{BuildHasher, Hasher};

/// Makes [`Drawn`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ByDrawn;

impl BuildHasher for ByDrawn {
    type Hasher = Drawn;

    fn build_hasher(&self) -> Drawn {
        Drawn::default()
    }
}

/// Takes the first bytes for the hash.
#[derive(Debug, Default)]
pub(crate) struct Drawn(u64);

impl Hasher for Drawn {
    /// What is written last counts: an array is preceded by its length.
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher as _;

    use super::ByDrawn;
    use crate::context::SeededEntropy;
    use crate::id::{CredentialId, IdPrefix};
    use crate::secret::SecretHash;

    #[test]
    fn what_differs_is_told_apart() {
        let hash = |byte: u8| ByDrawn.hash_one(SecretHash::from_bytes(&[byte; 32]).unwrap());
        assert_eq!(hash(1), u64::from_ne_bytes([1; 8]));
        assert_ne!(hash(1), hash(2));
        let mut entropy = SeededEntropy::new(1);
        let mut id = || CredentialId::random(IdPrefix::new("key"), &mut entropy).bits();
        assert_ne!(ByDrawn.hash_one(id()), ByDrawn.hash_one(id()));
    }
}
