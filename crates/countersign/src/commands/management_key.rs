//! `countersign management-key …`

use std::process::ExitCode;

use anyhow::Result;
use http::Method;
use serde_json::json;

use crate::cli::ManagementKey;
use crate::commands::key::{segment, with_end};
use crate::commands::{call, list, minted, object};
use crate::listing::Columns;
use crate::output;

const COLUMNS: Columns = &[
    ("ID", "id"),
    ("NAME", "name"),
    ("HINT", "hint"),
    ("OWNER", "owner"),
    ("SCOPES", "scopes"),
    ("GRANTS", "grantable"),
    ("STATE", "state"),
];

pub(crate) async fn run(command: ManagementKey) -> Result<ExitCode> {
    match command {
        ManagementKey::Create { name, scopes, grantable, owner, expires_in, remote } => {
            let terms = json!({ "name": name, "scopes": scopes, "grantable": grantable, "owner": owner });
            let body = with_end(terms, expires_in.as_deref());
            minted(&remote, &call(&remote, Method::POST, "/v1/management-keys", Some(&body)).await?)
        }
        ManagementKey::List { remote } => list(&remote, "/v1/management-keys", COLUMNS).await,
        ManagementKey::Rotate { remote } => {
            minted(&remote, &call(&remote, Method::POST, "/v1/management-keys/rotate", None).await?)
        }
        ManagementKey::Revoke { id, remote } => {
            let path = segment("/v1/management-keys", &id, "/revoke")?;
            object(&remote, &call(&remote, Method::POST, &path, None).await?)
        }
        ManagementKey::Delete { id, remote } => {
            call(&remote, Method::DELETE, &segment("/v1/management-keys", &id, "")?, None).await?;
            output::note(&format!("{id} is revoked and forgotten"));
            Ok(ExitCode::SUCCESS)
        }
    }
}
