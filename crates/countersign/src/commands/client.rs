//! `countersign client …`

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use http::Method;
use serde_json::{Value, json};

use crate::cli::{Client, ClientCreate, ClientUpdate, Remote};
use crate::commands::key::{metadata, replacement, segment, without_null};
use crate::commands::{call, list, object};
use crate::listing::Columns;
use crate::output;

const COLUMNS: Columns = &[
    ("CLIENT ID", "client_id"),
    ("NAME", "name"),
    ("GRANTS", "grant_types"),
    ("SCOPES", "scopes"),
    ("AUDIENCES", "audiences"),
    ("METHOD", "token_endpoint_auth_method"),
    ("DISABLED", "disabled_at"),
];

pub(crate) async fn run(command: Client) -> Result<ExitCode> {
    match command {
        Client::Create(create) => register(&create).await,
        Client::List { remote } => list(&remote, "/v1/clients", COLUMNS).await,
        Client::Show { id, remote } => {
            object(&remote, &call(&remote, Method::GET, &path(&id, "")?, None).await?)
        }
        Client::Update(update) => amend(&update).await,
        Client::RotateSecret { id, overlap, remote } => {
            let overlap = overlap.map(|overlap| if overlap == "none" { "0s".to_owned() } else { overlap });
            let body = without_null(json!({ "overlap": overlap }));
            let answer = call(&remote, Method::POST, &path(&id, "/rotate-secret")?, Some(&body)).await?;
            let replaced = answer.get("replaces").and_then(Value::as_array).into_iter().flatten();
            for old in replaced.filter(|_| !remote.json) {
                let member = |name: &str| old.get(name).and_then(Value::as_str).unwrap_or_default();
                let end = if member("state") == "revoked" { "it is revoked" } else { member("expires_at") };
                output::note(&format!("{} works until: {end}", member("hint")));
            }
            shown(&remote, &answer)
        }
        Client::Disable { id, remote } => {
            object(&remote, &call(&remote, Method::POST, &path(&id, "/disable")?, None).await?)
        }
        Client::Enable { id, remote } => {
            object(&remote, &call(&remote, Method::POST, &path(&id, "/enable")?, None).await?)
        }
    }
}

fn path(id: &str, verb: &str) -> Result<String> {
    segment("/v1/clients", id, verb)
}

async fn register(create: &ClientCreate) -> Result<ExitCode> {
    let method = if create.public { Some("none") } else { create.auth_method.as_deref() };
    let body = without_null(json!({
        "name": create.name,
        "organisation": create.owner,
        "grant_types": create.grants,
        "scopes": create.scopes,
        "audiences": create.audiences,
        "token_endpoint_auth_method": method,
        "token_format": create.token_format,
        "jwks": create.jwks.as_deref().map(jwks).transpose()?,
        "jwks_uri": create.jwks_uri,
        "redirect_uris": create.redirect_uris,
        "post_logout_redirect_uris": create.post_logout_redirect_uris,
        "origins": create.origins,
        "require_pkce": create.require_pkce,
        "id_token_signed_response_alg": create.id_token_alg,
        "metadata": metadata(&create.metadata)?,
    }));
    let answer = call(&create.remote, Method::POST, "/v1/clients", Some(&body)).await?;
    shown(&create.remote, &answer)
}

/// Reads the file of a JWK Set.
pub(super) fn jwks(file: &Path) -> Result<Value> {
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", file.display()))
}

async fn amend(update: &ClientUpdate) -> Result<ExitCode> {
    let listed = |texts: &[String]| Ok(Value::from(texts));
    let mut body = without_null(json!({
        "name": update.name,
        "token_endpoint_auth_method": update.auth_method,
        "token_format": update.token_format,
        "jwks": update.jwks.as_deref().map(jwks).transpose()?,
        "grant_types": Some(&update.grants).filter(|grants| !grants.is_empty()),
        "require_pkce": update.require_pkce,
        "id_token_signed_response_alg": update.id_token_alg,
    }));
    let replaced = [
        // One takes the place of the other (RFC 7591 §2).
        ("jwks", update.jwks_uri.as_ref().map(|_| Value::Null)),
        (
            "jwks_uri",
            update.jwks.as_ref().map(|_| Value::Null).or_else(|| update.jwks_uri.clone().map(Value::from)),
        ),
        ("scopes", replacement("--scope", &update.scopes, listed)?),
        ("audiences", replacement("--audience", &update.audiences, listed)?),
        ("redirect_uris", replacement("--redirect-uri", &update.redirect_uris, listed)?),
        (
            "post_logout_redirect_uris",
            replacement("--post-logout-redirect-uri", &update.post_logout_redirect_uris, listed)?,
        ),
        ("origins", replacement("--origin", &update.origins, listed)?),
        ("metadata", replacement("--metadata", &update.metadata, |pairs| Ok(metadata(pairs)?.into()))?),
    ];
    if let Some(members) = body.as_object_mut() {
        members.extend(replaced.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    object(&update.remote, &call(&update.remote, Method::PATCH, &path(&update.id, "")?, Some(&body)).await?)
}

/// Prints a client's name, and its secret if one was minted: that to stdout, once; words about it to stderr.
fn shown(remote: &Remote, answer: &Value) -> Result<ExitCode> {
    let member = |name: &str| answer.get(name).cloned().unwrap_or(Value::Null);
    let (id, secret) = (member("client_id"), member("client_secret"));
    if remote.json {
        output::json(&json!({ "client_id": id, "client_secret": secret }))?;
        return Ok(ExitCode::SUCCESS);
    }
    match (id.as_str().unwrap_or_default(), secret.as_str()) {
        (id, Some(secret)) => {
            output::note(&format!("{id}: this is the only time that the secret is shown:"));
            output::line(secret)?;
        }
        (id, None) => {
            output::note("the client has no secret; its id:");
            output::line(id)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
