//! The table `tally`: how many rows each organisation keeps. Each node counts what it adds and removes; their sum holds.
//!
//! **Invariant.** A row that is added or removed is counted in the same transaction. Within one node a cap holds
//! exactly; nodes that commit at the same moment may pass it by what the others commit meanwhile.

use countersign_core::id::{CredentialId, OwnerId};
use countersign_core::ledger::Unavailable;
use countersign_core::tally::{Kept, Tally};

use countersign_database::database::Database;
use countersign_database::statement::{Statement, Step};
use countersign_database::value::{Row, corrupt};

/// The columns of [`read`], for the organisation that `$organisation` names.
macro_rules! columns {
    ($organisation:literal) => {
        concat!(
            "(SELECT CAST(COALESCE(SUM(h.credentials), 0) AS BIGINT) FROM tally AS h WHERE h.organisation = ",
            $organisation,
            "), (SELECT CAST(COALESCE(SUM(h.members), 0) AS BIGINT) FROM tally AS h WHERE h.organisation = ",
            $organisation,
            ")"
        )
    };
}
pub(crate) use columns;

/// How many columns [`read`] reads.
pub(crate) const COLUMNS: usize = 2;

/// Reads the sums whose columns begin at `start`.
///
/// # Errors
///
/// [`Unavailable::Corrupt`].
pub(crate) fn read(row: &Row, start: usize) -> Result<Tally, Unavailable> {
    let sum = |at: usize| {
        u64::try_from(row.int(at)?).map_err(|_| corrupt("the count of what an organisation keeps"))
    };
    Ok(Tally { credentials: sum(start)?, members: sum(start + 1)? })
}

static ALL: Statement = Statement::new("SELECT CAST(COALESCE(SUM(credentials), 0) AS BIGINT) FROM tally");

/// Counts about how many credentials there are.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn all(database: &Database) -> Result<usize, Unavailable> {
    let row = database.read_one(&ALL, Vec::new()).await?;
    Ok(row.map(|row| row.int(0)).transpose()?.and_then(|sum| usize::try_from(sum).ok()).unwrap_or(0))
}

static ADD: Statement = Statement::new(
    "INSERT INTO tally (organisation, node, credentials, members)
     VALUES ($1, $2, $3, $4)
     ON CONFLICT (organisation, node) DO UPDATE
     SET credentials = tally.credentials + excluded.credentials, members = tally.members + excluded.members",
);

/// Counts `more`.
pub(crate) fn add(node: &str, organisation: OwnerId, kept: Kept, more: i64) -> Step {
    let (credentials, members) = match kept {
        Kept::Credentials => (more, 0),
        Kept::Members => (0, more),
    };
    Step::one(&ADD, vec![organisation.into(), node.into(), credentials.into(), members.into()])
}

static REMOVE: Statement = Statement::new(
    "INSERT INTO tally (organisation, node, credentials, members)
     SELECT organisation, $2, -1, 0 FROM credential WHERE id = $1
     ON CONFLICT (organisation, node) DO UPDATE SET credentials = tally.credentials - 1",
);

/// Counts a credential less that is about to be removed, if it is there.
pub(crate) fn remove(node: &str, credential: CredentialId) -> Step {
    Step::any(&REMOVE, vec![credential.into(), node.into()])
}

// A row of nothing is as good as none, and is what tells that the condition held.
macro_rules! within {
    ($kept:literal) => {
        concat!(
            "INSERT INTO tally (organisation, node, credentials, members)
             SELECT $1, $2, 0, 0
             WHERE (SELECT CAST(COALESCE(SUM(",
            $kept,
            "), 0) AS BIGINT) FROM tally WHERE organisation = $1) < $3
             ON CONFLICT (organisation, node) DO UPDATE SET credentials = tally.credentials"
        )
    };
}

static CREDENTIALS_WITHIN: Statement = Statement::new(within!("credentials"));
static MEMBERS_WITHIN: Statement = Statement::new(within!("members"));

/// Is met while an organisation holds less than `most`.
pub(crate) fn within(node: &str, organisation: OwnerId, kept: Kept, most: u64) -> Step {
    let statement = match kept {
        Kept::Credentials => &CREDENTIALS_WITHIN,
        Kept::Members => &MEMBERS_WITHIN,
    };
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    Step::one(statement, vec![organisation.into(), node.into(), most.into()])
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] = &[&ALL, &ADD, &REMOVE, &CREDENTIALS_WITHIN, &MEMBERS_WITHIN];
