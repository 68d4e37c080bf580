//! `countersign resource …`

use std::iter::once;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use http::Method;
use serde_json::{Map, Value, json};
use url::form_urlencoded::byte_serialize;

use crate::cli::{Resource, ResourceCreate};
use crate::commands::client::jwks;
use crate::commands::key::without_null;
use crate::commands::{call, object, rows};
use crate::listing::{Columns, Listing};
use crate::output;

const COLUMNS: Columns =
    &[("ID", "id"), ("SCOPES", "scopes"), ("ACCESS TOKEN", "access_token"), ("CLAIMS", "claims")];

pub(crate) async fn run(command: Resource) -> Result<ExitCode> {
    match command {
        Resource::Create(create) => declare(&create).await,
        Resource::Delete { id, remote } => {
            call(&remote, Method::DELETE, &path(&id), None).await?;
            output::note(&format!("{id} is deleted: no token is issued for it"));
            Ok(ExitCode::SUCCESS)
        }
        Resource::Update { id, jwks: file, remote } => {
            let jwks = if file.as_os_str() == "none" { Value::Null } else { jwks(&file)? };
            let body = json!({ "jwks": jwks });
            object(&remote, &call(&remote, Method::PATCH, &path(&id), Some(&body)).await?)
        }
        Resource::List { remote } => {
            let resources = call(&remote, Method::GET, "/v1/resources", None).await?;
            let mut listing = Listing::new(remote.json, COLUMNS);
            listing.add(rows(&resources))?;
            listing.end(&json!({ "next_cursor": null }))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Returns where a resource is: its name is a URI, and percent-encoded.
fn path(id: &str) -> String {
    once("/v1/resources/").chain(byte_serialize(id.as_bytes())).collect()
}

async fn declare(create: &ResourceCreate) -> Result<ExitCode> {
    let scopes = pairs("--scope", &create.scopes)?;
    let text = |(name, text): (String, String)| (name, Value::String(text));
    let mut claims: Map<String, Value> = pairs("--claim", &create.claims)?.into_iter().map(text).collect();
    let from = pairs("--claim-from", &create.claims_from)?;
    claims.extend(from.into_iter().map(|(name, member)| (name, json!({ "metadata": member }))));
    let body = without_null(json!({
        "id": create.id,
        "scopes": if scopes.is_empty() { Value::Null } else { scopes.into_iter().map(text).collect() },
        "access_token": without_null(json!({
            "lifetime": create.lifetime,
            "signing_alg": create.signing_alg,
            "kind": create.kind,
        })),
        "claims": claims,
        "introspection": create.introspection,
        "jwks": create.jwks.as_deref().map(jwks).transpose()?,
    }));
    object(&create.remote, &call(&create.remote, Method::POST, "/v1/resources", Some(&body)).await?)
}

fn pairs(flag: &str, texts: &[String]) -> Result<Vec<(String, String)>> {
    let pair = |text: &String| {
        let (name, value) =
            text.split_once('=').ok_or_else(|| anyhow!("{flag} {text}: expected NAME=TEXT"))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    texts.iter().map(pair).collect()
}
