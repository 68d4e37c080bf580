//! `countersign audit …`

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use http::Method;
use serde_json::{Value, json};

use crate::cli::{Audit, Remote};
use crate::commands::call;
use crate::output;

/// How often `--follow` asks for news.
const POLL: Duration = Duration::from_millis(500);

pub(crate) async fn run(command: Audit) -> Result<ExitCode> {
    match command {
        Audit::Tail { lines, follow, remote } => tail(lines, follow, &remote).await,
        Audit::Verify { remote } => verify(&remote).await,
    }
}

async fn tail(lines: usize, follow: bool, remote: &Remote) -> Result<ExitCode> {
    let first =
        call(remote, Method::GET, &format!("/v1/audit?last=true&limit={}", lines.clamp(1, 500)), None)
            .await?;
    let mut seen = BTreeMap::new();
    print(remote, rows(&first), &mut seen)?;
    if follow {
        let interrupted = tokio::signal::ctrl_c();
        tokio::select! {
            followed = follow_on(remote, &mut seen) => followed?,
            interrupted = interrupted => interrupted?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn follow_on(remote: &Remote, seen: &mut BTreeMap<String, i64>) -> Result<()> {
    loop {
        tokio::time::sleep(POLL).await;
        let news = call(remote, Method::GET, "/v1/audit?last=true&limit=500", None).await?;
        print(remote, rows(&news), seen)?;
    }
}

fn rows(page: &Value) -> Vec<Row> {
    let rows = page.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
    rows.iter().filter_map(Row::read).collect()
}

/// One event with its place in its node's chain.
struct Row {
    node: String,
    n: i64,
    hash: String,
    body: String,
}

impl Row {
    fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name)?.as_str().map(str::to_owned);
        Some(Self {
            node: text("node")?,
            n: value.get("n")?.as_i64()?,
            hash: text("hash")?,
            body: text("body")?,
        })
    }
}

fn print(remote: &Remote, rows: Vec<Row>, seen: &mut BTreeMap<String, i64>) -> Result<()> {
    for row in rows {
        let last = seen.entry(row.node.clone()).or_insert(0);
        if row.n <= *last {
            continue;
        }
        *last = row.n;
        let event: Value = serde_json::from_str(&row.body)?;
        if remote.json {
            output::json(&json!({ "node": row.node, "n": row.n, "hash": row.hash, "event": event }))?;
        } else {
            output::line(&sentence(&event))?;
        }
    }
    Ok(())
}

fn sentence(event: &Value) -> String {
    let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let actor = [text("/actor/credential"), text("/actor/scheme")].into_iter().find(|name| !name.is_empty());
    let details = event.get("details").and_then(Value::as_array).cloned().unwrap_or_default();
    let details: Vec<String> = details
        .iter()
        .filter_map(|pair| Some(format!("{}={}", pair.get(0)?.as_str()?, pair.get(1)?.as_str()?)))
        .collect();
    let parts = [
        text("/at"),
        text("/action"),
        text("/verdict"),
        text("/reason"),
        text("/subject"),
        format!("by {}", actor.unwrap_or_default()),
        details.join(" "),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

async fn verify(remote: &Remote) -> Result<ExitCode> {
    let answer = call(remote, Method::GET, "/v1/audit/chains", None).await?;
    let chains = answer.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
    if remote.json {
        output::json(&json!({ "chains": chains }))?;
    } else {
        for chain in &chains {
            output::line(&state(chain))?;
        }
    }
    let whole = chains.iter().all(|chain| chain.get("broken_at").is_some_and(Value::is_null));
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn state(chain: &Value) -> String {
    let text = |name: &str| chain.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| chain.get(name).and_then(Value::as_i64);
    match number("broken_at") {
        None => format!(
            "{}: {} events, whole, head {}",
            text("node"),
            number("events").unwrap_or(0),
            text("head")
        ),
        Some(n) => format!("{}: broken at event {n}: it was altered, removed or moved", text("node")),
    }
}
