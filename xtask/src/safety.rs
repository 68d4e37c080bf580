//! `SECURITY.md` must not promise what no test holds, nor hide what one does.
//!
//! Each row of its table says `enforced`, `in part` or `later`. A row that is enforced, wholly or in part, has a test
//! named `safety_<row>_…`; a row that comes later has none.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::clauses::{Source, collect};
use crate::workspace::{Workspace, read};

/// How many rows the table has.
const ROWS: u32 = 25;

/// One row of the table: its number and its status as written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    number: u32,
    status: String,
}

/// Compares the table with the tests.
///
/// # Errors
///
/// If they disagree, naming each row.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let tested = collect(workspace)?.iter().filter_map(|clause| row_of(clause.source)).collect();
    let problems = problems(&rows(&read(&workspace.path("SECURITY.md"))?), &tested);
    if !problems.is_empty() {
        bail!("SECURITY.md and the tests disagree:\n{}", problems.join("\n"));
    }
    Ok(())
}

/// Returns the row that a test is named after.
fn row_of(source: Source) -> Option<u32> {
    match source {
        Source::Safety(row) => Some(row),
        Source::Rfc(_) => None,
    }
}

/// Reads the rows of the table: number, scenario, status, and how it is held.
fn rows(text: &str) -> Vec<Row> {
    text.lines().filter_map(row).collect()
}

/// Reads one row; `None` if the line is none.
fn row(line: &str) -> Option<Row> {
    let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
    let number = cells.next()?.parse().ok()?;
    Some(Row { number, status: cells.nth(1)?.to_owned() })
}

/// Says where the rows and the tested rows disagree.
fn problems(rows: &[Row], tested: &BTreeSet<u32>) -> Vec<String> {
    let listed: Vec<u32> = rows.iter().map(|row| row.number).collect();
    let mut problems: Vec<String> = rows.iter().filter_map(|row| problem(row, tested)).collect();
    if listed != (1..=ROWS).collect::<Vec<u32>>() {
        problems.push(format!("expected the rows 1 to {ROWS}, each once and in order; found {listed:?}"));
    }
    problems
}

/// Says what is wrong with one row.
fn problem(row: &Row, tested: &BTreeSet<u32>) -> Option<String> {
    let Row { number, status } = row;
    match (status.as_str(), tested.contains(number)) {
        ("enforced" | "in part", true) | ("later", false) => None,
        ("enforced" | "in part", false) => {
            Some(format!("row {number} is `{status}`, but no test `safety_{number}_…` is found"))
        }
        ("later", true) => Some(format!("row {number} is `later`, but a test `safety_{number}_…` is found")),
        _ => Some(format!("row {number} is `{status}`: expected `enforced`, `in part` or `later`")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{ROWS, Row, problems, row};

    #[track_caller]
    fn check(first: &str, tested: &[u32], expected: usize) {
        let status = |number| if number == 1 { first } else { "later" }.to_owned();
        let rows: Vec<Row> = (1..=ROWS).map(|number| Row { number, status: status(number) }).collect();
        let tested: BTreeSet<u32> = tested.iter().copied().collect();
        assert_eq!(problems(&rows, &tested).len(), expected, "{first} {tested:?}");
    }

    #[test]
    fn a_status_agrees_with_the_tests() {
        check("enforced", &[1], 0);
        check("in part", &[1], 0);
        check("later", &[], 0);
        check("enforced", &[], 1);
        check("in part", &[], 1);
        check("later", &[1], 1);
        check("soon", &[1], 1);
        check("later", &[2], 1);
    }

    #[test]
    fn every_row_is_there_once() {
        let rows = [Row { number: 2, status: "later".to_owned() }];
        assert_eq!(problems(&rows, &BTreeSet::new()).len(), 1);
    }

    #[test]
    fn a_row_is_a_number_a_scenario_and_a_status() {
        let expected = Row { number: 7, status: "later".to_owned() };
        assert_eq!(row("| 7 | a revoked key | later | nothing yet |"), Some(expected));
        assert_eq!(row("| # | Scenario | Status |"), None);
        assert_eq!(row("|--|---|---|"), None);
        assert_eq!(row("7 | x | later |"), None);
    }
}
