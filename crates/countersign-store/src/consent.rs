//! The table `consent`: what people allow clients.

use countersign_core::id::{CredentialId, OwnerId};
use countersign_core::ledger::Unavailable;
use countersign_core::question::ConsentTo;
use countersign_core::reach::Reach;
use countersign_core::record::ConsentRecord;

use crate::page::{Cursor, Page, PageRequest};
use countersign_database::database::Database;
use countersign_database::statement::{Statement, Step};
use countersign_database::value::{Row, Value};

/// Every column, in the order of [`read`].
macro_rules! columns {
    () => {
        "id, client, subject, organisation, scopes, client_hash, version, created_at, updated_at"
    };
}

fn read(row: &Row) -> Result<ConsentRecord, Unavailable> {
    Ok(ConsentRecord {
        id: row.parsed(0)?,
        client: row.parsed(1)?,
        subject: row.parsed(2)?,
        organisation: row.parsed(3)?,
        scopes: row.parsed(4)?,
        client_hash: row.hash(5)?,
        version: row.int(6)?,
        created_at: row.time(7)?,
        updated_at: row.time(8)?,
    })
}

static INSERT: Statement = Statement::new(concat!(
    "INSERT INTO consent (",
    columns!(),
    ")
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     ON CONFLICT (subject, client) DO NOTHING"
));

/// Adds what a person allows; not met if something is allowed already.
pub(crate) fn insert(record: &ConsentRecord) -> Step {
    let parameters = vec![
        record.id.into(),
        record.client.into(),
        record.subject.into(),
        record.organisation.into(),
        record.scopes.to_string().as_str().into(),
        record.client_hash.into(),
        record.version.into(),
        record.created_at.into(),
        record.updated_at.into(),
    ];
    Step::one(&INSERT, parameters)
}

static ADVANCE: Statement = Statement::new(
    "UPDATE consent
     SET scopes = $2, client_hash = $3, version = $4, updated_at = $5
     WHERE id = $1 AND version = $6",
);

// It writes, so that whoever withdraws it meanwhile comes before or after, never between.
static STANDS: Statement = Statement::new(
    "UPDATE consent
     SET version = $2
     WHERE id = $1 AND version = $2",
);

/// Demands that what a person allows has this version still.
pub(crate) fn stands(record: &ConsentRecord) -> Step {
    Step::one(&STANDS, vec![record.id.into(), record.version.into()])
}

/// Replaces what a person allows, if it still has the version before.
pub(crate) fn advance(next: &ConsentRecord) -> Step {
    let parameters = vec![
        next.id.into(),
        next.scopes.to_string().as_str().into(),
        next.client_hash.into(),
        next.version.into(),
        next.updated_at.into(),
        next.version.saturating_sub(1).into(),
    ];
    Step::one(&ADVANCE, parameters)
}

static REMOVE: Statement = Statement::new("DELETE FROM consent WHERE id = $1");

/// Removes what a person allows; nothing changes if it is gone.
pub(crate) fn remove(id: CredentialId) -> Step {
    Step::any(&REMOVE, vec![id.into()])
}

static REMOVE_OF: Statement = Statement::new("DELETE FROM consent WHERE subject = $1");

/// Removes everything that a person allows.
pub(crate) fn remove_of(subject: OwnerId) -> Step {
    Step::any(&REMOVE_OF, vec![subject.into()])
}

static BY_PAIR: Statement =
    Statement::new(concat!("SELECT ", columns!(), " FROM consent WHERE subject = $1 AND client = $2"));

/// Finds what a person allows a client.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find_pair(
    database: &Database,
    ConsentTo { client, subject }: ConsentTo,
) -> Result<Option<ConsentRecord>, Unavailable> {
    let row = database.read_one(&BY_PAIR, vec![subject.into(), client.into()]).await?;
    row.as_ref().map(read).transpose()
}

static BY_ID: Statement = Statement::new(concat!("SELECT ", columns!(), " FROM consent WHERE id = $1"));

/// Finds it by its name.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find(
    database: &Database,
    id: CredentialId,
) -> Result<Option<ConsentRecord>, Unavailable> {
    let row = database.read_one(&BY_ID, vec![id.into()]).await?;
    row.as_ref().map(read).transpose()
}

/// Which of what is allowed a list shows.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConsentFilter {
    /// Only what is allowed to this client.
    pub client: Option<OwnerId>,
    /// Only what this person allows.
    pub subject: Option<OwnerId>,
}

macro_rules! list {
    ($within:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            "
             FROM consent
             WHERE ",
            $within,
            "
               AND (CAST($2 AS TEXT) IS NULL OR client = $2)
               AND (CAST($3 AS TEXT) IS NULL OR subject = $3)
               AND (created_at, id) > ($4, $5)
             ORDER BY created_at, id
             LIMIT $6"
        )
    };
}

static LIST: Statement = Statement::new(list!("CAST($1 AS TEXT) IS NULL"));
static LIST_OF_ORGANISATION: Statement = Statement::new(list!("organisation = $1"));
static LIST_OF_OWNER: Statement = Statement::new(list!("(subject = $1 OR client = $1)"));

/// Reads a page of what is allowed within reach.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn list(
    database: &Database,
    reach: Reach,
    filter: ConsentFilter,
    request: &PageRequest,
) -> Result<Page<ConsentRecord>, Unavailable> {
    let (statement, within) = match reach {
        Reach::Installation => (&LIST, Value::Null),
        Reach::Organisation(id) => (&LIST_OF_ORGANISATION, id.into()),
        Reach::Owner(id) => (&LIST_OF_OWNER, id.into()),
        Reach::Nothing => return Ok(Page { rows: Vec::new(), next: None }),
    };
    let [created_at, id, limit] = request.parameters();
    let parameters = vec![within, filter.client.into(), filter.subject.into(), created_at, id, limit];
    let rows = database.read(statement, parameters).await?;
    let rows: Vec<_> = rows.iter().map(read).collect::<Result<_, _>>()?;
    Ok(request.page(rows, |last| Cursor { created_at: last.created_at, id: last.id.to_string() }))
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] = &[
    &INSERT,
    &ADVANCE,
    &STANDS,
    &REMOVE,
    &REMOVE_OF,
    &BY_PAIR,
    &BY_ID,
    &LIST,
    &LIST_OF_ORGANISATION,
    &LIST_OF_OWNER,
];
