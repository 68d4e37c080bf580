//! What the making of a credential needs, in one question: owner, organisation, mark, and what the mark made; of a
//! successor: the credential, its owner and the organisation.

use countersign_core::id::{CredentialId, OwnerId};
use countersign_core::ledger::{Found, Unavailable};
use countersign_core::record::{OwnerRecord, TakenOver};
use countersign_core::secret::SecretHash;
use countersign_core::tally::Tally;
use countersign_core::timestamp::Timestamp;

use crate::{credential, mark, owner, tally};
use countersign_database::database::Database;
use countersign_database::statement::Statement;
use countersign_database::value::{Row, corrupt};

// What a mark made begins with the credential's id, which has 26 characters: `key_` and 22 digits.
static CREATION: Statement = Statement::new(concat!(
    "SELECT ",
    owner::columns!("o."),
    ", ",
    owner::columns!("g."),
    ", m.lookup, m.made, m.until_at, ",
    credential::columns!("c."),
    ", ",
    tally::columns!("o.organisation"),
    "
     FROM (SELECT 1 AS one) AS always
     LEFT JOIN owner AS o ON o.id = COALESCE(
       CAST($1 AS TEXT),
       (SELECT id FROM owner WHERE kind = 'organisation' ORDER BY created_at, id LIMIT 1))
     LEFT JOIN owner AS g ON g.id = o.organisation AND g.id <> o.id
     LEFT JOIN mark AS m ON m.lookup = $2 AND m.until_at > $3
     LEFT JOIN credential AS c ON c.id = SUBSTR(m.made, 1, 26)"
));

/// Finds what the making of a credential needs.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find(
    database: &Database,
    owner: Option<OwnerId>,
    mark: Option<SecretHash>,
    now: Timestamp,
    taken: Vec<TakenOver>,
) -> Result<Found, Unavailable> {
    const ORGANISATION: usize = owner::COLUMNS;
    const MARK: usize = ORGANISATION + owner::COLUMNS;
    const MADE: usize = MARK + 3;
    const TALLY: usize = MADE + credential::COLUMNS;
    let row = database.read_one(&CREATION, vec![owner.into(), mark.into(), now.into()]).await?;
    let Some(row) = row else {
        return Err(corrupt("a question about a creation has no answer"));
    };
    Ok(Found::Creation {
        owner: owner_at(&row, 0)?,
        organisation: owner_at(&row, ORGANISATION)?,
        earlier: (!row.is_null(MARK)).then(|| mark::read(&row, MARK)).transpose()?,
        made: (!row.is_null(MADE)).then(|| credential::read(&row, MADE).map(Box::new)).transpose()?,
        taken,
        tally: tally::read(&row, TALLY)?,
    })
}

static ROTATION: Statement = Statement::new(concat!(
    "SELECT ",
    owner::columns!("o."),
    ", ",
    owner::columns!("g."),
    ", ",
    credential::columns!("c."),
    ", ",
    tally::columns!("o.organisation"),
    "
     FROM credential AS c
     JOIN owner AS o ON o.id = c.owner
     LEFT JOIN owner AS g ON g.id = o.organisation AND g.id <> o.id
     WHERE c.id = $1"
));

/// Finds what the making of a successor needs.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find_for_rotation(database: &Database, id: CredentialId) -> Result<Found, Unavailable> {
    let Some(row) = database.read_one(&ROTATION, vec![id.into()]).await? else {
        return Ok(Found::Rotation {
            record: None,
            owner: None,
            organisation: None,
            tally: Tally::default(),
        });
    };
    Ok(Found::Rotation {
        record: Some(Box::new(credential::read(&row, 2 * owner::COLUMNS)?)),
        owner: owner_at(&row, 0)?,
        organisation: owner_at(&row, owner::COLUMNS)?,
        tally: tally::read(&row, 2 * owner::COLUMNS + credential::COLUMNS)?,
    })
}

fn owner_at(row: &Row, start: usize) -> Result<Option<Box<OwnerRecord>>, Unavailable> {
    (!row.is_null(start)).then(|| owner::read(row, start).map(Box::new)).transpose()
}

/// Every statement of these questions.
pub(crate) static STATEMENTS: &[&Statement] = &[&CREATION, &ROTATION];
