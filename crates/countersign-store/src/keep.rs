//! What the register [`crate::kept`] says of each thing that verifiers keep.

use countersign_core::change::Change;
use countersign_core::ledger::Unavailable;
use countersign_core::secret::SecretHash;
use countersign_database::statement::{Statement, Tag};
use countersign_database::value::Row;

/// Something that verifiers keep.
#[derive(Debug)]
pub(crate) struct Kept {
    /// What changes of it are called.
    pub(crate) tag: Tag,
    /// What reads all of it, in the order of its ranks.
    pub(crate) load: &'static [&'static Statement],
    /// What reads some of it, by a list of ids: not by what names them, which may be pruned meanwhile.
    pub(crate) by_ids: &'static Statement,
    /// Reads a row of what is stored; the first column is its id.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Corrupt`].
    pub(crate) read: fn(Row) -> Result<Change, Unavailable>,
    /// Says that it is stored no longer, given its id and how it was found.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Corrupt`] if that is nothing that goes.
    pub(crate) gone: fn(&str, Option<SecretHash>) -> Result<Change, Unavailable>,
}
