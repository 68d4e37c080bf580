//! The gateway's ledger: what verifiers know in memory, and one catch-up before "there is none" is final.
//!
//! A key that was minted a moment ago at another node may not be known here yet. So a miss asks the feed once, and
//! then counts. However many requests miss at a time, the feed is asked by one of them. A key that is known and would
//! be refused asks likewise: time does not tell it from one that never was.
//!
//! **Invariant.** It answers questions about keys and commits nothing.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use countersign_core::audit::AuditEvent;
use countersign_core::effect::Effect;
use countersign_core::key_set::{Source, Upgrade};
use countersign_core::known::KnownCredential;
use countersign_core::ledger::{Commit, Found, Ledger, Lookup, Unavailable};
use countersign_core::snapshot::Snapshot;
use countersign_core::timestamp::Timestamp;
use countersign_core::verification::rejection_at;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// What feeds the snapshot.
pub trait Feed: Send + Sync {
    /// Brings the snapshot up to everything that was committed before the call.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if the store does not answer.
    fn catch_up(&self) -> Pin<Box<dyn Future<Output = Result<(), Unavailable>> + Send + '_>>;
}

/// The longest wait for a catch-up; below the patience of any client, above a commit's time by far.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(2);

/// Lets one catch-up answer everybody who waits for it.
pub(crate) struct Coalesced {
    feed: Arc<dyn Feed>,
    begun: AtomicU64,
    last: Mutex<Run>,
}

/// The last catch-up that ended.
struct Run {
    number: u64,
    outcome: Result<(), Unavailable>,
}

impl Coalesced {
    pub(crate) fn new(feed: Arc<dyn Feed>) -> Self {
        let last = Mutex::new(Run { number: 0, outcome: Ok(()) });
        Self { feed, begun: AtomicU64::new(0), last }
    }

    /// Waits for a catch-up that began after this call.
    async fn catch_up(&self) -> Result<(), Unavailable> {
        // INVARIANT: a run with a number above `before` began after this line, so it saw all that was committed.
        let before = self.begun.load(Ordering::SeqCst);
        // The lock is the queue: it is held across the wait so that there is one run at a time.
        let mut last = self.last.lock().await;
        if last.number <= before {
            last.number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
            last.outcome = Err(Unavailable::Stale);
            last.outcome =
                timeout(CATCH_UP_LIMIT, self.feed.catch_up()).await.unwrap_or(Err(Unavailable::Stale));
        }
        last.outcome.clone()
    }
}

impl fmt::Debug for Coalesced {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Coalesced").finish_non_exhaustive()
    }
}

/// The ledger of one request. It remembers what it found, so that its use can be noted.
#[derive(Debug)]
pub(crate) struct SnapshotLedger<'a> {
    snapshot: &'a Snapshot,
    feed: &'a Coalesced,
    now: Timestamp,
    client: Option<IpAddr>,
    found: OnceLock<Arc<KnownCredential>>,
    upgrade: OnceLock<Upgrade>,
}

impl<'a> SnapshotLedger<'a> {
    /// Answers a request that comes at `now` from `client`.
    pub(crate) const fn new(
        snapshot: &'a Snapshot,
        feed: &'a Coalesced,
        now: Timestamp,
        client: Option<IpAddr>,
    ) -> Self {
        Self { snapshot, feed, now, client, found: OnceLock::new(), upgrade: OnceLock::new() }
    }

    fn is_good(&self, known: &KnownCredential) -> bool {
        rejection_at(self.now, self.client, known).is_none()
    }

    /// Returns the credential that was found, and what its first use asks for.
    pub(crate) fn into_found(self) -> (Option<Arc<KnownCredential>>, Option<Upgrade>) {
        (self.found.into_inner(), self.upgrade.into_inner())
    }

    async fn find_imported(&self, source: Source<'_>, text: &str) -> Result<Found, Unavailable> {
        let mut found = self.snapshot.find_imported(source, text);
        // Only what a set claims is worth asking for: any other text is no credential at any node.
        let good = found.as_ref().is_some_and(|found| self.is_good(&found.known));
        if !good && self.snapshot.claims(source, text) {
            self.feed.catch_up().await?;
            found = self.snapshot.find_imported(source, text);
        }
        if let Some(found) = &found {
            self.found.get_or_init(|| Arc::clone(&found.known));
            if let Some(upgrade) = &found.upgrade {
                self.upgrade.get_or_init(|| upgrade.clone());
            }
        }
        Ok(Found::ImportedKey(found))
    }
}

impl Ledger for SnapshotLedger<'_> {
    async fn find(&self, question: Lookup<'_>) -> Result<Found, Unavailable> {
        let (kind, key) = match question {
            Lookup::Key { kind, key } => (kind, key),
            Lookup::ImportedKey { source, text } => return self.find_imported(source, text).await,
            Lookup::Creation { .. } | Lookup::Owner(_) | Lookup::Record(_) | Lookup::Rotation(_) => {
                return Err(Unavailable::Store("the gateway answers questions about keys alone".into()));
            }
        };
        let mut known = self.snapshot.find(kind, key);
        if !known.as_ref().is_some_and(|known| self.is_good(known)) {
            self.feed.catch_up().await?;
            known = self.snapshot.find(kind, key);
        }
        if let Some(known) = &known {
            self.found.get_or_init(|| Arc::clone(known));
        }
        Ok(Found::Key(known))
    }

    async fn commit(&self, _: Vec<Effect>, _: AuditEvent) -> Result<Commit, Unavailable> {
        Err(Unavailable::Store("the gateway commits nothing".into()))
    }

    /// No act is performed here: what the gateway refuses, its journal tells.
    fn file(&self, _: AuditEvent) {}
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use countersign_core::ledger::Unavailable;
    use tokio::sync::Semaphore;

    use super::{Coalesced, Feed};

    struct Slow {
        runs: AtomicUsize,
        go: Semaphore,
    }

    impl Feed for Slow {
        fn catch_up(&self) -> Pin<Box<dyn Future<Output = Result<(), Unavailable>> + Send + '_>> {
            Box::pin(async {
                self.runs.fetch_add(1, Ordering::SeqCst);
                self.go.acquire().await.unwrap().forget();
                Ok(())
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_misses_ask_the_feed_at_most_twice() {
        let feed = Arc::new(Slow { runs: AtomicUsize::new(0), go: Semaphore::new(0) });
        let dynamic: Arc<dyn Feed> = Arc::<Slow>::clone(&feed);
        let coalesced = Arc::new(Coalesced::new(dynamic));
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let coalesced = Arc::clone(&coalesced);
            waiting.spawn(async move { coalesced.catch_up().await });
        }
        tokio::task::yield_now().await;
        feed.go.add_permits(50);
        while let Some(outcome) = waiting.join_next().await {
            assert_eq!(outcome.unwrap(), Ok(()));
        }
        // The first run began after the first miss, the second after all of them.
        assert!((1..=2).contains(&feed.runs.load(Ordering::SeqCst)));
        coalesced.catch_up().await.unwrap();
        assert!(feed.runs.load(Ordering::SeqCst) >= 2, "an old run does not answer a new miss");
    }

    #[tokio::test(start_paused = true)]
    async fn a_feed_that_does_not_answer_is_unavailable() {
        let feed = Arc::new(Slow { runs: AtomicUsize::new(0), go: Semaphore::new(0) });
        assert_eq!(Coalesced::new(feed).catch_up().await, Err(Unavailable::Stale));
    }
}
