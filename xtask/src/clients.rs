//! Client libraries that tests drive the product with: installed into `target/clients`, anew when their list changes.
//!
//! What it does not do: say what they are. `crates/countersign/tests/clients` does.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::run;
use crate::output::say;
use crate::workspace::read;

/// The lists, and where what they name is installed.
const LISTS: &str = "crates/countersign/tests/clients";
const PLACE: &str = "target/clients";

/// Installs what is missing. Where it cannot be had, tests say that they are skipped; under CI that is a failure.
///
/// # Errors
///
/// If `ci` and something cannot be installed.
pub(crate) fn provide(root: &Path, ci: bool) -> Result<()> {
    match install(&root.join(LISTS), &root.join(PLACE)) {
        Ok(()) => Ok(()),
        Err(error) if !ci => say(format!("client libraries are not installed: {error:#}")),
        Err(error) => Err(error),
    }
}

fn install(lists: &Path, place: &Path) -> Result<()> {
    let (node, python) = (lists.join("package.json"), lists.join("requirements.txt"));
    let wanted = read(&node)? + &read(&python)?;
    let stamp = place.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    if place.exists() {
        fs::remove_dir_all(place).with_context(|| format!("{}", place.display()))?;
    }
    fs::create_dir_all(place).with_context(|| format!("{}", place.display()))?;
    fs::copy(&node, place.join("package.json"))?;
    run(Command::new("npm").current_dir(place).args([
        "install",
        "--no-package-lock",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
    ]))?;
    run(Command::new("python3")
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-cache-dir",
            "--target",
        ])
        .arg(place.join("python"))
        .arg("--requirement")
        .arg(&python))?;
    fs::write(stamp, wanted).context("the stamp of what is installed")
}
