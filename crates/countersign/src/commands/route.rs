//! `countersign route …`

use std::process::ExitCode;

use anyhow::Result;
use http::Method;

use crate::cli::Route;
use crate::commands::{call, page};

const COLUMNS: &[(&str, &str)] = &[
    ("NAME", "name"),
    ("PATH", "path"),
    ("METHODS", "methods"),
    ("UPSTREAM", "upstream"),
    ("REQUIRES", "require"),
];

pub(crate) async fn run(command: Route) -> Result<ExitCode> {
    match command {
        Route::List { reach } => page(&reach, &call(&reach, Method::GET, "/v1/routes", None).await?, COLUMNS),
    }
}
