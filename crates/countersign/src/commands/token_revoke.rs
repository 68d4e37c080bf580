//! `countersign token revoke`: tokens end before their time.

use std::process::ExitCode;

use anyhow::Result;
use http::Method;
use serde_json::json;

use crate::cli::TokenRevoke;
use crate::commands::key::without_null;
use crate::commands::{call, offline};
use crate::output;

pub(crate) async fn run(revoke: TokenRevoke) -> Result<ExitCode> {
    let TokenRevoke { token, family, grant, client, subject, all, remote } = revoke;
    let token = token.map(|token| offline::given_or_read(Some(token))).transpose()?;
    let all = all.then_some(true);
    let body = without_null(json!({
        "token": token, "family": family, "grant": grant, "client": client, "subject": subject, "all": all,
    }));
    call(&remote, Method::POST, "/v1/tokens/revoke", Some(&body)).await?;
    output::note("revoked: refused by the next request");
    Ok(ExitCode::SUCCESS)
}
