//! `docs/reference`: printed from the code, committed, and compared by the gate.
//!
//! **Invariant.** Nothing there is typed by hand: what a reader sees is what the code says.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::command::{cargo, run as run_command};
use crate::output::say;
use crate::workspace::{Workspace, read};

/// The folder of the printed references.
const FOLDER: &str = "docs/reference";
/// What the binary prints: settings, command line, HTTP API.
const PRINTED: [&str; 3] = ["settings.md", "cli.md", "openapi.json"];

/// What to do with a freshly printed reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Compare it with the committed one.
    Check,
    /// Put it in the committed one's place.
    Write,
}

/// Prints the binary's references.
///
/// # Errors
///
/// If the binary fails, or [`Mode::Check`] finds a difference.
pub(crate) fn run(workspace: &Workspace, mode: Mode) -> Result<()> {
    let printed = workspace.target("reference");
    fs::create_dir_all(&printed).with_context(|| format!("cannot make {}", printed.display()))?;
    let call = ["run", "--quiet", "--locked", "--package", "countersign", "--", "reference"];
    run_command(cargo(&call).arg(&printed))?;
    for name in PRINTED {
        settle(workspace, name, &read(&printed.join(name))?, mode)?;
    }
    Ok(())
}

/// Compares or writes the reference `name`.
///
/// # Errors
///
/// If the file cannot be written, or [`Mode::Check`] finds a difference.
pub(crate) fn settle(workspace: &Workspace, name: &str, text: &str, mode: Mode) -> Result<()> {
    let path = workspace.path(FOLDER).join(name);
    match mode {
        Mode::Check => compare(&path, text),
        Mode::Write => write(&path, text),
    }
    .with_context(|| format!("{FOLDER}/{name}"))
}

/// Fails if the committed text is not `text`.
fn compare(path: &Path, text: &str) -> Result<()> {
    let committed = read(path)?;
    if let Some(line) = first_difference(&committed, text) {
        bail!("out of date from line {line} on: run `cargo xtask reference` and `cargo xtask clauses`");
    }
    Ok(())
}

/// Writes `text`.
fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)?;
    say(format!("wrote {}", path.display()))
}

/// Returns the first line, from 1, that two texts do not share.
fn first_difference(one: &str, other: &str) -> Option<usize> {
    if one == other {
        return None;
    }
    let shared = one.lines().zip(other.lines()).take_while(|(a, b)| a == b).count();
    Some(shared + 1)
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn the_first_difference_is_named_by_its_line() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some(2));
        assert_eq!(first_difference("", "a\n"), Some(1));
    }
}
