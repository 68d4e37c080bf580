//! Reading threads: each with a connection of its own, all fed from one queue.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::fault::Fault;
use crate::statement::{Done, Statement};
use crate::value::{Row, Value};

use super::file::File;
use super::session::{execute, fault, scan};

/// Reading threads: one per core of the smallest machine that we serve; more only contend for its two cores.
const THREADS: usize = 2;
/// Questions that may wait for a thread.
const WAITING: usize = 1024;

struct Question {
    statement: &'static Statement,
    parameters: Vec<Value>,
    answer: Answer,
}

/// Where the rows go.
enum Answer {
    /// All together.
    Whole(oneshot::Sender<Result<Vec<Row>, Fault>>),
    /// Page by page, the last of them empty.
    Pages(tokio::sync::mpsc::Sender<Result<Vec<Row>, Fault>>),
}

impl Question {
    /// Answers; whoever asked may be gone.
    fn answer(self, connection: &Connection) {
        let Self { statement, parameters, answer } = self;
        match answer {
            Answer::Whole(answer) => {
                let done = execute(connection, statement, &parameters);
                let _asker_may_be_gone = answer.send(done.map(|Done { rows, .. }| rows));
            }
            Answer::Pages(pages) => {
                let outcome =
                    scan(connection, statement, &parameters, |page| pages.blocking_send(Ok(page)).is_ok());
                let _asker_may_be_gone = pages.blocking_send(outcome.map(|()| Vec::new()));
            }
        }
    }
}

/// The reading half of an open file.
#[derive(Debug)]
pub(crate) struct Readers {
    questions: Mutex<Option<mpsc::SyncSender<Question>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// [`Fault`] if a connection or a thread cannot be made.
    pub(crate) fn start(file: &File) -> Result<Self, Fault> {
        let (questions, queue) = mpsc::sync_channel(WAITING);
        let queue = Arc::new(Mutex::new(queue));
        let mut threads = Vec::with_capacity(THREADS);
        for number in 0..THREADS {
            let connection = file.reading().map_err(|error| fault(&error))?;
            let queue = Arc::clone(&queue);
            let thread = std::thread::Builder::new()
                .name(format!("store-read-{number}"))
                .spawn(move || {
                    while let Some(question) = next(&queue) {
                        question.answer(&connection);
                    }
                })
                .map_err(|error| Fault::Failed(error.to_string()))?;
            threads.push(thread);
        }
        Ok(Self { questions: Mutex::new(Some(questions)), threads: Mutex::new(threads) })
    }

    /// Runs a reading statement.
    ///
    /// # Errors
    ///
    /// [`Fault`] of the statement, or if too many questions wait.
    pub(crate) async fn read(
        &self,
        statement: &'static Statement,
        parameters: Vec<Value>,
    ) -> Result<Vec<Row>, Fault> {
        let (answer, answered) = oneshot::channel();
        self.ask(Question { statement, parameters, answer: Answer::Whole(answer) })?;
        answered.await.unwrap_or_else(|_| Err(Fault::Failed("a reading thread ended".to_owned())))
    }

    /// Runs a reading statement and sends its rows page by page, the last of them empty.
    ///
    /// # Errors
    ///
    /// [`Fault`] if too many questions wait.
    pub(crate) fn scan(
        &self,
        statement: &'static Statement,
        parameters: Vec<Value>,
        pages: tokio::sync::mpsc::Sender<Result<Vec<Row>, Fault>>,
    ) -> Result<(), Fault> {
        self.ask(Question { statement, parameters, answer: Answer::Pages(pages) })
    }

    fn ask(&self, question: Question) -> Result<(), Fault> {
        let questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(questions) = questions.as_ref() else {
            return Err(Fault::Failed("the store was closed".to_owned()));
        };
        questions
            .try_send(question)
            .map_err(|_| Fault::Failed("too many questions wait for the database".to_owned()))
    }

    /// Asks nothing more, and returns the threads, which end once they have answered.
    pub(crate) fn stop(&self) -> Vec<JoinHandle<()>> {
        drop(self.questions.lock().unwrap_or_else(PoisonError::into_inner).take());
        std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn next(queue: &Mutex<mpsc::Receiver<Question>>) -> Option<Question> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
