//! The server: how connections to it are made, and what it must satisfy.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio_postgres::{Client, Config, Connection, Error, Socket};

use crate::fault::Fault;
use crate::open_error::OpenError;
use crate::schema::{self, Found, Misfit, PRODUCT};

use super::session::{Session, fault};
use super::tls::{Encrypted, Tls};
use super::url::{self, Target, reason};

/// The oldest server that is tried: 13, the oldest that PostgreSQL itself supported when this was written.
const OLDEST_SERVER: i64 = 130_000;
/// The lock under which one node migrates while others wait: "csgn".
const MIGRATION_LOCK: i64 = 0x6373_676E;

/// Makes every commit of a session durable, whatever the server, the database or the role is set to (SAFETY 3). Who asks for
/// more keeps it.
const DURABLE: &str = "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)";

/// A connection, and what drives it.
pub(super) type Connected = (Client, Connection<Socket, Encrypted<Socket>>);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unconnected {
    /// A host refuses.
    #[error("{}", reason(.0))]
    Refused(Error),
    /// No host answers.
    #[error("no host answered in time")]
    Silent,
}

impl From<Unconnected> for Fault {
    fn from(error: Unconnected) -> Self {
        match error {
            Unconnected::Refused(error) => fault(&error),
            Unconnected::Silent => Self::Broken(error.to_string()),
        }
    }
}

/// A server, with what is needed to connect.
pub(crate) struct Server {
    hosts: Vec<Config>,
    /// The host that was last found to be the one: it is tried first.
    last: AtomicUsize,
    tls: Tls,
    place: String,
    patience: Duration,
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Server").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Server {
    /// Reads the URL; nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`OpenError::Url`] and [`OpenError::Plaintext`].
    pub(crate) fn parse(url: &str, danger_plaintext: bool, patience: Duration) -> Result<Self, OpenError> {
        let Target { hosts, place, root_certificates } = url::parse(url, danger_plaintext, patience)?;
        let tls = Tls::new(root_certificates.as_deref()).map_err(|reason| OpenError::Url { reason })?;
        Ok(Self { hosts, last: AtomicUsize::new(0), tls, place, patience })
    }

    pub(super) const fn patience(&self) -> Duration {
        self.patience
    }

    /// Connects to the first host that lets us write. Each has its share of the time, from the first byte to the last: one
    /// that hangs does not keep us from the next.
    ///
    /// # Errors
    ///
    /// [`Unconnected`]: what the last of those that answered said.
    pub(super) async fn connect(&self) -> Result<Connected, Unconnected> {
        let count = self.hosts.len().max(1);
        let share = u32::try_from(count).map_or(self.patience, |count| self.patience / count);
        let first = self.last.load(Ordering::Relaxed);
        let mut failed = Unconnected::Silent;
        for index in (first..count).chain(0..first) {
            let Some(host) = self.hosts.get(index) else { continue };
            match tokio::time::timeout(share, host.connect(self.tls.clone())).await {
                Ok(Ok(connected)) => {
                    self.last.store(index, Ordering::Relaxed);
                    return Ok(connected);
                }
                Ok(Err(error)) => failed = Unconnected::Refused(error),
                Err(_) => {
                    tracing::warn!(host = %url::place(host), "the store's host does not answer in time")
                }
            }
        }
        Err(failed)
    }

    /// Makes a writing session.
    ///
    /// # Errors
    ///
    /// [`Fault::Broken`] if there is no connection to be had.
    pub(crate) async fn session(&self) -> Result<Session, Fault> {
        let connecting = async {
            let (client, connection) = self.connect().await.map_err(Fault::from)?;
            let session = Session::new(client, connection);
            let limit = self.patience.as_millis();
            session
                .settings(&format!("SET statement_timeout = {limit}; SET lock_timeout = {limit}; SET idle_in_transaction_session_timeout = {}; {DURABLE}", 2 * limit))
                .await?;
            Ok(session)
        };
        tokio::time::timeout(self.patience, connecting)
            .await
            .unwrap_or_else(|_| Err(Fault::Broken("no connection in time".to_owned())))
    }

    /// Judges the server and its database, and brings its tables to this version.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: nothing was changed then.
    pub(crate) async fn prepare(&self) -> Result<(), OpenError> {
        let preparing = async {
            let (mut client, connection) = self.connect().await.map_err(|error| self.unreached(&error))?;
            let driver = tokio::spawn(async move { drop(connection.await) });
            let migrated = self.migrate(&mut client).await;
            drop(client);
            driver.abort();
            migrated
        };
        // A migration may take its time, and the migration of another node too.
        let limit = self.patience * 20;
        tokio::time::timeout(limit, preparing).await.unwrap_or_else(|_| {
            let reason = format!("no answer within {limit:?}");
            Err(OpenError::Unreachable { place: self.place.clone(), reason })
        })
    }

    async fn migrate(&self, client: &mut Client) -> Result<(), OpenError> {
        let sorted = |error: Error| self.sort(&error);
        self.accept_server(client).await?;
        let transaction = client.transaction().await.map_err(sorted)?;
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).await.map_err(sorted)?;
        let found = look(&transaction).await.map_err(sorted)?;
        let from = schema::judge(&found).map_err(|misfit| self.refuse(misfit))?;
        for migration in schema::missing(from) {
            transaction.batch_execute(migration.text).await.map_err(sorted)?;
        }
        for (name, value) in [("product", PRODUCT.to_owned()), ("schema", schema::newest().to_string())] {
            transaction
                .execute(
                    "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    &[&name, &value],
                )
                .await
                .map_err(sorted)?;
        }
        transaction.commit().await.map_err(sorted)
    }

    async fn accept_server(&self, client: &Client) -> Result<(), OpenError> {
        let place = self.place.clone();
        let version: i64 = self.setting(client, "server_version_num").await?.parse().unwrap_or(0);
        if version < OLDEST_SERVER {
            let found = self.setting(client, "server_version").await?;
            return Err(OpenError::TooOld { place, found, needed: "13" });
        }
        Ok(())
    }

    async fn setting(&self, client: &Client, name: &str) -> Result<String, OpenError> {
        let row = client.query_one("SELECT current_setting($1)", &[&name]).await;
        row.and_then(|row| row.try_get(0)).map_err(|error| self.sort(&error))
    }

    fn refuse(&self, misfit: Misfit) -> OpenError {
        let place = self.place.clone();
        match misfit {
            Misfit::Foreign(table) => OpenError::Foreign { place, table },
            Misfit::Newer(found) => OpenError::Newer { place, found, known: schema::newest() },
        }
    }

    fn unreached(&self, error: &Unconnected) -> OpenError {
        match error {
            Unconnected::Refused(error) => self.sort(error),
            Unconnected::Silent => {
                OpenError::Unreachable { place: self.place.clone(), reason: error.to_string() }
            }
        }
    }

    fn sort(&self, error: &Error) -> OpenError {
        let place = self.place.clone();
        if is_standby(error) {
            return OpenError::Standby { place };
        }
        match fault(error) {
            Fault::Corrupt(what) => OpenError::Corrupt { place, what },
            Fault::Broken(_)
            | Fault::Failed(_)
            | Fault::Gone(_)
            | Fault::Lost
            | Fault::Overtaken(_)
            | Fault::Refused(_) => OpenError::Unreachable { place, reason: reason(error) },
        }
    }
}

/// The driver refuses a server that does not allow writes with this kind and text.
fn is_standby(error: &Error) -> bool {
    std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>()).is_some_and(
        |cause| {
            cause.kind() == io::ErrorKind::PermissionDenied
                && cause.to_string().contains("does not allow writes")
        },
    )
}

async fn look(transaction: &tokio_postgres::Transaction<'_>) -> Result<Found, Error> {
    let tables = transaction
        .query(
            "SELECT CAST(tablename AS TEXT) FROM pg_catalog.pg_tables WHERE schemaname = current_schema() ORDER BY 1",
            &[],
        )
        .await?;
    let tables: Vec<String> = tables.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let mut found = Found { tables, product: None, schema: None };
    let columns = transaction
        .query(
            "SELECT 1 FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = 'meta' AND column_name IN ('name', 'value')",
            &[],
        )
        .await?;
    if columns.len() == 2 {
        for row in transaction.query("SELECT CAST(name AS TEXT), CAST(value AS TEXT) FROM meta", &[]).await? {
            match row.try_get::<_, &str>(0)? {
                "product" => found.product = row.try_get(1)?,
                "schema" => found.schema = row.try_get(1)?,
                _ => {}
            }
        }
    }
    Ok(found)
}
