//! What the making of a credential needs, in one question: owner, organisation, mark, and what the mark made; of a
//! successor: the credential, its owner and the organisation.

use countersign_core::id::{CredentialId, OwnerId};
use countersign_core::ledger::Unavailable;
use countersign_core::question::{Creation, FoundCreation, FoundRotation, Holder};
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
    ", ",
    tally::columns!("o.organisation"),
    ", m.lookup, m.made, m.until_at, ",
    credential::columns!("c."),
    "
     FROM (SELECT 1 AS one) AS always
     LEFT JOIN owner AS o ON o.id = COALESCE(
       CAST($1 AS TEXT),
       (SELECT id FROM owner WHERE kind = 'organisation' ORDER BY created_at, id LIMIT 1))
     LEFT JOIN owner AS g ON g.id = o.organisation AND g.id <> o.id
     LEFT JOIN mark AS m ON m.lookup = $2 AND m.until_at > $3
     LEFT JOIN credential AS c ON c.id = SUBSTR(m.made, 1, 26)"
));

/// Finds what the making of a credential needs, but for what is remembered of foreign hashes.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find(
    database: &Database,
    question: &Creation,
    now: Timestamp,
) -> Result<FoundCreation, Unavailable> {
    const MADE: usize = HOLDER + 3;
    let parameters = vec![question.owner.into(), question.mark.into(), now.into()];
    let Some(row) = database.read_one(&CREATION, parameters).await? else {
        return Err(corrupt("a question about a creation has no answer"));
    };
    Ok(FoundCreation {
        holder: (!row.is_null(0)).then(|| holder(&row)).transpose()?,
        earlier: (!row.is_null(HOLDER)).then(|| mark::read(&row, HOLDER)).transpose()?,
        made: (!row.is_null(MADE)).then(|| credential::read(&row, MADE)).transpose()?,
        taken: Vec::new(),
    })
}

static HOLDING: Statement = Statement::new(concat!(
    "SELECT ",
    owner::columns!("o."),
    ", ",
    owner::columns!("g."),
    ", ",
    tally::columns!("o.organisation"),
    "
     FROM owner AS o
     LEFT JOIN owner AS g ON g.id = o.organisation AND g.id <> o.id
     WHERE o.id = COALESCE(
       CAST($1 AS TEXT),
       (SELECT id FROM owner WHERE kind = 'organisation' ORDER BY created_at, id LIMIT 1))"
));

/// Finds for whom something may be made; `None`: for the first organisation.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find_holder(
    database: &Database,
    owner: Option<OwnerId>,
) -> Result<Option<Holder>, Unavailable> {
    let row = database.read_one(&HOLDING, vec![owner.into()]).await?;
    row.map(|row| holder(&row)).transpose()
}

static ROTATION: Statement = Statement::new(concat!(
    "SELECT ",
    owner::columns!("o."),
    ", ",
    owner::columns!("g."),
    ", ",
    tally::columns!("o.organisation"),
    ", ",
    credential::columns!("c."),
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
pub(crate) async fn find_for_rotation(
    database: &Database,
    id: CredentialId,
) -> Result<Option<FoundRotation>, Unavailable> {
    let Some(row) = database.read_one(&ROTATION, vec![id.into()]).await? else {
        return Ok(None);
    };
    Ok(Some(FoundRotation { record: credential::read(&row, HOLDER)?, holder: holder(&row)? }))
}

/// How many columns [`holder`] reads.
const HOLDER: usize = 2 * owner::COLUMNS + tally::COLUMNS;

/// Reads the holder with whose columns a row begins.
fn holder(row: &Row) -> Result<Holder, Unavailable> {
    const ORGANISATION: usize = owner::COLUMNS;
    let organisation = !row.is_null(ORGANISATION);
    Ok(Holder {
        owner: owner::read(row, 0)?,
        organisation: organisation.then(|| owner::read(row, ORGANISATION)).transpose()?,
        tally: tally::read(row, 2 * owner::COLUMNS)?,
    })
}

/// Every statement of these questions.
pub(crate) static STATEMENTS: &[&Statement] = &[&CREATION, &HOLDING, &ROTATION];
