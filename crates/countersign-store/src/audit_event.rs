//! The table `audit_event`: one chain per node, as it was hashed.

use std::fmt;
use std::str::FromStr;

use countersign_core::audit::{AuditEvent, ChainHash};
use countersign_core::ledger::Unavailable;
use countersign_core::reach::Reach;
use countersign_core::timestamp::Timestamp;
use thiserror::Error;

use crate::audit_start;
use crate::node::{self, Head, NodeRow};
use countersign_database::database::Database;
use countersign_database::statement::Statement;
use countersign_database::value::{Row, Value, corrupt};

/// How many events a verification reads at once.
const VERIFIED_AT_ONCE: i64 = 1000;

/// One event in its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Whose chain.
    pub node: String,
    /// Its number there.
    pub n: i64,
    /// When it was committed.
    pub at: Timestamp,
    /// The exact text that was hashed: an [`AuditEvent`] as JSON.
    pub body: String,
    /// The chain's hash after it.
    pub hash: ChainHash,
}

/// A place in the chains of all nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditCursor {
    node: String,
    n: i64,
}

/// The text is no place in the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected node:number, as the previous page gave it")]
pub struct NotAnAuditCursor;

impl FromStr for AuditCursor {
    type Err = NotAnAuditCursor;

    fn from_str(text: &str) -> Result<Self, NotAnAuditCursor> {
        let (node, n) = text.rsplit_once(':').ok_or(NotAnAuditCursor)?;
        Ok(Self { node: node.to_owned(), n: n.parse().map_err(|_| NotAnAuditCursor)? })
    }
}

impl fmt::Display for AuditCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.node, self.n)
    }
}

/// Which events are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRequest {
    /// Of which node; `None`: of all.
    pub node: Option<String>,
    /// After which, in the order of nodes and numbers; `None`: from the beginning.
    pub after: Option<AuditCursor>,
    /// Whether the newest events are wanted instead of the first.
    pub last: bool,
    /// How many.
    pub limit: usize,
}

pub(crate) static APPEND: Statement = Statement::new(
    "INSERT INTO audit_event (node, n, at, organisation, subject, body, hash)
     VALUES ($1, $2, $3, $4, $5, $6, $7)",
);

/// Hashes an event onto a node's chain, and returns the parameters of [`APPEND`].
///
/// # Errors
///
/// [`Unavailable::Corrupt`] if the event cannot be written.
pub(crate) fn appended(
    node: &str,
    head: &mut Head,
    event: &AuditEvent,
    at: Timestamp,
) -> Result<Vec<Value>, Unavailable> {
    let body = serde_json::to_string(event).map_err(|error| corrupt(error.to_string()))?;
    head.last_event = head.last_event.saturating_add(1);
    head.event_hash = head.event_hash.next(head.last_event, &body);
    Ok(vec![
        node.into(),
        head.last_event.into(),
        at.into(),
        event.organisation.into(),
        event.subject.clone().into(),
        body.into(),
        head.event_hash.as_bytes().as_slice().into(),
    ])
}

macro_rules! columns {
    () => {
        "node, n, at, body, hash"
    };
}

fn read(row: &Row) -> Result<AuditRow, Unavailable> {
    Ok(AuditRow {
        node: row.text(0)?.to_owned(),
        n: row.int(1)?,
        at: row.time(2)?,
        body: row.text(3)?.to_owned(),
        hash: ChainHash::from_bytes(row.blob(4)?).ok_or_else(|| corrupt("the hash of an event"))?,
    })
}

macro_rules! first {
    ($within:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            "
             FROM audit_event
             WHERE ",
            $within,
            "
               AND (CAST($2 AS TEXT) IS NULL OR node = $2)
               AND (node, n) > ($3, $4)
             ORDER BY node, n
             LIMIT $5"
        )
    };
}

macro_rules! last {
    ($within:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            "
             FROM audit_event
             WHERE ",
            $within,
            "
               AND (CAST($2 AS TEXT) IS NULL OR node = $2)
               AND (node, n) > ($3, $4)
             ORDER BY at DESC, node DESC, n DESC
             LIMIT $5"
        )
    };
}

static FIRST: Statement = Statement::new(first!("CAST($1 AS TEXT) IS NULL"));
static FIRST_OF_ORGANISATION: Statement = Statement::new(first!("organisation = $1"));
static LAST: Statement = Statement::new(last!("CAST($1 AS TEXT) IS NULL"));
static LAST_OF_ORGANISATION: Statement = Statement::new(last!("organisation = $1"));

/// Reads events within reach. An owner that is no organisation reaches none: a line belongs to a whole tenant.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn list(
    database: &Database,
    reach: Reach,
    request: &AuditRequest,
) -> Result<Vec<AuditRow>, Unavailable> {
    let (statement, within) = match (reach, request.last) {
        (Reach::Installation, false) => (&FIRST, Value::Null),
        (Reach::Installation, true) => (&LAST, Value::Null),
        (Reach::Organisation(id), false) => (&FIRST_OF_ORGANISATION, id.into()),
        (Reach::Organisation(id), true) => (&LAST_OF_ORGANISATION, id.into()),
        (Reach::Owner(_) | Reach::Nothing, _) => return Ok(Vec::new()),
    };
    let (node, n) = request.after.as_ref().map_or(("", i64::MIN), |after| (after.node.as_str(), after.n));
    let limit = i64::try_from(request.limit).unwrap_or(i64::MAX);
    let parameters = vec![within, request.node.clone().into(), node.into(), n.into(), limit.into()];
    let rows = database.read(statement, parameters).await?;
    let mut rows: Vec<_> = rows.iter().map(read).collect::<Result<_, _>>()?;
    if request.last {
        rows.reverse();
    }
    Ok(rows)
}

static HASH: Statement = Statement::new(
    "SELECT hash
     FROM audit_event
     WHERE node = $1 AND n = $2",
);

/// Tells whether a node's chain still goes through the place where it was seen: if not, the store went back.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn goes_through(database: &Database, node: &str, seen: &Head) -> Result<bool, Unavailable> {
    let (statement, parameters) = through(node, seen);
    is_through(seen, database.read_one(statement, parameters).await?.as_ref())
}

/// Asks for the place where a node's chain was seen.
pub(crate) fn through(node: &str, seen: &Head) -> (&'static Statement, Vec<Value>) {
    (&HASH, vec![node.into(), seen.last_event.into()])
}

/// Judges the answer to [`through`].
///
/// # Errors
///
/// [`Unavailable::Corrupt`].
pub(crate) fn is_through(seen: &Head, found: Option<&Row>) -> Result<bool, Unavailable> {
    let found = found.map(|row| row.blob(0).map(|hash| hash == seen.event_hash.as_bytes())).transpose()?;
    Ok(seen.last_event == 0 || found.unwrap_or(false))
}

/// What was found of one node's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Whose chain.
    pub node: String,
    /// How many events are whole, of those that are kept.
    pub events: i64,
    /// The hash after them.
    pub head: ChainHash,
    /// The number of the first event that was altered, removed or moved.
    pub broken_at: Option<i64>,
}

/// Verifies every chain from the first event that is kept to its node's head.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn verify(database: &Database) -> Result<Vec<Chain>, Unavailable> {
    let mut chains = Vec::new();
    for node in node::list(database).await? {
        let mut start = audit_start::find(database, &node.id).await?;
        chains.push(loop {
            let chain = verify_chain(database, &node, start).await?;
            let now = audit_start::find(database, &node.id).await?;
            // What was missing was removed for its age a moment ago.
            if chain.broken_at.is_none() || now == start {
                break chain;
            }
            start = now;
        });
    }
    Ok(chains)
}

/// Verifies the chain of `node` after the event whose number and hash are `start`.
async fn verify_chain(
    database: &Database,
    node: &NodeRow,
    start: (i64, ChainHash),
) -> Result<Chain, Unavailable> {
    let (mut n, mut head) = start;
    let ended = |n: i64, head, broken_at| Chain {
        node: node.id.clone(),
        events: n.saturating_sub(start.0),
        head,
        broken_at,
    };
    loop {
        let id = node.id.as_str();
        let parameters = vec![Value::Null, id.into(), id.into(), n.into(), VERIFIED_AT_ONCE.into()];
        let rows = database.read(&FIRST, parameters).await?;
        for row in &rows {
            let row = read(row)?;
            let next = head.next(row.n, &row.body);
            if row.n != n.saturating_add(1) || next != row.hash {
                return Ok(ended(n, head, Some(n.saturating_add(1))));
            }
            (n, head) = (row.n, next);
        }
        if rows.is_empty() {
            break;
        }
    }
    // The node may have gone on since its head was read; it can never be behind.
    let broken_at = (n < node.last_event).then(|| n.saturating_add(1));
    Ok(ended(n, head, broken_at))
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] =
    &[&APPEND, &FIRST, &FIRST_OF_ORGANISATION, &LAST, &LAST_OF_ORGANISATION, &HASH];
