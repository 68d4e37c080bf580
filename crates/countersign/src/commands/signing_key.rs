//! `countersign signing-key …`

use std::process::ExitCode;

use anyhow::Result;
use http::Method;
use serde_json::json;

use crate::cli::SigningKey;
use crate::commands::key::segment;
use crate::commands::{call, list, object};
use crate::listing::Columns;

const COLUMNS: Columns = &[
    ("KID", "kid"),
    ("PURPOSE", "purpose"),
    ("ALG", "alg"),
    ("STATE", "state"),
    ("OPENS", "opens"),
    ("SIGNS FROM", "active_at"),
    ("SIGNS UNTIL", "retired_at"),
    ("ENDS", "ends_at"),
];

pub(crate) async fn run(command: SigningKey) -> Result<ExitCode> {
    match command {
        SigningKey::List { remote } => list(&remote, "/v1/signing-keys", COLUMNS).await,
        SigningKey::Rotate { alg, purpose, publish_first, remote } => {
            let body = json!({ "alg": alg, "purpose": purpose, "publish_first": publish_first });
            object(&remote, &call(&remote, Method::POST, "/v1/signing-keys/rotate", Some(&body)).await?)
        }
        SigningKey::Revoke { kid, remote } => {
            let path = segment("/v1/signing-keys", &kid, "/revoke")?;
            object(&remote, &call(&remote, Method::POST, &path, None).await?)
        }
    }
}
