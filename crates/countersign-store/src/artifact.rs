//! The table `artifact`: short-lived state of protocols. Of it verifiers keep the access tokens that are known by their
//! digests: opaque ones, and those that only their resource can read.

use countersign_core::change::{Change, TokenLearned};
use countersign_core::issuing::STORED;
use countersign_core::ledger::Unavailable;
use countersign_core::record::ArtifactRecord;
use countersign_core::secret::SecretHash;
use countersign_core::timestamp::Timestamp;
use countersign_core::token::StoredClaims;

use crate::config::PORTION;
use crate::keep::Kept;
use crate::many::many;
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
    "INSERT INTO artifact (kind, lookup, version, family, client, subject, organisation, expires_at, payload)
     VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8)",
);

/// Adds an artifact.
pub(crate) fn insert(record: &ArtifactRecord) -> Step {
    let (family, payload) = (Value::from(record.family.as_str()), Value::from(record.payload.as_str()));
    let parameters = vec![
        record.kind.into(),
        record.lookup.into(),
        family.clone(),
        record.client.into(),
        record.subject.into(),
        record.organisation.into(),
        record.expires_at.into(),
        payload.clone(),
    ];
    let step = Step::one(&INSERT, parameters);
    if record.kind == STORED {
        step.yielding(Yields::Given(TOKEN, Row(vec![family, record.lookup.into(), payload])))
    } else {
        step
    }
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
pub(crate) static STATEMENTS: &[&Statement] = &[&LOAD, &BY_IDS, &INSERT, &PRUNE];
