//! `KEPT`: everything of which verifiers keep something in memory, as one table.
//!
//! The table `change` and the waist carry a [`Tag`]; what it means is read here. In which order changes are taken is said
//! by the changes themselves: a row's may be of several ranks.
//!
//! [`Tag`]: countersign_database::statement::Tag

use countersign_core::ledger::Unavailable;
use countersign_database::value::corrupt;

use crate::keep::Kept;
use crate::{artifact, credential, ended, incarnation, owner, resource, signing_key};

/// Everything that verifiers keep, the first to be loaded first.
pub(crate) static KEPT: &[&Kept] = &[
    &incarnation::KEPT,
    &signing_key::KEPT,
    &owner::KEPT,
    &resource::KEPT,
    &credential::KEPT,
    &artifact::KEPT,
    &ended::KEPT,
];

/// Finds what changes of this name are about.
///
/// # Errors
///
/// [`Unavailable::Corrupt`]: a newer version knows it, and what it says cannot be passed over.
pub(crate) fn kept(name: &str) -> Result<&'static Kept, Unavailable> {
    let found = KEPT.iter().find(|kept| kept.tag.0 == name);
    found.copied().ok_or_else(|| corrupt("a change is about something that is not known here"))
}

#[cfg(test)]
mod tests {
    use super::KEPT;

    #[test]
    fn everything_kept_has_a_name_of_its_own() {
        for (index, kept) in KEPT.iter().enumerate() {
            assert!(KEPT.iter().skip(index + 1).all(|other| other.tag != kept.tag), "{:?}", kept.tag);
            let text = kept.by_ids.text();
            assert!(!text.contains("change"), "what names it may be pruned between two reads: {text}");
        }
    }
}
