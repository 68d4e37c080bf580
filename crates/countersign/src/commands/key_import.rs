//! `countersign key import`

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use countersign_server::import::import_line;
use http::Method;
use serde_json::{Map, Value, json};

use crate::cli::KeyImport;
use crate::client::Connection;
use crate::commands::key::without_null;
use crate::commands::rows;
use crate::environment;
use crate::listing::{JsonRows, Progress};
use crate::output;

/// Keys in one call: what the management API takes at most.
const AT_ONCE: usize = 1000;
/// Bytes of keys in one call: well below what the management API takes, whatever the flags add to each.
const AT_ONCE_BYTES: usize = 1024 * 1024;
/// The longest line: a key with all its terms and 4 KiB of metadata, several times over.
const MAX_LINE: u64 = 64 * 1024;
/// The longest key of an HMAC that is read from a file.
const MAX_HMAC_KEY: u64 = 64 * 1024;

/// Imports a file of any length: a call's worth of lines is held at a time.
pub(crate) async fn run(import: &KeyImport) -> Result<ExitCode> {
    let hmac_key = import.hmac_key_file.as_deref().map(hmac_key).transpose()?;
    let mut keys = Keys::open(import)?;
    let connection = Connection::open(&import.remote, environment::management_key()).await?;
    let mut total = Total::new(import);
    let sent = send(&connection, import, hmac_key.as_deref(), &mut keys, &mut total).await;
    connection.close().await?;
    if let Err(error) = sent {
        return Err(error.context(format!("stopped after key {}; the same command goes on", total.told())));
    }
    if keys.number == 0 {
        bail!("{}: there is no key in it", import.file.display());
    }
    total.end(import)
}

async fn send(
    connection: &Connection,
    import: &KeyImport,
    hmac_key: Option<&str>,
    keys: &mut Keys<'_>,
    total: &mut Total,
) -> Result<()> {
    let mut progress = Progress::new();
    loop {
        let before = keys.number;
        let some = keys.next()?;
        if some.is_empty() {
            return Ok(());
        }
        let body = without_null(json!({
            "algorithm": import.algorithm, "encoding": import.encoding, "of": import.of, "hmac_key": hmac_key,
            "prefix": import.prefix, "header": import.header, "key_set": import.key_set,
            "keys": some, "dry_run": import.dry_run,
        }));
        let answer = connection.call(Method::POST, "/v1/keys/import", Some(&body)).await?;
        total.add(&answer, before)?;
        progress.tell(|| format!("{} so far", total.told()));
    }
}

/// What became of all calls. Reasons are written as they come.
struct Total {
    imported: u64,
    existing: u64,
    refused: u64,
    /// For machines; people read the reasons on stderr.
    reasons: Option<JsonRows>,
}

impl Total {
    fn new(import: &KeyImport) -> Self {
        let reasons = import.remote.json.then(|| JsonRows::of("reasons"));
        Self { imported: 0, existing: 0, refused: 0, reasons }
    }

    const fn told(&self) -> u64 {
        self.imported + self.existing + self.refused
    }

    /// Adds the answer to a call that began after the key `before`.
    fn add(&mut self, answer: &Value, before: u64) -> Result<()> {
        let count = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or_default();
        self.imported += count("imported");
        self.existing += count("existing");
        self.refused += count("refused");
        for one in rows(answer) {
            if let (Some(reason), Some(index)) = (one.get("reason"), one.get("index").and_then(Value::as_u64))
                && !reason.is_null()
            {
                self.refuse(before.saturating_add(index + 1), reason)?;
            }
        }
        Ok(())
    }

    fn refuse(&mut self, key: u64, reason: &Value) -> Result<()> {
        match &mut self.reasons {
            Some(reasons) => reasons.add(&json!({ "key": key, "reason": reason })),
            None => {
                output::note(&format!("key {key}: {}", reason.as_str().unwrap_or_default()));
                Ok(())
            }
        }
    }

    fn end(self, import: &KeyImport) -> Result<ExitCode> {
        let Self { imported, existing, refused, reasons } = self;
        if let Some(reasons) = reasons {
            reasons.end(&json!({
                "imported": imported, "existing": existing, "refused": refused, "dry_run": import.dry_run,
            }))?;
        } else {
            let verb = if import.dry_run { "would be imported" } else { "imported" };
            output::line(&format!("{imported} {verb}, {existing} were here before, {refused} refused"))?;
        }
        Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The keys of a file, a call's worth at a time, each with what the flags say of all.
struct Keys<'a> {
    import: &'a KeyImport,
    lines: Box<dyn BufRead + Send>,
    /// How many were read.
    number: u64,
    /// In how many lines.
    lines_read: u64,
}

impl<'a> Keys<'a> {
    fn open(import: &'a KeyImport) -> Result<Self> {
        let lines: Box<dyn BufRead + Send> = if import.file == Path::new("-") {
            Box::new(BufReader::new(std::io::stdin()))
        } else {
            let file = std::fs::File::open(&import.file);
            Box::new(BufReader::new(file.with_context(|| format!("cannot read {}", import.file.display()))?))
        };
        Ok(Self { import, lines, number: 0, lines_read: 0 })
    }

    /// Reads the next keys; none at the end of the file.
    fn next(&mut self) -> Result<Vec<Value>> {
        let (mut keys, mut bytes) = (Vec::new(), 0);
        while keys.len() < AT_ONCE && bytes < AT_ONCE_BYTES {
            let Some(line) = self.line()? else { break };
            let line = line.trim();
            if !line.is_empty() {
                self.number += 1;
                bytes += line.len();
                keys.push(self.key(line)?);
            }
        }
        Ok(keys)
    }

    fn line(&mut self) -> Result<Option<String>> {
        let name = || format!("{}, after key {}", self.import.file.display(), self.number);
        let mut line = String::new();
        let read = self.lines.by_ref().take(MAX_LINE).read_line(&mut line).with_context(name)?;
        if read == usize::try_from(MAX_LINE).unwrap_or(usize::MAX) {
            bail!("{}: expected a line of less than {MAX_LINE} bytes", name());
        }
        self.lines_read += 1;
        Ok((read > 0).then_some(line))
    }

    /// Reads a key, and adds what the flags say of all.
    fn key(&self, line: &str) -> Result<Value> {
        let (import, number) = (self.import, self.number);
        let mut key = match line.starts_with('{') {
            true => import_line(line).map_err(|error| {
                let (file, at) = (import.file.display(), self.lines_read);
                anyhow!("{file}:{at}:{}: {}", error.column, error.message)
            })?,
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
}

fn hmac_key(path: &Path) -> Result<String> {
    let unreadable = || format!("cannot read {}", path.display());
    let (file, mut text) = (std::fs::File::open(path).with_context(unreadable)?, String::new());
    file.take(MAX_HMAC_KEY).read_to_string(&mut text).with_context(unreadable)?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}
