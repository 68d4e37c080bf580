//! The table `change`: what verifiers must learn, numbered by the node that committed it.

use countersign_core::ledger::Unavailable;
use countersign_core::secret::SecretHash;
use countersign_core::snapshot::Change;
use countersign_core::timestamp::Timestamp;

use crate::pruning::PORTION;
use crate::{credential, owner};
use countersign_database::database::Database;
use countersign_database::statement::{Done, Statement, Step, Yields};
use countersign_database::value::{Row, Value, corrupt};

/// How many changes are read at once.
pub(crate) const PAGE: i64 = 1000;

/// A change with the id of what it is about.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) kind: &'static str,
    pub(crate) subject: String,
    pub(crate) lookup: Option<SecretHash>,
    pub(crate) change: Change,
}

/// Reads what verifiers learn of a step's rows.
///
/// # Errors
///
/// [`Unavailable::Corrupt`].
pub(crate) fn told(yields: Yields, done: &Done) -> Result<Vec<Told>, Unavailable> {
    let one = |row: &Row| {
        let subject = row.text(0)?.to_owned();
        Ok(match yields {
            Yields::Nothing => return Ok(None),
            Yields::Credential => {
                let (lookup, change) = (Some(row.hash(2)?), credential::change(row, 0)?);
                Some(Told { kind: "credential", subject, lookup, change })
            }
            Yields::Forgotten => {
                let lookup = row.hash(1)?;
                Some(Told {
                    kind: "credential",
                    subject,
                    lookup: Some(lookup),
                    change: Change::Forgotten(lookup),
                })
            }
            Yields::Owner => {
                let change = Change::Owner(Box::new(owner::read(row, 0)?));
                Some(Told { kind: "owner", subject, lookup: None, change })
            }
        })
    };
    done.rows.iter().filter_map(|row| one(row).transpose()).collect()
}

pub(crate) static APPEND: Statement = Statement::new(
    "INSERT INTO change (node, n, kind, subject, lookup, at)
     VALUES ($1, $2, $3, $4, $5, $6)",
);

/// Returns the parameters of [`APPEND`].
pub(crate) fn appended(node: &str, n: i64, told: &Told, at: Timestamp) -> Vec<Value> {
    vec![node.into(), n.into(), told.kind.into(), told.subject.as_str().into(), told.lookup.into(), at.into()]
}

static AFTER: Statement = Statement::new(concat!(
    "SELECT h.n, h.kind, h.lookup, ",
    credential::columns!("c."),
    ", ",
    owner::columns!("o."),
    "
     FROM change AS h
     LEFT JOIN credential AS c ON h.kind = 'credential' AND c.id = h.subject
     LEFT JOIN owner AS o ON h.kind = 'owner' AND o.id = h.subject
     WHERE h.node = $1 AND h.n > $2 AND h.n <= $3
     ORDER BY h.n
     LIMIT $4"
));

/// Reads a node's changes after `from` up to `to`, each with what is stored now: number and change.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn after(
    database: &Database,
    node: &str,
    from: i64,
    to: i64,
) -> Result<Vec<(i64, Change)>, Unavailable> {
    let rows = database.read(&AFTER, vec![node.into(), from.into(), to.into(), PAGE.into()]).await?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<(i64, Change), Unavailable> {
    const CREDENTIAL: usize = 3;
    const OWNER: usize = CREDENTIAL + credential::COLUMNS;
    let n = row.int(0)?;
    let change = match row.text(1)? {
        "credential" if row.is_null(CREDENTIAL) => Change::Forgotten(row.hash(2)?),
        "credential" => credential::change(row, CREDENTIAL)?,
        "owner" => Change::Owner(Box::new(owner::read(row, OWNER)?)),
        _ => return Err(corrupt(format!("change {n} is of an unknown kind"))),
    };
    Ok((n, change))
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
