//! The table `linked_identity`: identities at other providers that are people's here.

use countersign_core::id::OwnerId;
use countersign_core::ledger::Unavailable;
use countersign_core::record::{IdentityName, LinkedIdentity};

use countersign_database::database::Database;
use countersign_database::statement::{Statement, Step};
use countersign_database::value::Row;

fn read(row: &Row) -> Result<LinkedIdentity, Unavailable> {
    let name = IdentityName { issuer: row.text(0)?.to_owned(), subject: row.text(1)?.to_owned() };
    Ok(LinkedIdentity {
        name,
        person: row.parsed(2)?,
        shown: row.text(3)?.to_owned(),
        created_at: row.time(4)?,
    })
}

static INSERT: Statement = Statement::new(
    "INSERT INTO linked_identity (issuer, subject, person, shown, created_at)
     VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT DO NOTHING",
);

/// Adds an identity; not met if it is somebody's already.
pub(crate) fn insert(record: &LinkedIdentity) -> Step {
    let IdentityName { issuer, subject } = &record.name;
    let parameters = vec![
        issuer.as_str().into(),
        subject.as_str().into(),
        record.person.into(),
        record.shown.as_str().into(),
        record.created_at.into(),
    ];
    Step::one(&INSERT, parameters)
}

static REMOVE: Statement = Statement::new(
    "DELETE FROM linked_identity
     WHERE issuer = $1
       AND subject = $2
       AND person = $3",
);

/// Takes an identity away from whose it is.
pub(crate) fn remove(record: &LinkedIdentity) -> Step {
    let IdentityName { issuer, subject } = &record.name;
    Step::one(&REMOVE, vec![issuer.as_str().into(), subject.as_str().into(), record.person.into()])
}

static REMOVE_OF: Statement = Statement::new("DELETE FROM linked_identity WHERE person = $1");

/// Takes every identity away from a person.
pub(crate) fn remove_of(person: OwnerId) -> Step {
    Step::any(&REMOVE_OF, vec![person.into()])
}

static HOLDER: Statement = Statement::new(
    "SELECT person
     FROM linked_identity
     WHERE issuer = $1
       AND subject = $2",
);

/// Finds whose an identity is.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn holder(
    database: &Database,
    IdentityName { issuer, subject }: &IdentityName,
) -> Result<Option<OwnerId>, Unavailable> {
    let row = database.read_one(&HOLDER, vec![issuer.as_str().into(), subject.as_str().into()]).await?;
    row.map(|row| row.parsed(0)).transpose()
}

static OF_PERSON: Statement = Statement::new(
    "SELECT issuer, subject, person, shown, created_at
     FROM linked_identity
     WHERE person = $1
     ORDER BY created_at, issuer, subject",
);

/// Reads the identities of a person: there are few of each.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn of_person(
    database: &Database,
    person: OwnerId,
) -> Result<Vec<LinkedIdentity>, Unavailable> {
    let rows = database.read(&OF_PERSON, vec![person.into()]).await?;
    rows.iter().map(read).collect()
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] = &[&INSERT, &REMOVE, &REMOVE_OF, &HOLDER, &OF_PERSON];
