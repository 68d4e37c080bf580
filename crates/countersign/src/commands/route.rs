//! `countersign route …`

use std::process::ExitCode;

use anyhow::Result;
use http::Method;
use serde_json::json;

use crate::cli::Route;
use crate::commands::{call, rows};
use crate::listing::{Columns, Listing};

const COLUMNS: Columns = &[
    ("NAME", "name"),
    ("PATH", "path"),
    ("METHODS", "methods"),
    ("UPSTREAM", "upstream"),
    ("REQUIRES", "require"),
];

pub(crate) async fn run(command: Route) -> Result<ExitCode> {
    match command {
        Route::List { remote } => {
            let routes = call(&remote, Method::GET, "/v1/routes", None).await?;
            let mut listing = Listing::new(remote.json, COLUMNS);
            listing.add(rows(&routes))?;
            listing.end(&json!({ "next_cursor": null }))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
