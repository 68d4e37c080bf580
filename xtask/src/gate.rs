//! The gate: what a change must pass before it lands, here and in CI alike.
//!
//! **Invariant.** The steps run in order and stop at the first that fails; nothing is skipped in silence. All use one
//! profile and one target folder.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::clients;
use crate::command::{cargo, run as run_command, succeeds};
use crate::output::say;
use crate::reference::Mode;
use crate::workspace::Workspace;
use crate::{arrows, clauses, fuzz, kinds, reference, safety, tools, weight};

/// One step of the gate.
struct Step {
    name: &'static str,
    act: fn(&Workspace) -> Result<Verdict>,
}

/// How a step ended that did not fail.
enum Verdict {
    /// All is well.
    Passed,
    /// The step could not be done here, and need not be; the reason.
    Left(String),
}

/// One line of the closing table.
struct Line {
    name: &'static str,
    took: Duration,
    word: String,
}

/// Every step, in order.
const STEPS: [Step; 10] = [
    Step { name: "tools", act: tools },
    Step { name: "format", act: format },
    Step { name: "arrows", act: |workspace| arrows(workspace).map(passed) },
    Step { name: "lints", act: lints },
    Step { name: "doc tests", act: doc_tests },
    Step { name: "tests", act: tests },
    Step { name: "on PostgreSQL", act: tests_on_postgresql },
    Step { name: "docs", act: docs },
    Step { name: "references", act: references },
    Step { name: "packages", act: packages },
];

/// Runs the whole gate.
///
/// # Errors
///
/// If a step fails, naming it.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut lines = Vec::new();
    let outcome = STEPS.iter().enumerate().try_for_each(|(at, step)| {
        say(format!("\n== {}/{} {}", at + 1, STEPS.len(), step.name))?;
        let (line, outcome) = take(step, workspace);
        say(format!("== {}: {}, {:.1} s", line.name, line.word, line.took.as_secs_f64()))?;
        lines.push(line);
        outcome
    });
    close(&lines)?;
    outcome
}

/// Checks the arrows between crates, the circles between modules, who tells kinds apart, what
/// replays fuzz targets, and the weight of core.
///
/// # Errors
///
/// If one of them is wrong, naming each.
pub(crate) fn arrows(workspace: &Workspace) -> Result<()> {
    let weights = weight::weigh(workspace)?;
    say("lines of code without tests, comments and blank lines:")?;
    for weight in &weights {
        say(format!("{:>8}  {}", weight.lines, weight.name))?;
    }
    let mut problems = arrows::problems(workspace)?;
    problems.extend(fuzz::problems(workspace)?);
    problems.extend(kinds::problems(workspace)?);
    problems.extend(weight::problems(&weights));
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    Ok(())
}

/// Takes one step and the time.
fn take(step: &Step, workspace: &Workspace) -> (Line, Result<()>) {
    let start = now();
    let (word, outcome) = match (step.act)(workspace) {
        Ok(Verdict::Passed) => ("passed".to_owned(), Ok(())),
        Ok(Verdict::Left(reason)) => (reason, Ok(())),
        Err(error) => ("FAILED".to_owned(), Err(error)),
    };
    let outcome = outcome.with_context(|| format!("the gate stops at step `{}`", step.name));
    (Line { name: step.name, took: start.elapsed(), word }, outcome)
}

/// Prints the closing table.
fn close(lines: &[Line]) -> Result<()> {
    say(format!("\n{:<14}{:>9}  outcome", "step", "seconds"))?;
    for Line { name, took, word } in lines {
        say(format!("{name:<14}{:>9.1}  {word}", took.as_secs_f64()))?;
    }
    Ok(())
}

/// Sees to the programs that tests start.
fn tools(workspace: &Workspace) -> Result<Verdict> {
    let missing = tools::provide(in_ci())?;
    clients::provide(&workspace.path(""), in_ci())?;
    Ok(if missing.is_empty() {
        Verdict::Passed
    } else {
        Verdict::Left(format!("missing: {}", missing.join(", ")))
    })
}

/// Compares the layout of every source with rustfmt's.
fn format(_: &Workspace) -> Result<Verdict> {
    run_command(&mut cargo(&["fmt", "--all", "--check"])).map(passed)
}

/// Runs clippy over everything; a warning is an error here.
fn lints(_: &Workspace) -> Result<Verdict> {
    run_command(&mut cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
        .map(passed)
}

/// Runs the examples in the documentation.
fn doc_tests(_: &Workspace) -> Result<Verdict> {
    run_command(&mut cargo(&["test", "--doc", "--workspace", "--locked"])).map(passed)
}

/// Runs every test, under nextest where it is installed; all that fail are named.
fn tests(_: &Workspace) -> Result<Verdict> {
    run_command(runner().args(["--workspace", "--locked", "--no-fail-fast"])).map(passed)
}

/// Runs the product's own suite once more, with every store on PostgreSQL.
fn tests_on_postgresql(_: &Workspace) -> Result<Verdict> {
    let mut command = runner();
    command.args(["--package", "countersign", "--test", "it", "--locked", "--no-fail-fast"]);
    run_command(command.env("TEST_STORE", "postgres")).map(passed)
}

/// Returns the command that runs tests.
fn runner() -> Command {
    let nextest = succeeds(&mut cargo(&["nextest", "--version"]));
    cargo(if nextest { &["nextest", "run"] } else { &["test", "--tests"] })
}

/// Builds the documentation; a warning is an error here.
fn docs(_: &Workspace) -> Result<Verdict> {
    let mut command = cargo(&["doc", "--no-deps", "--workspace", "--locked"]);
    run_command(command.env("RUSTDOCFLAGS", "-D warnings")).map(passed)
}

/// Compares what is printed from the code with what is committed.
fn references(workspace: &Workspace) -> Result<Verdict> {
    reference::run(workspace, Mode::Check)?;
    clauses::run(workspace, Mode::Check)?;
    safety::run(workspace).map(passed)
}

/// Judges the whole dependency tree, where cargo-deny is installed.
fn packages(_: &Workspace) -> Result<Verdict> {
    if !succeeds(&mut cargo(&["deny", "--version"])) {
        return Ok(Verdict::Left(
            "left out: cargo-deny is not installed; step `arrows` stands in".to_owned(),
        ));
    }
    run_command(&mut cargo(&["deny", "check", "bans", "licenses", "sources"])).map(passed)
}

/// Turns "nothing to say" into a verdict.
fn passed((): ()) -> Verdict {
    Verdict::Passed
}

/// Tells whether this is CI, where a missing tool is a failure.
#[expect(clippy::disallowed_methods, reason = "CI=true is the convention, and xtask reads no other setting")]
fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}

/// Reads the clock, to tell how long a step took.
#[expect(clippy::disallowed_methods, reason = "the figure is printed and decides nothing")]
fn now() -> Instant {
    Instant::now()
}
