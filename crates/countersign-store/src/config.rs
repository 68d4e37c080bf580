//! What a store is opened with.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::context::Clock;
use countersign_core::snapshot::Snapshot;

/// Which database.
#[derive(Clone)]
pub enum StoreUrl {
    /// A file of SQLite; made if there is none.
    Sqlite(PathBuf),
    /// A database of PostgreSQL, as `postgres://user:password@host/database`; see libpq for the parameters.
    Postgres(String),
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => formatter.debug_tuple("Sqlite").field(path).finish(),
            // It may hold a password (SAFETY 25).
            Self::Postgres(_) => formatter.write_str("Postgres(…)"),
        }
    }
}

/// What is known outside of the store of how its history goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// From where this node last saw it, as far as anybody knows.
    GoesOn,
    /// From an earlier place: what this node remembers was put back together with the store (SAFETY 3).
    PutBack,
}

/// What a store is opened with.
pub struct StoreConfig {
    /// Which database.
    pub url: StoreUrl,
    /// The node's name, which no other process may have: a process that opens the store under a name ends the
    /// writing of the one before.
    pub node: String,
    /// What verifiers know; the store feeds it.
    pub snapshot: Arc<Snapshot>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where this node writes down what has ended, for a store that goes back (SAFETY 3): a file of its own.
    pub tombstones: PathBuf,
    /// How its history goes on.
    pub history: History,
    /// Whether the connection to a server may cross a network in clear.
    pub danger_plaintext: bool,
}

impl fmt::Debug for StoreConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StoreConfig")
            .field("url", &self.url)
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

/// How long is kept what grows for as long as the installation lives. Marks have each an end of their own.
#[derive(Debug, Clone)]
pub struct Retention {
    /// Audit events. Default: for ever.
    pub audit: Option<Duration>,
    /// Changes, for nodes that lag; beyond it they read everything. Default: 1 h.
    pub changes: Duration,
    /// Counts of decisions. Default: 30 days.
    pub decisions: Duration,
    /// Sums of what was spent within windows that have ended. Default: 400 days, since no window is longer than 366.
    pub usage: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            audit: None,
            changes: Duration::from_secs(60 * 60),
            decisions: DAY.saturating_mul(30),
            usage: DAY.saturating_mul(400),
        }
    }
}

/// The rows that are removed in one portion: some 20 ms of the committer's time.
pub(crate) const PORTION: i64 = 2_000;

/// The store's limits. The defaults are right for nearly everybody.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long a question or a commit may wait. Default: 3 s, below the 5 s of `feed.max_age`.
    pub patience: Duration,
    /// How many commits may wait. Default: 1024.
    pub queue: usize,
    /// How often the feed asks unless it is woken. Default: 1 s for SQLite, 250 ms for PostgreSQL.
    pub feed_interval: Option<Duration>,
    /// How long is kept what grows.
    pub retention: Retention,
    /// The most pages of a SQLite file, 4 KiB each. Default: SQLite's own limit.
    pub sqlite_pages: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(3),
            queue: 1024,
            feed_interval: None,
            retention: Retention::default(),
            sqlite_pages: None,
        }
    }
}
