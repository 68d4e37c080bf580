//! `countersign owner …`

use std::process::ExitCode;

use anyhow::Result;
use http::Method;
use serde_json::json;

use crate::cli::Owner;
use crate::commands::key::{segment, without_null};
use crate::commands::{call, list, object};
use crate::listing::Columns;

const COLUMNS: Columns = &[
    ("ID", "id"),
    ("KIND", "kind"),
    ("NAME", "name"),
    ("ORGANISATION", "organisation"),
    ("DISABLED", "disabled_at"),
];

pub(crate) async fn run(command: Owner) -> Result<ExitCode> {
    match command {
        Owner::Create { kind, name, organisation, reach } => {
            let body = without_null(json!({ "kind": kind, "name": name, "organisation": organisation }));
            object(&reach, &call(&reach, Method::POST, "/v1/owners", Some(&body)).await?)
        }
        Owner::List { reach } => list(&reach, "/v1/owners", COLUMNS).await,
        Owner::Disable { id, reach } => {
            object(&reach, &call(&reach, Method::POST, &segment("/v1/owners", &id, "/disable")?, None).await?)
        }
        Owner::Enable { id, reach } => {
            object(&reach, &call(&reach, Method::POST, &segment("/v1/owners", &id, "/enable")?, None).await?)
        }
    }
}
