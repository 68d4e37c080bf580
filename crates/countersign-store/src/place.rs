//! Where a store's database is.

use std::path::PathBuf;

/// Where the database is, with what decides how it may be opened.
#[derive(Clone)]
pub(crate) enum Place {
    Sqlite { path: PathBuf, max_pages: Option<u32> },
    Postgres { url: String, danger_plaintext: bool },
}
