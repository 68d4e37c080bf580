//! The modules of one crate and who names whom.
//!
//! A node is a module that stands directly below the crate's root, with all that is below it. An edge is a path that
//! starts at the root: `crate::name`, or as many `super::` as lead there. Tests are no part of it.
//!
//! What it does not do: look at what such a module does inside, or follow names through re-exports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::rust::{Token, after, tokens, without_tests};
use crate::workspace::{read, rust_files};

/// Who names whom.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Reads the modules below `sources`, a crate's `src`.
    ///
    /// # Errors
    ///
    /// If a file cannot be read.
    pub(crate) fn read(sources: &Path) -> Result<Self> {
        let mut graph = Self::default();
        for file in product_files(sources)? {
            let inside = file.strip_prefix(sources)?;
            if let Some(module) = top_module(inside) {
                let text = read(&file)?;
                graph.add(&module, named(&without_tests(&tokens(&text)), depth(inside)));
            }
        }
        Ok(graph)
    }

    /// Returns one circle, its first module repeated at its end.
    pub(crate) fn circle(&self) -> Option<Vec<&str>> {
        let mut done = BTreeSet::new();
        self.edges.keys().find_map(|start| self.walk(start, &mut Vec::new(), &mut done))
    }

    /// Notes that `module` names each of `others`.
    fn add<'s>(&mut self, module: &str, others: impl IntoIterator<Item = &'s str>) {
        let known = self.edges.entry(module.to_owned()).or_default();
        known.extend(others.into_iter().filter(|other| *other != module).map(str::to_owned));
    }

    /// Looks for a circle from `node` on; `path` led there, and none leads through what is `done`.
    fn walk<'g>(
        &'g self,
        node: &'g str,
        path: &mut Vec<&'g str>,
        done: &mut BTreeSet<&'g str>,
    ) -> Option<Vec<&'g str>> {
        if let Some(start) = path.iter().position(|seen| *seen == node) {
            return Some(path.iter().skip(start).copied().chain([node]).collect());
        }
        if done.contains(node) {
            return None;
        }
        path.push(node);
        let mut others = self.edges.get(node).into_iter().flatten();
        let found = others.find_map(|next| self.walk(next, path, done));
        path.pop();
        done.insert(node);
        found
    }
}

/// Returns the sources below `sources` that are part of the product.
///
/// # Errors
///
/// If a folder cannot be read.
pub(crate) fn product_files(sources: &Path) -> Result<Vec<PathBuf>> {
    let mut files = rust_files(sources)?;
    files.retain(|file| !file.strip_prefix(sources).is_ok_and(is_for_tests));
    Ok(files)
}

/// What holds nothing but tests: tables, the ground that they stand on, the kinds that exist for them alone, and what
/// must hold of parsers for any bytes. Each is declared under `cfg(test)`, or for fuzzing too.
const FOR_TESTS: [&str; 5] = ["fuzz.rs", "testing.rs", "tests", "tests.rs", "toys"];

/// Tells whether a file holds nothing but tests.
fn is_for_tests(inside: &Path) -> bool {
    inside.iter().any(|part| FOR_TESTS.iter().any(|name| part == *name))
}

/// Returns the top-level module that a file belongs to; the root's own file belongs to none.
fn top_module(inside: &Path) -> Option<String> {
    let first = Path::new(inside.components().next()?.as_os_str()).file_stem()?.to_str()?;
    (!matches!(first, "lib" | "main")).then(|| first.to_owned())
}

/// Returns how many `super` lead from a file's module to the root.
fn depth(inside: &Path) -> usize {
    inside.components().count() - usize::from(inside.ends_with("mod.rs"))
}

/// Returns the names that stand directly below the root in the paths of `tokens`.
fn named<'s>(tokens: &[Token<'s>], depth: usize) -> BTreeSet<&'s str> {
    let to_root = ["super", ":", ":"].repeat(depth);
    let starts = (0..tokens.len()).filter_map(|at| tokens.get(at..));
    starts
        .filter_map(|rest| after(rest, &["crate", ":", ":"]).or_else(|| after(rest, &to_root)))
        .flat_map(heads)
        .collect()
}

/// Returns the first name of a path, or of each path in its braces.
fn heads<'s>(path: &[Token<'s>]) -> Vec<&'s str> {
    let mut depth = 0_usize;
    let mut heads = Vec::new();
    let mut expected = true;
    for token in path {
        match token.text {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            "," => expected = depth == 1,
            name if expected => {
                heads.push(name);
                expected = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Graph, depth, named, top_module};
    use crate::rust::tokens;

    #[track_caller]
    fn names(source: &str, depth: usize, expected: &[&str]) {
        let found: Vec<&str> = named(&tokens(source), depth).into_iter().collect();
        assert_eq!(found, expected, "{source}");
    }

    #[track_caller]
    fn circle(edges: &[(&str, &[&str])], expected: Option<&[&str]>) {
        let mut graph = Graph::default();
        for (module, others) in edges {
            graph.add(module, others.iter().copied());
        }
        assert_eq!(graph.circle().as_deref(), expected, "{edges:?}");
    }

    #[test]
    fn a_path_from_the_root_names_its_first_module() {
        names("use crate::a::B;", 1, &["a"]);
        names("use crate::{a::{x, y}, b, c::Z};", 1, &["a", "b", "c"]);
        names("fn f() -> crate::a::B { crate::b::c() }", 1, &["a", "b"]);
        names("pub(crate) use other::a;", 1, &[]);
        names("use super::a;", 1, &["a"]);
        names("use super::a;", 2, &[]);
        names("use super::super::a::B;", 2, &["a"]);
        names("// crate::a\n\"crate::b\"", 1, &[]);
    }

    #[test]
    fn a_file_belongs_to_the_module_below_the_root() {
        for (file, module, supers) in
            [("a.rs", "a", 1), ("a/mod.rs", "a", 1), ("a/b.rs", "a", 2), ("a/b/mod.rs", "a", 2)]
        {
            assert_eq!(top_module(Path::new(file)).as_deref(), Some(module), "{file}");
            assert_eq!(depth(Path::new(file)), supers, "{file}");
        }
        assert_eq!(top_module(Path::new("lib.rs")), None);
    }

    #[test]
    fn a_circle_is_found_and_named() {
        circle(&[], None);
        circle(&[("a", &["b"]), ("b", &["c"]), ("d", &["b", "c"])], None);
        circle(&[("a", &["a"])], None);
        circle(&[("a", &["b"]), ("b", &["a"])], Some(&["a", "b", "a"]));
        circle(&[("a", &["b"]), ("b", &["c"]), ("c", &["d"]), ("d", &["b"])], Some(&["b", "c", "d", "b"]));
    }
}
