//! Every fuzz target is built by `fuzz/Cargo.toml` and replayed by a test of its crate, so that none rots unseen.
//!
//! What it does not do: look for parsers that have no target.

use anyhow::Result;

use crate::workspace::{Workspace, read, rust_files};

/// Says which targets are not built or not replayed.
///
/// # Errors
///
/// If a file cannot be read.
pub(crate) fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let manifest = read(&workspace.path("fuzz/Cargo.toml"))?;
    let sources = workspace.packages().iter().map(|package| package.sources().join("fuzz.rs"));
    let tests = sources.filter(|file| file.exists()).map(|file| read(&file)).collect::<Result<String>>()?;
    let targets = rust_files(&workspace.path("fuzz/targets"))?;
    let names = targets.iter().filter_map(|target| target.file_stem()?.to_str());
    Ok(names.filter_map(|name| problem(name, &manifest, &tests)).collect())
}

fn problem(name: &str, manifest: &str, tests: &str) -> Option<String> {
    if !manifest.contains(&format!("path = \"targets/{name}.rs\"")) {
        return Some(format!("fuzz/targets/{name}.rs has no [[bin]] in fuzz/Cargo.toml"));
    }
    let replayed = tests.contains(&format!("replay(\"{name}\","));
    (!replayed)
        .then(|| format!("fuzz/targets/{name}.rs: no test replays it: see *Fuzzing* in CONTRIBUTING.md"))
}

#[cfg(test)]
mod tests {
    use super::problem;

    #[track_caller]
    fn check(manifest: &str, tests: &str, expected: Option<&str>) {
        let found = problem("path", manifest, tests);
        match expected {
            None => assert_eq!(found, None),
            Some(words) => assert!(found.as_ref().is_some_and(|told| told.contains(words)), "{found:?}"),
        }
    }

    #[test]
    fn a_target_is_built_and_replayed() {
        let (built, replayed) =
            ("name = \"path\"\npath = \"targets/path.rs\"", "replay(\"path\", super::path);");
        check(built, replayed, None);
        check("", replayed, Some("no [[bin]]"));
        check(built, "replay(\"paths\", super::paths);", Some("no test replays it"));
    }
}
