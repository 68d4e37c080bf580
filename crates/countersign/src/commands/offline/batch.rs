//! `--batch`: cases on standard input, a JSON object a line; answers on standard output, a line each, in their order.
//!
//! A line says its `op`; one that does not is a case of the command that runs. Each op comes with its room.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_jose::{json, jwk};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::decrypt::{Decrypt, Private};
use super::keys::Lately;
use super::verify::{Trusted, Verify};
use super::{MOST, now, told};

/// What cases share.
#[derive(Default)]
struct Run {
    trusted: Lately<Trusted>,
    private: Lately<Private>,
}

/// What is accepted.
enum Payload {
    /// Text where it is text: `payload`; otherwise `payload_base64`
    Bytes(Vec<u8>),
    /// What was read as JSON: `payload`
    Json(Value),
}

/// An op, and who answers its cases.
struct Op {
    name: &'static str,
    answer: fn(&mut Run, Map<String, Value>) -> Result<Payload>,
}

/// Each op.
const OPS: [Op; 3] = [
    Op {
        name: "jwk.thumbprint",
        answer: |_, case| Ok(Payload::Json(jwk::thumbprint(&read::<Thumbprint>(case)?.jwk)?.into())),
    },
    Op {
        name: "token.decrypt",
        answer: |run, case| Ok(Payload::Bytes(read::<Decrypt>(case)?.decrypt(&mut run.private)?)),
    },
    Op {
        name: "token.verify",
        answer: |run, case| {
            let case: Verify = read(case)?;
            let payload = case.verify(&mut run.trusted, now())?;
            if case.no_claims {
                Ok(Payload::Bytes(payload))
            } else {
                Ok(Payload::Json(json::value(&payload)?))
            }
        },
    },
];

/// A JWK whose thumbprint is asked for (RFC 7638).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Thumbprint {
    jwk: Value,
}

/// Answers all cases on standard input; one that names no op is an `op`.
///
/// # Errors
///
/// If standard input cannot be read, or standard output is closed.
pub(crate) fn run(op: &str) -> Result<ExitCode> {
    let mut input = BufReader::with_capacity(1 << 16, io::stdin().lock());
    let mut output = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let (mut run, mut line) = (Run::default(), Vec::new());
    while let Some(case) = next(&mut input, &mut line)? {
        let answer = match case.and_then(|case| answer(&mut run, op, case)) {
            Ok(answer) => answer,
            Err(reason) => json!({ "accepted": false, "reason": told(&reason) }),
        };
        writeln!(output, "{answer}")?;
        // Whoever waits for an answer before the next case gets it.
        if input.buffer().is_empty() {
            output.flush()?;
        }
    }
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the next line that is not empty; one that is too long is read to its end and refused.
fn next<'a>(input: &mut impl BufRead, line: &'a mut Vec<u8>) -> Result<Option<Result<&'a [u8]>>> {
    loop {
        line.clear();
        let bound = u64::try_from(MOST)?;
        if input.take(bound).read_until(b'\n', line)? == 0 {
            return Ok(None);
        }
        if line.len() == MOST && !line.ends_with(b"\n") {
            input.skip_until(b'\n')?;
            return Ok(Some(Err(anyhow::anyhow!("the line is longer than {MOST} bytes"))));
        }
        if !line.trim_ascii().is_empty() {
            return Ok(Some(Ok(line.trim_ascii())));
        }
    }
}

fn answer(run: &mut Run, op: &str, line: &[u8]) -> Result<Value> {
    let mut case = json::object(line).context("the line")?;
    let named = case.remove("op");
    let op = named.as_ref().map_or(Some(op), Value::as_str).context("`op` is no text")?;
    let Some(op) = OPS.iter().find(|known| known.name == op) else {
        let names: Vec<&str> = OPS.iter().map(|known| known.name).collect();
        bail!("`op` is none of {}", names.join(", "));
    };
    Ok(match (op.answer)(run, case)? {
        Payload::Json(value) => json!({ "accepted": true, "payload": value }),
        Payload::Bytes(bytes) => match str::from_utf8(&bytes) {
            Ok(text) => json!({ "accepted": true, "payload": text }),
            Err(_) => json!({ "accepted": true, "payload_base64": STANDARD.encode(&bytes) }),
        },
    })
}

fn read<C: DeserializeOwned>(case: Map<String, Value>) -> Result<C> {
    Ok(serde_json::from_value(Value::Object(case))?)
}
