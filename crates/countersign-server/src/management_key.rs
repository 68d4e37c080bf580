//! `/v1/management-keys`: what guards this API.

use countersign_core::lifecycle::{Forget, Revoke};
use countersign_core::management_key;
use countersign_core::management_key::{Create, Replace};
use countersign_core::minting::Minted;
use countersign_core::scope::Grantable;

use crate::api_key::{id, list_kind, rotated, rotation};
use crate::app::App;
use crate::call::{Call, expiry, optional, scopes};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::schema::{KeyMinted, KeyView, ManagementKeyCreate};

pub(crate) async fn create(app: &App, call: Call) -> Result<Reply, Failure> {
    let asked: ManagementKeyCreate = call.json()?;
    let act = Create {
        owner: optional("owner", asked.owner.as_ref())?.or_else(|| call.permit.principal().owner()),
        scopes: scopes("scopes", &asked.scopes)?,
        grantable: Grantable::parse(scopes("grantable", &asked.grantable)?)
            .map_err(|error| Failure::Invalid(format!("the member `grantable`: {error}")))?,
        expiry: expiry(asked.expires_at.as_ref(), asked.expires_in.as_ref())?,
        name: asked.name,
    };
    shown(app, app.perform(&call.permit, &act).await?)
}

fn shown(app: &App, minted: Minted) -> Result<Reply, Failure> {
    let view = KeyView::new(&minted.record, app.now());
    Reply::created(&KeyMinted { view, key: minted.key.map(|key| key.expose().clone()), replaces: None })
}

pub(crate) async fn list(app: &App, call: Call) -> Result<Reply, Failure> {
    list_kind(app, &call, &management_key::KIND).await
}

pub(crate) async fn rotate(app: &App, call: Call) -> Result<Reply, Failure> {
    let act = rotation(&call, &management_key::KIND)?;
    rotated(app, &call, &act).await
}

pub(crate) async fn revoke(app: &App, call: Call) -> Result<Reply, Failure> {
    let act = Revoke { kind: &management_key::KIND, id: id(&call, &management_key::KIND)? };
    let record = app.perform(&call.permit, &act).await?;
    Reply::ok(&KeyView::new(&record, app.now()))
}

pub(crate) async fn forget(app: &App, call: Call) -> Result<Reply, Failure> {
    let act = Forget { kind: &management_key::KIND, id: id(&call, &management_key::KIND)? };
    app.perform(&call.permit, &act).await?;
    Ok(Reply::nothing())
}

pub(crate) async fn replace(app: &App, call: Call) -> Result<Reply, Failure> {
    shown(app, app.perform(&call.permit, &Replace).await?)
}
