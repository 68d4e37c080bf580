//! How much code each crate holds: the largest library must be the pure one.
//!
//! Counted are lines with code on them, tests left out: no comments, no blank lines.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::modules::product_files;
use crate::rust::{Token, tokens, without_tests};
use crate::workspace::{Package, Workspace, read};

/// The crate that must outweigh every other library.
const HEAVIEST: &str = "countersign-core";
/// Crates that are no libraries of the product: the binary, the tests' kit and this program.
const UNWEIGHED: [&str; 3] = ["countersign", "countersign-testkit", "xtask"];

/// The weight of one crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Weight {
    /// The crate's name.
    pub(crate) name: String,
    /// Its lines of code.
    pub(crate) lines: usize,
}

/// Weighs every crate, the heaviest first.
///
/// # Errors
///
/// If a source cannot be read.
pub(crate) fn weigh(workspace: &Workspace) -> Result<Vec<Weight>> {
    let mut weights = Vec::new();
    for package in workspace.packages() {
        weights.push(Weight { name: package.name.clone(), lines: lines_of(package)? });
    }
    weights.sort_by(|a, b| b.lines.cmp(&a.lines).then_with(|| a.name.cmp(&b.name)));
    Ok(weights)
}

/// Says what is wrong with `weights`: a library that outweighs the pure one.
pub(crate) fn problems(weights: &[Weight]) -> Vec<String> {
    let bound = weights.iter().find(|weight| weight.name == HEAVIEST).map_or(0, |weight| weight.lines);
    weights
        .iter()
        .filter(|weight| !UNWEIGHED.contains(&weight.name.as_str()) && weight.lines > bound)
        .map(|weight| {
            let Weight { name, lines } = weight;
            format!("{name} holds {lines} lines of code, {HEAVIEST} {bound}: the largest room should be the pure one")
        })
        .collect()
}

/// Counts a crate's lines of code.
fn lines_of(package: &Package) -> Result<usize> {
    let mut lines = 0;
    for file in product_files(&package.sources())? {
        let text = read(&file)?;
        lines += lines_with_code(&without_tests(&tokens(&text)));
    }
    Ok(lines)
}

/// Counts the lines that `tokens` stand on; a text of several lines stands on each.
fn lines_with_code(tokens: &[Token<'_>]) -> usize {
    let lines: BTreeSet<usize> =
        tokens.iter().flat_map(|token| token.line..=token.line + token.text.matches('\n').count()).collect();
    lines.len()
}

#[cfg(test)]
mod tests {
    use super::{Weight, lines_with_code, problems};
    use crate::rust::tokens;

    #[track_caller]
    fn check(crates: &[(&str, usize)], expected: usize) {
        let weights: Vec<Weight> =
            crates.iter().map(|&(name, lines)| Weight { name: name.to_owned(), lines }).collect();
        assert_eq!(problems(&weights).len(), expected, "{crates:?}");
    }

    #[test]
    fn no_library_outweighs_core() {
        check(&[], 0);
        check(&[("countersign-core", 9), ("countersign-store", 9)], 0);
        check(&[("countersign-core", 9), ("countersign-store", 10), ("countersign-server", 11)], 2);
        check(&[("countersign-core", 9), ("countersign", 10), ("xtask", 99), ("countersign-testkit", 10)], 0);
    }

    #[test]
    fn a_line_counts_once_if_code_stands_on_it() {
        assert_eq!(lines_with_code(&tokens("// a\n\nlet b = 1; let c;\n\"d\n\ne\";\n")), 4);
    }
}
