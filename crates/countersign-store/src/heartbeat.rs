//! The heartbeat: an empty commit of our own at an interval, for the feed to find again (SAFETY 4).
//!
//! A server that only reads, whoever made it so, and a disk that takes nothing any more let no heartbeat through: then
//! the snapshot ages though every question is answered.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::ledger::Unavailable;
use tokio::sync::Notify;

use crate::closing::Closing;
use crate::queue::Queue;
use crate::trouble::Trouble;

/// The longest pause between two beats.
const PAUSE: Duration = Duration::from_secs(1);
/// The least beats in the time after which the snapshot is too old.
const BEATS: u32 = 4;

/// Beats, and sooner when it is told to hurry.
#[derive(Debug, Clone)]
pub(crate) struct Heart {
    queue: Queue,
    pause: Duration,
    hurry: Arc<Notify>,
}

impl Heart {
    /// Makes a heart that beats often enough for a snapshot that may be as old as `max_age`.
    pub(crate) fn new(queue: Queue, max_age: Duration) -> Self {
        let pause = PAUSE.min(max_age.checked_div(BEATS).unwrap_or(PAUSE));
        Self { queue, pause, hurry: Arc::default() }
    }

    /// Asks for a beat at once.
    pub(crate) fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// Beats once: an empty batch moves the node's row on.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub(crate) async fn beat(&self) -> Result<(), Unavailable> {
        self.queue.submit(Vec::new(), Vec::new()).await.map(drop)
    }

    /// Beats until `closing` says so.
    pub(crate) async fn run(self, mut closing: Closing) {
        let mut trouble = Trouble::new("the store takes no heartbeat: the snapshot ages");
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.pause) => {}
                () = self.hurry.notified() => {}
                () = closing.wait() => return,
            }
            trouble.note(&self.beat().await);
        }
    }
}
