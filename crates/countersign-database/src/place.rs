//! Where a store's database is.

use std::fmt;
use std::path::PathBuf;

/// Where the database is, with what decides how it may be opened.
#[derive(Clone)]
pub enum DatabasePlace {
    /// A file of SQLite.
    Sqlite {
        /// Where it lies.
        path: PathBuf,
        /// The most pages it may have; `None`: SQLite's own limit.
        max_pages: Option<u32>,
    },
    /// A database of PostgreSQL.
    Postgres {
        /// Its URL, which may hold a password.
        url: String,
        /// Whether the connection may cross a network in clear.
        danger_plaintext: bool,
    },
}

impl fmt::Debug for DatabasePlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path, .. } => formatter.debug_tuple("Sqlite").field(path).finish(),
            // It may hold a password (SAFETY 25).
            Self::Postgres { .. } => formatter.write_str("Postgres(…)"),
        }
    }
}
