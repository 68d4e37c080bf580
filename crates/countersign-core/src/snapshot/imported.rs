//! What verifiers know of imported keys: by which text they are found, and the sets that claim them.

use std::sync::Arc;

use http::HeaderName;

use crate::carried::DeclaredSets;
use crate::imported::Declaration;
use crate::imported_set::{Digest, ImportedSet, Source, Upgrade};
use crate::known::ByLookup;
use crate::ledger::{FoundCredential, Used};
use crate::secret::{Purpose, Secret, SecretHash, constant_time_eq};

use super::Snapshot;

impl Snapshot {
    /// Finds an imported key by its text: by its own keyed hash, or by the wrapped one of a set that claims it.
    #[must_use]
    pub fn find_imported(&self, source: Source<'_>, text: &str) -> Option<FoundCredential> {
        if !DeclaredSets::claims(self, source, text) {
            return None;
        }
        let credentials = self.credentials.pin();
        let find = |hash: SecretHash| {
            let (ByLookup(known), ()) = credentials.get_key_value(&hash)?;
            known.lookup.matches(&hash).then(|| Arc::clone(known))
        };
        let own = self.peppers.all().find_map(|pepper| find(pepper.hash(Purpose::Credential, text)));
        if let Some(known) = own {
            return Some(FoundCredential { known, upgrade: None, used: Used::Never });
        }
        let known = self.imported.matched(source, text, |digest| {
            self.peppers.all().find_map(|pepper| find(pepper.hash_bytes(Purpose::Imported, digest)))
        })?;
        let (pepper, wrapped) = (self.peppers.current(), known.lookup);
        let own = self.peppers.all().map(|pepper| pepper.hash(Purpose::Credential, text)).collect();
        let upgrade = Some(Upgrade::assertion(known.id(), wrapped, own, pepper.version()));
        Some(FoundCredential { known, upgrade, used: Used::Never })
    }

    /// Returns what is known of a set; `None`: it is not declared, no key of it was ever imported.
    #[must_use]
    pub fn declaration(&self, set: &ImportedSet) -> Option<Declaration> {
        self.imported.declarations.pin().get(set).cloned()
    }

    /// Counts the sets of imported keys.
    #[must_use]
    pub fn imported_sets(&self) -> usize {
        self.imported.sets.len()
    }

    /// Returns how a known set with these words and this HMAC key is stored, so that it is declared once.
    #[must_use]
    pub fn hmac_digest(&self, prefix: &str, header: Option<&str>, key: &Secret<Vec<u8>>) -> Option<Digest> {
        let header = header.map(str::to_ascii_lowercase);
        let sets = self.imported.sets.pin();
        let same = sets.keys().find(|set| {
            let Digest::HmacSha256(sealed) = &set.digest else { return false };
            set.prefix == prefix
                && set.header == header
                && ImportedSet::open_hmac_key(&self.peppers, prefix, header.as_deref(), sealed)
                    .is_some_and(|opened| constant_time_eq(opened.expose(), key.expose()))
        });
        same.map(|set| set.digest.clone())
    }

    /// Returns the header fields that carry imported keys.
    #[must_use]
    pub fn key_headers(&self) -> Vec<HeaderName> {
        let sets = self.imported.sets.pin();
        let mut names: Vec<HeaderName> =
            sets.keys().filter_map(|set| set.header.as_deref()?.parse().ok()).collect();
        names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        names.dedup();
        names
    }
}
