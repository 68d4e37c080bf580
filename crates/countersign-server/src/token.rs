//! The token endpoint (RFC 6749 §3.2).

use countersign_core::exchange::issue;
use countersign_core::grant::parse;
use countersign_core::grants::GRANTS;
use countersign_core::issuing::{Issuance, IssuedToken, Issuer};
use countersign_core::ledger::Unavailable;
use countersign_core::standing::Knows as _;
use countersign_core::{access_token, signing_key::Slot};
use countersign_jose::jws;
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::App;
use crate::failure::Failure;
use crate::oauth::{ClientCall, Refused};
use crate::reply::Reply;

/// What a client is given (RFC 6749 §5.1).
#[derive(Serialize, JsonSchema)]
pub(crate) struct TokenView {
    /// The access token.
    access_token: String,
    /// How it is presented (RFC 6750).
    token_type: &'static str,
    /// How many seconds it lives.
    expires_in: u64,
    /// What it may do; absent: nothing in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

/// Issues what a client's grant entitles it to.
pub(crate) async fn issue_token(app: &App, call: ClientCall) -> Result<Reply, Failure> {
    let issuance = redeem(app, &call).await?;
    let lifetime = issuance.claims.expires_at.since(issuance.claims.issued_at).as_secs();
    let scope = Some(issuance.claims.scopes.to_string()).filter(|scope| !scope.is_empty());
    let access_token = text(app, issuance)?;
    Reply::ok(&TokenView { access_token, token_type: "Bearer", expires_in: lifetime, scope })
}

async fn redeem(app: &App, call: &ClientCall) -> Result<Issuance, Refused> {
    let request = parse(GRANTS, &call.form)?;
    let mut entropy = (app.entropy)();
    let policy = app.policy.load_full();
    let mut context = app.context(&policy, entropy.as_mut(), None);
    let snapshot = app.store.snapshot();
    let signer = |slot: Slot| app.signer(slot);
    for retried in [false, true] {
        let issuer = Issuer {
            url: &app.issuer_url,
            resources: snapshot.resources(),
            incarnation: snapshot.incarnation(),
            signer: &signer,
        };
        match issue(app.store.as_ref(), &mut context, &issuer, &call.client, &*request).await {
            // Another node may have made the key a moment ago.
            Err(Unavailable::NoSigningKey) if !retried => app.prepare_signing().await?,
            answer => return Ok(answer??),
        }
    }
    Err(Unavailable::NoSigningKey.into())
}

/// Writes the token that a client is given.
fn text(app: &App, issuance: Issuance) -> Result<String, Failure> {
    match issuance.token {
        IssuedToken::Opaque(text) => Ok(text.expose().clone()),
        IssuedToken::Signed(key) => {
            let claims = issuance.claims.to_json(&app.issuer_url);
            let payload = serde_json::to_vec(&claims).map_err(|error| unsigned(&error))?;
            jws::sign(&key, access_token::TYPE, &payload).map_err(|error| unsigned(&error))
        }
    }
}

fn unsigned(error: &dyn std::error::Error) -> Failure {
    tracing::error!(%error, "a token could not be signed");
    Failure::from(Refused::Unavailable(Unavailable::NoSigningKey))
}

/// What a client asks with, beside what proves it. Unknown parameters are ignored (RFC 6749 §3.2).
#[derive(Serialize, JsonSchema)]
pub(crate) struct GrantParameters {
    /// `client_credentials`.
    grant_type: String,
    /// Space-delimited scope-tokens. Default: all that the client is registered for and the resource knows.
    scope: Option<String>,
    /// The resource that the token shall be for (RFC 8707). Default: the client's only one, or the default one.
    resource: Option<String>,
    /// The same, under another name.
    audience: Option<String>,
    /// The client, where it does not say so in the `Authorization` field.
    client_id: Option<String>,
    /// Its secret, likewise.
    client_secret: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer` (RFC 7523 §2.2).
    client_assertion_type: Option<String>,
    /// A JWT that the client has signed.
    client_assertion: Option<String>,
}
