//! The tables `meta` and `sealed`: small values that are written once; what is sealed is sealed anew when the master
//! key was rotated.

use countersign_core::ledger::Unavailable;

use countersign_database::database::Database;
use countersign_database::statement::{Statement, Step};
use countersign_database::value::Row;

static META: Statement = Statement::new(
    "SELECT value
     FROM meta
     WHERE name = $1",
);

/// Reads a value.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn get(database: &Database, name: &str) -> Result<Option<String>, Unavailable> {
    let row = database.read_one(&META, vec![name.into()]).await?;
    row.map(|row| row.text(0).map(str::to_owned)).transpose()
}

static PUT_META: Statement = Statement::new(
    "INSERT INTO meta (name, value)
     VALUES ($1, $2)
     ON CONFLICT (name) DO NOTHING",
);

/// Writes a value; not met if there is one.
pub(crate) fn put(name: &str, value: &str) -> Step {
    Step::one(&PUT_META, vec![name.into(), value.into()])
}

static SEALED: Statement = Statement::new(
    "SELECT value
     FROM sealed
     WHERE purpose = $1 AND owner = $2",
);

/// Reads sealed bytes.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn sealed(
    database: &Database,
    purpose: &str,
    owner: &str,
) -> Result<Option<Vec<u8>>, Unavailable> {
    let row = database.read_one(&SEALED, vec![purpose.into(), owner.into()]).await?;
    row.map(|row| row.blob(0).map(<[u8]>::to_vec)).transpose()
}

static PUT_SEALED: Statement = Statement::new(
    "INSERT INTO sealed (purpose, owner, value)
     VALUES ($1, $2, $3)
     ON CONFLICT (purpose, owner) DO NOTHING",
);

/// Writes sealed bytes; not met if there are some.
pub(crate) fn put_sealed(purpose: &str, owner: &str, value: &[u8]) -> Step {
    Step::one(&PUT_SEALED, vec![purpose.into(), owner.into(), value.into()])
}

/// A row of the table of sealed values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRow {
    /// What it is for.
    pub purpose: String,
    /// Whose it is.
    pub owner: String,
    /// What is sealed.
    pub value: Vec<u8>,
}

static SEALED_AFTER: Statement = Statement::new(
    "SELECT purpose, owner, value
     FROM sealed
     WHERE (purpose, owner) > ($1, $2)
     ORDER BY purpose, owner
     LIMIT $3",
);

/// Reads the rows after one, at most `limit`.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn sealed_after(
    database: &Database,
    (purpose, owner): (&str, &str),
    limit: i64,
) -> Result<Vec<SealedRow>, Unavailable> {
    let rows = database.read(&SEALED_AFTER, vec![purpose.into(), owner.into(), limit.into()]).await?;
    let row = |row: &Row| {
        let (purpose, owner) = (row.text(0)?.to_owned(), row.text(1)?.to_owned());
        Ok(SealedRow { purpose, owner, value: row.blob(2)?.to_vec() })
    };
    rows.iter().map(row).collect()
}

static RESEAL: Statement = Statement::new(
    "UPDATE sealed
     SET value = $4
     WHERE purpose = $1 AND owner = $2 AND value = $3",
);

/// Replaces what is sealed in a row; not met if it is not what was read.
pub(crate) fn reseal(row: &SealedRow, fresh: &[u8]) -> Step {
    let SealedRow { purpose, owner, value } = row;
    let parameters =
        vec![purpose.as_str().into(), owner.as_str().into(), value.as_slice().into(), fresh.into()];
    Step::one(&RESEAL, parameters)
}

/// Every statement of these tables.
pub(crate) static STATEMENTS: &[&Statement] =
    &[&META, &PUT_META, &SEALED, &PUT_SEALED, &SEALED_AFTER, &RESEAL];
