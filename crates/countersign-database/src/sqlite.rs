//! SQLite: one writing connection, several reading threads, and what a file must satisfy to be opened.
//!
//! **Invariant.** A commit is on the disk when it is acknowledged: WAL with `synchronous = FULL`. The library is at
//! least 3.51.3, which has no WAL-reset race (DEPENDENCIES.md T3).

mod file;
mod readers;
mod session;

pub(crate) use file::{File, prepare};
pub(crate) use readers::Readers;
pub(crate) use session::{Session, fault};

use crate::fault::Fault;

/// Runs the committer on a thread of its own.
///
/// # Errors
///
/// [`Fault`] if the system gives no thread.
pub(crate) fn run_on_thread<F>(committer: F) -> Result<std::thread::JoinHandle<()>, Fault>
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| Fault::Failed(error.to_string()))?;
    std::thread::Builder::new()
        .name("store-write".to_owned())
        .spawn(move || runtime.block_on(committer))
        .map_err(|error| Fault::Failed(error.to_string()))
}
