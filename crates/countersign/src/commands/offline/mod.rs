//! What is answered with no server: cases, from flags or from the lines of a batch, and how their answers are told.
//!
//! **Invariant.** A batch reads no path and no URL (SAFETY 21); a case that cannot be read is a refusal, and never the
//! end of the run.

pub(crate) mod batch;
pub(crate) mod decrypt;
pub(crate) mod inspect;
pub(crate) mod keys;
pub(crate) mod verify;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use countersign_core::context::Clock;
use countersign_jose::json;

use crate::output;
use crate::system::SystemClock;

/// PRODUCT §4: the command or its files cannot be read.
const UNREADABLE: u8 = 2;

/// The most bytes of a token, a file or a line: what the reader of JSON takes.
pub(super) const MOST: usize = json::SIZE;

/// Answers a case that was read from flags: what is accepted goes to stdout, the reason of a refusal to stderr.
pub(super) fn answered<C>(case: Result<C>, answer: impl FnOnce(&C) -> Result<Vec<u8>>) -> ExitCode {
    let case = match case {
        Ok(case) => case,
        Err(error) => {
            output::note(&format!("countersign: {}", told(&error)));
            return ExitCode::from(UNREADABLE);
        }
    };
    match answer(&case) {
        Ok(payload) if output::bytes(&payload).is_ok() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(UNREADABLE),
        Err(reason) => {
            output::note(&format!("refused: {}", told(&reason)));
            ExitCode::FAILURE
        }
    }
}

/// Tells an error with its causes, each of them once: some errors tell theirs themselves.
pub(super) fn told(error: &anyhow::Error) -> String {
    let mut told = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !told.ends_with(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}

/// Reads a file of a bounded size.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let cannot = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(cannot)?;
    bounded(file).with_context(cannot)
}

/// Returns the argument, or what is on standard input.
pub(super) fn given_or_read(argument: Option<String>) -> Result<String> {
    if let Some(text) = argument.filter(|text| text != "-") {
        return Ok(text);
    }
    let text = bounded(std::io::stdin()).context("cannot read standard input")?;
    let text = String::from_utf8(text).context("cannot read standard input")?;
    Ok(text.trim().to_owned())
}

fn bounded(source: impl Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(u64::try_from(MOST)? + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MOST {
        bail!("it is longer than {MOST} bytes");
    }
    Ok(bytes)
}

/// Returns the time since 1970.
pub(super) fn now() -> Duration {
    Duration::from_millis(u64::try_from(SystemClock.now().millis()).unwrap_or(0))
}
