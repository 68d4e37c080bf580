//! `countersign reload`

use std::process::ExitCode;

use anyhow::{Result, bail};
use http::Method;
use serde_json::Value;

use crate::cli::Remote;
use crate::client::Connection;
use crate::environment;
use crate::output;

pub(crate) async fn run(remote: &Remote) -> Result<ExitCode> {
    let connection = Connection::to_server(remote, environment::management_key()).await?;
    let Some(connection) = connection else {
        bail!(
            "no server runs on the data directory {}: its settings are read when it starts",
            remote.data.display()
        );
    };
    let answer = connection.call(Method::POST, "/v1/reload", None).await?;
    if remote.json {
        output::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let changes = answer.get("changes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for change in changes {
        output::line(&words(change))?;
    }
    output::note(if changes.is_empty() { "reloaded: nothing differs" } else { "reloaded" });
    Ok(ExitCode::SUCCESS)
}

fn words(change: &Value) -> String {
    let words = change.get("words").and_then(Value::as_str).unwrap_or_default();
    match change.get("restart") {
        Some(Value::Bool(true)) => format!("{words} (waits for a restart)"),
        _ => words.to_owned(),
    }
}
