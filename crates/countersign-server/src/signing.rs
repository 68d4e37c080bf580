//! Signing keys with their private parts: made, sealed, opened.
//!
//! **Invariant.** A private key is here, sealed in the store, and nowhere else. Who signs is told by what verifiers know of
//! the moment: the newest key that is active; if that one does not open, nothing is signed in its slot.

use std::fmt;
use std::sync::Arc;

use countersign_core::context::Entropy;
use countersign_core::id::CredentialId;
use countersign_core::keyring::{Keyring, SealedPlace};
use countersign_core::ledger::Unavailable;
use countersign_core::secret::Secret;
use countersign_core::signing_key::{SEALED, SIGNING_KEY};
use countersign_core::signing_keys::FreshKey;
use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::jwk::SigningKey;
use papaya::HashMap;

/// What signs here.
pub struct Signing {
    keyring: Keyring,
    opened: HashMap<CredentialId, Arc<SigningKey>>,
    /// Keys that did not open, each of which was told once.
    closed: HashMap<CredentialId, ()>,
}

/// What came of opening a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// It signs.
    Opened,
    /// It does not open, which was not known.
    Closed,
    /// It does not open, as before.
    StillClosed,
}

impl fmt::Debug for Signing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Signing").field("opened", &self.opened.len()).finish_non_exhaustive()
    }
}

impl Signing {
    /// Opens and seals with `keyring`.
    #[must_use]
    pub fn new(keyring: Keyring) -> Self {
        Self { keyring, opened: HashMap::new(), closed: HashMap::new() }
    }

    /// Returns a key that is open.
    #[must_use]
    pub fn opened(&self, id: CredentialId) -> Option<Arc<SigningKey>> {
        self.opened.pin().get(&id).cloned()
    }

    /// Opens a key. With one that does not open nothing is signed.
    pub(crate) fn open(
        &self,
        id: CredentialId,
        algorithm: SignatureAlgorithm,
        sealed: Option<&[u8]>,
    ) -> Opening {
        let name = id.to_string();
        let opened = sealed.and_then(|sealed| self.keyring.open(&place(&name), sealed));
        match opened.and_then(|der| SigningKey::from_pkcs8(algorithm, der.expose()).ok()) {
            Some(key) => {
                self.closed.pin().remove(&id);
                self.opened.pin().insert(id, Arc::new(key.named(name)));
                Opening::Opened
            }
            None if self.closed.pin().insert(id, ()).is_none() => Opening::Closed,
            None => Opening::StillClosed,
        }
    }

    /// Forgets every key but those that `is_kept`.
    pub(crate) fn keep(&self, is_kept: impl Fn(CredentialId) -> bool) {
        self.opened.pin().retain(|id, _| is_kept(*id));
        self.closed.pin().retain(|id, ()| is_kept(*id));
    }

    /// Names a key pair, and seals its private part.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if that fails.
    pub(crate) fn seal(&self, pair: SigningKey, entropy: &mut dyn Entropy) -> Result<FreshKey, Unavailable> {
        let id = CredentialId::random(SIGNING_KEY, entropy);
        let name = id.to_string();
        let der = Secret::new(pair.to_pkcs8().map_err(broken)?.to_vec());
        let sealed = self.keyring.seal(&place(&name), &der, entropy).map_err(broken)?;
        Ok(FreshKey { id, jwk: pair.named(name).public().to_jwk().to_string(), sealed })
    }
}

fn place(id: &str) -> SealedPlace<'_> {
    SealedPlace { table: "sealed", row: id, owner: id, purpose: SEALED }
}

/// Tells of a key that cannot be made, which only a broken source of entropy causes.
pub(crate) fn broken(error: impl fmt::Display) -> Unavailable {
    Unavailable::Store(format!("a signing key cannot be made: {error}"))
}
