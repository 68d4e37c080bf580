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
        Owner::Create { kind, name, organisation, remote } => {
            let body = without_null(json!({ "kind": kind, "name": name, "organisation": organisation }));
            object(&remote, &call(&remote, Method::POST, "/v1/owners", Some(&body)).await?)
        }
        Owner::List { remote } => list(&remote, "/v1/owners", COLUMNS).await,
        Owner::Disable { id, remote } => object(
            &remote,
            &call(&remote, Method::POST, &segment("/v1/owners", &id, "/disable")?, None).await?,
        ),
        Owner::Enable { id, remote } => object(
            &remote,
            &call(&remote, Method::POST, &segment("/v1/owners", &id, "/enable")?, None).await?,
        ),
    }
}
