//! One writing connection and its statements. What belongs to one batch is sent without waiting in between.

use std::collections::HashMap;
use std::pin::Pin;
use std::task::Poll;

use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Connection, Error, Socket};

use crate::fault::Fault;
use crate::statement::{Attempt, Done, Statement, Step};
use crate::value::{Row, Value};

use super::tls::Encrypted;
use super::url::reason;

/// Rows of one statement that are sent before their answers are awaited.
const PIPELINE: usize = 1_000;

/// A connection that may write.
#[derive(Debug)]
pub(crate) struct Session {
    client: Client,
    driver: JoinHandle<()>,
    prepared: HashMap<&'static str, tokio_postgres::Statement>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Session {
    pub(super) fn new(client: Client, connection: Connection<Socket, Encrypted<Socket>>) -> Self {
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(error = %reason(&error), "the writing connection to the store broke");
            }
        });
        Self { client, driver, prepared: HashMap::new() }
    }

    pub(super) async fn settings(&self, text: &str) -> Result<(), Fault> {
        self.client.batch_execute(text).await.map_err(|error| fault(&error))
    }

    pub(crate) async fn plain(&mut self, text: &'static str) -> Result<(), Fault> {
        self.settings(text).await
    }

    /// Commits. Whatever goes wrong here, it is not known whether the transaction happened.
    pub(crate) async fn commit(&mut self) -> Result<(), Fault> {
        self.client.batch_execute("COMMIT").await.map_err(|error| Fault::Broken(reason(&error)))
    }

    pub(crate) async fn announce(&mut self) -> Result<(), Fault> {
        self.plain("NOTIFY countersign").await
    }

    pub(crate) async fn attempt(&mut self, steps: &[Step]) -> Result<Attempt, Fault> {
        for step in steps {
            self.check(step.statement).await?;
        }
        let mut sent: Vec<Answer<'_>> = vec![Box::pin(self.savepoint())];
        sent.extend(
            steps.iter().map(|step| -> Answer<'_> { Box::pin(self.run(step.statement, &step.parameters)) }),
        );
        let mut answers = in_order(sent).await.into_iter();
        if let Some(savepoint) = answers.next() {
            savepoint?;
        }
        let attempt = judge(steps, answers)?;
        match &attempt {
            Attempt::Met(_) => self.plain("RELEASE SAVEPOINT step").await?,
            Attempt::Lost | Attempt::Refused(_) => {
                self.plain("ROLLBACK TO SAVEPOINT step; RELEASE SAVEPOINT step").await?;
            }
        }
        Ok(attempt)
    }

    pub(crate) async fn attempt_alone(&mut self, steps: &[Step]) -> Result<Attempt, Fault> {
        for step in steps {
            self.check(step.statement).await?;
        }
        let sent =
            steps.iter().map(|step| -> Answer<'_> { Box::pin(self.run(step.statement, &step.parameters)) });
        judge(steps, in_order(sent.collect()).await.into_iter())
    }

    async fn savepoint(&self) -> Result<Done, Fault> {
        self.settings("SAVEPOINT step").await.map(|()| Done::default())
    }

    pub(crate) async fn append(&mut self, statement: &Statement, rows: &[Vec<Value>]) -> Result<(), Fault> {
        self.check(statement).await?;
        for rows in rows.chunks(PIPELINE) {
            let sent = rows.iter().map(|row| -> Answer<'_> { Box::pin(self.run(statement, row)) }).collect();
            for answer in in_order(sent).await {
                answer?;
            }
        }
        Ok(())
    }

    pub(crate) async fn execute(
        &mut self,
        statement: &Statement,
        parameters: &[Value],
    ) -> Result<Done, Fault> {
        self.check(statement).await?;
        self.run(statement, parameters).await
    }

    /// Prepares a statement, once per connection.
    pub(crate) async fn check(&mut self, statement: &Statement) -> Result<(), Fault> {
        let text = statement.text();
        if !self.prepared.contains_key(text) {
            let prepared = self.client.prepare(text).await.map_err(|error| fault(&error))?;
            self.prepared.insert(text, prepared);
        }
        Ok(())
    }

    async fn run(&self, statement: &Statement, parameters: &[Value]) -> Result<Done, Fault> {
        let Some(prepared) = self.prepared.get(statement.text()) else {
            return Err(Fault::Failed("a statement was not prepared".to_owned()));
        };
        run(&self.client, prepared, parameters).await.map_err(|error| fault(&error))
    }
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Done, Fault>> + Send + 'a>>;

/// Sends every question in order, then awaits every answer: one round trip for all.
async fn in_order(mut sent: Vec<Answer<'_>>) -> Vec<Result<Done, Fault>> {
    // Being asked for the first time is what sends it; the answers come in the same order.
    let early: Vec<_> = std::future::poll_fn(|context| {
        Poll::Ready(sent.iter_mut().map(|question| question.as_mut().poll(context)).collect())
    })
    .await;
    let mut answers = Vec::with_capacity(sent.len());
    for (question, early) in sent.into_iter().zip(early) {
        answers.push(match early {
            Poll::Ready(answer) => answer,
            Poll::Pending => question.await,
        });
    }
    answers
}

/// The first failure decides: what follows it only says that the transaction is aborted.
fn judge(steps: &[Step], answers: impl Iterator<Item = Result<Done, Fault>>) -> Result<Attempt, Fault> {
    let mut done = Vec::with_capacity(steps.len());
    for (step, answer) in steps.iter().zip(answers) {
        match answer {
            Ok(one) if step.is_met_by(&one) => done.push(one),
            Ok(_) | Err(Fault::Lost) => return Ok(Attempt::Lost),
            Err(Fault::Refused(reason)) => return Ok(Attempt::Refused(reason)),
            Err(fault) => return Err(fault),
        }
    }
    Ok(Attempt::Met(done))
}

/// Runs a prepared statement.
pub(super) async fn run(
    client: &Client,
    prepared: &tokio_postgres::Statement,
    parameters: &[Value],
) -> Result<Done, Error> {
    let bound = bound(parameters);
    if prepared.columns().is_empty() {
        let changed = client.execute(prepared, &bound).await?;
        return Ok(Done { changed, rows: Vec::new() });
    }
    let rows = client.query(prepared, &bound).await?;
    let rows: Vec<Row> = rows.iter().map(own).collect::<Result<_, _>>()?;
    Ok(Done { changed: u64::try_from(rows.len()).unwrap_or(u64::MAX), rows })
}

/// Returns the parameters as the driver takes them.
pub(super) fn bound(parameters: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    parameters.iter().map(|value| -> &(dyn ToSql + Sync) { value }).collect()
}

pub(super) fn own(row: &tokio_postgres::Row) -> Result<Row, Error> {
    let values = row.columns().iter().enumerate().map(|(index, column)| match *column.type_() {
        Type::INT8 => row.try_get::<_, Option<i64>>(index).map(Value::from),
        Type::BYTEA => row.try_get::<_, Option<&[u8]>>(index).map(Value::from),
        _ => row.try_get::<_, Option<&str>>(index).map(Value::from),
    });
    values.collect::<Result<_, _>>().map(Row)
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut bytes::BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) => number.to_sql_checked(kind, out),
            Self::Text(text) => text.to_sql_checked(kind, out),
            Self::Blob(bytes) => bytes.to_sql_checked(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Sorts an error of the driver by what follows from it.
pub(super) fn fault(error: &Error) -> Fault {
    let Some(state) = error.code() else {
        return if error.is_closed()
            || std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>())
        {
            Fault::Broken(reason(error))
        } else {
            Fault::Corrupt(reason(error))
        };
    };
    let text = reason(error);
    match *state {
        SqlState::UNIQUE_VIOLATION => Fault::Lost,
        SqlState::T_R_DEADLOCK_DETECTED | SqlState::T_R_SERIALIZATION_FAILURE => Fault::Overtaken(text),
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => Fault::Corrupt(text),
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN | SqlState::CANNOT_CONNECT_NOW => {
            Fault::Broken(text)
        }
        // It was a primary when we connected: whoever is one now is found by connecting again.
        SqlState::READ_ONLY_SQL_TRANSACTION => Fault::Broken(text),
        // 22: data exceptions, 23: integrity constraints. They are the batch's own fault.
        _ if state.code().starts_with("22") || state.code().starts_with("23") => Fault::Refused(text),
        _ => Fault::Failed(text),
    }
}
