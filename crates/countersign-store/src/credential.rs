//! The table `credential`: rows as records, and the statements that change and list them.
//!
//! **Invariant.** No statement here clears `revoked_at`, and none but reports of use leaves `version` as it was.

use std::collections::HashMap;
use std::str::FromStr;

use countersign_core::change::Change;
use countersign_core::id::{CredentialId, OwnerId};
use countersign_core::kind::Kind;
use countersign_core::kinds::kind_of;
use countersign_core::learned::Learned;
use countersign_core::ledger::Unavailable;
use countersign_core::management_key;
use countersign_core::reach::Reach;
use countersign_core::record::{CredentialRecord, Terms};
use countersign_core::secret::SecretHash;
use countersign_core::timestamp::Timestamp;
use thiserror::Error;

use crate::keep::Kept;
use crate::many::{lists, many};
use crate::owner::counted;
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
            "lookup, ",
            $table,
            "pepper, ",
            $table,
            "organisation, ",
            $table,
            "owner, ",
            $table,
            "version, ",
            $table,
            "created_at, ",
            $table,
            "expires_at, ",
            $table,
            "disabled_at, ",
            $table,
            "revoked_at, ",
            $table,
            "last_used_at, ",
            $table,
            "payload"
        )
    };
    () => {
        columns!("")
    };
}
pub(crate) use columns;

/// Reads the credential whose columns begin at `start`.
///
/// # Errors
///
/// [`Unavailable::Corrupt`].
pub(crate) fn read(row: &Row, start: usize) -> Result<CredentialRecord, Unavailable> {
    let id: CredentialId = row.parsed(start)?;
    if row.text(start + 1)? != kind_name(id)? {
        return Err(corrupt(format!("{id} is stored as another kind")));
    }
    let terms: Terms = serde_json::from_str(row.text(start + 12)?)
        .map_err(|error| corrupt(format!("the payload of {id}: {error}")))?;
    Ok(CredentialRecord {
        id,
        lookup: row.hash(start + 2)?,
        pepper: u32::try_from(row.int(start + 3)?).map_err(|_| corrupt(format!("the pepper of {id}")))?,
        organisation: row.parsed(start + 4)?,
        owner: row.parsed(start + 5)?,
        version: row.int(start + 6)?,
        created_at: row.time(start + 7)?,
        expires_at: row.optional_time(start + 8)?,
        disabled_at: row.optional_time(start + 9)?,
        revoked_at: row.optional_time(start + 10)?,
        last_used_at: row.optional_time(start + 11)?,
        terms,
    })
}

/// What verifiers learn of a credential, in the order of [`learn`].
macro_rules! learned {
    () => {
        "id, lookup, owner, version, expires_at, disabled_at, revoked_at, last_used_at, payload"
    };
}

/// Credentials, as verifiers keep them.
pub(crate) static KEPT: Kept = Kept { tag: CREDENTIAL, load: &[&LOAD], by_ids: &BY_IDS, read: change, gone };

const CREDENTIAL: Tag = Tag("credential");

static LOAD: Statement = Statement::new(concat!("SELECT ", learned!(), " FROM credential"));

static BY_IDS: Statement =
    Statement::new(concat!("SELECT ", learned!(), " FROM credential WHERE id IN (", many!(), ")"));

/// Reads what verifiers learn of a row. A credential that this version cannot read is forgotten by them: refused.
fn change(row: Row) -> Result<Change, Unavailable> {
    let lookup = row.hash(1)?;
    match learn(row, lookup) {
        Ok(learned) => Ok(Change::Credential(Box::new(learned))),
        Err(error) => {
            tracing::error!(%error, "a stored credential cannot be read and is refused");
            Ok(Change::Forgotten(lookup))
        }
    }
}

fn learn(row: Row, lookup: SecretHash) -> Result<Learned, Unavailable> {
    Ok(Learned {
        id: row.parsed(0)?,
        lookup,
        owner: row.parsed(2)?,
        version: row.int(3)?,
        expires_at: row.optional_time(4)?,
        disabled_at: row.optional_time(5)?,
        revoked_at: row.optional_time(6)?,
        last_used_at: row.optional_time(7)?,
        terms: row.last_text()?,
    })
}

fn gone(subject: &str, lookup: Option<SecretHash>) -> Result<Change, Unavailable> {
    let which = || corrupt("a credential went, and nothing says which");
    Ok(Change::Removed {
        credential: subject.parse().map_err(|_| which())?,
        lookup: lookup.ok_or_else(which)?,
    })
}

static INSERT: Statement = Statement::new(concat!(
    "INSERT INTO credential (",
    columns!(),
    ")
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, NULL, $12)"
));

/// Adds a credential.
///
/// # Errors
///
/// [`Unavailable::Corrupt`] if its terms cannot be written.
pub(crate) fn insert(record: &CredentialRecord) -> Result<Step, Unavailable> {
    let (id, lookup, payload) = (Value::from(record.id), Value::from(record.lookup), payload(&record.terms)?);
    // In the order of `learned!`.
    let row = Row(vec![
        id.clone(),
        lookup.clone(),
        record.owner.into(),
        record.version.into(),
        record.expires_at.into(),
        record.disabled_at.into(),
        record.revoked_at.into(),
        Value::Null,
        payload.clone(),
    ]);
    let parameters = vec![
        id,
        kind_name(record.id)?.into(),
        lookup,
        i64::from(record.pepper).into(),
        record.organisation.into(),
        record.owner.into(),
        record.version.into(),
        record.created_at.into(),
        record.expires_at.into(),
        record.disabled_at.into(),
        record.revoked_at.into(),
        payload,
    ];
    Ok(Step::one(&INSERT, parameters).yielding(Yields::Given(CREDENTIAL, row)))
}

static ADVANCE: Statement = Statement::new(concat!(
    "UPDATE credential
     SET version = $2, expires_at = $4, disabled_at = $5, revoked_at = COALESCE(revoked_at, $6), payload = $7,
         lookup = $8, pepper = $9
     WHERE id = $1 AND version = $3
     RETURNING ",
    learned!()
));

/// Replaces a credential that still has the version before.
///
/// # Errors
///
/// [`Unavailable::Corrupt`] if its terms cannot be written.
pub(crate) fn advance(next: &CredentialRecord) -> Result<Step, Unavailable> {
    let parameters = vec![
        next.id.into(),
        next.version.into(),
        next.version.saturating_sub(1).into(),
        next.expires_at.into(),
        next.disabled_at.into(),
        next.revoked_at.into(),
        payload(&next.terms)?,
        next.lookup.into(),
        i64::from(next.pepper).into(),
    ];
    Ok(Step::one(&ADVANCE, parameters).yielding(Yields::Stored(CREDENTIAL)))
}

static REVOKE: Statement = Statement::new(concat!(
    "UPDATE credential
     SET revoked_at = COALESCE(revoked_at, $2), version = version + 1
     WHERE id = $1
     RETURNING ",
    learned!()
));

/// Ends a credential for ever, whatever its version.
pub(crate) fn revoke(credential: CredentialId, at: Timestamp) -> Step {
    Step::one(&REVOKE, vec![credential.into(), at.into()]).yielding(Yields::Stored(CREDENTIAL))
}

static REVOKE_AGAIN: Statement = Statement::new(concat!(
    "UPDATE credential
     SET revoked_at = $2, version = version + 1
     WHERE id = $1 AND revoked_at IS NULL
     RETURNING ",
    learned!()
));

/// Writes a revocation back that the store has lost (SAFETY 3); not met if it has not.
pub(crate) fn revoke_again(credential: CredentialId, at: Timestamp) -> Step {
    Step::one(&REVOKE_AGAIN, vec![credential.into(), at.into()]).yielding(Yields::Stored(CREDENTIAL))
}

static DISABLE_AGAIN: Statement = Statement::new(concat!(
    "UPDATE credential
     SET disabled_at = $2, version = CAST($3 AS BIGINT) + 1
     WHERE id = $1 AND version <= $3 AND disabled_at IS NULL
     RETURNING ",
    learned!()
));

/// Switches a credential off once more; not met if it is off, or a later version than the one that was off is stored. Whose
/// word it was is lost: it counts as an operator's.
pub(crate) fn disable_again(credential: CredentialId, at: Timestamp, version: i64) -> Step {
    Step::one(&DISABLE_AGAIN, vec![credential.into(), at.into(), version.into()])
        .yielding(Yields::Stored(CREDENTIAL))
}

static SHORTEN_AGAIN: Statement = Statement::new(concat!(
    "UPDATE credential
     SET expires_at = $2, version = CAST($3 AS BIGINT) + 1
     WHERE id = $1 AND version <= $3 AND (expires_at IS NULL OR expires_at > $2)
     RETURNING ",
    learned!()
));

/// Brings a credential's end forward once more; not met if it ends as early, or a later version is stored.
pub(crate) fn shorten_again(credential: CredentialId, at: Timestamp, version: i64) -> Step {
    Step::one(&SHORTEN_AGAIN, vec![credential.into(), at.into(), version.into()])
        .yielding(Yields::Stored(CREDENTIAL))
}

static REMOVE: Statement = Statement::new(
    "DELETE FROM credential
     WHERE id = $1
     RETURNING id, lookup",
);

/// Removes a credential's row.
pub(crate) fn remove(credential: CredentialId) -> Step {
    Step::one(&REMOVE, vec![credential.into()]).yielding(Yields::Gone(CREDENTIAL))
}

static NOTE_USE: Statement = Statement::new(
    "UPDATE credential
     SET last_used_at = $2
     WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
);

/// Notes a use; never an earlier one than is known.
pub(crate) fn note_use(credential: CredentialId, at: Timestamp) -> Step {
    Step::any(&NOTE_USE, vec![credential.into(), at.into()])
}

fn kind_name(id: CredentialId) -> Result<&'static str, Unavailable> {
    kind_of(id).map(Kind::name).ok_or_else(|| corrupt(format!("{id} is of a kind that is not known here")))
}

fn payload(terms: &Terms) -> Result<Value, Unavailable> {
    serde_json::to_string(terms).map(Value::from).map_err(|error| corrupt(error.to_string()))
}

static FIND: Statement = Statement::new(concat!(
    "SELECT ",
    columns!(),
    "
     FROM credential
     WHERE id = $1"
));

/// Finds one credential.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find(
    database: &Database,
    id: CredentialId,
) -> Result<Option<CredentialRecord>, Unavailable> {
    let row = database.read_one(&FIND, vec![id.into()]).await?;
    row.map(|row| read(&row, 0)).transpose()
}

static FIND_MANY: Statement = Statement::new(concat!(
    "SELECT ",
    columns!(),
    "
     FROM credential
     WHERE id IN (",
    many!(),
    ")"
));

/// Finds many credentials, by their ids.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find_many(
    database: &Database,
    ids: &[CredentialId],
) -> Result<HashMap<CredentialId, CredentialRecord>, Unavailable> {
    let mut found = HashMap::new();
    for list in lists(ids) {
        for row in database.read(&FIND_MANY, list).await? {
            let record = read(&row, 0)?;
            found.insert(record.id, record);
        }
    }
    Ok(found)
}

static MANAGEMENT_KEYS: Statement = Statement::new(concat!(
    "SELECT ",
    columns!(),
    "
     FROM credential
     WHERE kind = $2
       AND (owner = $1 OR organisation = $1)
       AND revoked_at IS NULL"
));

/// Finds the management keys that act for an owner or its members and are not revoked.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn management_keys(
    database: &Database,
    owner: OwnerId,
) -> Result<Vec<CredentialRecord>, Unavailable> {
    let kind = management_key::KIND.name();
    let rows = database.read(&MANAGEMENT_KEYS, vec![owner.into(), kind.into()]).await?;
    rows.iter().map(|row| read(row, 0)).collect()
}

static OF_OWNER: Statement = Statement::new(concat!(
    "SELECT ",
    columns!(),
    "
     FROM credential
     WHERE owner = $1
       AND kind = $2
     ORDER BY created_at, id"
));

/// Finds an owner's credentials of a kind.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn of_owner(
    database: &Database,
    owner: OwnerId,
    kind: &Kind,
) -> Result<Vec<CredentialRecord>, Unavailable> {
    let rows = database.read(&OF_OWNER, vec![owner.into(), kind.name().into()]).await?;
    rows.iter().map(|row| read(row, 0)).collect()
}

/// States by which a list may be narrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateFilter {
    /// Not revoked, not disabled, not expired; one that has not begun is among them.
    Live,
    /// Revoked.
    Revoked,
    /// Switched off, and not revoked.
    Disabled,
    /// Ended by itself, and not revoked.
    Expired,
}

impl StateFilter {
    const ALL: [Self; 4] = [Self::Live, Self::Revoked, Self::Disabled, Self::Expired];

    const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Revoked => "revoked",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
        }
    }
}

/// The text names no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected live, revoked, disabled or expired")]
pub struct NotAState;

impl FromStr for StateFilter {
    type Err = NotAState;

    fn from_str(text: &str) -> Result<Self, NotAState> {
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or(NotAState)
    }
}

/// Which credentials a list shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialFilter {
    /// Of which kind.
    pub kind: &'static Kind,
    /// Of which owner; `None`: of all within reach.
    pub owner: Option<OwnerId>,
    /// In which state; `None`: in any.
    pub state: Option<StateFilter>,
}

macro_rules! list {
    ($within:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            "
             FROM credential
             WHERE ",
            $within,
            "
               AND kind = $2
               AND (CAST($3 AS TEXT) IS NULL OR owner = $3)
               AND (CAST($4 AS TEXT) IS NULL
                 OR ($4 = 'revoked' AND revoked_at IS NOT NULL)
                 OR ($4 = 'disabled' AND revoked_at IS NULL AND disabled_at IS NOT NULL)
                 OR ($4 = 'expired' AND revoked_at IS NULL AND expires_at <= $5)
                 OR ($4 = 'live' AND revoked_at IS NULL AND disabled_at IS NULL
                   AND (expires_at IS NULL OR expires_at > $5)))
               AND (created_at, id) > ($6, $7)
             ORDER BY created_at, id
             LIMIT $8"
        )
    };
}

static COUNT_OF_OWNER: Statement =
    Statement::new("SELECT count(*) FROM credential WHERE owner = $1 AND kind = $2");

/// Counts an owner's credentials of a kind.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn count_of_owner(
    database: &Database,
    owner: OwnerId,
    kind: &Kind,
) -> Result<u64, Unavailable> {
    counted(database.read_one(&COUNT_OF_OWNER, vec![owner.into(), kind.name().into()]).await?)
}

static LIST: Statement = Statement::new(list!("CAST($1 AS TEXT) IS NULL"));
static LIST_OF_ORGANISATION: Statement = Statement::new(list!("organisation = $1"));
static LIST_OF_OWNER: Statement = Statement::new(list!("owner = $1"));

/// Reads a page of credentials within reach.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn list(
    database: &Database,
    reach: Reach,
    filter: &CredentialFilter,
    request: &PageRequest,
    now: Timestamp,
) -> Result<Page<CredentialRecord>, Unavailable> {
    let (statement, within) = match reach {
        Reach::Installation => (&LIST, Value::Null),
        Reach::Organisation(id) => (&LIST_OF_ORGANISATION, id.into()),
        Reach::Owner(id) => (&LIST_OF_OWNER, id.into()),
        Reach::Nothing => return Ok(Page { rows: Vec::new(), next: None }),
    };
    let [created_at, id, limit] = request.parameters();
    let parameters = vec![
        within,
        filter.kind.name().into(),
        filter.owner.into(),
        filter.state.map(StateFilter::name).into(),
        now.into(),
        created_at,
        id,
        limit,
    ];
    let rows = database.read(statement, parameters).await?;
    let rows: Vec<_> = rows.iter().map(|row| read(row, 0)).collect::<Result<_, _>>()?;
    Ok(request.page(rows, |last| Cursor { created_at: last.created_at, id: last.id.to_string() }))
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] = &[
    &INSERT,
    &ADVANCE,
    &REVOKE,
    &REVOKE_AGAIN,
    &DISABLE_AGAIN,
    &SHORTEN_AGAIN,
    &REMOVE,
    &NOTE_USE,
    &FIND,
    &FIND_MANY,
    &MANAGEMENT_KEYS,
    &OF_OWNER,
    &LOAD,
    &BY_IDS,
    &LIST,
    &LIST_OF_ORGANISATION,
    &LIST_OF_OWNER,
    &COUNT_OF_OWNER,
];
