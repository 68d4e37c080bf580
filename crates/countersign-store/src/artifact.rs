//! The table `artifact`: short-lived state of protocols. Of it verifiers keep the access tokens that are known by their
//! digests: opaque ones, and those that only their resource can read.

use countersign_core::change::{Change, TokenLearned};
use countersign_core::delegation::WEB_SESSION;
use countersign_core::id::{CredentialId, OwnerId};
use countersign_core::issuing::STORED;
use countersign_core::ledger::Unavailable;
use countersign_core::question::{ArtifactKey, ArtifactOf};
use countersign_core::record::ArtifactRecord;
use countersign_core::secret::SecretHash;
use countersign_core::sign_in;
use countersign_core::timestamp::Timestamp;
use countersign_core::token::StoredClaims;

use crate::config::PORTION;
use crate::keep::Kept;
use crate::many::many;
use crate::page::{Cursor, Page, PageRequest};
use countersign_database::database::Database;
use countersign_database::statement::{Statement, Step, Tag, Yields};
use countersign_database::value::{Row, Value, corrupt};

/// Access tokens, as verifiers keep them.
pub(crate) static KEPT: Kept = Kept { tag: TOKEN, load: &[&LOAD], by_ids: &BY_IDS, read: change, gone };

const TOKEN: Tag = Tag("token");

static LOAD: Statement =
    Statement::new("SELECT family, lookup, payload FROM artifact WHERE kind = 'access_token'");

static BY_IDS: Statement = Statement::new(concat!(
    "SELECT family, lookup, payload FROM artifact WHERE kind = 'access_token' AND family IN (",
    many!(),
    ")"
));

/// A token that this version cannot read is forgotten by verifiers: refused.
fn change(row: Row) -> Result<Change, Unavailable> {
    let lookup = row.hash(1)?;
    let token = StoredClaims::parse(&row.last_text()?);
    Ok(token.map_or_else(
        |_| {
            tracing::error!("a stored token cannot be read and is refused");
            Change::Forgotten(lookup)
        },
        |token| Change::Token(Box::new(TokenLearned { lookup, token })),
    ))
}

/// A token that was pruned has ended.
fn gone(_: &str, lookup: Option<SecretHash>) -> Result<Change, Unavailable> {
    lookup.map(Change::Forgotten).ok_or_else(|| corrupt("a token went, and nothing says which"))
}

static INSERT: Statement = Statement::new(
    "INSERT INTO artifact
       (kind, lookup, second_lookup, version, family, grant_id, client, subject, organisation, expires_at, payload,
        parent)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
);

/// Adds an artifact.
pub(crate) fn insert(record: &ArtifactRecord) -> Step {
    let step = Step::one(&INSERT, columns(record).into());
    if record.kind == STORED {
        let kept = vec![record.family.into(), record.lookup.into(), record.payload.as_str().into()];
        step.yielding(Yields::Given(TOKEN, Row(kept)))
    } else {
        step
    }
}

/// Every column, in the order of [`INSERT`].
fn columns(record: &ArtifactRecord) -> [Value; 12] {
    [
        record.kind.into(),
        record.lookup.into(),
        record.second_lookup.map_or(Value::Null, Value::from),
        record.version.into(),
        record.family.into(),
        record.grant.into(),
        record.client.into(),
        record.subject.into(),
        record.organisation.into(),
        record.expires_at.into(),
        record.payload.as_str().into(),
        record.parent.into(),
    ]
}

static ADVANCE: Statement = Statement::new(
    "UPDATE artifact
     SET lookup = $2, second_lookup = $3, version = $4, grant_id = $6, client = $7, subject = $8, organisation = $9,
       expires_at = $10, payload = $11, parent = $12
     WHERE kind = $1 AND family = $5 AND version = $13",
);

/// Replaces an artifact that still has the version before.
pub(crate) fn advance(next: &ArtifactRecord) -> Step {
    let before = next.version.saturating_sub(1);
    Step::one(&ADVANCE, columns(next).into_iter().chain([before.into()]).collect())
}

static DISCARD: Statement = Statement::new("DELETE FROM artifact WHERE kind = $1 AND family = $2");

/// Removes an artifact; nothing changes if it is gone.
pub(crate) fn discard(kind: &'static str, family: CredentialId) -> Step {
    Step::any(&DISCARD, vec![kind.into(), family.into()])
}

static DISCARD_OF_GRANT: Statement =
    Statement::new("DELETE FROM artifact WHERE grant_id = $1 AND kind <> 'access_token'");

/// Removes everything that was handed out by a grant, but for access tokens: verifiers know them, and are told otherwise.
pub(crate) fn discard_of_grant(grant: CredentialId) -> Step {
    Step::any(&DISCARD_OF_GRANT, vec![grant.into()])
}

static ABANDON: Statement = Statement::new("DELETE FROM artifact WHERE parent = $1");

/// Removes everything that began in a session at the issuer. None of it is known to verifiers by its digest.
pub(crate) fn abandon(session: CredentialId) -> Step {
    Step::any(&ABANDON, vec![session.into()])
}

/// Every column that [`read`] reads, in its order.
macro_rules! columns {
    () => {
        "lookup, second_lookup, version, family, grant_id, parent, client, subject, organisation, expires_at, payload"
    };
}

macro_rules! find {
    ($by:literal) => {
        concat!("SELECT ", columns!(), " FROM artifact WHERE kind = $1 AND ", $by)
    };
}

static BY_TEXT: Statement = Statement::new(find!("lookup = $2"));
static BY_SECOND_TEXT: Statement = Statement::new(find!("second_lookup = $2"));
static BY_FAMILY: Statement = Statement::new(find!("family = $2"));

/// Finds an artifact.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find(
    database: &Database,
    ArtifactOf { kind, by }: &ArtifactOf,
) -> Result<Option<ArtifactRecord>, Unavailable> {
    let (statement, values): (_, Vec<Value>) = match by {
        ArtifactKey::Text(hashes) => (&BY_TEXT, hashes.iter().copied().map(Value::from).collect()),
        ArtifactKey::SecondText(hashes) => {
            (&BY_SECOND_TEXT, hashes.iter().copied().map(Value::from).collect())
        }
        ArtifactKey::Family(family) => (&BY_FAMILY, vec![(*family).into()]),
    };
    for value in values {
        if let Some(row) = database.read_one(statement, vec![(*kind).into(), value]).await? {
            return read(kind, row).map(Some);
        }
    }
    Ok(None)
}

fn read(kind: &'static str, row: Row) -> Result<ArtifactRecord, Unavailable> {
    Ok(ArtifactRecord {
        kind,
        lookup: row.hash(0)?,
        second_lookup: (!row.is_null(1)).then(|| row.hash(1)).transpose()?,
        version: row.int(2)?,
        family: row.parsed(3)?,
        grant: (!row.is_null(4)).then(|| row.parsed(4)).transpose()?,
        parent: (!row.is_null(5)).then(|| row.parsed(5)).transpose()?,
        client: (!row.is_null(6)).then(|| row.parsed(6)).transpose()?,
        subject: (!row.is_null(7)).then(|| row.parsed(7)).transpose()?,
        organisation: row.parsed(8)?,
        expires_at: row.time(9)?,
        payload: row.last_text()?,
    })
}

macro_rules! list {
    ($kind:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM artifact
             WHERE subject = $1 AND kind = '",
            $kind,
            "' AND (expires_at, family) > ($2, $3)
             ORDER BY expires_at, family
             LIMIT $4"
        )
    };
}

static SIGN_INS: Statement = Statement::new(list!("sign_in"));
static WEB_SESSIONS: Statement = Statement::new(list!("web_session"));

/// Reads a page of a person's sessions, those that end first first.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn sessions(
    database: &Database,
    which: SessionsOf,
    person: OwnerId,
    request: &PageRequest,
) -> Result<Page<ArtifactRecord>, Unavailable> {
    let (statement, kind) = match which {
        SessionsOf::Issuer => (&SIGN_INS, sign_in::KIND),
        SessionsOf::WebApps => (&WEB_SESSIONS, WEB_SESSION),
    };
    let [ends_at, family, limit] = request.parameters();
    let rows = database.read(statement, vec![person.into(), ends_at, family, limit]).await?;
    let rows: Vec<_> = rows.into_iter().map(|row| read(kind, row)).collect::<Result<_, _>>()?;
    Ok(request.page(rows, |last| Cursor { created_at: last.expires_at, id: last.family.to_string() }))
}

/// Where a person has sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionsOf {
    /// At the issuer.
    Issuer,
    /// At web apps of the installation.
    WebApps,
}

static PRUNE: Statement = Statement::new(
    "DELETE FROM artifact
     WHERE (kind, lookup) IN (
       SELECT kind, lookup FROM artifact WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2
     )",
);

/// Removes some of what has ended.
pub(crate) fn prune(now: Timestamp) -> Step {
    Step::some(&PRUNE, vec![now.into(), PORTION.into()])
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] = &[
    &LOAD,
    &BY_IDS,
    &INSERT,
    &ADVANCE,
    &DISCARD,
    &DISCARD_OF_GRANT,
    &ABANDON,
    &BY_TEXT,
    &BY_SECOND_TEXT,
    &BY_FAMILY,
    &SIGN_INS,
    &WEB_SESSIONS,
    &PRUNE,
];
