//! The table `taken_over`: hashes of foreign keys that were taken over once.
//!
//! **Invariant.** No statement here changes or removes a row.

use countersign_core::ledger::Unavailable;
use countersign_core::record::TakenOver;
use countersign_core::secret::SecretHash;

use crate::many::{lists, many};
use countersign_database::database::Database;
use countersign_database::statement::{Statement, Step};
use countersign_database::value::Row;

static INSERT: Statement = Statement::new(
    "INSERT INTO taken_over (lookup, digest, organisation, owner, at)
     VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT DO NOTHING",
);

/// Remembers a hash; not met if it is remembered already.
pub(crate) fn insert(record: &TakenOver) -> Step {
    let parameters = vec![
        record.lookup.into(),
        record.digest.into(),
        record.organisation.into(),
        record.owner.into(),
        record.at.into(),
    ];
    Step::one(&INSERT, parameters)
}

static FIND: Statement = Statement::new(concat!(
    "SELECT lookup, digest, organisation, owner, at
     FROM taken_over
     WHERE digest IN (",
    many!(),
    ")"
));

/// Finds for whom hashes were taken over; `digests`: each under every pepper.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find(database: &Database, digests: &[SecretHash]) -> Result<Vec<TakenOver>, Unavailable> {
    let mut found = Vec::new();
    for list in lists(digests) {
        for row in database.read(&FIND, list).await? {
            found.push(read(&row)?);
        }
    }
    Ok(found)
}

fn read(row: &Row) -> Result<TakenOver, Unavailable> {
    Ok(TakenOver {
        lookup: row.hash(0)?,
        digest: row.hash(1)?,
        organisation: row.parsed(2)?,
        owner: row.parsed(3)?,
        at: row.time(4)?,
    })
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] = &[&INSERT, &FIND];
