//! The group committer: one per process, on both databases. Many batches become one transaction.
//!
//! **Invariants.** A batch is answered `Done` only after COMMIT and after the snapshot has applied it. Changes and
//! audit events are numbered by this node alone, without gaps, in the order of its commits (SAFETY 2, 20): the
//! node's row is moved on by a conditional update, so that two processes of one name cannot both succeed.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::context::Clock;
use countersign_core::ledger::Unavailable;
use countersign_core::timestamp::{Monotonic, Timestamp};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::change::{self, Told};
use crate::closing::Closing;
use crate::knowledge::{Beat, Knowledge};
use crate::node::{Beats, Head};
use crate::queue::{Batch, Committed};
use crate::{audit_event, node};
use countersign_database::database::{Session, Writer};
use countersign_database::fault::{Fatal, Fault};
use countersign_database::statement::{Attempt, Done};
use countersign_database::value::Value;

/// The most batches of one transaction: PostgreSQL keeps 64 subtransactions per backend in memory.
const GROUP: usize = 64;
/// How often a group that lost against other nodes' transactions is run again.
const ATTEMPTS: usize = 4;
/// How long nothing is tried after a connection could not be made.
const PAUSE: Duration = Duration::from_millis(200);

/// Writes for this node.
pub(crate) struct Committer {
    node: String,
    writer: Writer,
    knowledge: Arc<Knowledge>,
    clock: Arc<dyn Clock>,
    fatal: Fatal,
    patience: Duration,
    wake: Arc<Notify>,
    session: Option<Session>,
    /// Where the node's row stands; `None`: to be read before the next group.
    head: Option<Head>,
    incarnation: i64,
    /// The heartbeat in the node's row, as it was last seen there.
    row_beat: Timestamp,
    /// The last COMMIT, if its answer was lost.
    doubt: Option<Doubt>,
    paused: Option<(Instant, Fault)>,
    last_at: Timestamp,
    /// What our row was last given as its heartbeat: it rises with every commit, whatever the clock does.
    last_beat: Timestamp,
}

/// What a committer is made of.
pub(crate) struct Parts {
    pub(crate) node: String,
    pub(crate) writer: Writer,
    pub(crate) knowledge: Arc<Knowledge>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) fatal: Fatal,
    pub(crate) patience: Duration,
    /// Wakes the feed.
    pub(crate) wake: Arc<Notify>,
}

/// What a group adds to the node's history.
struct Draft {
    head: Head,
    at: Timestamp,
    events: Vec<Vec<Value>>,
    rows: Vec<Vec<Value>>,
    told: Vec<Told>,
}

/// A COMMIT of which it is not known whether it happened. Its heartbeat, which nobody else writes, tells.
struct Doubt {
    written: Timestamp,
    answers: Answers,
}

impl Doubt {
    /// Returns the answers that were lost, if the heartbeat is found in the node's row.
    fn resolved(self, found: Timestamp) -> Option<Answers> {
        let Self { written, mut answers } = self;
        unsee(&mut answers);
        (found == written).then_some(answers)
    }
}

type Answers = Vec<Result<Committed, Unavailable>>;

impl Committer {
    /// Takes the node's name, from whichever process held it before.
    ///
    /// # Errors
    ///
    /// [`Fault`] if the database does not answer.
    pub(crate) async fn claim(parts: Parts) -> Result<Self, Fault> {
        let Parts { node, writer, knowledge, clock, fatal, patience, wake } = parts;
        let last_at = clock.now();
        let incarnation =
            knowledge.lock().await.tombstones.seen().get(&node).map_or(0, |head| head.incarnation);
        let mut committer = Self {
            node,
            writer,
            knowledge,
            clock,
            fatal,
            patience,
            wake,
            session: None,
            head: None,
            incarnation,
            row_beat: last_at,
            doubt: None,
            paused: None,
            last_at,
            last_beat: last_at,
        };
        let begun = committer.clock.monotonic();
        let mut session = committer.writer.session().await?;
        let head = committer.take_name(&mut session).await?;
        let beat = committer.beat(begun);
        let mut heads = committer.knowledge.lock().await;
        heads.known.insert(committer.node.clone(), head);
        heads.beat = Some(beat);
        drop(heads);
        committer.session = Some(session);
        committer.head = Some(head);
        Ok(committer)
    }

    /// Commits what is queued until `closing` says so; then what is left.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Batch>, mut closing: Closing) {
        loop {
            let first = tokio::select! {
                first = queue.recv() => first,
                () = closing.wait(), if !queue.is_closed() => {
                    queue.close();
                    continue;
                }
            };
            let Some(first) = first else {
                return;
            };
            let mut group = vec![first];
            while group.len() < GROUP
                && let Ok(next) = queue.try_recv()
            {
                group.push(next);
            }
            let answers = self.commit(&group).await;
            for (batch, answer) in group.into_iter().zip(answers) {
                batch.answer(answer);
            }
        }
    }

    async fn commit(&mut self, group: &[Batch]) -> Answers {
        // What was in doubt was answered as not known to be durable.
        self.doubt = None;
        let mut fault = Fault::Failed("nothing was tried".to_owned());
        for _attempt in 0..ATTEMPTS {
            // The store's own limits strike first; this one is for a network that swallows everything.
            let limit = self.patience.saturating_mul(2);
            let outcome = match tokio::time::timeout(limit, self.transact(group)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(Fault::Broken(format!("no answer within {limit:?}"))),
            };
            fault = match outcome {
                Ok(answers) => return answers,
                Err(fault) => fault,
            };
            self.undo(&fault).await;
            if let Fault::Gone(reason) = &fault {
                self.fatal.raise(reason.clone());
            }
            // A connection that breaks before its COMMIT has changed nothing; one that breaks at it is asked about.
            if !matches!(fault, Fault::Overtaken(_) | Fault::Broken(_)) {
                break;
            }
        }
        group.iter().map(|_| Err(Unavailable::from(fault.clone()))).collect()
    }

    /// Runs a group as one transaction.
    async fn transact(&mut self, group: &[Batch]) -> Result<Answers, Fault> {
        let begun = self.clock.monotonic();
        let head = self.stand().await?;
        if let Some(answers) = self.doubt.take().and_then(|doubt| doubt.resolved(self.row_beat)) {
            // The lost answer was that it happened. The feed reads it.
            return Ok(answers);
        }
        self.last_at = self.last_at.max(self.clock.now());
        let mut draft = Draft::new(head, self.last_at);
        let Some(session) = &mut self.session else {
            return Err(Fault::Broken("there is no connection".to_owned()));
        };
        session.begin().await?;
        let mut answers = Vec::with_capacity(group.len());
        for batch in group {
            if batch.acts() && self.knowledge.is_behind() {
                answers.push(Err(Unavailable::Store(
                    "the store went back and is told what it has lost".to_owned(),
                )));
                continue;
            }
            let attempt = match group {
                [_] => session.attempt_alone(&batch.steps).await?,
                _ => session.attempt(&batch.steps).await?,
            };
            answers.push(match attempt {
                Attempt::Met(done) => {
                    draft.take(&self.node, batch, done)?;
                    Ok(Committed::Known)
                }
                Attempt::Lost => Ok(Committed::Lost),
                Attempt::Refused(reason) => Err(Unavailable::Store(reason)),
            });
        }
        if let [Ok(Committed::Lost) | Err(_)] = answers.as_slice() {
            // Nobody else's batch is in it: there is nothing to commit.
            session.rollback().await?;
            return Ok(answers);
        }
        for (statement, rows) in [(&audit_event::APPEND, &draft.events), (&change::APPEND, &draft.rows)] {
            session.append(statement, rows).await.map_err(numbered_by_another)?;
        }
        self.last_beat = following(self.last_beat, draft.at);
        let beats = Beats { before: self.row_beat, now: self.last_beat };
        let (statement, parameters) = node::advance(&self.node, &head, &draft.head, beats);
        if session.execute(statement, &parameters).await?.changed != 1 {
            return Err(Fault::Overtaken("the node's row was moved by somebody else".to_owned()));
        }
        if !draft.told.is_empty() {
            session.announce().await?;
        }
        let mut heads = self.knowledge.lock().await;
        self.doubt = Some(Doubt { written: self.last_beat, answers: answers.clone() });
        session.commit().await?;
        (self.doubt, self.row_beat) = (None, self.last_beat);
        heads.beat = Some(self.beat(begun));
        self.head = Some(draft.head);
        if heads.known.get(&self.node) != Some(&head) {
            // An earlier commit of ours, whose answer was lost, is not known yet: the feed reads both, in their order. Or the
            // store went back: then the feed tells it first what it has lost.
            unsee(&mut answers);
            self.wake.notify_one();
            return Ok(answers);
        }
        for told in draft.told {
            self.knowledge.apply_own(&mut heads, told.change);
        }
        heads.known.insert(self.node.clone(), draft.head);
        heads.write_down(draft.at).await;
        if !heads.missed.is_empty() {
            unsee(&mut answers);
        }
        Ok(answers)
    }

    /// Returns where the node's row stands, connecting first if need be.
    async fn stand(&mut self) -> Result<Head, Fault> {
        if self.session.is_none() {
            self.session = Some(self.connect().await?);
        }
        if let Some(head) = self.head {
            return Ok(head);
        }
        let Some(mut session) = self.session.take() else {
            return Err(Fault::Broken("there is no connection".to_owned()));
        };
        let head = self.find_place(&mut session).await?;
        self.session = Some(session);
        self.head = Some(head);
        Ok(head)
    }

    /// Tells whether our history goes on from where it is known. If it has more, then a commit whose answer was lost has
    /// happened.
    async fn goes_on(&mut self, session: &mut Session, found: &Head) -> Result<bool, Fault> {
        let Some(known) = self.knowledge.lock().await.known.get(&self.node).copied() else {
            return Ok(false);
        };
        if known == *found {
            return Ok(true);
        }
        let (statement, parameters) = audit_event::through(&self.node, &known);
        let done = session.execute(statement, &parameters).await?;
        let through = audit_event::is_through(&known, done.rows.first()).map_err(unreadable)?;
        Ok(through && found.last_change >= known.last_change && found.last_event >= known.last_event)
    }

    async fn connect(&mut self) -> Result<Session, Fault> {
        if let Some((until, fault)) = &self.paused
            && Instant::now() < *until
        {
            return Err(fault.clone());
        }
        let session = self.writer.session().await;
        self.paused = session.as_ref().err().map(|fault| (Instant::now() + PAUSE, fault.clone()));
        self.head = None;
        session
    }

    /// Reads the node's row anew, and finds out who wrote it.
    async fn find_place(&mut self, session: &mut Session) -> Result<Head, Fault> {
        let (statement, parameters) = node::head(&self.node);
        let found = node::of(&session.execute(statement, &parameters).await?).map_err(unreadable)?;
        match found {
            Some((head, beat)) if head.incarnation == self.incarnation => {
                self.row_beat = beat;
                if !self.goes_on(session, &head).await? {
                    self.knowledge.went_back();
                }
                Ok(head)
            }
            Some((head, _)) if head.incarnation > self.incarnation => {
                let reason =
                    format!("another process has taken the node name {}; give each its own", self.node);
                self.fatal.raise(reason.clone());
                Err(Fault::Failed(reason))
            }
            // The store is older than this process: it was restored beneath it.
            Some(_) | None => {
                self.knowledge.went_back();
                self.take_name(session).await
            }
        }
    }

    async fn take_name(&mut self, session: &mut Session) -> Result<Head, Fault> {
        self.last_beat = following(self.last_beat, self.clock.now());
        let (statement, parameters) = node::claim(&self.node, self.last_beat, self.incarnation);
        let claimed = node::of(&session.execute(statement, &parameters).await?).map_err(unreadable)?;
        let (head, beat) =
            claimed.ok_or_else(|| Fault::Corrupt("a node that was claimed is not there".to_owned()))?;
        self.row_beat = beat;
        self.incarnation = head.incarnation;
        Ok(head)
    }

    /// Returns what the last commit, begun at `begun`, is recognised by.
    const fn beat(&self, begun: Monotonic) -> Beat {
        Beat { incarnation: self.incarnation, written: self.last_beat, begun }
    }

    /// Undoes what a failed group has begun. Where the node stands is read again.
    async fn undo(&mut self, fault: &Fault) {
        self.head = None;
        let Some(mut session) = self.session.take() else {
            return;
        };
        if matches!(fault, Fault::Broken(_)) {
            return;
        }
        if let Ok(Ok(())) = tokio::time::timeout(self.patience, session.rollback()).await {
            self.session = Some(session);
        }
    }
}

impl Draft {
    const fn new(head: Head, at: Timestamp) -> Self {
        Self { head, at, events: Vec::new(), rows: Vec::new(), told: Vec::new() }
    }

    /// Adds what a batch that went through has changed and says for the audit.
    fn take(&mut self, node: &str, batch: &Batch, done: Vec<Done>) -> Result<(), Fault> {
        for (step, done) in batch.steps.iter().zip(done) {
            for told in change::told(&step.yields, done).map_err(unreadable)? {
                self.head.last_change = self.head.last_change.saturating_add(1);
                self.rows.push(change::appended(node, self.head.last_change, &told, self.at));
                self.told.push(told);
            }
        }
        for event in &batch.audits {
            let row = audit_event::appended(node, &mut self.head, event, self.at).map_err(unreadable)?;
            self.events.push(row);
        }
        Ok(())
    }
}

/// Returns the time that a commit notes as its heartbeat: later than the one before.
fn following(last: Timestamp, now: Timestamp) -> Timestamp {
    now.max(last.plus(Duration::from_millis(1)))
}

/// Says of what was committed that the verifiers do not know it yet.
fn unsee(answers: &mut Answers) {
    for answer in answers.iter_mut().filter(|answer| **answer == Ok(Committed::Known)) {
        *answer = Ok(Committed::Unseen);
    }
}

/// A number that is there already means that the node's row was moved by somebody else.
fn numbered_by_another(fault: Fault) -> Fault {
    match fault {
        Fault::Lost => Fault::Overtaken("the next number of this node was taken by somebody else".to_owned()),
        Fault::Broken(_)
        | Fault::Corrupt(_)
        | Fault::Failed(_)
        | Fault::Gone(_)
        | Fault::Overtaken(_)
        | Fault::Refused(_) => fault,
    }
}

fn unreadable(error: Unavailable) -> Fault {
    match error {
        Unavailable::Corrupt(what) => Fault::Corrupt(what),
        Unavailable::Contended
        | Unavailable::ClientKeys
        | Unavailable::ForeignKeys
        | Unavailable::Misanswered
        | Unavailable::Stale
        | Unavailable::Store(_)
        | Unavailable::NoSigningKey
        | Unavailable::TooManyMarks => Fault::Failed(error.to_string()),
    }
}
