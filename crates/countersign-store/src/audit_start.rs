//! The table `audit_start`: where the kept part of each node's chain begins.
//!
//! **Invariant.** What is removed is the beginning of a chain, in the transaction that notes number and hash of its last
//! event, so that the rest is still verified. A chain's last event stays, whatever its age: others look for it.

use countersign_core::audit::ChainHash;
use countersign_core::ledger::Unavailable;
use countersign_core::timestamp::Timestamp;

use crate::config::PORTION;
use countersign_database::database::Database;
use countersign_database::statement::{Statement, Step};
use countersign_database::value::corrupt;

// By numbers, which a chain has without gaps, so that a chain of which nothing is due is not searched.
static MOVE: Statement = Statement::new(
    "INSERT INTO audit_start (node, n, hash)
     SELECT node, n, hash
     FROM audit_event
     WHERE node = $1 AND n =
       (SELECT MAX(n)
        FROM audit_event
        WHERE node = $1
          AND at < $2
          AND n < (SELECT MIN(n) FROM audit_event WHERE node = $1) + $3
          AND n < (SELECT last_event FROM node WHERE id = $1))
     ON CONFLICT (node) DO UPDATE
     SET n = excluded.n, hash = excluded.hash",
);

static REMOVE: Statement = Statement::new(
    "DELETE FROM audit_event
     WHERE node = $1 AND n <= (SELECT n FROM audit_start WHERE node = $1)",
);

/// Removes some of a chain's old events, from its beginning; not met if none is due.
pub(crate) fn prune(node: &str, before: Timestamp) -> Vec<Step> {
    vec![
        Step::one(&MOVE, vec![node.into(), before.into(), PORTION.into()]),
        Step::some(&REMOVE, vec![node.into()]),
    ]
}

static FIND: Statement = Statement::new(
    "SELECT n, hash
     FROM audit_start
     WHERE node = $1",
);

/// Reads number and hash of the last event that was removed.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find(database: &Database, node: &str) -> Result<(i64, ChainHash), Unavailable> {
    let Some(row) = database.read_one(&FIND, vec![node.into()]).await? else {
        return Ok((0, ChainHash::START));
    };
    let hash = ChainHash::from_bytes(row.blob(1)?).ok_or_else(|| corrupt("the hash before a chain"))?;
    Ok((row.int(0)?, hash))
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] = &[&MOVE, &REMOVE, &FIND];
