//! `/v1/tokens/revoke`: tokens end before their time, at the word of whoever manages.

use std::sync::Arc;

use countersign_core::id::OwnerId;
use countersign_core::refusal::Refusal;
use countersign_core::token_ending::{EndAll, EndAllOf, EndToken};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::call::{Call, member};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::token_state::{Known, find};

/// What shall end: exactly one of the members.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokensRevoke {
    /// One access token, whole.
    #[serde(default)]
    token: Option<String>,
    /// Everything that was issued to this client until now.
    #[serde(default)]
    client: Option<String>,
    /// Everything that was issued until now to whom it acts for: a client, or the members of an organisation.
    #[serde(default)]
    subject: Option<String>,
    /// Everything that was issued until now; only an operator.
    #[serde(default)]
    all: bool,
}

pub(crate) async fn revoke(app: &App, call: Call) -> Result<Reply, Failure> {
    let asked: TokensRevoke = call.json()?;
    match (asked.token, asked.client.or(asked.subject), asked.all) {
        (Some(token), None, false) => one(app, &call, &token).await?,
        (None, Some(owner), false) => {
            let owner: OwnerId = member("client", &owner)?;
            app.perform(&call.permit, &EndAllOf(owner)).await?;
        }
        (None, None, true) => app.perform(&call.permit, &EndAll).await?,
        _ => {
            let expected = "expected exactly one of the members `token`, `client`, `subject` and `all`";
            return Err(Failure::Invalid(expected.to_owned()));
        }
    }
    Ok(Reply::nothing())
}

async fn one(app: &App, call: &Call, token: &str) -> Result<(), Failure> {
    let Some(Known { claims, found }) = find(app, token).await? else {
        return Err(Refusal::NotFound.into());
    };
    let organisation = found.client.ok_or(Refusal::NotFound)?.organisation();
    app.perform(&call.permit, &EndToken { claims: Arc::unwrap_or_clone(claims), organisation }).await
}
