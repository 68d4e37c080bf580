//! An empty database, and stores on it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::context::Clock;
use countersign_core::kinds::KINDS;
use countersign_core::snapshot::Snapshot;
use countersign_store::{History, Limits, OpenError, Store, StoreConfig, StoreUrl};
use tempfile::TempDir;

use crate::clock::FixedClock;
use crate::postgres::Postgres;
use crate::records::Records;

/// An empty database, with a clock that all of its stores share.
#[derive(Debug)]
pub struct Fixture {
    /// The clock of every store that the fixture opens.
    pub clock: Arc<FixedClock>,
    /// The limits of every store that the fixture opens.
    pub limits: Limits,
    database: Database,
    records: TempDir,
}

#[derive(Debug)]
enum Database {
    Sqlite(TempDir),
    Postgres(Postgres),
}

impl Fixture {
    fn new(database: Database) -> Self {
        // Patient, since the machine may be compiling beside the test.
        let limits = Limits { patience: Duration::from_secs(20), ..Limits::default() };
        let records = tempfile::tempdir().expect("a temporary directory");
        Self { clock: Arc::default(), limits, database, records }
    }

    /// Returns where a node writes down what has ended.
    #[must_use]
    pub fn tombstones(&self, node: &str) -> PathBuf {
        self.records.path().join(node)
    }

    /// Returns where the database is.
    #[must_use]
    pub fn url(&self) -> StoreUrl {
        match &self.database {
            Database::Sqlite(directory) => StoreUrl::Sqlite(path(directory)),
            Database::Postgres(server) => StoreUrl::Postgres(server.url()),
        }
    }

    /// Returns the server, if it is one.
    pub fn server(&mut self) -> Option<&mut Postgres> {
        match &mut self.database {
            Database::Sqlite(_) => None,
            Database::Postgres(server) => Some(server),
        }
    }

    /// Tells whether several nodes may share the database.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.database, Database::Postgres(_))
    }

    /// Opens a store on it, as the node of that name, with a snapshot of its own.
    ///
    /// # Panics
    ///
    /// If it cannot be opened.
    pub async fn open(&self, node: &str) -> Store {
        self.try_open(node).await.expect("the store opens")
    }

    /// Opens a store on it, if it can be.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn try_open(&self, node: &str) -> Result<Store, OpenError> {
        self.try_open_at(self.url(), node).await
    }

    /// Opens a store by another way to the database, if it can be.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn try_open_at(&self, url: StoreUrl, node: &str) -> Result<Store, OpenError> {
        let snapshot = Snapshot::new(KINDS, Records::new(0).peppers(), Duration::from_secs(5));
        let clock: Arc<dyn Clock> = Arc::<FixedClock>::clone(&self.clock);
        let config = StoreConfig {
            url,
            node: node.to_owned(),
            snapshot: Arc::new(snapshot),
            clock,
            tombstones: self.tombstones(node),
            history: History::GoesOn,
            danger_plaintext: false,
        };
        Store::open_with(config, self.limits.clone()).await
    }
}

fn path(directory: &TempDir) -> PathBuf {
    directory.path().join("countersign.db")
}

/// Runs a test on each database.
#[expect(clippy::future_not_send, reason = "a test awaits it where it stands")]
pub async fn each_database(test: impl AsyncFn(Fixture)) {
    on_sqlite(&test).await;
    on_postgres(&test).await;
}

/// Runs a test on SQLite in a temporary directory.
///
/// # Panics
///
/// If there is no temporary directory.
pub async fn on_sqlite(test: impl AsyncFn(Fixture)) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    test(Fixture::new(Database::Sqlite(directory))).await;
}

/// Runs a test on a PostgreSQL of its own; skips it with a note where PostgreSQL is not installed.
pub async fn on_postgres(test: impl AsyncFn(Fixture)) {
    if let Some(server) = Postgres::start() {
        test(Fixture::new(Database::Postgres(server))).await;
    }
}
