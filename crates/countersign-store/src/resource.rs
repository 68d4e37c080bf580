//! The table `resource`: what tokens may be for, beside what the settings declare.

use countersign_core::change::Change;
use countersign_core::ledger::Unavailable;
use countersign_core::record::ResourceRecord;
use countersign_core::resource::{Resource, ResourceId};
use countersign_core::secret::SecretHash;

use crate::keep::Kept;
use crate::many::many;
use countersign_database::database::Database;
use countersign_database::statement::{Statement, Step, Tag, Yields};
use countersign_database::value::{Row, Value, corrupt};

/// Resources, as verifiers keep them.
pub(crate) static KEPT: Kept = Kept { tag: RESOURCE, load: &[&LOAD], by_ids: &BY_IDS, read: change, gone };

const RESOURCE: Tag = Tag("resource");

static LOAD: Statement = Statement::new("SELECT id, payload FROM resource");

static BY_IDS: Statement =
    Statement::new(concat!("SELECT id, payload FROM resource WHERE id IN (", many!(), ")"));

/// Reads what verifiers learn of a row. Tokens for a resource that this version cannot read are refused.
#[expect(clippy::needless_pass_by_value, reason = "a row of the register: others take theirs apart")]
fn change(row: Row) -> Result<Change, Unavailable> {
    let id: ResourceId = row.parsed(0)?;
    let resource = payload(row.text(1)?, &id).inspect_err(|error| {
        tracing::error!(%error, "a stored resource cannot be read: tokens for it are refused");
    });
    Ok(Change::Resource(id, resource.ok().map(Box::new)))
}

fn gone(id: &str, _: Option<SecretHash>) -> Result<Change, Unavailable> {
    let id = id.parse().map_err(|_| corrupt("a resource went that has no name"))?;
    Ok(Change::Resource(id, None))
}

fn payload(text: &str, id: &ResourceId) -> Result<Resource, Unavailable> {
    let resource: Resource =
        serde_json::from_str(text).map_err(|error| corrupt(format!("the resource {id}: {error}")))?;
    if resource.id == *id {
        Ok(resource)
    } else {
        Err(corrupt(format!("{id} is stored as another resource")))
    }
}

static INSERT: Statement = Statement::new(
    "INSERT INTO resource (id, version, created_at, payload)
     VALUES ($1, $2, $3, $4)
     RETURNING id, payload",
);

/// Adds a resource.
///
/// # Errors
///
/// [`Unavailable::Corrupt`] if it cannot be written.
pub(crate) fn insert(record: &ResourceRecord) -> Result<Step, Unavailable> {
    let parameters = vec![
        record.resource.id.as_str().into(),
        record.version.into(),
        record.created_at.into(),
        written(&record.resource)?,
    ];
    Ok(Step::one(&INSERT, parameters).yielding(Yields::Stored(RESOURCE)))
}

static ADVANCE: Statement = Statement::new(
    "UPDATE resource
     SET version = $2, payload = $4
     WHERE id = $1 AND version = $3
     RETURNING id, payload",
);

/// Replaces a resource that still has the version before.
///
/// # Errors
///
/// [`Unavailable::Corrupt`] if it cannot be written.
pub(crate) fn advance(next: &ResourceRecord) -> Result<Step, Unavailable> {
    let parameters = vec![
        next.resource.id.as_str().into(),
        next.version.into(),
        next.version.saturating_sub(1).into(),
        written(&next.resource)?,
    ];
    Ok(Step::one(&ADVANCE, parameters).yielding(Yields::Stored(RESOURCE)))
}

static REMOVE: Statement = Statement::new(
    "DELETE FROM resource
     WHERE id = $1 AND version = $2
     RETURNING id, CAST(NULL AS BYTEA)",
);

/// Removes a resource that still has this version.
pub(crate) fn remove(record: &ResourceRecord) -> Step {
    let parameters = vec![record.resource.id.as_str().into(), record.version.into()];
    Step::one(&REMOVE, parameters).yielding(Yields::Gone(RESOURCE))
}

fn written(resource: &Resource) -> Result<Value, Unavailable> {
    serde_json::to_string(resource).map(Value::from).map_err(|error| corrupt(error.to_string()))
}

static FIND: Statement = Statement::new(
    "SELECT id, payload, version, created_at
     FROM resource
     WHERE id = $1",
);

/// Finds one resource.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find(
    database: &Database,
    id: &ResourceId,
) -> Result<Option<ResourceRecord>, Unavailable> {
    let row = database.read_one(&FIND, vec![id.as_str().into()]).await?;
    let read = |row: Row| {
        let resource = payload(row.text(1)?, id)?;
        Ok(ResourceRecord { resource, version: row.int(2)?, created_at: row.time(3)? })
    };
    row.map(read).transpose()
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] = &[&LOAD, &BY_IDS, &INSERT, &ADVANCE, &REMOVE, &FIND];
