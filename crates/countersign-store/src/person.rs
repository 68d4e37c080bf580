//! The table `person`: what is registered of owners that are persons.

use countersign_core::id::OwnerId;
use countersign_core::ledger::Unavailable;
use countersign_core::password::PasswordHash;
use countersign_core::person_terms::{EmailAddress, Username};
use countersign_core::question::FoundPerson;
use countersign_core::reach::Reach;
use countersign_core::record::{OwnerRecord, PersonRecord};
use countersign_core::typed_name::TypedName;

use crate::page::{Cursor, Page, PageRequest};
use crate::{membership, owner};
use countersign_database::database::Database;
use countersign_database::statement::{Statement, Step};
use countersign_database::value::{Row, Value, corrupt};

/// Every column but the id, in the order of [`read`].
macro_rules! columns {
    () => {
        "p.username, p.email, p.email_verified_at, p.password, p.pepper, p.password_at, p.version, p.updated_at, p.payload"
    };
}

/// Reads the person whose columns begin at `start`.
fn read(row: &Row, start: usize, id: OwnerId) -> Result<PersonRecord, Unavailable> {
    let email = (!row.is_null(start + 1)).then(|| row.parsed(start + 1)).transpose()?;
    let password = (!row.is_null(start + 3)).then(|| password(row, start + 3)).transpose()?;
    let profile = serde_json::from_str(row.text(start + 8)?);
    Ok(PersonRecord {
        id,
        username: row.parsed(start)?,
        email,
        email_verified_at: row.optional_time(start + 2)?,
        password,
        password_at: row.optional_time(start + 5)?,
        version: row.int(start + 6)?,
        updated_at: row.time(start + 7)?,
        profile: profile.map_err(|error| corrupt(format!("what is told of {id}: {error}")))?,
    })
}

fn password(row: &Row, start: usize) -> Result<PasswordHash, Unavailable> {
    let pepper = u32::try_from(row.int(start + 1)?).map_err(|_| corrupt("the pepper of a password"))?;
    Ok(PasswordHash::stored(row.text(start)?.to_owned(), pepper))
}

static INSERT: Statement = Statement::new(
    "INSERT INTO person (id, username, email, email_verified_at, password, pepper, password_at, version, updated_at, payload)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     ON CONFLICT DO NOTHING",
);

/// Adds a person; not met if somebody signs in as that.
///
/// # Errors
///
/// [`Unavailable::Corrupt`] if it cannot be written.
pub(crate) fn insert(record: &PersonRecord) -> Result<Step, Unavailable> {
    let [email, verified, password, pepper, password_at, profile] = written(record)?;
    let parameters = vec![
        record.id.into(),
        record.username.as_str().into(),
        email,
        verified,
        password,
        pepper,
        password_at,
        record.version.into(),
        record.updated_at.into(),
        profile,
    ];
    Ok(Step::one(&INSERT, parameters))
}

static ADVANCE: Statement = Statement::new(
    "UPDATE person
     SET version = $2, email = $4, email_verified_at = $5, password = $6, pepper = $7, password_at = $8, updated_at = $9,
       payload = $10
     WHERE id = $1 AND version = $3",
);

/// Replaces a person who still has the version before.
///
/// # Errors
///
/// [`Unavailable::Corrupt`] if it cannot be written.
pub(crate) fn advance(next: &PersonRecord) -> Result<Step, Unavailable> {
    let [email, verified, password, pepper, password_at, profile] = written(next)?;
    let parameters = vec![
        next.id.into(),
        next.version.into(),
        next.version.saturating_sub(1).into(),
        email,
        verified,
        password,
        pepper,
        password_at,
        next.updated_at.into(),
        profile,
    ];
    Ok(Step::one(&ADVANCE, parameters))
}

/// Returns what both write alike: address, since when it is verified, hash, its pepper, since when, profile.
fn written(record: &PersonRecord) -> Result<[Value; 6], Unavailable> {
    let profile = serde_json::to_string(&record.profile).map_err(|error| corrupt(error.to_string()))?;
    Ok([
        record.email.as_ref().map(EmailAddress::as_str).into(),
        record.email_verified_at.into(),
        record.password.as_ref().map(PasswordHash::as_str).into(),
        record.password.as_ref().map(|hash| i64::from(hash.pepper())).into(),
        record.password_at.into(),
        profile.into(),
    ])
}

static REMOVE: Statement = Statement::new(
    "DELETE FROM person
     WHERE id = $1 AND version = $2",
);

/// Removes a person who still has this version, and where they belong.
pub(crate) fn remove(record: &PersonRecord) -> [Step; 2] {
    let parameters = vec![record.id.into(), record.version.into()];
    [membership::remove_all(record.id), Step::one(&REMOVE, parameters)]
}

macro_rules! select {
    ($rest:expr) => {
        concat!(
            "SELECT ",
            owner::columns!("o."),
            ", ",
            owner::columns!("g."),
            ", ",
            columns!(),
            "
             FROM person AS p
             JOIN owner AS o ON o.id = p.id
             JOIN owner AS g ON g.id = o.organisation
             WHERE ",
            $rest
        )
    };
}

static FIND: Statement = Statement::new(select!("p.id = $1"));

/// The ids of all who can be meant by one text: at most three, each found through an index.
macro_rules! called {
    () => {
        "SELECT id
         FROM person
         WHERE username = $1
         UNION ALL
         SELECT id
         FROM (SELECT id
               FROM person
               WHERE lower(email) = $1
                 AND email_verified_at IS NOT NULL
               LIMIT 2) AS by_address"
    };
}

static FIND_NAMED: Statement = Statement::new(select!(concat!("p.id IN (", called!(), ")")));

/// Finds one person.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find(database: &Database, id: OwnerId) -> Result<Option<FoundPerson>, Unavailable> {
    found(database, database.read_one(&FIND, vec![id.into()]).await?).await
}

/// Finds who is meant by what somebody has typed.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find_named(
    database: &Database,
    typed: &TypedName,
) -> Result<Option<FoundPerson>, Unavailable> {
    let rows = database.read(&FIND_NAMED, vec![typed.as_str().into()]).await?;
    let persons = rows.iter().map(|row| Ok(pair(row)?.1)).collect::<Result<Vec<_>, Unavailable>>()?;
    let meant = typed.meant(&persons);
    let row = rows.into_iter().zip(&persons).find(|(_, person)| Some(person.id) == meant);
    found(database, row.map(|(row, _)| row)).await
}

static FIND_BY_EMAIL: Statement = Statement::new(select!(
    "p.id IN (SELECT id
              FROM person
              WHERE lower(email) = $1
                AND email_verified_at IS NOT NULL
              LIMIT 2)"
));

/// Finds who has proven an address, in any case of letters: at most two of them.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find_by_email(
    database: &Database,
    email: &EmailAddress,
) -> Result<Vec<FoundPerson>, Unavailable> {
    let folded = email.as_str().to_ascii_lowercase();
    let rows = database.read(&FIND_BY_EMAIL, vec![folded.as_str().into()]).await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        all.extend(found(database, Some(row)).await?);
    }
    Ok(all)
}

async fn found(database: &Database, row: Option<Row>) -> Result<Option<FoundPerson>, Unavailable> {
    let Some(row) = row else { return Ok(None) };
    let (owner, person) = pair(&row)?;
    let organisation = owner::read(&row, owner::COLUMNS)?;
    let memberships = membership::of(database, owner.id).await?;
    Ok(Some(FoundPerson { owner, organisation, person, memberships }))
}

fn pair(row: &Row) -> Result<(OwnerRecord, PersonRecord), Unavailable> {
    let owner = owner::read(row, 0)?;
    let person = read(row, 2 * owner::COLUMNS, owner.id)?;
    Ok((owner, person))
}

static TAKEN: Statement = Statement::new(called!());

/// Tells whether somebody signs in as this, by username or by an address that they have proven.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn is_taken(database: &Database, username: &Username) -> Result<bool, Unavailable> {
    Ok(!database.read(&TAKEN, vec![username.as_str().into()]).await?.is_empty())
}

macro_rules! list {
    ($within:literal) => {
        select!(concat!($within, " AND (o.created_at, o.id) > ($2, $3) ORDER BY o.created_at, o.id LIMIT $4"))
    };
}

static LIST: Statement = Statement::new(list!("CAST($1 AS TEXT) IS NULL"));
static LIST_OF_ORGANISATION: Statement = Statement::new(list!("o.organisation = $1"));
static LIST_OF_OWNER: Statement = Statement::new(list!("o.id = $1"));

/// Reads a page of persons within reach.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn list(
    database: &Database,
    reach: Reach,
    request: &PageRequest,
) -> Result<Page<(OwnerRecord, PersonRecord)>, Unavailable> {
    let (statement, within) = match reach {
        Reach::Installation => (&LIST, Value::Null),
        Reach::Organisation(id) => (&LIST_OF_ORGANISATION, id.into()),
        Reach::Owner(id) => (&LIST_OF_OWNER, id.into()),
        Reach::Nothing => return Ok(Page { rows: Vec::new(), next: None }),
    };
    let [created_at, id, limit] = request.parameters();
    let rows = database.read(statement, vec![within, created_at, id, limit]).await?;
    let rows: Vec<_> = rows.iter().map(pair).collect::<Result<_, _>>()?;
    Ok(request.page(rows, |(last, _)| Cursor { created_at: last.created_at, id: last.id.to_string() }))
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] = &[
    &INSERT,
    &ADVANCE,
    &REMOVE,
    &FIND,
    &FIND_NAMED,
    &FIND_BY_EMAIL,
    &TAKEN,
    &LIST,
    &LIST_OF_ORGANISATION,
    &LIST_OF_OWNER,
];
