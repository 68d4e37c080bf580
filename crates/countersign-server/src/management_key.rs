//! `/v1/management-keys`: what guards this API.

use countersign_core::lifecycle::{Forget, Revoke};
use countersign_core::management_key;
use countersign_core::management_key::Create;
use countersign_core::minting::Expiry;
use countersign_core::reach::{ManagementScope, reach};
use countersign_core::record::{CredentialRecord, State};
use countersign_core::scope::Grantable;
use countersign_core::timestamp::Timestamp;
use countersign_store::{CredentialFilter, PageRequest};

use crate::api_key::{id, list_kind, rotated, rotation};
use crate::app::{App, Failure};
use crate::call::{Call, expiry, optional, scopes};
use crate::reply::Reply;
use crate::schema::{KeyMinted, KeyView, ManagementKeyCreate};

/// What the installation's own key is called; [`rotate_operator`] replaces the keys of this name.
pub(crate) const OPERATOR_KEY: &str = "first management key";

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
    minted(app, &call, &act).await
}

async fn minted(app: &App, call: &Call, act: &Create) -> Result<Reply, Failure> {
    let minted = app.perform(&call.permit, act).await?;
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
    Ok(Reply::Nothing)
}

/// Replaces the installation's own key, whose text was shown on the first start alone. The old one ends at once:
/// whoever asks has lost it, or fears that somebody found it.
pub(crate) async fn rotate_operator(app: &App, call: Call) -> Result<Reply, Failure> {
    let old = operator_keys(app, &call).await?;
    let reply = minted(app, &call, &everything()).await?;
    for superseded in old {
        app.perform(&call.permit, &Revoke { kind: &management_key::KIND, id: superseded.id }).await?;
    }
    Ok(reply)
}

/// Returns the live keys of the installation's own name. The name alone proves nothing, anybody may use it; the scope
/// `operator` is only in an operator's gift.
async fn operator_keys(app: &App, call: &Call) -> Result<Vec<CredentialRecord>, Failure> {
    let filter = CredentialFilter { kind: &management_key::KIND, owner: None, state: None };
    let mut request = PageRequest { limit: 500, cursor: None };
    let (now, mut keys) = (app.now(), Vec::new());
    loop {
        let page = app.store.credentials(reach(call.permit.principal()), &filter, &request, now).await?;
        keys.extend(page.rows.into_iter().filter(|record| is_operators(record, now)));
        if page.next.is_none() {
            return Ok(keys);
        }
        request.cursor = page.next;
    }
}

fn is_operators(record: &CredentialRecord, now: Timestamp) -> bool {
    record.terms.name == OPERATOR_KEY
        && record.terms.scopes.contains(ManagementScope::Operator.name())
        && record.life().state(now) == State::Live
}

fn everything() -> Create {
    Create {
        name: OPERATOR_KEY.to_owned(),
        owner: None,
        scopes: ManagementScope::everything(),
        grantable: Grantable::new("*".parse().unwrap_or_default()),
        expiry: Expiry::Unspecified,
    }
}
