//! Lists of any length: each page is written as it comes and forgotten.
//!
//! **Invariant.** No more than a page is held, however many rows there are.

use std::time::Duration;

use anyhow::Result;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde_json::Value;
use tokio::time::Instant;

use crate::output;

/// How often people are told how far a long run is.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// The spaces around a cell, on both sides together.
const PADDING: u16 = 2;

/// Titles, each with the member that its column shows.
pub(crate) type Columns = &'static [(&'static str, &'static str)];

/// Rows that are written as they come: a table for people, one JSON object for machines.
pub(crate) enum Listing {
    /// For people.
    Table(Rows),
    /// For machines: the rows are the member `data`.
    Json(JsonRows),
}

impl Listing {
    /// Begins a list.
    pub(crate) const fn new(json: bool, columns: Columns) -> Self {
        if json {
            return Self::Json(JsonRows::of("data"));
        }
        Self::Table(Rows { columns, widths: Vec::new(), count: 0 })
    }

    /// Returns how many rows were written.
    pub(crate) const fn count(&self) -> u64 {
        match self {
            Self::Table(rows) => rows.count,
            Self::Json(rows) => rows.count,
        }
    }

    /// Writes a page.
    ///
    /// # Errors
    ///
    /// If stdout is closed.
    pub(crate) fn add(&mut self, page: &[Value]) -> Result<()> {
        match self {
            Self::Table(_) if page.is_empty() => Ok(()),
            Self::Table(rows) => rows.add(page),
            Self::Json(rows) => page.iter().try_for_each(|row| rows.add(row)),
        }
    }

    /// Writes the end: for machines the `members` beside the rows, for people at least the titles.
    ///
    /// # Errors
    ///
    /// If stdout is closed.
    pub(crate) fn end(self, members: &Value) -> Result<()> {
        match self {
            Self::Table(mut rows) if rows.count == 0 => rows.add(&[]),
            Self::Table(_) => Ok(()),
            Self::Json(rows) => rows.end(members),
        }
    }
}

/// One JSON object whose rows are written as they come.
pub(crate) struct JsonRows {
    member: &'static str,
    count: u64,
}

impl JsonRows {
    /// Begins an object with the rows under `member`.
    pub(crate) const fn of(member: &'static str) -> Self {
        Self { member, count: 0 }
    }

    /// Writes a row.
    ///
    /// # Errors
    ///
    /// If stdout is closed.
    pub(crate) fn add(&mut self, row: &Value) -> Result<()> {
        output::part(&format!("{}{row}", self.before()))?;
        self.count += 1;
        Ok(())
    }

    /// Ends the object with its other `members`, themselves an object that is not empty.
    ///
    /// # Errors
    ///
    /// If stdout is closed.
    pub(crate) fn end(self, members: &Value) -> Result<()> {
        let begin = if self.count == 0 { self.before() } else { String::new() };
        let members = members.to_string();
        output::line(&format!("{begin}],{}", members.trim_start_matches('{')))
    }

    fn before(&self) -> String {
        if self.count == 0 { format!("{{\"{}\":[", self.member) } else { ",".to_owned() }
    }
}

/// Rows of a table.
pub(crate) struct Rows {
    columns: Columns,
    /// The widest cell of each column so far; later pages are at least as wide, so that they stand below each other.
    widths: Vec<u16>,
    count: u64,
}

impl Rows {
    fn add(&mut self, rows: &[Value]) -> Result<()> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        if self.count == 0 {
            table.set_header(self.columns.iter().map(|(title, _)| *title));
        }
        for row in rows {
            table.add_row(self.columns.iter().map(|(_, member)| output::cell(row.get(member))));
        }
        self.align(&mut table);
        self.count += u64::try_from(rows.len()).unwrap_or(u64::MAX);
        output::line(table.trim_fmt().trim_end())
    }

    /// Makes the columns as wide as those above, unless the terminal is too narrow for them: then each page is
    /// arranged for itself.
    fn align(&mut self, table: &mut Table) {
        let above = self.widths.iter().copied().chain(std::iter::repeat(0));
        self.widths =
            table.column_max_content_widths().into_iter().zip(above).map(|(a, b)| a.max(b)).collect();
        let padded = || self.widths.iter().map(|width| width.saturating_add(PADDING));
        if table.width().is_none_or(|width| padded().fold(0, u16::saturating_add) <= width) {
            let fixed = padded().map(|width| ColumnConstraint::LowerBoundary(Width::Fixed(width)));
            table.set_constraints(fixed);
        }
    }
}

/// Tells people how far a run is that lasts longer than a second.
pub(crate) struct Progress {
    told: Instant,
}

impl Progress {
    /// Begins now.
    pub(crate) fn new() -> Self {
        Self { told: Instant::now() }
    }

    /// Says `words`, if the last ones are a second old.
    pub(crate) fn tell(&mut self, words: impl FnOnce() -> String) {
        if self.told.elapsed() >= TOLD_EVERY {
            self.told = Instant::now();
            output::note(&words());
        }
    }
}
