//! The store: opened, fed, and closed. A concrete type; its test double is SQLite in a temporary file.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::audit::AuditEvent;
use countersign_core::context::Clock;
use countersign_core::ledger::{Commit, Unavailable};
use countersign_core::snapshot::Snapshot;

use crate::catch_up::CatchUp;
use crate::closing::{Close, Closing};
use crate::committer::{Committer, Parts};
use crate::config::{History, Limits, StoreConfig, StoreUrl};
use crate::follow::Feed;
use crate::heartbeat::Heart;
use crate::knowledge::Knowledge;
use crate::pruning::Pruning;
use crate::queue::{Committed, Queue};
use crate::report::Reports;
use crate::tombstones::Tombstones;
use crate::upgrades::Upgrades;
use crate::usage::Usage;
use countersign_database::database::{Database, Running, Writer};
use countersign_database::fault::{Fatal, Fault};
use countersign_database::open_error::OpenError;
use countersign_database::place::DatabasePlace;
use countersign_database::statement::Step;

/// Everything durable, behind one door.
pub struct Store {
    pub(crate) node: String,
    pub(crate) database: Arc<Database>,
    pub(crate) writer: Writer,
    queue: Queue,
    pub(crate) catch_up: CatchUp,
    pub(crate) reports: Reports,
    pub(crate) pruning: Pruning,
    pub(crate) upgrades: Upgrades,
    pub(crate) clock: Arc<dyn Clock>,
    knowledge: Arc<Knowledge>,
    fatal: Fatal,
    tasks: Mutex<Tasks>,
}

/// What runs beside the requests; each part is told to end and awaited by [`Store::close`].
#[derive(Debug)]
struct Tasks {
    feeding: Close,
    committing: Close,
    listener: Option<Running>,
    feeders: Vec<Running>,
    committer: Option<Running>,
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Store").field("database", &self.database).finish_non_exhaustive()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let tasks = self.tasks.get_mut().unwrap_or_else(PoisonError::into_inner);
        for running in tasks.listener.iter().chain(&tasks.feeders).chain(&tasks.committer) {
            running.abort();
        }
    }
}

impl Store {
    /// Opens a store, brings its tables to this version, takes the node's name, and fills the snapshot.
    ///
    /// # Errors
    ///
    /// [`OpenError`], which says what to do.
    pub async fn open(config: StoreConfig) -> Result<Self, OpenError> {
        Self::open_with(config, Limits::default()).await
    }

    /// Opens a store with other limits.
    ///
    /// # Errors
    ///
    /// [`OpenError`], which says what to do.
    pub async fn open_with(config: StoreConfig, limits: Limits) -> Result<Self, OpenError> {
        let StoreConfig { url, node, snapshot, clock, tombstones, history, danger_plaintext } = config;
        let tombstones = Tombstones::open(tombstones.clone()).map_err(|error| OpenError::File {
            place: tombstones.display().to_string(),
            reason: error.to_string(),
        })?;
        let (name, place) = placed(url, danger_plaintext, &limits);
        let (database, writer) = Database::open(&place, limits.patience).await?;
        let database = Arc::new(database);
        let (knowledge, fatal) = (Arc::new(Knowledge::new(snapshot, tombstones)), Fatal::default());
        let (queue, batches) = Queue::new(limits.queue, limits.patience, fatal.clone());
        let catch_up = CatchUp::new(limits.patience);
        let broken = |fault: Fault| unusable(&name, Unavailable::from(fault));
        let committer = Committer::claim(Parts {
            node: node.clone(),
            writer: writer.clone(),
            knowledge: Arc::clone(&knowledge),
            clock: Arc::clone(&clock),
            fatal: fatal.clone(),
            patience: limits.patience,
            wake: catch_up.wake(),
        })
        .await
        .map_err(broken)?;
        let (feeding, fed) = Close::new();
        let (committing, committed) = Close::new();
        let committer = writer.run(committer.run(batches, committed)).map_err(broken)?;
        let heart = Heart::new(queue.clone(), knowledge.snapshot().max_age());
        let feed = Feed {
            node,
            database: Arc::clone(&database),
            knowledge: Arc::clone(&knowledge),
            clock: Arc::clone(&clock),
            queue: queue.clone(),
            heart,
        };
        let reports = Reports::new(queue.clone(), Arc::clone(&clock));
        let pruning = Pruning {
            database: Arc::clone(&database),
            queue: queue.clone(),
            clock: Arc::clone(&clock),
            retention: limits.retention,
        };
        let tasks =
            Tasks { feeding, committing, listener: None, feeders: Vec::new(), committer: Some(committer) };
        let store = Self {
            node: feed.node.clone(),
            database,
            writer,
            queue,
            catch_up,
            reports,
            pruning,
            upgrades: Upgrades::default(),
            clock,
            knowledge,
            fatal,
            tasks: Mutex::new(tasks),
        };
        let usage = Usage {
            node: feed.node.clone(),
            database: Arc::clone(&store.database),
            snapshot: Arc::clone(store.snapshot()),
            clock: Arc::clone(&store.clock),
            queue: store.queue.clone(),
        };
        if let Err(error) = begin(&feed, &usage, history).await {
            store.close().await;
            return Err(unusable(&name, error));
        }
        store.follow(feed, usage, fed, limits.feed_interval);
        Ok(store)
    }

    /// Starts what runs beside the requests.
    fn follow(&self, feed: Feed, usage: Usage, closing: Closing, interval: Option<Duration>) {
        let interval = interval.unwrap_or_else(|| self.writer.feed_interval());
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.listener = self.writer.listen(self.catch_up.wake());
        tasks.feeders.push(Running::Task(tokio::spawn(feed.heart.clone().run(closing.clone()))));
        let following = self.catch_up.clone().run(feed, interval, closing.clone());
        tasks.feeders.push(Running::Task(tokio::spawn(following)));
        tasks.feeders.push(Running::Task(tokio::spawn(self.reports.clone().run(closing.clone()))));
        tasks.feeders.push(Running::Task(tokio::spawn(self.pruning.clone().run(closing.clone()))));
        tasks.feeders.push(Running::Task(tokio::spawn(usage.run(closing))));
    }

    /// Commits a batch, and waits until this node's verifiers know it.
    pub(crate) async fn submit(
        &self,
        steps: Vec<Step>,
        audits: Vec<AuditEvent>,
    ) -> Result<Commit, Unavailable> {
        match self.queue.submit(steps, audits).await? {
            Committed::Known => Ok(Commit::Done),
            Committed::Lost => Ok(Commit::Lost),
            Committed::Unseen => self.catch_up.catch_up().await.map(|()| Commit::Done),
        }
    }

    /// Returns what verifiers know.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        self.knowledge.snapshot()
    }

    /// Waits until the store cannot go on, and says why: another process has taken this node's name.
    pub async fn failed(&self) -> String {
        self.fatal.wait().await.to_owned()
    }

    /// Writes what is queued, ends everything that runs beside the requests, and waits for it. Afterwards every
    /// question is answered with [`Unavailable`].
    pub async fn close(&self) {
        let (listener, feeders, committer) = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.feeding.say();
            (tasks.listener.take(), std::mem::take(&mut tasks.feeders), tasks.committer.take())
        };
        if let Some(listener) = listener {
            // It holds nothing that could be lost.
            listener.abort();
        }
        for feeder in feeders {
            feeder.join().await;
        }
        if committer.is_some()
            && let Err(error) = self.reports.flush().await
        {
            tracing::warn!(%error, "the last uses of credentials were not written");
        }
        self.database.stop().await;
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).committing.say();
        if let Some(committer) = committer {
            committer.join().await;
        }
    }
}

/// Fills the snapshot, and then the meters that it brought. Filling may take longer than the snapshot stays fresh.
async fn begin(feed: &Feed, usage: &Usage, history: History) -> Result<(), Unavailable> {
    feed.compare(history).await?;
    feed.run().await?;
    usage.resume().await?;
    feed.heart.beat().await?;
    feed.run().await
}

fn placed(url: StoreUrl, danger_plaintext: bool, limits: &Limits) -> (String, DatabasePlace) {
    match url {
        StoreUrl::Sqlite(path) => {
            (path.display().to_string(), DatabasePlace::Sqlite { path, max_pages: limits.sqlite_pages })
        }
        StoreUrl::Postgres(url) => {
            ("the PostgreSQL server".to_owned(), DatabasePlace::Postgres { url, danger_plaintext })
        }
    }
}

fn unusable(place: &str, error: Unavailable) -> OpenError {
    let place = place.to_owned();
    match error {
        Unavailable::Corrupt(what) => OpenError::Corrupt { place, what },
        Unavailable::Contended
        | Unavailable::ClientKeys
        | Unavailable::ForeignKeys
        | Unavailable::Misanswered
        | Unavailable::NoSigningKey
        | Unavailable::Stale
        | Unavailable::Store(_)
        | Unavailable::TooManyMarks => OpenError::Unreachable { place, reason: error.to_string() },
    }
}
