//! `/v1/owners`: organisations, and the clients and users that belong to them.

use countersign_core::id::OwnerId;
use countersign_core::owner::{Enter, SwitchOwner};
use countersign_core::reach::reach;
use countersign_core::refusal::Refusal;
use countersign_core::switching::Switch;
use countersign_store::PageRequest;

use crate::app::App;
use crate::call::{Call, member, optional};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::schema::{OwnerEnter, OwnerView, Page};

pub(crate) async fn enter(app: &App, call: Call) -> Result<Reply, Failure> {
    let asked: OwnerEnter = call.json()?;
    let act = Enter {
        kind: member("kind", &asked.kind)?,
        organisation: optional("organisation", asked.organisation.as_ref())?
            .or_else(|| call.permit.principal().organisation()),
        name: asked.name,
    };
    let record = app.perform(&call.permit, &act).await?;
    Reply::created(&OwnerView::new(&record))
}

pub(crate) async fn list(app: &App, call: Call) -> Result<Reply, Failure> {
    let request = PageRequest { limit: call.limit(), cursor: call.parameter("cursor")? };
    let page = app.store.owners(reach(call.permit.principal()), &request).await?;
    let data: Vec<_> = page.rows.iter().map(OwnerView::new).collect();
    Reply::ok(&Page { data, next_cursor: page.next.map(|next| next.to_string()) })
}

pub(crate) async fn enable(app: &App, call: Call) -> Result<Reply, Failure> {
    switch(app, &call, Switch::Enabled).await
}

pub(crate) async fn disable(app: &App, call: Call) -> Result<Reply, Failure> {
    switch(app, &call, Switch::Disabled).await
}

async fn switch(app: &App, call: &Call, switch: Switch) -> Result<Reply, Failure> {
    let id: OwnerId = call.segment("id").ok_or(Refusal::OwnerNotFound)?;
    let record = app.perform(&call.permit, &SwitchOwner { id, switch }).await?;
    Reply::ok(&OwnerView::new(&record))
}
