//! Says once that something fails, and once that it is well again.

use std::time::Duration;

use countersign_core::ledger::Unavailable;
use tokio::time::Instant;

/// How often what goes on failing says so in the log.
const LOGGED: Duration = Duration::from_secs(30);

/// What is said of one thing that may fail.
#[derive(Debug)]
pub(crate) struct Trouble {
    what: &'static str,
    failing: Option<Instant>,
}

impl Trouble {
    pub(crate) const fn new(what: &'static str) -> Self {
        Self { what, failing: None }
    }

    pub(crate) fn note(&mut self, outcome: &Result<(), Unavailable>) {
        match (outcome, self.failing) {
            (Ok(()), None) => {}
            (Ok(()), Some(_)) => {
                tracing::info!("over: {}", self.what);
                self.failing = None;
            }
            (Err(_), Some(since)) if since.elapsed() < LOGGED => {}
            (Err(error), _) => {
                tracing::error!(%error, "{}", self.what);
                self.failing = Some(Instant::now());
            }
        }
    }
}
