//! The table `change`: what verifiers must learn, numbered by the node that committed it.

use std::collections::{BTreeSet, HashMap};

use countersign_core::change::Change;
use countersign_core::ledger::Unavailable;
use countersign_core::secret::SecretHash;
use countersign_core::timestamp::Timestamp;

use crate::config::PORTION;
use crate::keep::Kept;
use crate::kept::{KEPT, kept};
use crate::many::lists;
use countersign_database::database::Database;
use countersign_database::statement::{Done, Statement, Step, Yields};
use countersign_database::value::{Row, Value};

/// How many changes are read at once.
const PAGE: i64 = 1000;

/// A change with the id of what it is about.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    kind: &'static str,
    subject: String,
    lookup: Option<SecretHash>,
    pub(crate) change: Change,
}

/// Reads what verifiers learn of a step's rows.
///
/// # Errors
///
/// [`Unavailable::Corrupt`].
pub(crate) fn told(yields: &Yields, done: Done) -> Result<Vec<Told>, Unavailable> {
    let stored = |kind, row: Row| {
        let subject = row.text(0)?.to_owned();
        let change = (kept(kind)?.read)(row)?;
        Ok(Told { kind, subject, lookup: lookup(&change), change })
    };
    let gone = |kind, row: &Row| {
        let subject = row.text(0)?.to_owned();
        let found_by = (!row.is_null(1)).then(|| row.hash(1)).transpose()?;
        let change = (kept(kind)?.gone)(&subject, found_by)?;
        Ok(Told { kind, subject, lookup: lookup(&change), change })
    };
    match yields {
        Yields::Nothing => Ok(Vec::new()),
        Yields::Given(tag, row) => Ok(vec![stored(tag.0, row.clone())?]),
        Yields::Stored(tag) => done.rows.into_iter().map(|row| stored(tag.0, row)).collect(),
        Yields::Gone(tag) => done.rows.iter().map(|row| gone(tag.0, row)).collect(),
    }
}

/// Returns how what has changed is found, if it is found by a hash.
fn lookup(change: &Change) -> Option<SecretHash> {
    match change {
        Change::Credential(learned) => Some(learned.lookup),
        Change::Forgotten(lookup) | Change::Removed { lookup, .. } => Some(*lookup),
        Change::Token(learned) => Some(learned.lookup),
        Change::Owner(_)
        | Change::Resource(..)
        | Change::SigningKey(_)
        | Change::Ended(_)
        | Change::Incarnation(_) => None,
    }
}

pub(crate) static APPEND: Statement = Statement::new(
    "INSERT INTO change (node, n, kind, subject, lookup, at)
     VALUES ($1, $2, $3, $4, $5, $6)",
);

/// Returns the parameters of [`APPEND`].
pub(crate) fn appended(node: &str, n: i64, told: &Told, at: Timestamp) -> Vec<Value> {
    vec![node.into(), n.into(), told.kind.into(), told.subject.as_str().into(), told.lookup.into(), at.into()]
}

static AFTER: Statement = Statement::new(
    "SELECT n, kind, subject, lookup
     FROM change
     WHERE node = $1 AND n > $2 AND n <= $3
     ORDER BY n
     LIMIT $4",
);

/// Reads a node's changes after `from` up to `to`, or some of them; `None` if one is missing. Each says what is stored
/// now, whatever it was about when it was written.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn after(
    database: &Database,
    node: &str,
    from: i64,
    to: i64,
) -> Result<Option<Vec<Change>>, Unavailable> {
    let page = database.read(&AFTER, vec![node.into(), from.into(), to.into(), PAGE.into()]).await?;
    let mut last = from;
    for row in &page {
        last = last.saturating_add(1);
        if row.int(0)? != last {
            return Ok(None);
        }
    }
    if page.is_empty() {
        return Ok(None);
    }
    let mut stored = HashMap::new();
    for one in KEPT {
        let about = page.iter().filter(|row| row.text(1) == Ok(one.tag.0));
        let subjects: BTreeSet<&str> = about.map(|row| row.text(2)).collect::<Result<_, _>>()?;
        for list in lists(&Vec::from_iter(subjects)) {
            for row in database.read(one.by_ids, list).await? {
                stored.insert((one.tag.0, row.text(0)?.to_owned()), row);
            }
        }
    }
    page.iter().map(|row| read(row, &mut stored)).collect::<Result<_, _>>().map(Some)
}

/// Reads one change: what is stored now of what it is about, or that this is gone.
fn read(row: &Row, stored: &mut HashMap<(&'static str, String), Row>) -> Result<Change, Unavailable> {
    let Kept { tag, read, gone, .. } = kept(row.text(1)?)?;
    match stored.get(&(tag.0, row.text(2)?.to_owned())) {
        Some(row) => read(row.clone()),
        None => gone(row.text(2)?, (!row.is_null(3)).then(|| row.hash(3)).transpose()?),
    }
}

static PRUNE: Statement = Statement::new(
    "DELETE FROM change
     WHERE (node, n) IN (SELECT node, n FROM change WHERE at < $1 ORDER BY at LIMIT $2)",
);

/// Removes some of the changes that every node has read or reads anew as a whole.
pub(crate) fn prune(before: Timestamp) -> Step {
    Step::some(&PRUNE, vec![before.into(), PORTION.into()])
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] = &[&APPEND, &AFTER, &PRUNE];
