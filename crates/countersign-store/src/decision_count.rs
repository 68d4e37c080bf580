//! The table `decision_count`: how often what was decided, by minute.

use countersign_core::principal::Counted;
use countersign_core::timestamp::Timestamp;

use crate::config::PORTION;
use countersign_database::statement::{Statement, Step};

/// How often one thing was decided in one minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionCount {
    /// The minute's start.
    pub minute: Timestamp,
    /// The route.
    pub route: String,
    /// The credential, or the client whose token it was; `None`: nobody in particular.
    pub counted: Option<Counted>,
    /// How it was decided.
    pub verdict: String,
    /// Why it was refused; empty if it was not.
    pub reason: String,
    /// How often; added to what is stored.
    pub count: i64,
}

static COUNT: Statement = Statement::new(
    "INSERT INTO decision_count (minute, route, credential, verdict, reason, count)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (minute, route, credential, verdict, reason) DO UPDATE
     SET count = decision_count.count + excluded.count",
);

/// Adds a count.
pub(crate) fn count(row: &DecisionCount) -> Step {
    let credential = row.counted.map(|id| id.to_string()).unwrap_or_default();
    let parameters = vec![
        row.minute.into(),
        row.route.as_str().into(),
        credential.into(),
        row.verdict.as_str().into(),
        row.reason.as_str().into(),
        row.count.into(),
    ];
    Step::any(&COUNT, parameters)
}

static PRUNE: Statement = Statement::new(
    "DELETE FROM decision_count
     WHERE (minute, route, credential, verdict, reason) IN
       (SELECT minute, route, credential, verdict, reason
        FROM decision_count
        WHERE minute < $1
        ORDER BY minute
        LIMIT $2)",
);

/// Removes some of the old counts.
pub(crate) fn prune(before: Timestamp) -> Step {
    Step::some(&PRUNE, vec![before.into(), PORTION.into()])
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] = &[&COUNT, &PRUNE];
