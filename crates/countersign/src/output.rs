//! What commands print: words for people, JSON for machines. Secrets go to stdout once, words about them to stderr.

use std::io::{self, IsTerminal, Write};

use anyhow::Result;
use serde_json::Value;

/// Writes a line to stdout.
///
/// # Errors
///
/// If stdout is closed.
pub(crate) fn line(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Writes a part of a line to stdout; what is written last is a line.
///
/// # Errors
///
/// If stdout is closed.
pub(crate) fn part(text: &str) -> Result<()> {
    Ok(io::stdout().lock().write_all(text.as_bytes())?)
}

/// Writes bytes to stdout as they are; a terminal gets an end of line after them.
///
/// # Errors
///
/// If stdout is closed.
pub(crate) fn bytes(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    if out.is_terminal() {
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// Writes a line to stderr; a closed stderr is no reason to stop.
pub(crate) fn note(text: &str) {
    let _written = writeln!(io::stderr().lock(), "{text}");
}

/// Writes a JSON value to stdout, on one line.
///
/// # Errors
///
/// If stdout is closed.
pub(crate) fn json(value: &Value) -> Result<()> {
    line(&value.to_string())
}

/// Writes the members of one object under each other.
///
/// # Errors
///
/// If stdout is closed.
pub(crate) fn members(object: &Value) -> Result<()> {
    let Some(object) = object.as_object() else {
        return json(object);
    };
    let width = object.keys().map(String::len).max().unwrap_or(0);
    for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
        line(&format!("{name:width$}  {}", cell(Some(value))))?;
    }
    Ok(())
}

/// Writes a value as people read it.
pub(crate) fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(values)) => {
            values.iter().map(|value| cell(Some(value))).collect::<Vec<_>>().join(" ")
        }
        Some(other) => other.to_string(),
    }
}
