//! A small pool of reading connections.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    Connect, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, Error};

use crate::fault::Fault;
use crate::open_error::OpenError;
use crate::statement::{PAGE, Statement};
use crate::value::{Row, Value};

use super::server::{Server, Unconnected};
use super::session::{bound, fault, own, run};

/// Reading connections per node: verifiers read memory, so that only the management API and the feed come here.
const CONNECTIONS: usize = 4;

/// The reading half of a server.
#[derive(Debug)]
pub(crate) struct Readers(Pool);

/// The ways to the server's hosts.
struct Ways(Arc<Server>);

impl Connect for Ways {
    fn connect(&self, _: &Config) -> Connecting<'_> {
        Box::pin(async move {
            let (client, connection) = match self.0.connect().await {
                Ok(connected) => connected,
                Err(Unconnected::Refused(error)) => return Err(error),
                // The pool's own patience ends the wait.
                Err(Unconnected::Silent) => std::future::pending().await,
            };
            let driver = tokio::spawn(async move { drop(connection.await) });
            let limit = self.0.patience().as_millis();
            client.batch_execute(&format!("SET statement_timeout = {limit}")).await?;
            Ok((client, driver))
        })
    }
}

type Connecting<'a> = Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + 'a>>;

impl Readers {
    /// Describes the pool; connections are made when they are needed.
    ///
    /// # Errors
    ///
    /// [`OpenError::Unreachable`] if the pool cannot be built.
    pub(crate) fn new(server: &Arc<Server>) -> Result<Self, OpenError> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(Config::new(), Ways(Arc::clone(server)), recycling);
        let timeouts = Timeouts {
            wait: Some(server.patience()),
            create: Some(server.patience()),
            recycle: Some(Duration::from_secs(1)),
        };
        Pool::builder(manager)
            .max_size(CONNECTIONS)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .build()
            .map(Self)
            .map_err(|error| OpenError::Url { reason: error.to_string() })
    }

    /// Runs a reading statement.
    ///
    /// # Errors
    ///
    /// [`Fault`] of the connection or of the statement.
    pub(crate) async fn read(&self, statement: &Statement, parameters: &[Value]) -> Result<Vec<Row>, Fault> {
        let client = self.0.get().await.map_err(|error| unpooled(&error))?;
        let prepared = client.prepare_cached(statement.text()).await.map_err(|error| fault(&error))?;
        run(&client, &prepared, parameters).await.map(|done| done.rows).map_err(|error| fault(&error))
    }

    /// Runs a reading statement and sends its rows page by page, the last of them empty.
    pub(crate) fn scan(
        &self,
        statement: &'static Statement,
        parameters: Vec<Value>,
        pages: mpsc::Sender<Result<Vec<Row>, Fault>>,
    ) {
        let pool = self.0.clone();
        // It ends with what it reads, or with the first page that nobody takes any more.
        tokio::spawn(async move {
            let outcome = tokio::select! {
                outcome = scan(&pool, statement, &parameters, &pages) => outcome,
                // Whoever asked has waited long enough: nothing that hangs is kept.
                () = pages.closed() => {
                    let _given_up = pool.retain(|_, _| false);
                    return;
                }
            };
            let _asker_may_be_gone = pages.send(outcome.map(|()| Vec::new())).await;
        });
    }

    /// Gives up the connections that nobody uses now.
    pub(crate) fn renew(&self) {
        let _given_up = self.0.retain(|_, _| false);
    }

    /// Ends the connections.
    pub(crate) fn stop(&self) {
        self.0.close();
    }
}

/// Reads through a portal: each page is a statement of its own, for which the time is measured.
async fn scan(
    pool: &Pool,
    statement: &'static Statement,
    parameters: &[Value],
    pages: &mpsc::Sender<Result<Vec<Row>, Fault>>,
) -> Result<(), Fault> {
    let mut client = pool.get().await.map_err(|error| unpooled(&error))?;
    let prepared = client.prepare_cached(statement.text()).await.map_err(|error| fault(&error))?;
    let transaction =
        client.build_transaction().read_only(true).start().await.map_err(|error| fault(&error))?;
    let portal = transaction.bind(&prepared, &bound(parameters)).await.map_err(|error| fault(&error))?;
    let most = i32::try_from(PAGE).unwrap_or(i32::MAX);
    loop {
        let rows = transaction.query_portal(&portal, most).await.map_err(|error| fault(&error))?;
        let rows: Vec<Row> = rows.iter().map(own).collect::<Result<_, _>>().map_err(|error| fault(&error))?;
        if rows.is_empty() || pages.send(Ok(rows)).await.is_err() {
            return Ok(());
        }
    }
}

fn unpooled(error: &PoolError) -> Fault {
    match error {
        PoolError::Backend(cause) => fault(cause),
        PoolError::Timeout(_)
        | PoolError::Closed
        | PoolError::NoRuntimeSpecified
        | PoolError::PostCreateHook(_) => Fault::Failed(error.to_string()),
    }
}
