//! Orderly ends: one call begins it, every listener and connection hears it.

use std::time::Duration;

use tokio::sync::watch;

/// How long a connection on which nothing was said may still begin once the end has begun: who was let in is most often
/// about to speak.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);

/// Begins the end. Works across runtimes and threads.
#[derive(Debug)]
pub struct Shutdown(watch::Sender<Option<Duration>>);

impl Shutdown {
    /// Starts with nothing ending.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Returns what hears of the end.
    #[must_use]
    pub fn draining(&self) -> Draining {
        Draining(self.0.subscribe())
    }

    /// Tells everybody to accept nothing more and to finish what is in flight within `limit`.
    pub fn begin(&self, limit: Duration) {
        self.0.send_replace(Some(limit));
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

/// Hears of the end.
#[derive(Debug, Clone)]
pub struct Draining(watch::Receiver<Option<Duration>>);

impl Draining {
    /// Waits until the end has begun, and returns the time that is left for what is in flight.
    ///
    /// A [`Shutdown`] that was dropped has begun it too, with no time left.
    pub async fn begun(&mut self) -> Duration {
        match self.0.wait_for(Option::is_some).await {
            Ok(limit) => limit.unwrap_or_default(),
            Err(_dropped) => Duration::ZERO,
        }
    }
}
