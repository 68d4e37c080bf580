//! The table `mark`: first uses.

use countersign_core::ledger::Unavailable;
use countersign_core::record::MarkRecord;
use countersign_core::secret::SecretHash;
use countersign_core::timestamp::Timestamp;

use crate::config::PORTION;
use countersign_database::database::Database;
use countersign_database::statement::{Statement, Step};
use countersign_database::value::Row;

/// Reads the mark whose columns `lookup, made, until_at` begin at `start`.
///
/// # Errors
///
/// [`Unavailable::Corrupt`].
pub(crate) fn read(row: &Row, start: usize) -> Result<MarkRecord, Unavailable> {
    Ok(MarkRecord {
        lookup: row.hash(start)?,
        made: row.text(start + 1)?.to_owned(),
        until: row.time(start + 2)?,
    })
}

static FIND: Statement = Statement::new(
    "SELECT lookup, made, until_at
     FROM mark
     WHERE lookup = $1 AND until_at > $2",
);

/// Finds a mark that stands.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find(
    database: &Database,
    lookup: SecretHash,
    now: Timestamp,
) -> Result<Option<MarkRecord>, Unavailable> {
    let row = database.read_one(&FIND, vec![lookup.into(), now.into()]).await?;
    row.map(|row| read(&row, 0)).transpose()
}

// A mark that is past its end is as good as none, so that pruning may be late.
static MARK: Statement = Statement::new(
    "INSERT INTO mark (lookup, made, until_at)
     VALUES ($1, $2, $3)
     ON CONFLICT (lookup) DO UPDATE
     SET made = excluded.made, until_at = excluded.until_at
     WHERE mark.until_at <= $4",
);

/// Marks a first use; not met if a mark stands.
pub(crate) fn mark(record: &MarkRecord, now: Timestamp) -> Step {
    let parameters = vec![record.lookup.into(), record.made.as_str().into(), record.until.into(), now.into()];
    Step::one(&MARK, parameters)
}

static PRUNE: Statement = Statement::new(
    "DELETE FROM mark
     WHERE lookup IN (SELECT lookup FROM mark WHERE until_at <= $1 ORDER BY until_at LIMIT $2)",
);

/// Removes some of the marks that are past their end.
pub(crate) fn prune(now: Timestamp) -> Step {
    Step::some(&PRUNE, vec![now.into(), PORTION.into()])
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] = &[&FIND, &MARK, &PRUNE];
