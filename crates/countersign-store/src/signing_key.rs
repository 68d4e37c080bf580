//! The table `signing_key`: public parts and times. What is sealed lies in the table of sealed values.
//!
//! **Invariant.** No statement here clears `revoked_at`; of one slot a number is taken once.

use countersign_core::change::Change;
use countersign_core::ledger::Unavailable;
use countersign_core::secret::SecretHash;
use countersign_core::signing_key::{SEALED, SigningKeyRecord, Slot};
use countersign_core::timestamp::Timestamp;

use crate::config::PORTION;
use crate::keep::Kept;
use crate::many::many;
use countersign_core::id::CredentialId;
use countersign_database::database::Database;
use countersign_database::statement::{Statement, Step, Tag, Yields};
use countersign_database::value::{Row, corrupt};

/// Every column, in the order of [`read`].
macro_rules! columns {
    () => {
        "id, purpose, algorithm, number, version, jwk, created_at, active_at, retired_at, ends_at, revoked_at, rotate_at"
    };
}

/// Signing keys, as verifiers keep them.
pub(crate) static KEPT: Kept = Kept { tag: KEY, load: &[&LOAD], by_ids: &BY_IDS, read: change, gone };

const KEY: Tag = Tag("signing_key");

static LOAD: Statement = Statement::new(concat!("SELECT ", columns!(), " FROM signing_key"));

static BY_IDS: Statement =
    Statement::new(concat!("SELECT ", columns!(), " FROM signing_key WHERE id IN (", many!(), ")"));

fn read(row: &Row) -> Result<SigningKeyRecord, Unavailable> {
    Ok(SigningKeyRecord {
        id: row.parsed(0)?,
        slot: Slot { purpose: row.parsed(1)?, algorithm: row.parsed(2)? },
        number: row.int(3)?,
        version: row.int(4)?,
        jwk: row.text(5)?.to_owned(),
        created_at: row.time(6)?,
        active_at: row.time(7)?,
        retired_at: row.optional_time(8)?,
        ends_at: row.optional_time(9)?,
        revoked_at: row.optional_time(10)?,
        rotate_at: row.time(11)?,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "a row of the register: others take theirs apart")]
fn change(row: Row) -> Result<Change, Unavailable> {
    read(&row).map(|record| Change::SigningKey(Box::new(record)))
}

fn gone(_: &str, _: Option<SecretHash>) -> Result<Change, Unavailable> {
    Err(corrupt("a signing key went without having ended"))
}

static OF_SLOT: Statement = Statement::new(concat!(
    "SELECT ",
    columns!(),
    "
     FROM signing_key
     WHERE purpose = $1 AND algorithm = $2
     ORDER BY number"
));

/// Reads the keys of a slot, in the order of their numbers.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn of_slot(database: &Database, slot: Slot) -> Result<Vec<SigningKeyRecord>, Unavailable> {
    let parameters = vec![slot.purpose.name().into(), slot.algorithm.as_str().into()];
    database.read(&OF_SLOT, parameters).await?.iter().map(read).collect()
}

static INSERT: Statement = Statement::new(concat!(
    "INSERT INTO signing_key (",
    columns!(),
    ")
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
     ON CONFLICT DO NOTHING
     RETURNING ",
    columns!()
));

/// Adds a key; not met if its number is taken.
pub(crate) fn insert(record: &SigningKeyRecord) -> Step {
    let parameters = vec![
        record.id.into(),
        record.slot.purpose.name().into(),
        record.slot.algorithm.as_str().into(),
        record.number.into(),
        record.version.into(),
        record.jwk.as_str().into(),
        record.created_at.into(),
        record.active_at.into(),
        record.retired_at.into(),
        record.ends_at.into(),
        record.revoked_at.into(),
        record.rotate_at.into(),
    ];
    Step::one(&INSERT, parameters).yielding(Yields::Stored(KEY))
}

static ADVANCE: Statement = Statement::new(concat!(
    "UPDATE signing_key
     SET version = $2, retired_at = $4, ends_at = $5, revoked_at = COALESCE(revoked_at, $6)
     WHERE id = $1 AND version = $3
     RETURNING ",
    columns!()
));

/// Replaces a key that still has the version before.
pub(crate) fn advance(next: &SigningKeyRecord) -> Step {
    let parameters = vec![
        next.id.into(),
        next.version.into(),
        next.version.saturating_sub(1).into(),
        next.retired_at.into(),
        next.ends_at.into(),
        next.revoked_at.into(),
    ];
    Step::one(&ADVANCE, parameters).yielding(Yields::Stored(KEY))
}

static REVOKE_AGAIN: Statement = Statement::new(concat!(
    "UPDATE signing_key
     SET revoked_at = $2, version = version + 1
     WHERE id = $1 AND revoked_at IS NULL
     RETURNING ",
    columns!()
));

/// Revokes a key once more; not met if it is, or there is none.
pub(crate) fn revoke_again(id: CredentialId, at: Timestamp) -> Step {
    Step::one(&REVOKE_AGAIN, vec![id.into(), at.into()]).yielding(Yields::Stored(KEY))
}

// What verifiers knew of it they may go on knowing: it has ended.
static PRUNE: Statement = Statement::new(
    "DELETE FROM signing_key
     WHERE id IN (SELECT id FROM signing_key WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2)",
);

/// Removes some of the keys that have ended before `then`.
pub(crate) fn prune(then: Timestamp) -> Step {
    Step::some(&PRUNE, vec![then.into(), PORTION.into()])
}

static PRUNE_SEALED: Statement = Statement::new(
    "DELETE FROM sealed
     WHERE purpose = $1
       AND owner IN (
         SELECT sealed.owner
         FROM sealed
         LEFT JOIN signing_key ON signing_key.id = sealed.owner
         WHERE sealed.purpose = $1 AND signing_key.id IS NULL
         LIMIT $2
       )",
);

/// Removes some of the private keys whose public part is gone.
pub(crate) fn prune_sealed() -> Step {
    Step::some(&PRUNE_SEALED, vec![SEALED.into(), PORTION.into()])
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] =
    &[&LOAD, &BY_IDS, &OF_SLOT, &INSERT, &ADVANCE, &REVOKE_AGAIN, &PRUNE, &PRUNE_SEALED];
