//! What commands print: tables for people, JSON for machines. Secrets go to stdout once, words about them to stderr.

use std::io::{self, Write};

use anyhow::Result;
use comfy_table::{ContentArrangement, Table, presets};
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

/// Writes rows as a table: `columns` are titles with the member that each shows.
///
/// # Errors
///
/// If stdout is closed.
pub(crate) fn table(rows: &[Value], columns: &[(&str, &str)]) -> Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(columns.iter().map(|(title, _)| *title));
    for row in rows {
        table.add_row(columns.iter().map(|(_, member)| cell(row.get(member))));
    }
    line(table.trim_fmt().trim_end())
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

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(values)) => {
            values.iter().map(|value| cell(Some(value))).collect::<Vec<_>>().join(" ")
        }
        Some(other) => other.to_string(),
    }
}
