//! Introspection (RFC 7662) and revocation (RFC 7009) of access tokens.
//!
//! **Invariant.** Who may not know of a token learns what is told of one that does not exist: `{"active":false}`, or that
//! it is revoked.

use std::sync::Arc;

use countersign_core::access_token::{judge, told};
use countersign_core::grant::GrantError;
use countersign_core::grant_ending::EndOwnFamily;
use countersign_core::id::OwnerId;
use countersign_core::ledger::{Answer as _, FoundToken, Ledger as _, Unavailable};
use countersign_core::principal::Principal;
use countersign_core::refreshing;
use countersign_core::token::AccessClaims;
use countersign_core::token_ending::EndOwn;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::failure::Failure;
use crate::oauth::{ClientCall, Refused};
use crate::reply::Reply;

/// What is told of a token (RFC 7662 §2.2).
#[derive(Serialize, JsonSchema)]
pub(crate) struct TokenState {
    /// Whether it is good now, for all that the caller may know.
    active: bool,
    /// Its claims, if it is: those of RFC 9068, and `token_type`.
    #[serde(flatten)]
    claims: Map<String, Value>,
}

impl TokenState {
    fn inactive() -> Self {
        Self { active: false, claims: Map::new() }
    }
}

/// A token that was issued here, and what is known of it.
pub(crate) struct Known {
    pub(crate) claims: Arc<AccessClaims>,
    pub(crate) found: FoundToken,
}

/// Finds what is known of a token; `None`: it was not issued here.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find(app: &App, text: &str) -> Result<Option<Known>, Unavailable> {
    let snapshot = app.store.snapshot();
    let Some(Ok(told)) = told(text, &**snapshot) else { return Ok(None) };
    let found = FoundToken::of(app.store.look_up(told.lookup()).await?)?;
    let now = app.now();
    let Ok((claims, good)) = told.proven(now, &found) else { return Ok(None) };
    if let Some(good) = good {
        // A signature is all that is remembered: each question is answered by what is known then (SAFETY 24).
        snapshot.settle(now, &[good])?;
    }
    Ok(Some(Known { claims, found }))
}

/// Tells a client about a token (RFC 7662 §2).
pub(crate) async fn introspect(app: &App, call: ClientCall) -> Result<Reply, Failure> {
    let text = call.form.required("token").map_err(Refused::from)?;
    let Some(Known { claims, found }) = find(app, text).await.map_err(Refused::from)? else {
        return Reply::ok(&TokenState::inactive());
    };
    if !may_know(app, &call.client, &claims) || judge(app.now(), &claims, &found).is_err() {
        return Reply::ok(&TokenState::inactive());
    }
    let mut claims = claims.to_json(&app.issuer_url);
    claims.remove("gen");
    claims.insert("token_type".to_owned(), json!("Bearer"));
    Reply::ok(&TokenState { active: true, claims })
}

/// A client knows its own tokens and those of the resources that it is registered for; others, where the resource names
/// them (RFC 7662 §2.1, §4). Who has proven nothing knows of none.
fn may_know(app: &App, caller: &Principal, claims: &AccessClaims) -> bool {
    let Some(client) = caller.client() else { return false };
    let known = app.store.snapshot().owner(client).and_then(|owner| owner.client());
    let Some(terms) = known.filter(|terms| terms.auth_method.is_confidential()) else { return false };
    let registered = || terms.audiences.iter().any(|audience| audience.as_str() == &*claims.audience);
    client == claims.client || registered() || is_named(app, client, &claims.audience)
}

fn is_named(app: &App, client: OwnerId, audience: &str) -> bool {
    let resource = app.store.snapshot().resources().find(audience);
    resource.is_some_and(|resource| resource.introspection.contains(&client))
}

/// Ends a token at its client's word (RFC 7009 §2). One that is none, or another client's, is answered likewise (§2.2).
pub(crate) async fn revoke(app: &App, call: ClientCall) -> Result<Reply, Failure> {
    let text = call.form.required("token").map_err(|error: GrantError| Refused::from(error))?;
    if let Some(refresh) = refreshing::parse(text) {
        let _refusals_are_filed =
            app.attempt(&call.client, &EndOwnFamily(refresh)).await.map_err(Refused::from)?;
        return Ok(Reply::done());
    }
    let Some(Known { claims, .. }) = find(app, text).await.map_err(Refused::from)? else {
        return Ok(Reply::done());
    };
    let _refusals_are_filed = app
        .attempt(&call.client, &EndOwn { claims: Arc::unwrap_or_clone(claims) })
        .await
        .map_err(Refused::from)?;
    Ok(Reply::done())
}

/// What a client asks with (RFC 7662 §2.1, RFC 7009 §2.1), beside what proves it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct TokenParameters {
    /// The token.
    token: String,
    /// What the client takes it for; not needed.
    token_type_hint: Option<String>,
    /// The client, where it does not say so in the `Authorization` field.
    client_id: Option<String>,
    /// Its secret, likewise.
    client_secret: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer` (RFC 7523 §2.2).
    client_assertion_type: Option<String>,
    /// A JWT that the client has signed.
    client_assertion: Option<String>,
}
