//! `countersign key …`

use std::io::Read;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use countersign_core::key_string::KeyString;
use http::Method;
use serde_json::{Map, Value, json};

use crate::cli::{Key, KeyCreate, KeyFilter, KeyUpdate, Remote};
use crate::client::Connection;
use crate::commands::{call, each_page, list, minted, object, rows};
use crate::commands::{key_import, key_rules};
use crate::environment;
use crate::listing::{Columns, Listing, Progress};
use crate::output;

const COLUMNS: Columns = &[
    ("ID", "id"),
    ("NAME", "name"),
    ("HINT", "hint"),
    ("ENVIRONMENT", "environment"),
    ("SCOPES", "scopes"),
    ("STATE", "state"),
    ("EXPIRES", "expires_at"),
    ("LAST USED", "last_used_at"),
];

pub(crate) async fn run(command: Key) -> Result<ExitCode> {
    match command {
        Key::Create(create) => mint(&create).await,
        Key::List { filter, remote } => list(&remote, &listing(&filter), COLUMNS).await,
        Key::RevokeMany { filter, all, dry_run, remote } => revoke_many(&filter, all, dry_run, &remote).await,
        Key::Show { id, remote } => {
            object(&remote, &call(&remote, Method::GET, &key_path(&id, "")?, None).await?)
        }
        Key::Update(update) => amend(&update).await,
        Key::Rotate { id, overlap, expires_in, remote } => {
            let overlap = overlap.map(|overlap| if overlap == "none" { "0s".to_owned() } else { overlap });
            let body = with_end(json!({ "overlap": overlap }), expires_in.as_deref());
            minted(&remote, &call(&remote, Method::POST, &key_path(&id, "/rotate")?, Some(&body)).await?)
        }
        Key::Revoke { id, remote } => {
            let revoked = call(&remote, Method::POST, &key_path(&id, "/revoke")?, None).await?;
            if remote.json {
                return object(&remote, &revoked);
            }
            output::line(&format!("{id} is revoked: the next request that presents it is refused"))?;
            Ok(ExitCode::SUCCESS)
        }
        Key::Delete { id, remote } => {
            call(&remote, Method::DELETE, &key_path(&id, "")?, None).await?;
            output::note(&format!("{id} is revoked and forgotten"));
            Ok(ExitCode::SUCCESS)
        }
        Key::Verify { key, scopes, environment, client_ip, method, path, cost, remote } => {
            let asked = without_null(json!({
                "key": given_or_read(key)?, "scopes": scopes, "environment": environment,
                "client_ip": client_ip, "method": method, "path": path, "cost": cost,
            }));
            verify(&asked, &remote).await
        }
        Key::Import(import) => key_import::run(&import).await,
        Key::Export { owner, remote } => {
            let query = owner.map(|owner| format!("?owner={owner}")).unwrap_or_default();
            let lines = |keys: &[Value]| keys.iter().try_for_each(|key| output::line(&key.to_string()));
            each_page(&remote, &format!("/v1/keys{query}"), lines).await?;
            Ok(ExitCode::SUCCESS)
        }
        Key::Rules { format, prefix } => key_rules::print(&format, &prefix),
        Key::Check { key } => check(key),
    }
}

/// Returns the path of a list.
fn listing(filter: &KeyFilter) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(filter.members());
    let query = query.finish();
    if query.is_empty() { "/v1/keys".to_owned() } else { format!("/v1/keys?{query}") }
}

async fn revoke_many(filter: &KeyFilter, all: bool, dry_run: bool, remote: &Remote) -> Result<ExitCode> {
    let mut listing = Listing::new(remote.json, COLUMNS);
    let connection = Connection::open(remote, environment::management_key()).await?;
    let walked = revoke_pages(&connection, filter, all, dry_run, &mut listing).await;
    connection.close().await?;
    let verb = if dry_run { "would be revoked" } else { "are revoked" };
    if let Err(error) = walked {
        let so_far = listing.count();
        return Err(error.context(format!("{so_far} keys {verb}, then it stopped; the same command goes on")));
    }
    let count = listing.count();
    listing.end(&json!({ "next_cursor": null, "dry_run": dry_run }))?;
    output::note(&format!("{count} keys {verb}"));
    Ok(ExitCode::SUCCESS)
}

async fn revoke_pages(
    connection: &Connection,
    filter: &KeyFilter,
    all: bool,
    dry_run: bool,
    listing: &mut Listing,
) -> Result<()> {
    let members: Map<String, Value> =
        filter.members().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let (mut progress, mut cursor) = (Progress::new(), Value::Null);
    loop {
        let body = json!({ "filter": members, "all": all, "dry_run": dry_run, "cursor": cursor });
        let answer = connection.call(Method::POST, "/v1/keys/revoke", Some(&without_null(body))).await?;
        listing.add(rows(&answer))?;
        cursor = answer.get("next_cursor").cloned().unwrap_or_default();
        if cursor.is_null() {
            return Ok(());
        }
        progress.tell(|| format!("{} so far", listing.count()));
    }
}

/// Returns the path of one key. An id that could be more than one path segment is refused here.
pub(crate) fn key_path(id: &str, verb: &str) -> Result<String> {
    segment("/v1/keys", id, verb)
}

/// Returns `collection/id/verb`.
///
/// # Errors
///
/// A text if `id` is no id.
pub(crate) fn segment(collection: &str, id: &str, verb: &str) -> Result<String> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        bail!("{id:?} is no id; `list` shows them");
    }
    Ok(format!("{collection}/{id}{verb}"))
}

async fn mint(create: &KeyCreate) -> Result<ExitCode> {
    let terms = json!({
        "name": create.name,
        "scopes": create.scopes,
        "not_before": create.not_before,
        "environment": create.environment,
        "prefix": create.prefix,
        "owner": create.owner,
        "limits": limits(&create.limits)?,
        "allow_from": create.allow_from,
        "metadata": metadata(&create.metadata)?,
    });
    let body = with_end(terms, create.expires_in.as_deref());
    minted(&create.remote, &call(&create.remote, Method::POST, "/v1/keys", Some(&body)).await?)
}

pub(crate) fn metadata(pairs: &[String]) -> Result<Map<String, Value>> {
    pairs.iter().map(|pair| pair_of(pair)).collect()
}

fn pair_of(pair: &str) -> Result<(String, Value)> {
    let (name, value) =
        pair.split_once('=').ok_or_else(|| anyhow!("--metadata {pair}: expected NAME=VALUE"))?;
    Ok((name.to_owned(), Value::String(value.to_owned())))
}

/// Reads `burst=10/1s`.
fn limits(texts: &[String]) -> Result<Vec<Value>> {
    let limit = |text: &String| {
        let parts = text.split_once('=').and_then(|(name, rest)| Some((name, rest.split_once('/')?)));
        let (name, (amount, window)) = parts
            .ok_or_else(|| anyhow!("--limit {text}: expected NAME=AMOUNT/WINDOW, such as burst=10/1s"))?;
        let amount: u32 = amount.parse().with_context(|| format!("--limit {text}: the amount"))?;
        Ok(json!({ "name": name, "limit": amount, "window": window }))
    };
    texts.iter().map(limit).collect()
}

/// Reads a list that may be replaced: nothing was named, or `none` of it, or what was named.
pub(crate) fn replacement(
    flag: &str,
    texts: &[String],
    read: impl Fn(&[String]) -> Result<Value>,
) -> Result<Option<Value>> {
    match texts {
        [] => Ok(None),
        [one] if one == "none" => Ok(Some(Value::Null)),
        texts if texts.iter().any(|text| text == "none") => {
            bail!("{flag} none takes all away: name nothing else")
        }
        texts => read(texts).map(Some),
    }
}

/// Says when a key ends: `never` is `null`, what is not named is absent.
pub(crate) fn with_end(body: Value, expires_in: Option<&str>) -> Value {
    let mut body = without_null(body);
    if let (Some(end), Some(members)) = (expires_in, body.as_object_mut()) {
        let end = if end == "never" { Value::Null } else { Value::from(end) };
        members.insert("expires_in".to_owned(), end);
    }
    body
}

/// Leaves out members that are `null`: absent means "as it is" or "by default".
pub(crate) fn without_null(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, member| !member.is_null());
    }
    value
}

async fn amend(update: &KeyUpdate) -> Result<ExitCode> {
    let enabled = (update.enable || update.disable).then_some(update.enable);
    let mut body = with_end(json!({ "name": update.name, "enabled": enabled }), update.expires_in.as_deref());
    let listed = |texts: &[String]| Ok(Value::from(texts));
    // `any` is another word for an allowlist that lists nobody.
    let allow_from: Vec<_> = update
        .allow_from
        .iter()
        .map(|block| if block == "any" { "none".to_owned() } else { block.clone() })
        .collect();
    let replaced = [
        ("scopes", replacement("--scope", &update.scopes, listed)?),
        ("limits", replacement("--limit", &update.limits, |texts| Ok(limits(texts)?.into()))?),
        ("allow_from", replacement("--allow-from", &allow_from, listed)?),
        ("metadata", replacement("--metadata", &update.metadata, |pairs| Ok(metadata(pairs)?.into()))?),
    ];
    if let Some(members) = body.as_object_mut() {
        members.extend(replaced.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    let path = key_path(&update.id, "")?;
    object(&update.remote, &call(&update.remote, Method::PATCH, &path, Some(&body)).await?)
}

async fn verify(asked: &Value, remote: &Remote) -> Result<ExitCode> {
    let verdict = call(remote, Method::POST, "/v1/keys/verify", Some(asked)).await?;
    object(remote, &verdict)?;
    let valid = verdict.get("valid").and_then(Value::as_bool).unwrap_or(false);
    Ok(if valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(key: Option<String>) -> Result<ExitCode> {
    match KeyString::parse(&given_or_read(key)?) {
        Ok(key) => {
            output::line(&format!("{}: the shape and the checksum are right", key.hint()))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(malformed) => {
            output::note(&malformed.to_string());
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Returns the argument, or what is on standard input.
fn given_or_read(key: Option<String>) -> Result<String> {
    if let Some(key) = key.filter(|key| key != "-") {
        return Ok(key);
    }
    let mut text = String::new();
    std::io::stdin()
        .take(4096)
        .read_to_string(&mut text)
        .context("cannot read the key from standard input")?;
    Ok(text.trim().to_owned())
}
