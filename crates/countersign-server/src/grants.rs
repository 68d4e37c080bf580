//! `/v1/grants`: what people allow clients.

use countersign_core::grant_ending::EndGrant;
use countersign_core::id::{CredentialId, OwnerId};
use countersign_core::reach::reach;
use countersign_core::record::ConsentRecord;
use countersign_core::refusal::Refusal;
use countersign_store::{ConsentFilter, PageRequest};
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::App;
use crate::call::Call;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::schema::Page;

/// What a person allows a client.
#[derive(Serialize, JsonSchema)]
pub(crate) struct GrantView {
    /// Its name, which the tokens carry as `grant_id`.
    id: String,
    /// The client.
    client: String,
    /// The person.
    subject: String,
    /// What is allowed.
    scopes: Vec<String>,
    /// When it was given first.
    created_at: String,
    /// When it was given last.
    updated_at: String,
}

impl GrantView {
    fn new(record: &ConsentRecord) -> Self {
        Self {
            id: record.id.to_string(),
            client: record.client.to_string(),
            subject: record.subject.to_string(),
            scopes: record.scopes.iter().map(ToString::to_string).collect(),
            created_at: record.created_at.to_string(),
            updated_at: record.updated_at.to_string(),
        }
    }
}

pub(crate) async fn list(app: &App, call: Call) -> Result<Reply, Failure> {
    let request = PageRequest { limit: call.limit(), cursor: call.parameter("cursor")? };
    let owner = |name| call.parameter::<OwnerId>(name);
    let filter = ConsentFilter { client: owner("client")?, subject: owner("subject")? };
    let page = app.store.consents(reach(call.permit.principal()), filter, &request).await?;
    let data: Vec<_> = page.rows.iter().map(GrantView::new).collect();
    Reply::ok(&Page { data, next_cursor: page.next.map(|next| next.to_string()) })
}

pub(crate) async fn revoke(app: &App, call: Call) -> Result<Reply, Failure> {
    let id: CredentialId = call.segment("id").ok_or(Refusal::GrantNotFound)?;
    app.perform(&call.permit, &EndGrant(id)).await?;
    Ok(Reply::nothing())
}
