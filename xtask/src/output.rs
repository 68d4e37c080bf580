//! Lines for the person who called.

use std::io::{self, Write};

use anyhow::Result;

/// Prints one line.
///
/// # Errors
///
/// If standard output is closed.
pub(crate) fn say(line: impl AsRef<str>) -> Result<()> {
    writeln!(io::stdout().lock(), "{}", line.as_ref())?;
    Ok(())
}

/// Prints what went wrong on standard error; if that is closed, nobody listens.
pub(crate) fn complain(text: &str) {
    writeln!(io::stderr().lock(), "error: {text}").unwrap_or(());
}
