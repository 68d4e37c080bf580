//! `cargo xtask`: the gate of Countersign and the printer of its references.
//!
//! | Verb | Does |
//! |---|---|
//! | `test` | runs the whole gate, the same here and in CI |
//! | `arrows` | checks the dependency arrows, the module circles, who tells kinds apart, and the weight of core; one step of the gate |
//! | `reference [--check]` | prints settings, command line and HTTP API from the binary into `docs/reference` |
//! | `clauses [--check]` | prints the clause sheet from the names of the tests into `docs/reference` |
//!
//! With `--check` nothing is written: a difference is a failure.
//!
//! **Invariant.** Every verb reads the workspace as cargo describes it and judges; none edits a source file.

mod arrows;
mod clauses;
mod clients;
mod command;
mod fuzz;
mod gate;
mod kinds;
mod modules;
mod output;
mod reference;
mod rust;
mod safety;
mod tools;
mod weight;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::output::{complain, say};
use crate::reference::Mode;
use crate::workspace::Workspace;

/// What is said to somebody who asks for help or misspells a verb.
const USAGE: &str = "usage: cargo xtask test | arrows | reference [--check] | clauses [--check]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match act(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Does what `words` ask for.
fn act(words: &[&str]) -> Result<()> {
    match words {
        ["test"] => gate::run(&Workspace::read()?),
        ["arrows"] => gate::arrows(&Workspace::read()?),
        ["reference"] => reference::run(&Workspace::read()?, Mode::Write),
        ["reference", "--check"] => reference::run(&Workspace::read()?, Mode::Check),
        ["clauses"] => clauses::run(&Workspace::read()?, Mode::Write),
        ["clauses", "--check"] => clauses::run(&Workspace::read()?, Mode::Check),
        ["help" | "--help" | "-h"] => say(USAGE),
        _ => bail!(USAGE),
    }
}
