//! The file: what it must satisfy, and how connections to it are made.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};

use crate::fault::Fault;
use crate::open_error::OpenError;
use crate::schema::{self, APPLICATION_ID, Found, Misfit, PRODUCT};

use super::session::Session;

/// The oldest library without the WAL-reset race (DEPENDENCIES.md T3).
const OLDEST_LIBRARY: i32 = 3_051_003;
/// Statements kept prepared per connection: more than there are.
const PREPARED: usize = 128;
/// The writer's page cache: more than a page of an import dirties, or it would be written to the WAL twice.
const CACHE_KIB: i64 = 24 * 1024;
/// Pages in the WAL, 32 MiB of them, after which they are copied into the file: a page that changes often meanwhile is
/// copied once.
const CHECKPOINT_PAGES: i64 = 8 * 1024;

/// Where the database is, and how its connections wait.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) patience: Duration,
    pub(crate) max_pages: Option<u32>,
    /// Device and inode, once it was opened.
    pub(crate) identity: Arc<OnceLock<(u64, u64)>>,
}

impl File {
    /// Opens a connection that may write.
    pub(crate) fn session(&self) -> rusqlite::Result<Session> {
        self.writing().map(|connection| Session::new(connection, self.clone()))
    }

    /// Tells whether the path still leads to the file that was opened: what is written to another, or to none, would be
    /// lost with this process (SAFETY 3).
    ///
    /// # Errors
    ///
    /// [`Fault::Gone`], which says what to do.
    pub(super) fn is_there(&self) -> Result<(), Fault> {
        let found = std::fs::metadata(&self.path).ok().map(|about| (about.dev(), about.ino()));
        if found.as_ref() == self.identity.get() {
            return Ok(());
        }
        let what = if found.is_some() { "replaced" } else { "removed" };
        Err(Fault::Gone(format!(
            "{} was {what} while it was in use: what is served is no longer what is stored; put a whole backup there \
             while countersign does not run, then start it again",
            self.path.display()
        )))
    }

    /// Opens a connection that only reads.
    pub(super) fn reading(&self) -> rusqlite::Result<Connection> {
        self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    fn writing(&self) -> rusqlite::Result<Connection> {
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        // What a page of an import touches: by random ids and hashes, a leaf of each index for each key.
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        // A large transaction leaves no large WAL behind.
        connection.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
        if let Some(pages) = self.max_pages {
            connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        }
        Ok(connection)
    }

    fn connect(&self, mode: OpenFlags) -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(&self.path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(self.patience)?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        for (setting, on) in [
            (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
            (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        ] {
            connection.set_db_config(setting, on)?;
        }
        connection.pragma_update(None, "cell_size_check", "ON")?;
        Ok(connection)
    }
}

/// Creates the file if there is none, judges it, and brings its tables to this version.
///
/// # Errors
///
/// [`OpenError`]: nothing was changed then, unless a migration failed half-way: that one was undone.
pub(crate) fn prepare(file: &File) -> Result<(), OpenError> {
    let place = file.path.display().to_string();
    if rusqlite::version_number() < OLDEST_LIBRARY {
        let found = rusqlite::version().to_owned();
        return Err(OpenError::TooOld { place: "the SQLite library".to_owned(), found, needed: "3.51.3" });
    }
    let identity = own(&file.path)
        .map_err(|error| OpenError::File { place: place.clone(), reason: error.to_string() })?;
    let _first_opened_stands = file.identity.set(identity);
    let sorted = |error: rusqlite::Error| sort(&place, &error);
    let mut connection = file.writing().map_err(sorted)?;
    accept(&place, &look(&connection).map_err(sorted)?)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(sorted)?;
    migrate(&place, &mut connection)
}

/// Makes sure that the file exists and is nobody else's to read; returns its device and inode.
fn own(path: &Path) -> std::io::Result<(u64, u64)> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    let about = file.metadata()?;
    if about.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok((about.dev(), about.ino()))
}

fn look(connection: &Connection) -> rusqlite::Result<Found> {
    let tables: Vec<String> = connection
        .prepare(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let application: i64 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let mut found = Found { tables, product: None, schema: None };
    if application == APPLICATION_ID && found.tables.iter().any(|table| table == "meta") {
        found.product = meta(connection, "product")?;
        found.schema = meta(connection, "schema")?;
    }
    Ok(found)
}

fn meta(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    connection.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0)).optional()
}

fn accept(place: &str, found: &Found) -> Result<i64, OpenError> {
    let place = place.to_owned();
    schema::judge(found).map_err(|misfit| match misfit {
        Misfit::Foreign(table) => OpenError::Foreign { place, table },
        Misfit::Newer(found) => OpenError::Newer { place, found, known: schema::newest() },
    })
}

fn migrate(place: &str, connection: &mut Connection) -> Result<(), OpenError> {
    let sorted = |error: rusqlite::Error| sort(place, &error);
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Exclusive).map_err(sorted)?;
    let from = accept(place, &look(&transaction).map_err(sorted)?)?;
    for migration in schema::missing(from) {
        transaction.execute_batch(&dialect(migration.text)).map_err(sorted)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(sorted)?;
    for (name, value) in [("product", PRODUCT.to_owned()), ("schema", schema::newest().to_string())] {
        transaction
            .execute(
                "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                [name, &value],
            )
            .map_err(sorted)?;
    }
    transaction.commit().map_err(sorted)
}

/// Turns a migration into SQLite's words; `STRICT` makes it check the types as PostgreSQL does.
fn dialect(text: &str) -> String {
    text.replace("BYTEA", "BLOB").replace("BIGINT", "INTEGER").replace("/* STRICT */", "STRICT")
}

fn sort(place: &str, error: &rusqlite::Error) -> OpenError {
    let place = place.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::NotADatabase { place },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Corrupt { place, what: error.to_string() },
        _ => OpenError::File { place, reason: error.to_string() },
    }
}
