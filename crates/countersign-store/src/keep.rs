//! What the register [`crate::kept`] says of each thing that verifiers keep.

use countersign_core::ledger::Unavailable;
use countersign_core::secret::SecretHash;
use countersign_core::snapshot::Change;
use countersign_database::statement::{Statement, Tag};
use countersign_database::value::Row;

/// Something that verifiers keep.
#[derive(Debug)]
pub(crate) struct Kept {
    /// What changes of it are called.
    pub(crate) tag: Tag,
    /// What reads all of it, in the order of its ranks.
    pub(crate) load: &'static [&'static Statement],
    /// What reads those that changed at a node ($1) after a number ($2) up to another ($3).
    pub(crate) changed: &'static Statement,
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

/// The condition by which [`Kept::changed`] selects; `$name` is the tag's.
macro_rules! changed {
    ($name:literal) => {
        concat!(
            "WHERE id IN (SELECT subject FROM change WHERE node = $1 AND n > $2 AND n <= $3 AND kind = '",
            $name,
            "')"
        )
    };
}
pub(crate) use changed;
