//! `/v1/clients`: clients of the authorization server.

use std::fmt::Display;
use std::str::FromStr;

use countersign_core::client::{AmendClient, Register, RotateSecret, asked, visible};
use countersign_core::client_terms::{ClientJwks, ClientTerms, ID_TOKEN_ALGORITHM};
use countersign_core::duration::parse_duration;
use countersign_core::id::OwnerId;
use countersign_core::ledger::Find as _;
use countersign_core::owner::SwitchOwner;
use countersign_core::question::FoundRegistered;
use countersign_core::reach::reach;
use countersign_core::refusal::Refusal;
use countersign_core::switching::Switch;
use countersign_store::PageRequest;
use serde_json::{Map, Value};

use crate::app::App;
use crate::call::{Call, member, members, optional, scopes};
use crate::client_json::{
    ClientAmend, ClientCreate, ClientRegistered, ClientShown, ClientView, SecretMinted, SecretRotate,
    SecretView,
};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::schema::Page;

pub(crate) async fn create(app: &App, call: Call) -> Result<Reply, Failure> {
    let body: ClientCreate = call.json()?;
    let organisation = optional("organisation", body.organisation.as_ref())?;
    let act = Register {
        organisation: organisation.or_else(|| call.permit.principal().organisation()),
        idempotency: call.idempotency("clients\0")?,
        name: body.name.clone(),
        terms: terms(body)?,
    };
    let registered = app.perform(&call.permit, &act).await?;
    Reply::created(&ClientRegistered {
        view: ClientView::new(&registered.client),
        client_secret: registered.secret.map(|secret| secret.expose().clone()),
    })
}

fn terms(body: ClientCreate) -> Result<ClientTerms, Failure> {
    Ok(ClientTerms {
        grants: members("grant_types", &body.grant_types)?.into_iter().collect(),
        scopes: scopes("scopes", &body.scopes)?,
        audiences: members("audiences", &body.audiences)?,
        auth_method: optional("token_endpoint_auth_method", body.token_endpoint_auth_method.as_ref())?
            .unwrap_or_default(),
        token_format: optional("token_format", body.token_format.as_ref())?.unwrap_or_default(),
        jwks: body.jwks.map(jwks).transpose()?,
        jwks_uri: optional("jwks_uri", body.jwks_uri.as_ref())?,
        redirect_uris: members("redirect_uris", &body.redirect_uris)?,
        post_logout_redirect_uris: members("post_logout_redirect_uris", &body.post_logout_redirect_uris)?,
        origins: members("origins", &body.origins)?,
        require_pkce: body.require_pkce,
        id_token_signed_response_alg: optional(
            "id_token_signed_response_alg",
            body.id_token_signed_response_alg.as_ref(),
        )?
        .unwrap_or(ID_TOKEN_ALGORITHM),
        metadata: body.metadata,
    })
}

fn jwks(set: Map<String, Value>) -> Result<ClientJwks, Failure> {
    member("jwks", &Value::Object(set).to_string())
}

pub(crate) async fn list(app: &App, call: Call) -> Result<Reply, Failure> {
    let request = PageRequest { limit: call.limit(), cursor: call.parameter("cursor")? };
    let page = app.store.clients(reach(call.permit.principal()), &request).await?;
    let data: Vec<_> = page.rows.iter().map(ClientView::new).collect();
    Reply::ok(&Page { data, next_cursor: page.next.map(|next| next.to_string()) })
}

/// Reads the id in the path; what is no id of an owner names nothing.
fn id(call: &Call) -> Result<OwnerId, Failure> {
    call.segment("id").ok_or_else(|| Refusal::ClientNotFound.into())
}

async fn find(app: &App, call: &Call) -> Result<FoundRegistered, Failure> {
    Ok(visible(&call.permit, app.store.find(asked(id(call)?)).await?)?)
}

pub(crate) async fn show(app: &App, call: Call) -> Result<Reply, Failure> {
    let found = find(app, &call).await?;
    Reply::ok(&ClientShown {
        view: ClientView::new(&found.holder.owner),
        secrets: found
            .secrets
            .iter()
            .filter(|secret| secret.revoked_at.is_none())
            .map(|secret| SecretView::new(secret, app.now()))
            .collect(),
    })
}

pub(crate) async fn amend(app: &App, call: Call) -> Result<Reply, Failure> {
    let body: ClientAmend = call.json()?;
    let act = AmendClient {
        id: id(&call)?,
        grants: match body.grant_types {
            Some(grants) => Some(members("grant_types", &grants)?.into_iter().collect()),
            None => None,
        },
        scopes: body.scopes.map(|tokens| scopes("scopes", &tokens.unwrap_or_default())).transpose()?,
        audiences: replaced("audiences", body.audiences)?,
        auth_method: optional("token_endpoint_auth_method", body.token_endpoint_auth_method.as_ref())?,
        token_format: optional("token_format", body.token_format.as_ref())?,
        jwks: body.jwks.map(|set| set.map(jwks).transpose()).transpose()?,
        jwks_uri: body.jwks_uri.map(|uri| optional("jwks_uri", uri.as_ref())).transpose()?,
        redirect_uris: replaced("redirect_uris", body.redirect_uris)?,
        post_logout_redirect_uris: replaced("post_logout_redirect_uris", body.post_logout_redirect_uris)?,
        origins: replaced("origins", body.origins)?,
        require_pkce: body.require_pkce,
        id_token_signed_response_alg: optional(
            "id_token_signed_response_alg",
            body.id_token_signed_response_alg.as_ref(),
        )?,
        metadata: body.metadata.map(Option::unwrap_or_default),
        name: body.name,
    };
    let record = app.perform(&call.permit, &act).await?;
    Reply::ok(&ClientView::new(&record))
}

/// Reads the list that a member puts in the place of another; `null` is an empty one.
fn replaced<T>(name: &str, texts: Option<Option<Vec<String>>>) -> Result<Option<Vec<T>>, Failure>
where
    T: FromStr<Err: Display>,
{
    texts.map(|texts| members(name, &texts.unwrap_or_default())).transpose()
}

pub(crate) async fn rotate_secret(app: &App, call: Call) -> Result<Reply, Failure> {
    let body: SecretRotate = call.json()?;
    let overlap = body.overlap.as_deref().map(parse_duration).transpose();
    let overlap = overlap.map_err(|error| Failure::Invalid(format!("the member `overlap`: {error}")))?;
    let rotated = app.perform(&call.permit, &RotateSecret { id: id(&call)?, overlap }).await?;
    Reply::created(&SecretMinted {
        client_id: rotated.client.id.to_string(),
        client_secret: rotated.secret.map(|secret| secret.expose().clone()),
        secret: SecretView::new(&rotated.record, app.now()),
        replaces: rotated.replaced.iter().map(|secret| SecretView::new(secret, app.now())).collect(),
    })
}

pub(crate) async fn enable(app: &App, call: Call) -> Result<Reply, Failure> {
    switch(app, &call, Switch::Enabled).await
}

pub(crate) async fn disable(app: &App, call: Call) -> Result<Reply, Failure> {
    switch(app, &call, Switch::Disabled).await
}

/// Switches the owner that the client is, which an owner that is no client is not here.
async fn switch(app: &App, call: &Call, switch: Switch) -> Result<Reply, Failure> {
    let id = find(app, call).await?.holder.owner.id;
    let record = app.perform(&call.permit, &SwitchOwner { id, switch }).await?;
    Reply::ok(&ClientView::new(&record))
}
