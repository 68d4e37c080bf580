//! The queue in front of the committer: bounded, and quick to say no.

use std::time::Duration;

use countersign_core::audit::AuditEvent;
use countersign_core::ledger::Unavailable;
use tokio::sync::{mpsc, oneshot};

use countersign_database::fault::Fatal;
use countersign_database::statement::Step;

/// How a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Committed {
    /// It is durable, and this node's verifiers know it.
    Known,
    /// A condition did not hold: nothing was changed.
    Lost,
    /// It is durable; this node's verifiers know it after the next catch-up.
    Unseen,
}

/// What is committed together or not at all.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) steps: Vec<Step>,
    pub(crate) audits: Vec<AuditEvent>,
    /// Whether it tells the store what it has lost.
    restores: bool,
    answer: oneshot::Sender<Result<Committed, Unavailable>>,
}

impl Batch {
    /// Tells whether the batch stands on what the store says, and so waits until the store was told what it has lost.
    pub(crate) fn acts(&self) -> bool {
        !self.restores && !self.steps.is_empty()
    }

    /// Answers whoever asked, if they still wait.
    pub(crate) fn answer(self, answer: Result<Committed, Unavailable>) {
        let _asker_may_be_gone = self.answer.send(answer);
    }
}

/// The way to the committer.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    batches: mpsc::Sender<Batch>,
    patience: Duration,
    fatal: Fatal,
}

impl Queue {
    /// Makes a queue for `size` batches.
    pub(crate) fn new(size: usize, patience: Duration, fatal: Fatal) -> (Self, mpsc::Receiver<Batch>) {
        let (batches, queue) = mpsc::channel(size.max(1));
        (Self { batches, patience, fatal }, queue)
    }

    /// Commits a batch.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if it is not known to be durable: the queue is full, the store fails or is too slow.
    pub(crate) async fn submit(
        &self,
        steps: Vec<Step>,
        audits: Vec<AuditEvent>,
    ) -> Result<Committed, Unavailable> {
        let answered = self.offer(steps, audits)?;
        match tokio::time::timeout(self.patience, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Unavailable::Store("the store was closed".to_owned())),
            Err(_) => Err(Unavailable::Store(format!("no commit within {:?}", self.patience))),
        }
    }

    /// Queues a batch without waiting for it.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if the queue is full or closed.
    pub(crate) fn offer(
        &self,
        steps: Vec<Step>,
        audits: Vec<AuditEvent>,
    ) -> Result<oneshot::Receiver<Result<Committed, Unavailable>>, Unavailable> {
        let (answer, answered) = oneshot::channel();
        self.send(Batch { steps, audits, restores: false, answer })?;
        Ok(answered)
    }

    /// Queues a batch that tells the store what it has lost.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if the queue is full or closed.
    pub(crate) fn restore(
        &self,
        steps: Vec<Step>,
        audit: AuditEvent,
    ) -> Result<oneshot::Receiver<Result<Committed, Unavailable>>, Unavailable> {
        let (answer, answered) = oneshot::channel();
        self.send(Batch { steps, audits: vec![audit], restores: true, answer })?;
        Ok(answered)
    }

    fn send(&self, batch: Batch) -> Result<(), Unavailable> {
        if let Some(reason) = self.fatal.reason() {
            return Err(Unavailable::Store(reason.to_owned()));
        }
        self.batches.try_send(batch).map_err(|error| {
            Unavailable::Store(match error {
                mpsc::error::TrySendError::Full(_) => "too many commits wait".to_owned(),
                mpsc::error::TrySendError::Closed(_) => "the store was closed".to_owned(),
            })
        })
    }
}
