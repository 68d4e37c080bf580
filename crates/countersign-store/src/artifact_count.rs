//! The table `artifact_count`: how many artifacts of each owner end within the same minute. Each node counts what it adds;
//! what has ended no longer counts, so that nothing is subtracted.
//!
//! **Invariant.** An artifact is counted in the transaction that adds it. Within one node a cap holds exactly, but that the
//! last minute counts as a whole; nodes that commit at the same moment may pass it by what the others commit meanwhile.

use countersign_core::id::OwnerId;
use countersign_core::ledger::Unavailable;
use countersign_core::question::TokensOf;
use countersign_core::timestamp::Timestamp;
use countersign_core::token_cap::{Counted, KeptTokens};

use crate::config::PORTION;
use countersign_database::database::Database;
use countersign_database::statement::{Statement, Step};
use countersign_database::value::{Row, corrupt};

/// What is counted together, in milliseconds.
const MINUTE: i64 = 60_000;

static TAKE: Statement = Statement::new(
    "INSERT INTO artifact_count (owner, ends_at, node, n)
     SELECT $1, CAST($2 AS BIGINT), $3, 1
     WHERE (SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT)
            FROM artifact_count
            WHERE owner = $1 AND ends_at > $4) < $5
     ON CONFLICT (owner, ends_at, node) DO UPDATE
     SET n = artifact_count.n + 1",
);

/// Counts one more until `until`; not met if the owner has `most` at `now`.
pub(crate) fn take(node: &str, owner: OwnerId, until: Timestamp, most: u64, now: Timestamp) -> Step {
    let ends_at = until.millis().saturating_add(MINUTE - 1).div_euclid(MINUTE).saturating_mul(MINUTE);
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    Step::one(&TAKE, vec![owner.into(), ends_at.into(), node.into(), now.into(), most.into()])
}

static COUNT: Statement = Statement::new(
    "SELECT owner, CAST(SUM(n) AS BIGINT), MIN(ends_at)
     FROM artifact_count
     WHERE owner IN ($1, $2) AND ends_at > $3
     GROUP BY owner",
);

/// Counts what is kept at `now`.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find(
    database: &Database,
    question: &TokensOf,
    now: Timestamp,
) -> Result<KeptTokens, Unavailable> {
    let parameters = vec![question.client.into(), question.organisation.into(), now.into()];
    let mut kept = KeptTokens::default();
    for row in database.read(&COUNT, parameters).await? {
        let owner: Option<OwnerId> = Some(row.parsed(0)?);
        let counted = counted(&row)?;
        if owner == question.client {
            kept.client = counted;
        }
        if owner == question.organisation {
            kept.tenant = counted;
        }
    }
    Ok(kept)
}

fn counted(row: &Row) -> Result<Counted, Unavailable> {
    let tokens = u64::try_from(row.int(1)?).map_err(|_| corrupt("the count of an owner's artifacts"))?;
    Ok(Counted { tokens, first_end: Some(row.time(2)?) })
}

static PRUNE: Statement = Statement::new(
    "DELETE FROM artifact_count
     WHERE (owner, ends_at, node) IN (
       SELECT owner, ends_at, node FROM artifact_count WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2
     )",
);

/// Removes some of the counts of what has ended.
pub(crate) fn prune(now: Timestamp) -> Step {
    Step::some(&PRUNE, vec![now.into(), PORTION.into()])
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] = &[&TAKE, &COUNT, &PRUNE];
