//! The table `node`: who writes, how far each has come, and who holds a name now.

use countersign_core::audit::ChainHash;
use countersign_core::ledger::Unavailable;
use countersign_core::timestamp::Timestamp;

use countersign_database::database::Database;
use countersign_database::statement::{Done, Statement};
use countersign_database::value::{Row, Value, corrupt};

/// How far a node has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Counts the processes that have written under this name; the highest holds it.
    pub(crate) incarnation: i64,
    pub(crate) last_change: i64,
    pub(crate) last_event: i64,
    pub(crate) event_hash: ChainHash,
}

/// A node as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// The node's name.
    pub id: String,
    /// How many processes have written under this name.
    pub incarnation: i64,
    /// The number of its last change.
    pub last_change: i64,
    /// The number of its last audit event.
    pub last_event: i64,
    /// The hash of its last audit event: what a witness outside keeps.
    pub event_hash: ChainHash,
    /// When it last wrote.
    pub heartbeat_at: Timestamp,
}

impl Head {
    /// Tells whether a node's history has come exactly as far as in `other`, whichever process wrote it.
    pub(crate) fn is_at(&self, other: &Self) -> bool {
        (self.last_change, self.last_event, self.event_hash)
            == (other.last_change, other.last_event, other.event_hash)
    }
}

impl NodeRow {
    pub(crate) const fn head(&self) -> Head {
        Head {
            incarnation: self.incarnation,
            last_change: self.last_change,
            last_event: self.last_event,
            event_hash: self.event_hash,
        }
    }
}

macro_rules! columns {
    () => {
        "id, incarnation, last_change, last_event, event_hash, heartbeat_at"
    };
}

fn read(row: &Row) -> Result<NodeRow, Unavailable> {
    Ok(NodeRow {
        id: row.text(0)?.to_owned(),
        incarnation: row.int(1)?,
        last_change: row.int(2)?,
        last_event: row.int(3)?,
        event_hash: ChainHash::from_bytes(row.blob(4)?).ok_or_else(|| corrupt("the hash of a node"))?,
        heartbeat_at: row.time(5)?,
    })
}

static CLAIM: Statement = Statement::new(concat!(
    "INSERT INTO node (id, incarnation, last_change, last_event, event_hash, heartbeat_at)
     VALUES ($1, CAST($4 AS BIGINT) + 1, 0, 0, $2, $3)
     ON CONFLICT (id) DO UPDATE
     SET incarnation = CASE WHEN node.incarnation < $4 THEN $4 ELSE node.incarnation END + 1,
         heartbeat_at = excluded.heartbeat_at
     RETURNING ",
    columns!()
));

/// Takes a node's name: whoever held it before can commit no more. `least` is the highest incarnation that is known: a
/// store that went back does not give one out twice.
pub(crate) fn claim(node: &str, now: Timestamp, least: i64) -> (&'static Statement, Vec<Value>) {
    (&CLAIM, vec![node.into(), ChainHash::START.as_bytes().as_slice().into(), now.into(), least.into()])
}

static HEAD: Statement = Statement::new(concat!(
    "SELECT ",
    columns!(),
    "
     FROM node
     WHERE id = $1"
));

/// Asks where a node stands.
pub(crate) fn head(node: &str) -> (&'static Statement, Vec<Value>) {
    (&HEAD, vec![node.into()])
}

/// Reads the answer to [`claim`] and [`head`].
///
/// # Errors
///
/// [`Unavailable::Corrupt`].
pub(crate) fn of(done: &Done) -> Result<Option<(Head, Timestamp)>, Unavailable> {
    done.rows.first().map(|row| read(row).map(|node| (node.head(), node.heartbeat_at))).transpose()
}

/// The heartbeat that a row has, and the one that it is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beats {
    pub(crate) before: Timestamp,
    pub(crate) now: Timestamp,
}

static ADVANCE: Statement = Statement::new(
    "UPDATE node
     SET last_change = $2, last_event = $3, event_hash = $4, heartbeat_at = $5
     WHERE id = $1 AND incarnation = $6 AND last_change = $7 AND last_event = $8 AND event_hash = $9
       AND heartbeat_at = $10",
);

/// Moves a node on; changes no row if it does not stand at `from` any more.
pub(crate) fn advance(node: &str, from: &Head, to: &Head, beats: Beats) -> (&'static Statement, Vec<Value>) {
    let parameters = vec![
        node.into(),
        to.last_change.into(),
        to.last_event.into(),
        to.event_hash.as_bytes().as_slice().into(),
        beats.now.into(),
        from.incarnation.into(),
        from.last_change.into(),
        from.last_event.into(),
        from.event_hash.as_bytes().as_slice().into(),
        beats.before.into(),
    ];
    (&ADVANCE, parameters)
}

static LIST: Statement = Statement::new(concat!(
    "SELECT ",
    columns!(),
    "
     FROM node
     ORDER BY id"
));

/// Reads every node.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn list(database: &Database) -> Result<Vec<NodeRow>, Unavailable> {
    database.read(&LIST, Vec::new()).await?.iter().map(read).collect()
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] = &[&CLAIM, &HEAD, &ADVANCE, &LIST];
