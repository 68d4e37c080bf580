//! The table `incarnation`: how often everything that was issued has ended. One row.

use countersign_core::change::Change;
use countersign_core::ledger::Unavailable;
use countersign_core::secret::SecretHash;

use crate::keep::Kept;
use crate::many::many;
use countersign_database::database::Database;
use countersign_database::statement::{Statement, Step, Tag, Yields};
use countersign_database::value::{Row, corrupt};

/// The incarnation, as verifiers keep it.
pub(crate) static KEPT: Kept = Kept { tag: INCARNATION, load: &[&LOAD], by_ids: &BY_IDS, read: change, gone };

const INCARNATION: Tag = Tag("incarnation");

static LOAD: Statement = Statement::new("SELECT id, n FROM incarnation");

static BY_IDS: Statement =
    Statement::new(concat!("SELECT id, n FROM incarnation WHERE id IN (", many!(), ")"));

#[expect(clippy::needless_pass_by_value, reason = "a row of the register: others take theirs apart")]
fn change(row: Row) -> Result<Change, Unavailable> {
    row.int(1).map(Change::Incarnation)
}

fn gone(_: &str, _: Option<SecretHash>) -> Result<Change, Unavailable> {
    Err(corrupt("the incarnation went, which it never does"))
}

/// Reads it.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find(database: &Database) -> Result<i64, Unavailable> {
    let row = database.read_one(&LOAD, Vec::new()).await?;
    row.ok_or_else(|| corrupt("there is no incarnation"))?.int(1)
}

static RAISE: Statement = Statement::new(
    "UPDATE incarnation
     SET n = $1
     WHERE id = 'installation' AND n < $1
     RETURNING id, n",
);

/// Raises it to `n`; not met if it is there already.
pub(crate) fn raise(n: i64) -> Step {
    Step::one(&RAISE, vec![n.into()]).yielding(Yields::Stored(INCARNATION))
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] = &[&LOAD, &BY_IDS, &RAISE];
