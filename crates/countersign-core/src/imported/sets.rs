//! The sets of imported keys as verifiers know them in memory: from the keys that name them.

use std::cmp::Reverse;
use std::sync::Arc;

use papaya::HashMap;

use crate::id::CredentialId;
use crate::imported::{Declaration, PreparedSet};
use crate::imported_set::{ImportedSet, Source};
use crate::known::KnownCredential;
use crate::record::CredentialRecord;
use crate::secret::{Peppers, SecretHash};

/// The sets of imported keys, and where each of their keys was last found.
#[derive(Debug, Default)]
pub(crate) struct Imports {
    pub(crate) sets: HashMap<ImportedSet, Option<PreparedSet>>,
    pub(crate) declarations: HashMap<ImportedSet, Declaration>,
    pub(crate) lookups: HashMap<CredentialId, SecretHash>,
}

impl Imports {
    /// Finds the key that `text` is by its set's hash; `find`: by a hash that is bound to its set.
    ///
    /// Several sets may claim a text: the one that says more of it is right, and where they say as much, nobody is.
    /// Else whoever knows a hash could have it taken for another's caller by way of a second set.
    pub(crate) fn matched(
        &self,
        source: Source<'_>,
        text: &str,
        find: impl Fn(&[u8]) -> Option<Arc<KnownCredential>>,
    ) -> Option<Arc<KnownCredential>> {
        let sets = self.sets.pin();
        let mut matches: Vec<_> = sets
            .values()
            .flatten()
            .filter_map(|one| Some((one.set.precision(), find(&one.bound_digest(source, text)?)?)))
            .collect();
        matches.sort_unstable_by_key(|(precision, _)| Reverse(*precision));
        match matches.as_slice() {
            [(best, one), (next, other), ..] if best == next && one.id != other.id => None,
            [(_, one), ..] => Some(Arc::clone(one)),
            [] => None,
        }
    }

    /// Learns the set of an imported key; returns where the key was found before, if that is elsewhere.
    pub(crate) fn moved(&self, record: &CredentialRecord, peppers: &Peppers) -> Option<SecretHash> {
        let imported = record.terms.imported.as_ref()?;
        let sets = self.sets.pin();
        // `None` inside: its sealed key does not open here, so that its keys are refused until they are upgraded.
        sets.get_or_insert_with(imported.set.clone(), || PreparedSet::new(imported.set.clone(), peppers));
        self.declarations.pin().update_or_insert_with(
            imported.set.clone(),
            |known| known.with(record).unwrap_or_else(|| known.clone()),
            || Declaration::new(record),
        );
        let before = self.lookups.pin().insert(record.id, record.lookup).copied();
        before.filter(|before| *before != record.lookup)
    }
}
