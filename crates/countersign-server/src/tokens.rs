//! `/v1/tokens/revoke`: tokens end before their time, at the word of whoever manages.

use std::sync::Arc;

use countersign_core::grant_ending::{EndFamily, EndGrant, EndGrantOf};
use countersign_core::id::{CredentialId, OwnerId};
use countersign_core::question::ConsentTo;
use countersign_core::refusal::Refusal;
use countersign_core::token_ending::{EndAll, EndAllOf, EndToken};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::call::{Call, member};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::token_state::{Known, find};

/// What shall end: exactly one of the members, but for `client` and `subject` together.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokensRevoke {
    /// One access token, whole.
    #[serde(default)]
    token: Option<String>,
    /// All that one authorization has obtained: the `family` of its tokens.
    #[serde(default)]
    family: Option<String>,
    /// What a person allows a client: the `grant_id` of its tokens.
    #[serde(default)]
    grant: Option<String>,
    /// Everything that was issued to this client until now; with `subject`, for that person alone.
    #[serde(default)]
    client: Option<String>,
    /// Everything that was issued until now to whom it acts for: a client, a person, whose sessions end too, or the members of
    /// an organisation.
    #[serde(default)]
    subject: Option<String>,
    /// Everything that was issued until now; only an operator.
    #[serde(default)]
    all: bool,
}

/// What shall end, read.
enum Ending {
    Token(String),
    Family(CredentialId),
    Grant(CredentialId),
    GrantOf(ConsentTo),
    AllOf(OwnerId),
    All,
}

impl TokensRevoke {
    fn read(self) -> Result<Ending, Failure> {
        let Self { token, family, grant, client, subject, all } = self;
        let all = all.then_some(());
        let given =
            [token.is_some(), family.is_some(), grant.is_some(), client.is_some() || subject.is_some()];
        if given.into_iter().filter(|given| *given).count() + usize::from(all.is_some()) != 1 {
            let expected = "expected exactly one of the members `token`, `family`, `grant`, `client`, `subject` and `all`, or `client` and `subject`";
            return Err(Failure::Invalid(expected.to_owned()));
        }
        if let Some(token) = token {
            return Ok(Ending::Token(token));
        }
        if let Some(family) = family {
            return Ok(Ending::Family(member("family", &family)?));
        }
        if let Some(grant) = grant {
            return Ok(Ending::Grant(member("grant", &grant)?));
        }
        Ok(match (client, subject) {
            (Some(client), Some(subject)) => Ending::GrantOf(ConsentTo {
                client: member("client", &client)?,
                subject: member("subject", &subject)?,
            }),
            (Some(client), None) => Ending::AllOf(member("client", &client)?),
            (None, Some(subject)) => Ending::AllOf(member("subject", &subject)?),
            (None, None) => Ending::All,
        })
    }
}

pub(crate) async fn revoke(app: &App, call: Call) -> Result<Reply, Failure> {
    let permit = &call.permit;
    match call.json::<TokensRevoke>()?.read()? {
        Ending::Token(token) => one(app, &call, &token).await?,
        Ending::Family(family) => app.perform(permit, &EndFamily(family)).await?,
        Ending::Grant(grant) => app.perform(permit, &EndGrant(grant)).await?,
        Ending::GrantOf(pair) => app.perform(permit, &EndGrantOf(pair)).await?,
        Ending::AllOf(owner) => app.perform(permit, &EndAllOf(owner)).await?,
        Ending::All => app.perform(permit, &EndAll).await?,
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
