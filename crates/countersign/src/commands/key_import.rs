//! `countersign key import`

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use http::Method;
use serde_json::{Map, Value, json};

use crate::cli::KeyImport;
use crate::client::Connection;
use crate::commands::key::without_null;
use crate::environment;
use crate::output;

/// Keys in one call: what the management API takes at most.
const AT_ONCE: usize = 1000;
/// The largest file: two million bare hashes.
const MAX_FILE: u64 = 256 * 1024 * 1024;

/// What became of all calls.
#[derive(Default)]
struct Total {
    imported: u64,
    existing: u64,
    refused: u64,
    reasons: Vec<Value>,
}

pub(crate) async fn run(import: &KeyImport) -> Result<ExitCode> {
    let keys = read(import)?;
    let connection = Connection::open(&import.reach, environment::management_key()).await?;
    let total = send(&connection, import, &keys).await;
    connection.close().await?;
    show(import, &total?)
}

async fn send(connection: &Connection, import: &KeyImport, keys: &[Value]) -> Result<Total> {
    let hmac_key = import.hmac_key_file.as_deref().map(text_of).transpose()?;
    let mut total = Total::default();
    for (number, some) in keys.chunks(AT_ONCE).enumerate() {
        let body = without_null(json!({
            "algorithm": import.algorithm, "encoding": import.encoding, "of": import.of, "hmac_key": hmac_key,
            "prefix": import.prefix, "header": import.header, "key_set": import.key_set,
            "keys": some, "dry_run": import.dry_run,
        }));
        let answer = connection.call(Method::POST, "/v1/keys/import", Some(&body)).await?;
        total.add(&answer, number * AT_ONCE);
        if keys.len() > AT_ONCE {
            output::note(&format!("{} of {}", (number * AT_ONCE + some.len()), keys.len()));
        }
    }
    Ok(total)
}

impl Total {
    fn add(&mut self, answer: &Value, before: usize) {
        let count = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or_default();
        self.imported += count("imported");
        self.existing += count("existing");
        self.refused += count("refused");
        for one in answer.get("data").and_then(Value::as_array).into_iter().flatten() {
            if let (Some(reason), Some(index)) = (one.get("reason"), one.get("index").and_then(Value::as_u64))
            {
                let line = usize::try_from(index).unwrap_or(usize::MAX).saturating_add(before + 1);
                self.reasons.push(json!({ "key": line, "reason": reason }));
            }
        }
    }
}

fn show(import: &KeyImport, total: &Total) -> Result<ExitCode> {
    let Total { imported, existing, refused, reasons } = total;
    if import.reach.json {
        output::json(&json!({
            "imported": imported, "existing": existing, "refused": refused, "dry_run": import.dry_run,
            "reasons": reasons,
        }))?;
    } else {
        let verb = if import.dry_run { "would be imported" } else { "imported" };
        output::line(&format!("{imported} {verb}, {existing} were here before, {refused} refused"))?;
        for one in reasons {
            output::note(&format!("key {}: {}", one["key"], one["reason"].as_str().unwrap_or_default()));
        }
    }
    Ok(if *refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads the keys, each with what the flags say of all.
fn read(import: &KeyImport) -> Result<Vec<Value>> {
    let text = text_of(&import.file)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let keys: Result<Vec<_>> = lines.enumerate().map(|(index, line)| key(import, index + 1, line)).collect();
    let keys = keys?;
    if keys.is_empty() {
        bail!("{}: there is no key in it", import.file.display());
    }
    Ok(keys)
}

fn key(import: &KeyImport, number: usize, line: &str) -> Result<Value> {
    let mut key = match line.starts_with('{') {
        true => serde_json::from_str::<Map<String, Value>>(line)
            .with_context(|| format!("{}, key {number}", import.file.display()))?,
        false => Map::from_iter([("hash".to_owned(), Value::from(line))]),
    };
    let mut default = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            key.entry(name).or_insert(value);
        }
    };
    default("name", Some(Value::from(format!("imported {number}"))));
    default("owner", import.owner.clone().map(Value::from));
    default("environment", import.environment.clone().map(Value::from));
    default("scopes", (!import.scopes.is_empty()).then(|| Value::from(import.scopes.clone())));
    Ok(Value::Object(key))
}

fn text_of(path: &Path) -> Result<String> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().take(MAX_FILE).read_to_string(&mut text).context("cannot read standard input")?;
    } else {
        let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        file.take(MAX_FILE)
            .read_to_string(&mut text)
            .with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}
