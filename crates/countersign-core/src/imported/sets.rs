//! The sets of imported keys as verifiers know them in memory: from the keys that name them.

use std::cmp::Reverse;
use std::sync::Arc;

use papaya::HashMap;

use crate::drawn::ByDrawn;
use crate::imported::{Declaration, PreparedSet};
use crate::imported_set::{ImportedSet, Source};
use crate::known::{ById, KnownCredential, KnownTerms};
use crate::secret::Peppers;

/// The sets of imported keys, and their keys by their ids: where one is found changes with its first use.
#[derive(Debug, Default)]
pub(crate) struct Imports {
    pub(crate) sets: HashMap<ImportedSet, Option<PreparedSet>>,
    pub(crate) declarations: HashMap<ImportedSet, Declaration>,
    pub(crate) keys: HashMap<ById, (), ByDrawn>,
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
            [(best, one), (next, other), ..] if best == next && one.id() != other.id() => None,
            [(_, one), ..] => Some(Arc::clone(one)),
            [] => None,
        }
    }

    /// Learns the set that terms name, if they name one.
    pub(crate) fn meet(&self, terms: &KnownTerms, peppers: &Peppers) {
        if let Some(set) = &terms.set {
            // `None` inside: its sealed key does not open here, so that its keys are refused until they are upgraded.
            let prepare = || PreparedSet::new(set.clone(), peppers);
            self.sets.pin().get_or_insert_with(set.clone(), prepare);
        }
    }

    /// Learns an imported key, and whose its set is.
    pub(crate) fn learn(&self, known: &Arc<KnownCredential>) {
        let Some(set) = &known.terms.set else {
            return;
        };
        let (name, owner) = (&known.terms.prefix, &known.owner);
        let (organisation, owner) = (owner.organisation(), owner.id());
        self.keys.pin().insert(ById(Arc::clone(known)), ());
        // Most keys that are alike are of one owner.
        if known.terms.declared_for.get() == Some(&owner) {
            return;
        }
        let declarations = self.declarations.pin();
        if !declarations.get(set).is_some_and(|declared| declared.covers(name, organisation, owner)) {
            declarations.update_or_insert_with(
                set.clone(),
                |declared| declared.with(name, organisation, owner),
                || Declaration::new(name, organisation, owner),
            );
        }
        let _the_first_stays = known.terms.declared_for.set(owner);
    }
}
