//! `/v1/resources`: what tokens may be for (RFC 8707).

use countersign_core::client::{Declare, Rekey, Undeclare};
use countersign_core::refusal::Refusal;
use countersign_core::resource::Resource;
use serde_json::Value;

use crate::app::App;
use crate::call::Call;
use crate::client_json::ResourceAmend;
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

pub(crate) async fn amend(app: &App, call: Call) -> Result<Reply, Failure> {
    let id = call.segment("id").ok_or(Refusal::ResourceNotFound)?;
    let ResourceAmend { jwks } = call.json()?;
    let jwks = jwks.map(|set| serde_json::from_value(Value::Object(set))).transpose();
    let jwks = jwks.map_err(|error| Failure::Invalid(format!("the member {error}")))?;
    let record = app.perform(&call.permit, &Rekey { id, jwks }).await?;
    Reply::ok(&record.resource)
}

pub(crate) async fn list(app: &App) -> Result<Reply, Failure> {
    let data: Vec<Resource> =
        app.store.snapshot().resources().all().iter().map(|resource| (**resource).clone()).collect();
    Reply::ok(&Page { data, next_cursor: None })
}
