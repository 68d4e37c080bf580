//! The tables `meta` and `sealed`: small values that are written once.

use countersign_core::ledger::Unavailable;

use countersign_database::database::Database;
use countersign_database::statement::{Statement, Step};

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

/// Every statement of these tables.
pub(crate) static STATEMENTS: &[&Statement] = &[&META, &PUT_META, &SEALED, &PUT_SEALED];
