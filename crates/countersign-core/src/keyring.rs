//! What must be used again is kept sealed: AES-256-GCM under the master key, or under a key that a pepper makes.
//!
//! **Invariant.** A sealed value opens at its own place alone: table, row, owner and purpose are authenticated beside it
//! (SAFETY 14). What opens is wiped when it is dropped.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, Nonce, UnboundKey};
use thiserror::Error;

use crate::context::Entropy;
use crate::secret::{Pepper, Purpose, Secret};

/// The bytes of a random nonce (NIST SP 800-38D §8.2.2), which stands before what it has sealed.
const NONCE: usize = 12;

/// Where a sealed value lies, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedPlace<'a> {
    /// The table.
    pub table: &'static str,
    /// The row.
    pub row: &'a str,
    /// Whose it is.
    pub owner: &'a str,
    /// What it is for.
    pub purpose: &'a str,
}

impl SealedPlace<'_> {
    /// Writes it so that no two places are written alike: each part after its length.
    fn bytes(&self, version: u32) -> Vec<u8> {
        let mut bytes = version.to_be_bytes().to_vec();
        for part in [self.table, self.row, self.owner, self.purpose] {
            bytes.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes
    }
}

/// A value cannot be sealed: it is longer than the cipher allows, or the key is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a value cannot be sealed")]
pub struct SealingFailed;

/// One version of a key that seals.
pub struct SealingKey {
    version: u32,
    key: LessSafeKey,
}

impl SealingKey {
    /// Prepares the key `version` from its 32 bytes.
    ///
    /// # Errors
    ///
    /// [`SealingFailed`], which 32 bytes do not cause.
    pub fn new(version: u32, key: &Secret<[u8; 32]>) -> Result<Self, SealingFailed> {
        Self::of(version, key.expose())
    }

    /// Makes the key for what lives as long as a pepper does.
    pub(crate) fn of_pepper(pepper: &Pepper) -> Result<Self, SealingFailed> {
        Self::of(pepper.version(), pepper.hash_bytes(Purpose::Sealing, &[]).as_bytes())
    }

    /// Takes a key that was derived for one value; it has one version.
    pub(crate) fn derived(key: UnboundKey) -> Self {
        Self { version: 1, key: LessSafeKey::new(key) }
    }

    fn of(version: u32, key: &[u8; 32]) -> Result<Self, SealingFailed> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| SealingFailed)?;
        Ok(Self { version, key: LessSafeKey::new(key) })
    }

    /// Seals `plain` for one place: the version of the key, the nonce, then what is sealed.
    ///
    /// # Errors
    ///
    /// [`SealingFailed`].
    pub fn seal(
        &self,
        place: &SealedPlace<'_>,
        plain: &Secret<Vec<u8>>,
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<u8>, SealingFailed> {
        let mut nonce = [0; NONCE];
        entropy.fill(&mut nonce);
        let head = [self.version.to_be_bytes().as_slice(), &nonce].concat();
        let mut sealed = Vec::with_capacity(head.len() + plain.expose().len() + MAX_TAG_LEN);
        sealed.extend_from_slice(plain.expose());
        let aad = Aad::from(place.bytes(self.version));
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .map_err(|_| SealingFailed)?;
        sealed.splice(0..0, head);
        Ok(sealed)
    }

    /// Opens what was sealed for the same place; `None` under another key, for another place, or if it was altered.
    #[must_use]
    pub fn open(&self, place: &SealedPlace<'_>, sealed: &[u8]) -> Option<Secret<Vec<u8>>> {
        let (nonce, sealed) = sealed.strip_prefix(&self.version.to_be_bytes())?.split_first_chunk()?;
        let mut opened = Secret::new(sealed.to_vec());
        opened.change(|buffer| {
            let aad = Aad::from(place.bytes(self.version));
            let plain = self.key.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, buffer);
            plain.ok().map(|plain| plain.len())
        })?;
        Some(opened)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SealingKey").field("version", &self.version).finish_non_exhaustive()
    }
}

/// All versions of the master key: the current one seals, each opens what it has sealed.
#[derive(Debug)]
pub struct Keyring {
    current: SealingKey,
    earlier: Vec<SealingKey>,
}

/// What is to become of a sealed value after the master key was rotated.
#[derive(Debug, PartialEq, Eq)]
pub enum Rewrapping {
    /// Nothing: it is sealed under the current version.
    Current,
    /// It is replaced by this.
    Sealed(Vec<u8>),
    /// No version opens it at its place.
    Unopened,
}

impl Keyring {
    /// Seals under `current`, and still opens what was sealed under `earlier`.
    #[must_use]
    pub const fn new(current: SealingKey, earlier: Vec<SealingKey>) -> Self {
        Self { current, earlier }
    }

    /// Seals `plain` for one place.
    ///
    /// # Errors
    ///
    /// [`SealingFailed`].
    pub fn seal(
        &self,
        place: &SealedPlace<'_>,
        plain: &Secret<Vec<u8>>,
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<u8>, SealingFailed> {
        self.current.seal(place, plain, entropy)
    }

    /// Opens what was sealed for the same place; `None` if no version does, for another place, or if it was altered.
    #[must_use]
    pub fn open(&self, place: &SealedPlace<'_>, sealed: &[u8]) -> Option<Secret<Vec<u8>>> {
        [&self.current].into_iter().chain(&self.earlier).find_map(|key| key.open(place, sealed))
    }

    /// Seals anew what was sealed under an earlier version.
    ///
    /// # Errors
    ///
    /// [`SealingFailed`].
    pub fn rewrap(
        &self,
        place: &SealedPlace<'_>,
        sealed: &[u8],
        entropy: &mut dyn Entropy,
    ) -> Result<Rewrapping, SealingFailed> {
        if self.current.open(place, sealed).is_some() {
            return Ok(Rewrapping::Current);
        }
        match self.open(place, sealed) {
            Some(plain) => self.seal(place, &plain, entropy).map(Rewrapping::Sealed),
            None => Ok(Rewrapping::Unopened),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Keyring, Rewrapping, SealedPlace, SealingKey};
    use crate::context::SeededEntropy;
    use crate::secret::{Pepper, Secret};

    const PLACE: SealedPlace<'_> =
        SealedPlace { table: "sealed", row: "7", owner: "org_a", purpose: "certification-authority" };

    fn key(version: u32) -> SealingKey {
        SealingKey::new(version, &Secret::new([u8::try_from(version).unwrap(); 32])).unwrap()
    }

    fn seal(key: &SealingKey, place: &SealedPlace<'_>) -> Vec<u8> {
        key.seal(place, &Secret::new(b"plain".to_vec()), &mut SeededEntropy::new(7)).unwrap()
    }

    fn opens(key: &SealingKey, place: &SealedPlace<'_>, sealed: &[u8]) -> bool {
        key.open(place, sealed).is_some_and(|opened| opened.expose() == b"plain")
    }

    #[test]
    fn safety_14_a_sealed_value_opens_at_its_own_place_alone() {
        let sealed = seal(&key(1), &PLACE);
        assert!(opens(&key(1), &PLACE, &sealed));
        for other in [
            SealedPlace { table: "credential", ..PLACE },
            SealedPlace { row: "8", ..PLACE },
            SealedPlace { owner: "org_b", ..PLACE },
            SealedPlace { purpose: "signing", ..PLACE },
            // The same letters, cut elsewhere.
            SealedPlace { row: "7o", owner: "rg_a", ..PLACE },
            SealedPlace { row: "", owner: "7org_a", ..PLACE },
        ] {
            assert!(key(1).open(&other, &sealed).is_none(), "{other:?}");
        }
    }

    #[test]
    fn safety_14_what_was_altered_or_sealed_under_another_key_does_not_open() {
        let sealed = seal(&key(1), &PLACE);
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(key(1).open(&PLACE, &altered).is_none(), "byte {at}");
            assert!(key(1).open(&PLACE, &sealed[..at]).is_none(), "{at} bytes");
        }
        assert!(key(2).open(&PLACE, &sealed).is_none());
        let other = SealingKey::new(1, &Secret::new([9; 32])).unwrap();
        assert!(other.open(&PLACE, &sealed).is_none());
        let pepper = SealingKey::of_pepper(&Pepper::new(1, &Secret::new([1; 32]))).unwrap();
        assert!(pepper.open(&PLACE, &sealed).is_none(), "a pepper's own bytes seal nothing");
    }

    #[test]
    fn nothing_of_what_is_sealed_shows_and_no_two_seals_are_alike() {
        let mut entropy = SeededEntropy::new(7);
        let plain = Secret::new(b"plain text".to_vec());
        let one = key(1).seal(&PLACE, &plain, &mut entropy).unwrap();
        let two = key(1).seal(&PLACE, &plain, &mut entropy).unwrap();
        assert!(one != two && !one.windows(5).any(|window| window == b"plain"));
    }

    #[test]
    fn a_rotated_master_key_opens_both_and_seals_under_the_new_version() {
        let (old, new) = (seal(&key(1), &PLACE), seal(&key(2), &PLACE));
        let ring = Keyring::new(key(2), vec![key(1)]);
        assert!(ring.open(&PLACE, &old).is_some() && ring.open(&PLACE, &new).is_some());
        let rewrap = |sealed: &[u8]| ring.rewrap(&PLACE, sealed, &mut SeededEntropy::new(7)).unwrap();
        assert_eq!(rewrap(&new), Rewrapping::Current);
        let Rewrapping::Sealed(fresh) = rewrap(&old) else { panic!("it stayed under the old version") };
        assert!(opens(&key(2), &PLACE, &fresh) && key(1).open(&PLACE, &fresh).is_none());
        assert_eq!(rewrap(&seal(&key(3), &PLACE)), Rewrapping::Unopened);
        assert!(ring.open(&SealedPlace { row: "8", ..PLACE }, &old).is_none());
    }
}
