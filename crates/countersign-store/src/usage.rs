//! The table `usage`: what each node has spent of the allowances of credentials, carried between nodes.
//!
//! Each node writes its own sums and reads the others'. What it does not know yet of another node is at most what
//! was spent there within [`EXCHANGE`]; what a crash takes is that much too.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::context::Clock;
use countersign_core::ledger::Unavailable;
use countersign_core::meter::{Meters, Spent};
use countersign_core::snapshot::Snapshot;
use countersign_core::timestamp::Timestamp;
use countersign_database::database::Database;
use countersign_database::statement::{Statement, Step};
use countersign_database::value::{Row, corrupt};

use crate::closing::Closing;
use crate::config::PORTION;
use crate::queue::Queue;

/// How often nodes tell each other what was spent: half of the second within which a revocation must be known.
const EXCHANGE: Duration = Duration::from_millis(500);
/// How far back changed rows are looked for: beyond any pause and any difference of clocks that is not a fault.
const LOOK_BACK: i64 = 30_000;
/// Rows that are written in one batch.
const ROWS_AT_ONCE: usize = 500;

static SPEND: Statement = Statement::new(
    "INSERT INTO usage (meter, allowance, node, win, spent, at)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (meter, allowance, node) DO UPDATE
     SET win = excluded.win, spent = excluded.spent, at = excluded.at",
);

fn spend(node: &str, row: &Spent, at: Timestamp) -> Step {
    let parameters = vec![
        row.meter.into(),
        row.allowance.as_str().into(),
        node.into(),
        row.window.into(),
        i64::try_from(row.spent).unwrap_or(i64::MAX).into(),
        at.into(),
    ];
    Step::any(&SPEND, parameters)
}

static OF_NODE: Statement = Statement::new(
    "SELECT meter, allowance, win, spent
     FROM usage
     WHERE node = $1",
);

static OF_OTHERS: Statement = Statement::new(
    "SELECT meter, allowance, win, spent
     FROM usage
     WHERE node <> $1
       AND meter IN (SELECT meter FROM usage WHERE at >= $2 AND node <> $1)",
);

static PRUNE: Statement = Statement::new(
    "DELETE FROM usage
     WHERE (meter, allowance, node) IN
       (SELECT meter, allowance, node FROM usage WHERE at < $1 AND win <> 0 ORDER BY at LIMIT $2)",
);

/// Removes some of the sums of windows that ended long ago; number 0 is the window `ever`.
pub(crate) fn prune(before: Timestamp) -> Step {
    Step::some(&PRUNE, vec![before.into(), PORTION.into()])
}

/// Carries what was spent between this node's meters and the store.
pub(crate) struct Usage {
    pub(crate) node: String,
    pub(crate) database: Arc<Database>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) queue: Queue,
}

impl Usage {
    fn meters(&self) -> &Meters {
        self.snapshot.meters()
    }

    /// Reads everything: what this node had spent before it was started again, and what the others have.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub(crate) async fn resume(&self) -> Result<(), Unavailable> {
        let own = self.database.read(&OF_NODE, vec![self.node.as_str().into()]).await?;
        self.meters().resume(&rows(&own)?);
        self.read(Timestamp::from_millis(0)).await
    }

    /// Tells the others, and hears them, until `closing` says so; then tells a last time.
    pub(crate) async fn run(self, mut closing: Closing) {
        loop {
            let ended = tokio::select! {
                () = tokio::time::sleep(EXCHANGE) => false,
                () = closing.wait() => true,
            };
            if let Err(error) = self.exchange().await {
                // The snapshot ages with the same fault, and then nothing is decided (SAFETY 4).
                tracing::debug!(%error, "what was spent of limits is not exchanged");
            }
            if ended {
                return;
            }
        }
    }

    async fn exchange(&self) -> Result<(), Unavailable> {
        let now = self.clock.now();
        let mut spent = self.meters().touched();
        // In one order on every node, so that two of them do not lock crosswise.
        spent
            .sort_unstable_by(|one, other| (one.meter, &one.allowance).cmp(&(other.meter, &other.allowance)));
        for some in spent.chunks(ROWS_AT_ONCE) {
            let steps = some.iter().map(|row| spend(&self.node, row, now)).collect();
            if let Err(error) = self.queue.submit(steps, Vec::new()).await {
                self.meters().touch(&spent);
                return Err(error);
            }
        }
        self.read(Timestamp::from_millis(now.millis().saturating_sub(LOOK_BACK))).await
    }

    async fn read(&self, since: Timestamp) -> Result<(), Unavailable> {
        let parameters = vec![self.node.as_str().into(), since.into()];
        let others = self.database.read(&OF_OTHERS, parameters).await?;
        self.meters().absorb(&rows(&others)?);
        Ok(())
    }
}

fn rows(rows: &[Row]) -> Result<Vec<Spent>, Unavailable> {
    let row = |row: &Row| {
        Ok(Spent {
            meter: row.parsed(0)?,
            allowance: row.text(1)?.to_owned(),
            window: row.int(2)?,
            spent: u64::try_from(row.int(3)?).map_err(|_| corrupt("a sum of usage"))?,
        })
    };
    rows.iter().map(row).collect()
}

/// Every statement of this table.
pub(crate) static STATEMENTS: &[&Statement] = &[&SPEND, &OF_NODE, &OF_OTHERS, &PRUNE];
