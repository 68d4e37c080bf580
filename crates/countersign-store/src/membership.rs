//! The table `membership`: what a person is in which organisation.

use countersign_core::id::OwnerId;
use countersign_core::ledger::Unavailable;
use countersign_core::question::{FoundMembership, MembershipOf};
use countersign_core::record::Membership;

use crate::owner;
use countersign_database::database::Database;
use countersign_database::statement::{Statement, Step};
use countersign_database::value::{Row, Value, corrupt};

fn read(row: &Row) -> Result<Membership, Unavailable> {
    let roles = serde_json::from_str(row.text(4)?);
    Ok(Membership {
        person: row.parsed(0)?,
        organisation: row.parsed(1)?,
        version: row.int(2)?,
        created_at: row.time(3)?,
        roles: roles.map_err(|error| corrupt(format!("the roles of a person: {error}")))?,
    })
}

fn roles(record: &Membership) -> Result<Value, Unavailable> {
    serde_json::to_string(&record.roles).map(Value::from).map_err(|error| corrupt(error.to_string()))
}

static INSERT: Statement = Statement::new(
    "INSERT INTO membership (person, organisation, version, created_at, roles)
     VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT DO NOTHING",
);

/// Adds a membership; not met if there is one.
///
/// # Errors
///
/// [`Unavailable::Corrupt`] if it cannot be written.
pub(crate) fn insert(record: &Membership) -> Result<Step, Unavailable> {
    let parameters = vec![
        record.person.into(),
        record.organisation.into(),
        record.version.into(),
        record.created_at.into(),
        roles(record)?,
    ];
    Ok(Step::one(&INSERT, parameters))
}

static ADVANCE: Statement = Statement::new(
    "UPDATE membership
     SET version = $3, roles = $5
     WHERE person = $1 AND organisation = $2 AND version = $4",
);

/// Replaces a membership that still has the version before.
///
/// # Errors
///
/// [`Unavailable::Corrupt`] if it cannot be written.
pub(crate) fn advance(next: &Membership) -> Result<Step, Unavailable> {
    let parameters = vec![
        next.person.into(),
        next.organisation.into(),
        next.version.into(),
        next.version.saturating_sub(1).into(),
        roles(next)?,
    ];
    Ok(Step::one(&ADVANCE, parameters))
}

static REMOVE: Statement = Statement::new(
    "DELETE FROM membership
     WHERE person = $1 AND organisation = $2 AND version = $3",
);

/// Removes a membership that still has this version.
pub(crate) fn remove(record: &Membership) -> Step {
    let parameters = vec![record.person.into(), record.organisation.into(), record.version.into()];
    Step::one(&REMOVE, parameters)
}

static REMOVE_ALL: Statement = Statement::new("DELETE FROM membership WHERE person = $1");

/// Removes every membership of a person.
pub(crate) fn remove_all(person: OwnerId) -> Step {
    Step::any(&REMOVE_ALL, vec![person.into()])
}

static OF: Statement = Statement::new(
    "SELECT m.person, m.organisation, m.version, m.created_at, m.roles
     FROM membership AS m
     JOIN owner AS g ON g.id = m.organisation
     WHERE m.person = $1 AND g.disabled_at IS NULL
     ORDER BY m.organisation",
);

/// Finds where a person belongs, without what is disabled.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn of(database: &Database, person: OwnerId) -> Result<Vec<Membership>, Unavailable> {
    database.read(&OF, vec![person.into()]).await?.iter().map(read).collect()
}

static FIND: Statement = Statement::new(
    "SELECT person, organisation, version, created_at, roles
     FROM membership
     WHERE person = $1 AND organisation = $2",
);

static PERSON: Statement = Statement::new(concat!(
    "SELECT ",
    owner::columns!("o."),
    "
     FROM owner AS o
     JOIN person AS p ON p.id = o.id
     WHERE o.id = $1"
));

/// Finds a person, an organisation, and what the one is in the other.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find(database: &Database, asked: MembershipOf) -> Result<FoundMembership, Unavailable> {
    let person = database.read_one(&PERSON, vec![asked.person.into()]).await?;
    let membership = database.read_one(&FIND, vec![asked.person.into(), asked.organisation.into()]).await?;
    Ok(FoundMembership {
        person: person.map(|row| owner::read(&row, 0)).transpose()?,
        organisation: owner::find(database, asked.organisation).await?,
        membership: membership.as_ref().map(read).transpose()?,
    })
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] = &[&INSERT, &ADVANCE, &REMOVE, &REMOVE_ALL, &OF, &FIND, &PERSON];
