//! `countersign grant …`

use std::process::ExitCode;

use anyhow::Result;
use http::Method;
use url::form_urlencoded::Serializer;

use crate::cli::Grant;
use crate::commands::key::segment;
use crate::commands::{call, list};
use crate::listing::Columns;
use crate::output;

const COLUMNS: Columns = &[
    ("ID", "id"),
    ("CLIENT", "client"),
    ("PERSON", "subject"),
    ("SCOPES", "scopes"),
    ("GIVEN", "created_at"),
    ("LAST", "updated_at"),
];

pub(crate) async fn run(command: Grant) -> Result<ExitCode> {
    match command {
        Grant::List { client, subject, remote } => {
            let given = [("client", client), ("subject", subject)];
            let given = given.into_iter().filter_map(|(name, value)| Some((name, value?)));
            let query = Serializer::new(String::new()).extend_pairs(given).finish();
            let separator = if query.is_empty() { "" } else { "?" };
            list(&remote, &format!("/v1/grants{separator}{query}"), COLUMNS).await
        }
        Grant::Revoke { id, remote } => {
            call(&remote, Method::POST, &segment("/v1/grants", &id, "/revoke")?, None).await?;
            output::note("revoked: refused by the next request");
            Ok(ExitCode::SUCCESS)
        }
    }
}
