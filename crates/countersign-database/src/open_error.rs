//! Why a store cannot be opened: each reason names the place, never a password, and says what to do.

use thiserror::Error;

/// Why a store cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    /// The database's content is damaged.
    #[error("{place} is damaged: {what}; stop here and restore the newest backup")]
    Corrupt {
        /// The file, or the server without a password.
        place: String,
        /// What the database reports.
        what: String,
    },
    /// The file cannot be read, written or created.
    #[error(
        "{place} cannot be used: {reason}; check that the directory exists and belongs to the account that runs countersign"
    )]
    File {
        /// The file.
        place: String,
        /// What the system reports.
        reason: String,
    },
    /// The database belongs to something else.
    #[error(
        "{place} belongs to another program (it holds `{table}` and no countersign marker); name an empty database"
    )]
    Foreign {
        /// The file, or the server without a password.
        place: String,
        /// A table that was found.
        table: String,
    },
    /// The database was written by a newer version.
    #[error(
        "{place} has schema {found}, this version knows {known}; start the newer countersign again, or restore a backup of before the upgrade"
    )]
    Newer {
        /// The file, or the server without a password.
        place: String,
        /// The schema that was found.
        found: i64,
        /// The newest schema that this version knows.
        known: i64,
    },
    /// The file is something else than a database.
    #[error("{place} is not a SQLite database; name another path")]
    NotADatabase {
        /// The file.
        place: String,
    },
    /// The connection would not be encrypted.
    #[error(
        "{place} is not this machine, and the connection would not be encrypted; use sslmode=require in the URL"
    )]
    Plaintext {
        /// The server without a password.
        place: String,
    },
    /// The server is a standby.
    #[error("{place} is a standby in recovery; name the primary")]
    Standby {
        /// The server without a password.
        place: String,
    },
    /// The database library or server is too old.
    #[error("{place} is of version {found}, at least {needed} is needed")]
    TooOld {
        /// The library, or the server without a password.
        place: String,
        /// The version that was found.
        found: String,
        /// The oldest version that is known to be safe.
        needed: &'static str,
    },
    /// The server does not answer, or refuses the login.
    #[error("{place} cannot be used: {reason}")]
    Unreachable {
        /// The server without a password.
        place: String,
        /// What was reported.
        reason: String,
    },
    /// The URL cannot be read.
    #[error("the store's URL cannot be read: {reason}; expected postgres://user@host/database")]
    Url {
        /// What is wrong, without the URL itself: it may hold a password.
        reason: String,
    },
}
