//! The table `owner`.

use countersign_core::authority::Authority;
use countersign_core::change::Change;
use countersign_core::client_terms::ClientTerms;
use countersign_core::id::OwnerId;
use countersign_core::ledger::Unavailable;
use countersign_core::reach::Reach;
use countersign_core::record::OwnerRecord;
use countersign_core::secret::SecretHash;
use countersign_core::timestamp::Timestamp;

use crate::keep::Kept;
use crate::many::many;
use crate::page::{Cursor, Page, PageRequest};
use countersign_database::database::Database;
use countersign_database::statement::{Statement, Step, Tag, Yields};
use countersign_database::value::{Row, Value, corrupt};

/// Every column, in the order of [`read`].
macro_rules! columns {
    ($table:literal) => {
        concat!(
            $table,
            "id, ",
            $table,
            "kind, ",
            $table,
            "organisation, ",
            $table,
            "name, ",
            $table,
            "version, ",
            $table,
            "created_at, ",
            $table,
            "disabled_at, ",
            $table,
            "disabled_by, ",
            $table,
            "generation, ",
            $table,
            "client, ",
            $table,
            "registrant"
        )
    };
    () => {
        columns!("")
    };
}
pub(crate) use columns;

/// How many columns [`read`] reads.
pub(crate) const COLUMNS: usize = 11;

/// Reads the owner whose columns begin at `start`.
///
/// # Errors
///
/// [`Unavailable::Corrupt`].
pub(crate) fn read(row: &Row, start: usize) -> Result<OwnerRecord, Unavailable> {
    let bare = read_bare(row, start)?;
    let client = client(row, start, bare.id)?;
    Ok(OwnerRecord { client, ..bare })
}

/// Reads the owner likewise, but for what is registered of it as a client.
fn read_bare(row: &Row, start: usize) -> Result<OwnerRecord, Unavailable> {
    let id: OwnerId = row.parsed(start)?;
    if row.text(start + 1)? != id.kind().name() {
        return Err(corrupt(format!("{id} is stored as another kind")));
    }
    Ok(OwnerRecord {
        id,
        organisation: row.parsed(start + 2)?,
        name: row.text(start + 3)?.to_owned(),
        version: row.int(start + 4)?,
        created_at: row.time(start + 5)?,
        disabled_at: row.optional_time(start + 6)?,
        disabled_by: (!row.is_null(start + 7)).then(|| row.parsed(start + 7)).transpose()?,
        generation: row.int(start + 8)?,
        client: None,
        registrant: (!row.is_null(start + 10)).then(|| row.parsed(start + 10)).transpose()?,
    })
}

fn client(row: &Row, start: usize, id: OwnerId) -> Result<Option<Box<ClientTerms>>, Unavailable> {
    if row.is_null(start + 9) {
        return Ok(None);
    }
    let read = serde_json::from_str(row.text(start + 9)?).map(Some);
    read.map_err(|error| corrupt(format!("what is registered of {id}: {error}")))
}

/// Owners, as verifiers keep them.
pub(crate) static KEPT: Kept =
    Kept { tag: OWNER, load: &[&ORGANISATIONS, &MEMBERS], by_ids: &BY_IDS, read: change, gone };

const OWNER: Tag = Tag("owner");

static ORGANISATIONS: Statement =
    Statement::new(concat!("SELECT ", columns!(), " FROM owner WHERE kind = 'organisation'"));

static MEMBERS: Statement =
    Statement::new(concat!("SELECT ", columns!(), " FROM owner WHERE kind <> 'organisation'"));

static BY_IDS: Statement =
    Statement::new(concat!("SELECT ", columns!(), " FROM owner WHERE id IN (", many!(), ")"));

#[expect(clippy::needless_pass_by_value, reason = "a row of the register: others take theirs apart")]
fn change(row: Row) -> Result<Change, Unavailable> {
    let bare = read_bare(&row, 0)?;
    // A client of which nothing can be read here proves itself to nobody: refused. Its other credentials go on.
    let client = client(&row, 0, bare.id).unwrap_or_else(|error| {
        tracing::error!(%error, "a stored client cannot be read and is refused");
        None
    });
    Ok(Change::Owner(Box::new(OwnerRecord { client, ..bare })))
}

fn gone(_: &str, _: Option<SecretHash>) -> Result<Change, Unavailable> {
    Err(corrupt("an owner went, which none does"))
}

static INSERT: Statement = Statement::new(concat!(
    "INSERT INTO owner (",
    columns!(),
    ")
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     RETURNING ",
    columns!()
));

/// Adds an owner.
///
/// # Errors
///
/// [`Unavailable::Corrupt`] if what is registered of a client cannot be written.
pub(crate) fn insert(record: &OwnerRecord) -> Result<Step, Unavailable> {
    let parameters = vec![
        record.id.into(),
        record.id.kind().name().into(),
        record.organisation.into(),
        record.name.as_str().into(),
        record.version.into(),
        record.created_at.into(),
        record.disabled_at.into(),
        record.disabled_by.map(Authority::name).into(),
        record.generation.into(),
        registered(record)?,
        record.registrant.into(),
    ];
    Ok(Step::one(&INSERT, parameters).yielding(Yields::Stored(OWNER)))
}

static ADVANCE: Statement = Statement::new(concat!(
    "UPDATE owner
     SET version = $2, name = $4, disabled_at = $5, disabled_by = $6, generation = $7, client = $8
     WHERE id = $1 AND version = $3
     RETURNING ",
    columns!()
));

/// Replaces an owner that still has the version before.
///
/// # Errors
///
/// [`Unavailable::Corrupt`] if what is registered of a client cannot be written.
pub(crate) fn advance(next: &OwnerRecord) -> Result<Step, Unavailable> {
    let parameters = vec![
        next.id.into(),
        next.version.into(),
        next.version.saturating_sub(1).into(),
        next.name.as_str().into(),
        next.disabled_at.into(),
        next.disabled_by.map(Authority::name).into(),
        next.generation.into(),
        registered(next)?,
    ];
    Ok(Step::one(&ADVANCE, parameters).yielding(Yields::Stored(OWNER)))
}

fn registered(record: &OwnerRecord) -> Result<Value, Unavailable> {
    let Some(client) = &record.client else { return Ok(Value::Null) };
    serde_json::to_string(client).map(Value::from).map_err(|error| corrupt(error.to_string()))
}

static RAISE_AGAIN: Statement = Statement::new(concat!(
    "UPDATE owner
     SET generation = $2, version = version + 1
     WHERE id = $1 AND generation < $2
     RETURNING ",
    columns!()
));

/// Ends everything before once more; not met if it has ended.
pub(crate) fn raise_again(id: OwnerId, generation: i64) -> Step {
    Step::one(&RAISE_AGAIN, vec![id.into(), generation.into()]).yielding(Yields::Stored(OWNER))
}

static DISABLE_AGAIN: Statement = Statement::new(concat!(
    "UPDATE owner
     SET disabled_at = $2, disabled_by = $4, version = CAST($3 AS BIGINT) + 1
     WHERE id = $1 AND version <= $3 AND disabled_at IS NULL
     RETURNING ",
    columns!()
));

/// Switches an owner off once more; not met if it is off, or a later version than the one that was off is stored.
pub(crate) fn disable_again(id: OwnerId, at: Timestamp, version: i64, by: Option<Authority>) -> Step {
    let parameters = vec![id.into(), at.into(), version.into(), by.map(Authority::name).into()];
    Step::one(&DISABLE_AGAIN, parameters).yielding(Yields::Stored(OWNER))
}

static FIND: Statement = Statement::new(concat!(
    "SELECT ",
    columns!(),
    "
     FROM owner
     WHERE id = $1"
));

/// Finds one owner.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find(database: &Database, id: OwnerId) -> Result<Option<OwnerRecord>, Unavailable> {
    let row = database.read_one(&FIND, vec![id.into()]).await?;
    row.map(|row| read(&row, 0)).transpose()
}

macro_rules! list {
    ($within:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            "
             FROM owner
             WHERE ",
            $within,
            "
               AND (created_at, id) > ($2, $3)
             ORDER BY created_at, id
             LIMIT $4"
        )
    };
}

static LIST: Statement = Statement::new(list!("CAST($1 AS TEXT) IS NULL"));
static LIST_OF_ORGANISATION: Statement = Statement::new(list!("organisation = $1"));
static LIST_OF_OWNER: Statement = Statement::new(list!("id = $1"));

static CLIENTS: Statement = Statement::new(list!("CAST($1 AS TEXT) IS NULL AND client IS NOT NULL"));
static CLIENTS_OF_ORGANISATION: Statement = Statement::new(list!("organisation = $1 AND client IS NOT NULL"));
static CLIENTS_OF_OWNER: Statement = Statement::new(list!("id = $1 AND client IS NOT NULL"));

static OF_REGISTRANT: Statement = Statement::new(list!("registrant = $1"));

/// Reads a page of the clients that a person has registered.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn registered_by(
    database: &Database,
    person: OwnerId,
    request: &PageRequest,
) -> Result<Page<OwnerRecord>, Unavailable> {
    page(database, &OF_REGISTRANT, person.into(), request).await
}

static COUNT_OF_REGISTRANT: Statement = Statement::new("SELECT count(*) FROM owner WHERE registrant = $1");

/// Counts them.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn count_registered_by(database: &Database, person: OwnerId) -> Result<u64, Unavailable> {
    counted(database.read_one(&COUNT_OF_REGISTRANT, vec![person.into()]).await?)
}

/// Reads a count.
///
/// # Errors
///
/// [`Unavailable::Corrupt`].
pub(crate) fn counted(row: Option<Row>) -> Result<u64, Unavailable> {
    let row = row.ok_or_else(|| corrupt("a count without a row"))?;
    u64::try_from(row.int(0)?).map_err(|_| corrupt("a count below zero"))
}

/// Which owners a list shows: the statements for each reach, the widest first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown([&'static Statement; 3]);

/// Every owner.
pub(crate) const OWNERS: Shown = Shown([&LIST, &LIST_OF_ORGANISATION, &LIST_OF_OWNER]);
/// Those of which something is registered as clients.
pub(crate) const REGISTERED: Shown = Shown([&CLIENTS, &CLIENTS_OF_ORGANISATION, &CLIENTS_OF_OWNER]);

/// Reads a page of owners within reach.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn list(
    database: &Database,
    Shown([all, of_organisation, of_owner]): Shown,
    reach: Reach,
    request: &PageRequest,
) -> Result<Page<OwnerRecord>, Unavailable> {
    let (statement, within) = match reach {
        Reach::Installation => (all, Value::Null),
        Reach::Organisation(id) => (of_organisation, id.into()),
        Reach::Owner(id) => (of_owner, id.into()),
        Reach::Nothing => return Ok(Page { rows: Vec::new(), next: None }),
    };
    page(database, statement, within, request).await
}

async fn page(
    database: &Database,
    statement: &'static Statement,
    within: Value,
    request: &PageRequest,
) -> Result<Page<OwnerRecord>, Unavailable> {
    let [created_at, id, limit] = request.parameters();
    let rows = database.read(statement, vec![within, created_at, id, limit]).await?;
    let rows: Vec<_> = rows.iter().map(|row| read(row, 0)).collect::<Result<_, _>>()?;
    Ok(request.page(rows, |last| Cursor { created_at: last.created_at, id: last.id.to_string() }))
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] = &[
    &INSERT,
    &ADVANCE,
    &RAISE_AGAIN,
    &DISABLE_AGAIN,
    &FIND,
    &ORGANISATIONS,
    &MEMBERS,
    &BY_IDS,
    &LIST,
    &LIST_OF_ORGANISATION,
    &LIST_OF_OWNER,
    &CLIENTS,
    &CLIENTS_OF_ORGANISATION,
    &CLIENTS_OF_OWNER,
    &OF_REGISTRANT,
    &COUNT_OF_REGISTRANT,
];
