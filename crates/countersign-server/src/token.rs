//! The token endpoint (RFC 6749 §3.2).

use std::sync::{Mutex, PoisonError};

use countersign_core::exchange::issue;
use countersign_core::grant::{GrantError, Issue, TokenRequest, parse};
use countersign_core::grants::GRANTS;
use countersign_core::issuance::Issuance;
use countersign_core::issuing::{Draft, Issuer, Written};
use countersign_core::ledger::Unavailable;
use countersign_core::principal::Principal;
use countersign_core::secret::Secret;
use countersign_core::standing::Knows as _;
use countersign_core::timestamp::Timestamp;
use countersign_jose::algorithm::ContentEncryption;
use countersign_jose::jwk::EncryptionKey;
use countersign_jose::{jwe, jws};
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
    /// What it may be renewed with, once; absent: it is not renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// Who the person is (OpenID Connect Core 1.0 §3.1.3.3), where `openid` was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

/// Issues what a client's grant entitles it to.
pub(crate) async fn issue_token(app: &App, call: ClientCall) -> Result<Reply, Failure> {
    let issuance = redeem(app, &call).await?;
    let Issuance { claims, token, refresh_token, id_token } = issuance;
    let text = |secret: Secret<String>| secret.expose().clone();
    // An answer that is given again is older than now.
    let begun = Timestamp::from_millis(app.now().millis().div_euclid(1000).saturating_mul(1000));
    Reply::ok(&TokenView {
        access_token: text(token),
        token_type: "Bearer",
        expires_in: claims.expires_at.since(begun.max(claims.issued_at)).as_secs(),
        scope: Some(claims.scopes.to_string()).filter(|scope| !scope.is_empty()),
        refresh_token: refresh_token.map(text),
        id_token: id_token.map(text),
    })
}

async fn redeem(app: &App, call: &ClientCall) -> Result<Issuance, Refused> {
    let request = parse(GRANTS, &call.form)?;
    let code = call.form.get("device_code").unwrap_or_default();
    let paced = |error| app.devices.paced(code, app.clock.monotonic(), error);
    issue_by(app, &call.client, &*request, &Tokens).await?.map_err(|error| paced(error).into())
}

/// What is issued by an issuer of this moment.
pub(crate) trait IssuesBy: Sync {
    /// What is issued.
    type Issued: Send;
    /// What decides on it.
    type By<'a>: Issue<Issued = Self::Issued>;

    /// Lets it decide by `issuer`.
    fn by<'a>(&self, issuer: Issuer<'a>) -> Self::By<'a>;
}

/// Tokens, as clients get them.
struct Tokens;

impl IssuesBy for Tokens {
    type Issued = Issuance;
    type By<'a> = Issuer<'a>;

    fn by<'a>(&self, issuer: Issuer<'a>) -> Issuer<'a> {
        issuer
    }
}

/// Redeems a request of a proven client. Where a slot has no key that signs, one is made.
pub(crate) async fn issue_by<M: IssuesBy>(
    app: &App,
    client: &Principal,
    request: &dyn TokenRequest,
    what: &M,
) -> Result<Result<M::Issued, GrantError>, Unavailable> {
    let mut entropy = (app.entropy)();
    let policy = app.policy.load_full();
    let mut context = app.context(&policy, entropy.as_mut(), None);
    let snapshot = app.store.snapshot();
    let missing = Mutex::new(None);
    let writer = |draft: &Draft<'_>| {
        write(app, draft)
            .inspect_err(|_| *missing.lock().unwrap_or_else(PoisonError::into_inner) = Some(draft.slot))
    };
    // A token and an ID token may each lack a key.
    for retried in [false, false, true] {
        let issuer = what.by(Issuer {
            url: &app.issuer_url,
            resources: snapshot.resources(),
            incarnation: snapshot.incarnation(),
            writer: &writer,
        });
        match issue(app.store.as_ref(), &mut context, &issuer, client, request).await {
            // Another node may have made the key a moment ago.
            Err(Unavailable::NoSigningKey) if !retried => {
                let slot = missing.lock().unwrap_or_else(PoisonError::into_inner).take();
                app.prepare_slot(slot.ok_or(Unavailable::NoSigningKey)?).await?;
            }
            answer => return answer,
        }
    }
    Err(Unavailable::NoSigningKey)
}

/// Writes the token that a client is given.
fn write(app: &App, draft: &Draft<'_>) -> Result<Written, Unavailable> {
    let signer = app.signer(draft.slot).ok_or(Unavailable::NoSigningKey)?;
    let key = signer.kid().parse().map_err(|error| unwritten(&error))?;
    let payload = serde_json::to_vec(&draft.claims).map_err(|error| unwritten(&error))?;
    let signed = jws::sign(&signer, draft.typ, &payload).map_err(|error| unwritten(&error))?;
    let text = match draft.reader {
        None => signed,
        Some(reader) => encrypted(reader, &app.issuer_url, &signed).map_err(|error| unwritten(&error))?,
    };
    Ok(Written { key, text: Secret::new(text) })
}

/// Encrypts a signed token for its resource. Who issued it is said once more outside, so that those who cannot read it
/// know whom to ask (RFC 7519 §5.3).
fn encrypted(reader: &EncryptionKey, issuer: &str, signed: &str) -> Result<String, jwe::Error> {
    // RFC 7519 §5.2: a JWT within a JWT is announced by this name, in capitals.
    let told = jwe::Told { content_type: Some("JWT"), issuer: Some(issuer) };
    jwe::encrypt(reader, ContentEncryption::A256Gcm, told, signed.as_bytes())
}

fn unwritten(error: &dyn std::error::Error) -> Unavailable {
    tracing::error!(%error, "a token could not be written");
    Unavailable::NoSigningKey
}

/// What a client asks with, beside what proves it. Unknown parameters are ignored (RFC 6749 §3.2).
#[derive(Serialize, JsonSchema)]
pub(crate) struct GrantParameters {
    /// `authorization_code`, `client_credentials`, `refresh_token` or `urn:ietf:params:oauth:grant-type:device_code`.
    grant_type: String,
    /// The code (RFC 6749 §4.1.3).
    code: Option<String>,
    /// Where the browser was sent with it.
    redirect_uri: Option<String>,
    /// What the challenge was made from (RFC 7636 §4.5).
    code_verifier: Option<String>,
    /// The refresh token (RFC 6749 §6).
    refresh_token: Option<String>,
    /// The device code (RFC 8628 §3.4).
    device_code: Option<String>,
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
