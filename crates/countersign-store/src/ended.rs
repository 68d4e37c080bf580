//! The table `ended`: what was revoked before its end though no row of its own says so.

use countersign_core::change::Change;
use countersign_core::id::CredentialId;
use countersign_core::ledger::Unavailable;
use countersign_core::record::EndedToken;
use countersign_core::secret::SecretHash;
use countersign_core::timestamp::Timestamp;

use crate::config::PORTION;
use crate::keep::Kept;
use crate::many::many;
use countersign_database::statement::{Statement, Step, Tag, Yields};
use countersign_database::value::{Row, corrupt};

/// Ended tokens, as verifiers keep them.
pub(crate) static KEPT: Kept = Kept { tag: ENDED, load: &[&LOAD], by_ids: &BY_IDS, read: change, gone };

const ENDED: Tag = Tag("ended");

static LOAD: Statement = Statement::new("SELECT value, until_at FROM ended WHERE kind = 'token'");

static BY_IDS: Statement = Statement::new(concat!(
    "SELECT value, until_at FROM ended WHERE kind = 'token' AND value IN (",
    many!(),
    ")"
));

#[expect(clippy::needless_pass_by_value, reason = "a row of the register: others take theirs apart")]
fn change(row: Row) -> Result<Change, Unavailable> {
    Ok(Change::Ended(EndedToken { token: row.parsed(0)?, until: row.time(1)? }))
}

/// An entry is pruned once its token has ended: until then it was read.
fn gone(subject: &str, _: Option<SecretHash>) -> Result<Change, Unavailable> {
    let token: CredentialId = subject.parse().map_err(|_| corrupt("an ended token has no id"))?;
    Ok(Change::Ended(EndedToken { token, until: Timestamp::from_millis(0) }))
}

static END: Statement = Statement::new(
    "INSERT INTO ended (kind, value, until_at)
     VALUES ('token', $1, $2)
     ON CONFLICT (kind, value) DO UPDATE
     SET until_at = excluded.until_at
     WHERE ended.until_at < excluded.until_at
     RETURNING value, until_at",
);

/// Ends a token; nothing changes if it was before.
pub(crate) fn end(record: &EndedToken) -> Step {
    Step::any(&END, vec![record.token.into(), record.until.into()]).yielding(Yields::Stored(ENDED))
}

/// Ends a token once more; not met if it was.
pub(crate) fn end_again(token: CredentialId, until: Timestamp) -> Step {
    Step::one(&END, vec![token.into(), until.into()]).yielding(Yields::Stored(ENDED))
}

static PRUNE: Statement = Statement::new(
    "DELETE FROM ended
     WHERE (kind, value) IN (SELECT kind, value FROM ended WHERE until_at <= $1 ORDER BY until_at LIMIT $2)",
);

/// Removes some of the entries whose tokens have ended by themselves.
pub(crate) fn prune(now: Timestamp) -> Step {
    Step::some(&PRUNE, vec![now.into(), PORTION.into()])
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] = &[&LOAD, &BY_IDS, &END, &PRUNE];
