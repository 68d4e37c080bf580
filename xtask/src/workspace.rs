//! The workspace as `cargo metadata` describes it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::command::{capture, cargo};

/// The crates of this workspace and where they are.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    #[serde(rename = "workspace_root")]
    root: PathBuf,
    #[serde(rename = "target_directory")]
    target: PathBuf,
    packages: Vec<Package>,
}

/// One crate of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// What its manifest asks for, in every table.
    pub(crate) dependencies: Vec<Dependency>,
    manifest_path: PathBuf,
}

/// One line of a crate's dependency tables.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    /// The package's own name, whatever the crate calls it.
    pub(crate) name: String,
    /// In which table it stands.
    pub(crate) kind: Kind,
}

/// The table in which a dependency stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "Option<String>")]
pub(crate) enum Kind {
    /// `[dev-dependencies]`: for tests alone.
    Dev,
    /// `[dependencies]` or `[build-dependencies]`: part of the product.
    Product,
}

impl From<Option<String>> for Kind {
    fn from(kind: Option<String>) -> Self {
        if kind.as_deref() == Some("dev") { Self::Dev } else { Self::Product }
    }
}

impl Workspace {
    /// Asks cargo.
    ///
    /// # Errors
    ///
    /// If cargo finds no workspace here, or a manifest is wrong.
    pub(crate) fn read() -> Result<Self> {
        let text = capture(&mut cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
        serde_json::from_str(&text).context("cargo metadata is not as expected")
    }

    /// Returns every crate.
    pub(crate) fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// Returns `path` under the workspace's root.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Returns `path` under the folder for build results.
    pub(crate) fn target(&self, path: &str) -> PathBuf {
        self.target.join(path)
    }

    /// Returns `path` as seen from the root, with `/` between its parts.
    pub(crate) fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().replace('\\', "/")
    }
}

impl Package {
    /// Returns the folder of the crate's sources.
    pub(crate) fn sources(&self) -> PathBuf {
        self.manifest_path.with_file_name("src")
    }

    /// Makes a crate that asks for `needed`.
    #[cfg(test)]
    pub(crate) fn fixture(name: &str, needed: &[&str]) -> Self {
        let dependency = |name: &&str| Dependency { name: (*name).to_owned(), kind: Kind::Product };
        let dependencies = needed.iter().map(dependency).collect();
        Self { name: name.to_owned(), dependencies, manifest_path: PathBuf::new() }
    }
}

/// Returns every `.rs` file below `folder`, sorted.
///
/// # Errors
///
/// If a folder cannot be read.
pub(crate) fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads a text file.
///
/// # Errors
///
/// If it cannot be read, naming it.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
