//! The clause sheet: which clause of a standard, or row of `SECURITY.md`, which test holds.
//!
//! A test is named after its clause: `rfc7636_4_6_wrong_verifier_is_invalid_grant` holds RFC 7636 §4.6,
//! `safety_4_a_stale_snapshot_allows_nothing` SAFETY row 4. The sheet is printed from these names and from nothing else.

use std::fmt::Write as _;

use anyhow::Result;

use crate::reference::{Mode, settle};
use crate::rust::{Token, tokens};
use crate::workspace::{Workspace, read, rust_files};

/// One test and the clause that it holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Clause {
    /// Whose clause it is.
    pub(crate) source: Source,
    /// The section's numbers, outermost first; none for a whole document or row.
    section: Vec<u32>,
    test: String,
    file: String,
}

/// Who demands something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// A row of the table in `SECURITY.md`.
    Safety(u32),
    /// A standard of the IETF.
    Rfc(u32),
}

/// Compares or writes the clause sheet.
///
/// # Errors
///
/// If a source cannot be read, or [`Mode::Check`] finds a difference.
pub(crate) fn run(workspace: &Workspace, mode: Mode) -> Result<()> {
    settle(workspace, "clauses.md", &sheet(&collect(workspace)?)?, mode)
}

/// Finds every test that is named after a clause.
///
/// # Errors
///
/// If a source cannot be read.
pub(crate) fn collect(workspace: &Workspace) -> Result<Vec<Clause>> {
    let mut clauses = Vec::new();
    for file in rust_files(&workspace.path("crates"))? {
        let text = read(&file)?;
        let place = workspace.relative(&file);
        clauses.extend(functions(&tokens(&text)).filter_map(|name| Clause::parse(name, &place)));
    }
    clauses.sort();
    Ok(clauses)
}

impl Clause {
    /// Reads the clause from a function's name; `None` if it names none.
    fn parse(name: &str, file: &str) -> Option<Self> {
        let (head, rest) = name.split_once('_')?;
        let (source, rest) = match head.strip_prefix("rfc") {
            Some(number) => (Source::Rfc(number.parse().ok()?), rest),
            None if head == "safety" => rest.split_once('_').and_then(safety_row)?,
            None => return None,
        };
        let section = rest.split('_').map_while(|part| part.parse().ok()).collect();
        Some(Self { source, section, test: name.to_owned(), file: file.to_owned() })
    }

    /// Writes the clause as people cite it.
    fn cited(&self) -> String {
        let section: Vec<String> = self.section.iter().map(u32::to_string).collect();
        match (self.source, section.is_empty()) {
            (Source::Safety(row), _) => format!("SAFETY {row}"),
            (Source::Rfc(number), true) => format!("RFC {number}"),
            (Source::Rfc(number), false) => format!("RFC {number} §{}", section.join(".")),
        }
    }
}

/// Reads the row's number that follows `safety_`.
fn safety_row<'n>((number, rest): (&str, &'n str)) -> Option<(Source, &'n str)> {
    Some((Source::Safety(number.parse().ok()?), rest))
}

/// Returns the names of the functions in `tokens`.
fn functions<'t>(tokens: &'t [Token<'t>]) -> impl Iterator<Item = &'t str> {
    let names = tokens.iter().skip(1).map(|token| token.text);
    tokens.iter().zip(names).filter(|(token, _)| token.text == "fn").map(|(_, name)| name)
}

/// Prints the sheet.
fn sheet(clauses: &[Clause]) -> Result<String> {
    let mut text = String::from(
        "# Clause sheet\n\nWhich test holds which clause. SAFETY rows are those of `SECURITY.md`. Printed by `cargo xtask \
         clauses` from the names of the tests.\n\n| Clause | Test | File |\n|---|---|---|\n",
    );
    for clause in clauses {
        writeln!(text, "| {} | `{}` | `{}` |", clause.cited(), clause.test, clause.file)?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{Clause, functions, sheet};
    use crate::rust::tokens;

    #[track_caller]
    fn check(name: &str, expected: Option<&str>) {
        let found = Clause::parse(name, "f.rs").map(|clause| clause.cited());
        assert_eq!(found.as_deref(), expected, "{name}");
    }

    #[test]
    fn a_name_cites_its_clause() {
        check("rfc7636_4_6_wrong_verifier_is_invalid_grant", Some("RFC 7636 §4.6"));
        check("rfc6750_3_1_two_credentials_are_invalid_request", Some("RFC 6750 §3.1"));
        check("rfc9110_names_are_tokens", Some("RFC 9110"));
        check("rfc6749_5_2", Some("RFC 6749 §5.2"));
        check("safety_4_a_stale_snapshot_allows_nothing", Some("SAFETY 4"));
        check("safety_12_3_upstreams", Some("SAFETY 12"));
        check("safety_first", None);
        check("safety_4", None);
        check("rfc_7636_wrong", None);
        check("rfcs_are_read", None);
        check("a_secret_does_not_print", None);
    }

    #[test]
    fn only_functions_are_read() {
        let text = "/// fn rfc1_a() {}\n#[test]\nfn rfc2_b() { let fn_rfc3 = \"fn rfc4_c\"; }";
        assert_eq!(functions(&tokens(text)).collect::<Vec<_>>(), ["rfc2_b"]);
    }

    #[test]
    fn the_sheet_is_sorted_by_clause() {
        let names = ["rfc6750_10_a", "rfc6750_2_b", "rfc6749_5_2_c", "safety_4_d"];
        let mut clauses: Vec<Clause> = names.iter().filter_map(|name| Clause::parse(name, "f.rs")).collect();
        clauses.sort();
        let text = sheet(&clauses).unwrap();
        let rows: Vec<&str> = text.lines().skip(6).collect();
        assert_eq!(
            rows,
            [
                "| SAFETY 4 | `safety_4_d` | `f.rs` |",
                "| RFC 6749 §5.2 | `rfc6749_5_2_c` | `f.rs` |",
                "| RFC 6750 §2 | `rfc6750_2_b` | `f.rs` |",
                "| RFC 6750 §10 | `rfc6750_10_a` | `f.rs` |",
            ]
        );
    }
}
