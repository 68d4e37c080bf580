//! When the feed runs: at its interval, when it is woken, and when somebody asks.
//!
//! **Invariant.** Whoever asks waits for a run that *begins* after the question: one under way may have read the
//! store before what the asker waits for was committed. Any number of askers cost one run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_core::ledger::Unavailable;
use tokio::sync::{Notify, watch};

use crate::closing::Closing;
use crate::follow::Feed;
use crate::trouble::Trouble;

/// Runs the feed for all who ask.
#[derive(Debug, Clone)]
pub(crate) struct CatchUp {
    asked: Arc<AtomicU64>,
    wake: Arc<Notify>,
    done: watch::Sender<Run>,
    patience: Duration,
}

/// A run that has ended.
#[derive(Debug, Clone)]
struct Run {
    /// The last question that was asked before it began.
    answers: u64,
    outcome: Result<(), Unavailable>,
}

impl CatchUp {
    pub(crate) fn new(patience: Duration) -> Self {
        let (done, _) = watch::channel(Run { answers: 0, outcome: Ok(()) });
        Self { asked: Arc::default(), wake: Arc::default(), done, patience }
    }

    /// Returns what wakes the feed.
    pub(crate) fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Waits until the snapshot knows everything that was committed before this call.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if the store did not tell in time.
    pub(crate) async fn catch_up(&self) -> Result<(), Unavailable> {
        let question = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        let mut done = self.done.subscribe();
        self.wake.notify_one();
        let waited = tokio::time::timeout(self.patience, done.wait_for(|run| run.answers >= question)).await;
        match waited {
            Ok(Ok(run)) => run.outcome.clone(),
            Ok(Err(_)) => Err(Unavailable::Store("the store was closed".to_owned())),
            Err(_) => Err(Unavailable::Stale),
        }
    }

    /// Runs the feed until `closing` says so.
    pub(crate) async fn run(self, feed: Feed, interval: Duration, mut closing: Closing) {
        let mut trouble = Trouble::new("the store does not tell what changed: the snapshot ages");
        loop {
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = self.wake.notified() => {}
                () = closing.wait() => return,
            }
            let answers = self.asked.load(Ordering::Acquire);
            let outcome = feed.run().await;
            trouble.note(&outcome);
            self.done.send_replace(Run { answers, outcome });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use countersign_core::ledger::Unavailable;
    use tokio::task::JoinSet;

    use super::{CatchUp, Run};

    #[tokio::test(start_paused = true)]
    async fn one_run_answers_all_who_asked_before_it_began_and_nobody_else() {
        let catch_up = CatchUp::new(Duration::from_secs(3));
        let mut waiting = JoinSet::new();
        for _ in 0..50 {
            let catch_up = catch_up.clone();
            waiting.spawn(async move { catch_up.catch_up().await });
        }
        tokio::task::yield_now().await;
        let answers = catch_up.asked.load(Ordering::Acquire);
        assert_eq!(answers, 50);
        catch_up.done.send_replace(Run { answers, outcome: Ok(()) });
        while let Some(outcome) = waiting.join_next().await {
            assert_eq!(outcome.unwrap(), Ok(()));
        }
        assert_eq!(
            catch_up.catch_up().await,
            Err(Unavailable::Stale),
            "an old run does not answer a new question"
        );
    }
}
