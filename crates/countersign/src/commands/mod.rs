//! What the commands do, one file a noun.

pub(crate) mod audit;
pub(crate) mod client;
pub(crate) mod demo;
mod demo_app;
mod demo_cli;
mod demo_person;
mod demo_service;
mod demo_web;
pub(crate) mod grant;
mod issuer;
pub(crate) mod key;
pub(crate) mod key_import;
pub(crate) mod key_rules;
pub(crate) mod login;
pub(crate) mod management_key;
pub(crate) mod master_key;
mod offline;
pub(crate) mod owner;
pub(crate) mod reference;
pub(crate) mod reload;
pub(crate) mod resource;
pub(crate) mod route;
pub(crate) mod signing_key;
pub(crate) mod token;
mod token_get;
mod token_revoke;
pub(crate) mod up;
pub(crate) mod user;

use std::process::ExitCode;

use anyhow::Result;
use http::Method;
use serde_json::Value;

use crate::cli::Remote;
use crate::client::Connection;
use crate::environment;
use crate::listing::{Columns, Listing};
use crate::output;

/// Calls one endpoint of the management API, over whichever way `remote` names.
///
/// # Errors
///
/// The API's refusal, or a text about the way.
pub(crate) async fn call(remote: &Remote, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
    let connection = Connection::open(remote, environment::management_key()).await?;
    let answer = connection.call(method, path, body).await;
    connection.close().await?;
    answer
}

/// Walks all pages of a list and writes each as it comes.
///
/// # Errors
///
/// The API's refusal, or a text about the way.
pub(crate) async fn list(remote: &Remote, path: &str, columns: Columns) -> Result<ExitCode> {
    let mut listing = Listing::new(remote.json, columns);
    each_page(remote, path, |rows| listing.add(rows)).await?;
    listing.end(&serde_json::json!({ "next_cursor": null }))?;
    Ok(ExitCode::SUCCESS)
}

/// Walks all pages of a list: each is given to `take` and forgotten.
///
/// # Errors
///
/// The API's refusal, a text about the way, or what `take` says.
pub(crate) async fn each_page(
    remote: &Remote,
    path: &str,
    mut take: impl FnMut(&[Value]) -> Result<()>,
) -> Result<()> {
    let connection = Connection::open(remote, environment::management_key()).await?;
    let walked = walk(&connection, path, &mut take).await;
    connection.close().await?;
    walked
}

async fn walk(
    connection: &Connection,
    path: &str,
    take: &mut impl FnMut(&[Value]) -> Result<()>,
) -> Result<()> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let mut cursor = String::new();
    loop {
        let page = connection.call(Method::GET, &format!("{path}{separator}limit=500{cursor}"), None).await?;
        take(rows(&page))?;
        let Some(next) = page.get("next_cursor").and_then(Value::as_str) else {
            return Ok(());
        };
        cursor = format!("&cursor={next}");
    }
}

/// Returns the rows of a page.
pub(crate) fn rows(page: &Value) -> &[Value] {
    page.get("data").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Prints one object.
///
/// # Errors
///
/// If stdout is closed.
pub(crate) fn object(remote: &Remote, object: &Value) -> Result<ExitCode> {
    if remote.json {
        output::json(object)?
    } else {
        output::members(object)?
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a key that was just minted: its text to stdout, once; words about it to stderr.
///
/// # Errors
///
/// If stdout is closed.
pub(crate) fn minted(remote: &Remote, answer: &Value) -> Result<ExitCode> {
    let member = |name: &str| answer.get(name).cloned().unwrap_or(Value::Null);
    if remote.json {
        let mut shown = serde_json::json!({
            "id": member("id"), "key": member("key"), "hint": member("hint"), "expires_at": member("expires_at"),
        });
        if let (Some(replaces), Some(shown)) = (answer.get("replaces"), shown.as_object_mut()) {
            shown.insert("replaces".to_owned(), replaces.clone());
        }
        output::json(&shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = |name: &str| member(name).as_str().map_or_else(|| "never".to_owned(), str::to_owned);
    output::note(&format!("{} ({}) ends: {}", text("id"), text("name"), text("expires_at")));
    if let Some(replaces) = answer.get("replaces") {
        let end = replaces.get("expires_at").and_then(Value::as_str).unwrap_or("never");
        let old = replaces.get("id").and_then(Value::as_str).unwrap_or_default();
        output::note(&format!("{old} works until {end}"));
    }
    output::note("This is the only time that the key is shown:");
    output::line(&text("key"))?;
    Ok(ExitCode::SUCCESS)
}
