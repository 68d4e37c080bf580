//! The narrow waist: what the store asks of a database, whichever it is.
//!
//! **Invariant.** Nothing above this module knows which engine runs. What truly differs is named in `sqlite` and
//! `postgres` and nowhere else.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::ledger::Unavailable;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use crate::fault::Fault;
use crate::open_error::OpenError;
use crate::place::DatabasePlace;
use crate::statement::{Attempt, Done, Statement, Step};
use crate::value::{Row, Value};
use crate::{postgres, sqlite};

/// The reading half of an open database.
#[derive(Debug)]
pub struct Database {
    readers: Readers,
    patience: Duration,
}

#[derive(Debug)]
enum Readers {
    Sqlite(sqlite::Readers),
    Postgres(postgres::Readers),
}

/// Pages that wait to be read.
const PAGES: usize = 2;

/// A large answer, page by page.
#[derive(Debug)]
pub struct Scan {
    pages: mpsc::Receiver<Result<Vec<Row>, Fault>>,
    patience: Duration,
}

impl Scan {
    /// Reads the next page; `None`: that was all.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if it does not come in time, or if the answer ends before its end.
    pub async fn next(&mut self) -> Result<Option<Vec<Row>>, Unavailable> {
        match tokio::time::timeout(self.patience, self.pages.recv()).await {
            Ok(Some(page)) => Ok(Some(page?).filter(|page| !page.is_empty())),
            Ok(None) => Err(Unavailable::Store("an answer broke off".to_owned())),
            Err(_) => Err(Unavailable::Store(format!("no answer within {:?}", self.patience))),
        }
    }
}

/// Makes the writing sessions.
#[derive(Debug, Clone)]
pub struct Writer(Engine);

#[derive(Debug, Clone)]
enum Engine {
    Sqlite(sqlite::File),
    Postgres(Arc<postgres::Server>),
}

/// One writing connection.
#[derive(Debug)]
pub struct Session(Connection);

#[derive(Debug)]
enum Connection {
    Sqlite(sqlite::Session),
    Postgres(postgres::Session),
}

/// Something that runs beside the requests until it is told to end.
#[derive(Debug)]
pub enum Running {
    /// A task of the runtime.
    Task(JoinHandle<()>),
    /// A thread of its own.
    Thread(std::thread::JoinHandle<()>),
}

impl Database {
    /// Opens a database and brings its tables to this version.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub async fn open(place: &DatabasePlace, patience: Duration) -> Result<(Self, Writer), OpenError> {
        match place {
            DatabasePlace::Sqlite { path, max_pages } => {
                let file = sqlite::File {
                    path: path.clone(),
                    patience,
                    max_pages: *max_pages,
                    identity: Arc::default(),
                };
                let opened = {
                    let file = file.clone();
                    tokio::task::spawn_blocking(move || open_file(&file)).await
                };
                let readers = opened.map_err(|panic| unusable(path, &panic))??;
                Ok((Self { readers: Readers::Sqlite(readers), patience }, Writer(Engine::Sqlite(file))))
            }
            DatabasePlace::Postgres { url, danger_plaintext } => {
                let server = Arc::new(postgres::Server::parse(url, *danger_plaintext, patience)?);
                server.prepare().await?;
                let readers = Readers::Postgres(postgres::Readers::new(&server)?);
                Ok((Self { readers, patience }, Writer(Engine::Postgres(server))))
            }
        }
    }

    /// Runs a reading statement.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if there is no answer in time.
    pub async fn read(
        &self,
        statement: &'static Statement,
        parameters: Vec<Value>,
    ) -> Result<Vec<Row>, Unavailable> {
        let answer = async {
            match &self.readers {
                Readers::Sqlite(readers) => readers.read(statement, parameters).await,
                Readers::Postgres(readers) => readers.read(statement, &parameters).await,
            }
        };
        match tokio::time::timeout(self.patience, answer).await {
            Ok(answer) => answer.map_err(Unavailable::from),
            Err(_) => {
                // A connection on which nothing comes back would be lent out again: a server may hang for ever.
                self.renew();
                Err(Unavailable::Store(format!("no answer within {:?}", self.patience)))
            }
        }
    }

    /// Runs a reading statement that answers at most one row.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if there is no answer in time.
    pub async fn read_one(
        &self,
        statement: &'static Statement,
        parameters: Vec<Value>,
    ) -> Result<Option<Row>, Unavailable> {
        Ok(self.read(statement, parameters).await?.into_iter().next())
    }

    /// Reads over new connections from now on. A file has no other place that it could be read from.
    pub fn renew(&self) {
        match &self.readers {
            Readers::Sqlite(_) => {}
            Readers::Postgres(readers) => readers.renew(),
        }
    }

    /// Runs a reading statement whose answer may be large: its rows come page by page, as they were at one moment.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if too many questions wait.
    pub fn scan(&self, statement: &'static Statement, parameters: Vec<Value>) -> Result<Scan, Unavailable> {
        let (sender, pages) = mpsc::channel(PAGES);
        match &self.readers {
            Readers::Sqlite(readers) => readers.scan(statement, parameters, sender)?,
            Readers::Postgres(readers) => readers.scan(statement, parameters, sender),
        }
        Ok(Scan { pages, patience: self.patience })
    }

    /// Ends the reading connections.
    pub async fn stop(&self) {
        match &self.readers {
            Readers::Sqlite(readers) => {
                for thread in readers.stop() {
                    Running::Thread(thread).join().await;
                }
            }
            Readers::Postgres(readers) => readers.stop(),
        }
    }
}

fn open_file(file: &sqlite::File) -> Result<sqlite::Readers, OpenError> {
    sqlite::prepare(file)?;
    sqlite::Readers::start(file).map_err(|fault| unusable(&file.path, &fault))
}

fn unusable(path: &std::path::Path, reason: &dyn std::fmt::Display) -> OpenError {
    OpenError::File { place: path.display().to_string(), reason: reason.to_string() }
}

impl Writer {
    /// Makes a writing session.
    ///
    /// # Errors
    ///
    /// [`Fault`] if there is no connection to be had.
    pub async fn session(&self) -> Result<Session, Fault> {
        match &self.0 {
            Engine::Sqlite(file) => {
                let session = file.session().map_err(|error| sqlite::fault(&error))?;
                Ok(Session(Connection::Sqlite(session)))
            }
            Engine::Postgres(server) => Ok(Session(Connection::Postgres(server.session().await?))),
        }
    }

    /// Runs the committer where it belongs: a file is written by a thread of its own, since the disk blocks.
    ///
    /// # Errors
    ///
    /// [`Fault`] if the thread cannot be made.
    pub fn run<F>(&self, committer: F) -> Result<Running, Fault>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        match &self.0 {
            Engine::Sqlite(_) => sqlite::run_on_thread(committer).map(Running::Thread),
            Engine::Postgres(_) => Ok(Running::Task(tokio::spawn(committer))),
        }
    }

    /// Listens for the announcements of other nodes' commits; `None` where there are no other nodes.
    #[must_use]
    pub fn listen(&self, wake: Arc<Notify>) -> Option<Running> {
        match &self.0 {
            Engine::Sqlite(_) => None,
            Engine::Postgres(server) => {
                Some(Running::Task(tokio::spawn(postgres::listen(Arc::clone(server), wake))))
            }
        }
    }

    /// Returns how often the feed asks when nothing wakes it.
    #[must_use]
    pub const fn feed_interval(&self) -> Duration {
        match &self.0 {
            // One process: the committer tells the snapshot everything; the feed only proves that the file answers.
            Engine::Sqlite(_) => Duration::from_secs(1),
            // A lost announcement delays a foreign revocation by this much, well within its budget of one second.
            Engine::Postgres(_) => Duration::from_millis(250),
        }
    }
}

impl Session {
    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// [`Fault`] if the database does not do it.
    pub async fn begin(&mut self) -> Result<(), Fault> {
        match &mut self.0 {
            Connection::Sqlite(session) => session.begin(),
            Connection::Postgres(session) => session.plain("BEGIN").await,
        }
    }

    /// Commits: what it acknowledges is durable.
    ///
    /// # Errors
    ///
    /// [`Fault`] if the database does not do it.
    pub async fn commit(&mut self) -> Result<(), Fault> {
        match &mut self.0 {
            Connection::Sqlite(session) => session.commit(),
            Connection::Postgres(session) => session.commit().await,
        }
    }

    /// Undoes the transaction.
    ///
    /// # Errors
    ///
    /// [`Fault`] if the database does not do it.
    pub async fn rollback(&mut self) -> Result<(), Fault> {
        match &mut self.0 {
            Connection::Sqlite(session) => session.rollback(),
            Connection::Postgres(session) => session.plain("ROLLBACK").await,
        }
    }

    /// Runs the steps of one batch in a savepoint: all of them, or none.
    ///
    /// # Errors
    ///
    /// [`Fault`] if the database does not do it.
    pub async fn attempt(&mut self, steps: &[Step]) -> Result<Attempt, Fault> {
        match &mut self.0 {
            Connection::Sqlite(session) => session.attempt(steps),
            Connection::Postgres(session) => session.attempt(steps).await,
        }
    }

    /// Runs the steps of the only batch of a transaction: whoever is told that they were not met undoes all of it.
    ///
    /// # Errors
    ///
    /// [`Fault`] if the database does not do it.
    pub async fn attempt_alone(&mut self, steps: &[Step]) -> Result<Attempt, Fault> {
        match &mut self.0 {
            Connection::Sqlite(session) => session.steps(steps),
            Connection::Postgres(session) => session.attempt_alone(steps).await,
        }
    }

    /// Runs one statement once per row of parameters.
    ///
    /// # Errors
    ///
    /// [`Fault`] if the database does not do it.
    pub async fn append(&mut self, statement: &Statement, rows: &[Vec<Value>]) -> Result<(), Fault> {
        match &mut self.0 {
            Connection::Sqlite(session) => session.append(statement, rows),
            Connection::Postgres(session) => session.append(statement, rows).await,
        }
    }

    /// Runs one statement.
    ///
    /// # Errors
    ///
    /// [`Fault`] if the database does not do it.
    pub async fn execute(&mut self, statement: &Statement, parameters: &[Value]) -> Result<Done, Fault> {
        match &mut self.0 {
            Connection::Sqlite(session) => session.execute(statement, parameters),
            Connection::Postgres(session) => session.execute(statement, parameters).await,
        }
    }

    /// Prepares a statement without running it.
    ///
    /// # Errors
    ///
    /// [`Fault`] if the database does not do it.
    pub async fn check(&mut self, statement: &Statement) -> Result<(), Fault> {
        match &mut self.0 {
            Connection::Sqlite(session) => session.check(statement),
            Connection::Postgres(session) => session.check(statement).await,
        }
    }

    /// Tells other nodes, at commit, that there are changes.
    ///
    /// # Errors
    ///
    /// [`Fault`] if the database does not do it.
    pub async fn announce(&mut self) -> Result<(), Fault> {
        match &mut self.0 {
            Connection::Sqlite(_) => Ok(()),
            Connection::Postgres(session) => session.announce().await,
        }
    }
}

impl Running {
    /// Waits for the end.
    pub async fn join(self) {
        let ended = match self {
            Self::Task(task) => task.await.is_ok(),
            Self::Thread(thread) => {
                matches!(tokio::task::spawn_blocking(move || thread.join()).await, Ok(Ok(())))
            }
        };
        if !ended {
            tracing::error!("a part of the store ended by panic or was cut off");
        }
    }

    /// Cuts it off. A thread ends by itself once nobody can ask it anything.
    pub fn abort(&self) {
        match self {
            Self::Task(task) => task.abort(),
            Self::Thread(_) => {}
        }
    }
}
