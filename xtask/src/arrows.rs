//! The allowed arrows between crates, and what each crate may ask of others' packages.
//!
//! The tables are the design; `deny.toml` says the same to `cargo deny`, which sees the whole tree.
//!
//! **Invariant.** A crate without a row is a failure: a new crate first gets its place.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::modules::Graph;
use crate::workspace::{Dependency, Kind, Package, Workspace, read};

/// Each crate, and the crates of this workspace that it may stand on.
const ARROWS: [(&str, &[&str]); 14] = [
    ("countersign-jose", &[]),
    ("countersign-pki", &[]),
    ("countersign-core", &["countersign-jose", "countersign-pki"]),
    ("countersign-database", &["countersign-core"]),
    (
        "countersign-store",
        &["countersign-core", "countersign-database", "countersign-jose", "countersign-pki"],
    ),
    ("countersign-edge", &["countersign-core", "countersign-jose", "countersign-pki"]),
    ("countersign-egress", &["countersign-core", "countersign-jose"]),
    ("countersign-advisor", &["countersign-core", "countersign-jose", "countersign-pki"]),
    (
        "countersign-gateway",
        &[
            "countersign-core",
            "countersign-edge",
            "countersign-egress",
            "countersign-jose",
            "countersign-pki",
        ],
    ),
    ("countersign-agent", &["countersign-core", "countersign-edge", "countersign-jose", "countersign-pki"]),
    (
        "countersign-server",
        &[
            "countersign-core",
            "countersign-edge",
            "countersign-egress",
            "countersign-jose",
            "countersign-pki",
            "countersign-store",
        ],
    ),
    ("countersign-testkit", &LIBRARIES),
    ("countersign", &LIBRARIES),
    ("xtask", &[]),
];

/// Every library of the product.
const LIBRARIES: [&str; 11] = [
    "countersign-advisor",
    "countersign-agent",
    "countersign-core",
    "countersign-database",
    "countersign-edge",
    "countersign-egress",
    "countersign-gateway",
    "countersign-jose",
    "countersign-pki",
    "countersign-server",
    "countersign-store",
];

/// The crate that every other may use, in its tests alone.
const TESTKIT: &str = "countersign-testkit";

/// Crates of values and decisions: no runtime, no SQL, no HTTP framework, no sockets.
const PURE: [&str; 4] = ["countersign-advisor", "countersign-core", "countersign-jose", "countersign-pki"];

/// What a pure crate must not stand on.
const IMPURE: [&str; 12] = [
    "axum",
    "deadpool-postgres",
    "hyper",
    "hyper-util",
    "rusqlite",
    "rustix",
    "rustls",
    "tokio",
    "tokio-postgres",
    "tokio-rustls",
    "tower",
    "tracing",
];

/// Packages that only the crates named beside them may stand on.
const CONFINED: [(&str, &[&str]); 7] = [
    ("anyhow", &["countersign", "xtask"]),
    ("clap", &["countersign"]),
    ("deadpool-postgres", &["countersign-database"]),
    ("rcgen", &["countersign-pki"]),
    ("rusqlite", &["countersign-database"]),
    ("tokio-postgres", &["countersign-database"]),
    ("tracing-subscriber", &["countersign"]),
];

/// Where each package of others has its line.
const RECORD: &str = "docs/decisions/0005-dependencies.md";

/// Says what is wrong with the arrows between crates and between the modules of each.
///
/// # Errors
///
/// If a source or the record of dependencies cannot be read.
pub(crate) fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let mut problems = unrecorded(workspace.packages(), &read(&workspace.path(RECORD))?);
    for package in workspace.packages() {
        problems.extend(package.dependencies.iter().filter_map(|needed| problem(&package.name, needed)));
        problems.extend(no_row(package));
        problems.extend(circle(package)?);
    }
    Ok(problems)
}

/// Says what is wrong with one dependency of `name`.
fn problem(name: &str, needed: &Dependency) -> Option<String> {
    if ours(&needed.name) { wrong_arrow(name, needed) } else { wrong_package(name, needed) }
}

/// Says why `name` may not stand on another crate of this workspace.
fn wrong_arrow(name: &str, needed: &Dependency) -> Option<String> {
    let allowed = allowed(name)?.contains(&needed.name.as_str());
    let for_tests = needed.name == TESTKIT && needed.kind == Kind::Dev;
    (!allowed && !for_tests)
        .then(|| format!("{name} must not depend on {}: the arrow is not allowed", needed.name))
}

/// Says why `name` may not stand on a package of others. Its tests may: they drive futures and make certificates.
fn wrong_package(name: &str, needed: &Dependency) -> Option<String> {
    let package = needed.name.as_str();
    if needed.kind == Kind::Dev {
        return None;
    }
    if PURE.contains(&name) && IMPURE.contains(&package) {
        return Some(format!("{name} must not depend on {package}: it is pure"));
    }
    let (_, holders) = CONFINED.iter().find(|(confined, _)| *confined == package)?;
    (!holders.contains(&name))
        .then(|| format!("{name} must not depend on {package}: only {} may", holders.join(" and ")))
}

/// Says which packages of others have no line in `record`.
fn unrecorded(packages: &[Package], record: &str) -> Vec<String> {
    let asked: BTreeSet<&str> = packages
        .iter()
        .flat_map(|package| &package.dependencies)
        .map(|needed| needed.name.as_str())
        .collect();
    asked
        .into_iter()
        .filter(|name| !ours(name) && !record.contains(&format!("| `{name}` |")))
        .map(|name| format!("{name} has no line in {RECORD}: say what it replaces and who keeps it"))
        .collect()
}

/// Says that a crate has no row in [`ARROWS`].
fn no_row(package: &Package) -> Option<String> {
    let name = &package.name;
    (!ours(name)).then(|| format!("{name} has no row in xtask/src/arrows.rs: say what it may stand on"))
}

/// Says which modules of a crate name each other in a circle.
fn circle(package: &Package) -> Result<Option<String>> {
    let graph = Graph::read(&package.sources())?;
    Ok(graph.circle().map(|circle| format!("{}: modules in a circle: {}", package.name, circle.join(" → "))))
}

/// Tells whether `name` is a crate of this workspace.
fn ours(name: &str) -> bool {
    allowed(name).is_some()
}

/// Returns what the crate `name` may stand on.
fn allowed(name: &str) -> Option<&'static [&'static str]> {
    ARROWS.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, allowed)| *allowed)
}

#[cfg(test)]
mod tests {
    use super::{ARROWS, LIBRARIES, allowed, problem, unrecorded};
    use crate::workspace::{Dependency, Kind, Package};

    #[track_caller]
    fn check(name: &str, kind: Kind, needed: &str, expected: Option<&str>) {
        let found = problem(name, &Dependency { name: needed.to_owned(), kind });
        match expected {
            None => assert_eq!(found, None),
            Some(word) => assert!(found.as_ref().is_some_and(|text| text.contains(word)), "{found:?}"),
        }
    }

    #[test]
    fn an_arrow_is_allowed_by_its_row() {
        check("countersign-core", Kind::Product, "countersign-pki", None);
        check("countersign-server", Kind::Product, "countersign-store", None);
        check("countersign", Kind::Product, "countersign-gateway", None);
        check("countersign-core", Kind::Product, "countersign-store", Some("arrow"));
        check("countersign-gateway", Kind::Product, "countersign-store", Some("arrow"));
        check("countersign-server", Kind::Product, "countersign-gateway", Some("arrow"));
        check("countersign-pki", Kind::Product, "countersign-core", Some("arrow"));
        check("xtask", Kind::Product, "countersign-core", Some("arrow"));
    }

    #[test]
    fn the_testkit_is_for_tests_alone() {
        check("countersign-core", Kind::Dev, "countersign-testkit", None);
        check("countersign", Kind::Dev, "countersign-testkit", None);
        check("countersign", Kind::Product, "countersign-testkit", Some("arrow"));
        check("countersign-testkit", Kind::Product, "countersign", Some("arrow"));
        check("countersign-server", Kind::Dev, "countersign-gateway", Some("arrow"));
    }

    #[test]
    fn a_package_stays_where_it_belongs() {
        check("countersign-database", Kind::Product, "rusqlite", None);
        check("countersign-store", Kind::Product, "rusqlite", Some("only countersign-database"));
        check("countersign-testkit", Kind::Product, "tokio-postgres", Some("only countersign-database"));
        check("countersign-gateway", Kind::Dev, "rcgen", None);
        check("countersign-core", Kind::Product, "tokio", Some("pure"));
        check("countersign-core", Kind::Dev, "tokio", None);
        check("countersign-edge", Kind::Product, "tokio", None);
        check("countersign-core", Kind::Product, "serde", None);
    }

    #[test]
    fn a_package_of_others_has_its_line() {
        let needed = ["serde", "serde_json", "countersign-core"];
        let package = Package::fixture("countersign-store", &needed);
        assert_eq!(unrecorded(&[package], "| `serde` | …").len(), 1);
    }

    #[test]
    fn the_table_has_no_upward_arrow() {
        for (place, (name, needed)) in ARROWS.iter().enumerate() {
            let above: Vec<&str> = ARROWS.iter().skip(place).map(|(name, _)| *name).collect();
            assert!(needed.iter().all(|other| !above.contains(other)), "{name}");
        }
        assert!(LIBRARIES.iter().all(|name| allowed(name).is_some()));
    }
}
