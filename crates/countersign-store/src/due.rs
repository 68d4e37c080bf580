//! The table `due`: work that is due at a time, and who has leased it.
//!
//! **Invariant.** Of two who ask at once, one gets a lease. A lease ends by itself, so that work whose worker died is done
//! by another.

use std::time::Duration;

use countersign_core::due::Due;
use countersign_core::ledger::Unavailable;
use countersign_core::timestamp::Timestamp;
use countersign_database::database::Database;
use countersign_database::statement::{Statement, Step};
use countersign_database::value::{Row, Value};

use crate::config::PORTION;

static ASK: Statement = Statement::new(
    "INSERT INTO due (kind, subject, due_at, lease_until, holder, attempt)
     VALUES ($1, $2, $3, 0, '', 0)
     ON CONFLICT (kind, subject) DO UPDATE
     SET due_at = excluded.due_at, lease_until = 0, holder = '', attempt = 0, done_at = NULL
     WHERE due.due_at <> excluded.due_at",
);

/// Asks for work; what was asked for already stays as it is, and what was done is not done again for the same time.
pub(crate) fn ask(due: &Due) -> Step {
    Step::any(&ASK, vec![due.kind.into(), due.subject.as_str().into(), due.at.into()])
}

static DONE: Statement = Statement::new(
    "UPDATE due
     SET done_at = $4
     WHERE kind = $1 AND subject = $2 AND due_at = $3 AND done_at IS NULL",
);

/// Says that it was done; not met if it was before, or is due at another time.
pub(crate) fn done(due: &Due, now: Timestamp) -> Step {
    Step::one(&DONE, vec![due.kind.into(), due.subject.as_str().into(), due.at.into(), now.into()])
}

static WAITING: Statement = Statement::new(
    "SELECT subject
     FROM due
     WHERE kind = $1 AND due_at <= $2 AND done_at IS NULL AND lease_until <= $3
     LIMIT 1",
);

// The condition stands twice: who waited for another's update finds it gone.
static LEASE: Statement = Statement::new(
    "UPDATE due
     SET lease_until = $4, holder = $5, attempt = attempt + 1
     WHERE kind = $1 AND done_at IS NULL AND lease_until <= $3
       AND subject IN (
         SELECT subject
         FROM due
         WHERE kind = $1 AND due_at <= $2 AND done_at IS NULL AND lease_until <= $3
         ORDER BY due_at
         LIMIT $6
       )",
);

static LEASED: Statement = Statement::new(
    "SELECT subject, due_at
     FROM due
     WHERE kind = $1 AND holder = $2 AND lease_until = $3 AND done_at IS NULL AND due_at <= $4",
);

static PRUNE: Statement = Statement::new(
    "DELETE FROM due
     WHERE (kind, subject) IN (SELECT kind, subject FROM due WHERE due_at <= $1 ORDER BY due_at LIMIT $2)",
);

/// Removes some of what was due before `then`, done or not.
pub(crate) fn prune(then: Timestamp) -> Step {
    Step::some(&PRUNE, vec![then.into(), PORTION.into()])
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] = &[&ASK, &DONE, &WAITING, &LEASE, &LEASED, &PRUNE];

/// What of one kind is taken at a time.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// The kind of work.
    pub kind: &'static str,
    /// What is due until then.
    pub until: Timestamp,
    /// How long nobody else takes it.
    pub lease: Duration,
    /// How many at most.
    pub limit: i64,
}

impl Claim {
    fn asked(&self, now: Timestamp) -> Vec<Value> {
        vec![self.kind.into(), self.until.into(), now.into()]
    }

    /// Tells whether anything waits to be taken.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub(crate) async fn finds(&self, database: &Database, now: Timestamp) -> Result<bool, Unavailable> {
        Ok(database.read_one(&WAITING, self.asked(now)).await?.is_some())
    }

    /// Leases to `node` what waits.
    pub(crate) fn lease(&self, node: &str, now: Timestamp) -> Step {
        let terms = [now.plus(self.lease).into(), node.into(), self.limit.into()];
        Step::any(&LEASE, self.asked(now).into_iter().chain(terms).collect())
    }

    /// Reads what `node` has leased at `now`.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub(crate) async fn leased(
        &self,
        database: &Database,
        node: &str,
        now: Timestamp,
    ) -> Result<Vec<Due>, Unavailable> {
        let end = now.plus(self.lease);
        let parameters = vec![self.kind.into(), node.into(), end.into(), self.until.into()];
        let rows = database.read(&LEASED, parameters).await?;
        let due = |row: &Row| Ok(Due { kind: self.kind, subject: row.text(0)?.to_owned(), at: row.time(1)? });
        rows.iter().map(due).collect()
    }
}
