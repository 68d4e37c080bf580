//! The queue of letters that are asked for.

use std::sync::OnceLock;

use countersign_core::id::OwnerId;
use countersign_core::ledger::Unavailable;
use countersign_core::mailed::Link;
use tokio::sync::mpsc;

use crate::pages::language::Locale;

/// Letters that wait to be written.
const WAITING: usize = 64;

/// Who shall be written to.
#[derive(Debug)]
pub(crate) enum To {
    /// Whoever signs in as what somebody has typed, if anybody.
    Typed(String),
    /// This person.
    Person(OwnerId),
}

/// A letter that is asked for.
#[derive(Debug)]
pub struct Job {
    pub(crate) to: To,
    pub(crate) link: Link,
    pub(crate) locale: Locale,
}

/// The letters that are asked for; closed where no mail is sent.
#[derive(Debug, Default)]
pub struct MailQueue(OnceLock<mpsc::Sender<Job>>);

impl MailQueue {
    /// Opens it, once.
    #[must_use]
    pub fn open(&self) -> mpsc::Receiver<Job> {
        let (sender, jobs) = mpsc::channel(WAITING);
        // INVARIANT: a process starts once; a second queue would be one that nobody fills.
        let _opened_before = self.0.set(sender);
        jobs
    }

    /// Tells whether mail is sent.
    pub(crate) fn is_open(&self) -> bool {
        self.0.get().is_some()
    }

    /// Asks for a letter.
    ///
    /// # Errors
    ///
    /// [`Unavailable`], if too many wait.
    pub(crate) fn ask(&self, job: Job) -> Result<(), Unavailable> {
        let asked = self.0.get().and_then(|queue| queue.try_send(job).ok());
        asked.ok_or(Unavailable::Contended)
    }
}
