//! `/v1/resources`: what tokens may be for (RFC 8707).

use countersign_core::client::{Declare, Undeclare};
use countersign_core::refusal::Refusal;
use countersign_core::resource::Resource;

use crate::app::App;
use crate::call::Call;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::schema::Page;

pub(crate) async fn create(app: &App, call: Call) -> Result<Reply, Failure> {
    let resource: Resource = call.json()?;
    let record = app.perform(&call.permit, &Declare { resource }).await?;
    Reply::created(&record.resource)
}

pub(crate) async fn delete(app: &App, call: Call) -> Result<Reply, Failure> {
    let id = call.segment("id").ok_or(Refusal::ResourceNotFound)?;
    app.perform(&call.permit, &Undeclare { id }).await?;
    Ok(Reply::nothing())
}

pub(crate) async fn list(app: &App) -> Result<Reply, Failure> {
    let data: Vec<Resource> =
        app.store.snapshot().resources().all().iter().map(|resource| (**resource).clone()).collect();
    Reply::ok(&Page { data, next_cursor: None })
}
