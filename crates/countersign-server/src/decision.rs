//! `/v1/routes` and `/v1/decisions`: what the gateway of this node enforces, and what it decided lately.

use countersign_core::reach::{Reach, reach};

use crate::app::App;
use crate::call::Call;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::schema::Page;

pub(crate) async fn routes(app: &App, call: Call) -> Result<Reply, Failure> {
    // Routes belong to no tenant.
    let all = reach(call.permit.principal()) == Reach::Installation;
    let data = app.gateway.as_ref().filter(|_| all).map_or_else(Vec::new, |gateway| gateway.routes());
    Reply::ok(&Page { data, next_cursor: None })
}

pub(crate) async fn decisions(app: &App, call: Call) -> Result<Reply, Failure> {
    // The ring does not know tenants: only who reaches everybody may read it.
    let all = reach(call.permit.principal()) == Reach::Installation;
    let limit = call.limit();
    let data = app.gateway.as_ref().filter(|_| all).map_or_else(Vec::new, |gateway| gateway.decisions(limit));
    Reply::ok(&Page { data, next_cursor: None })
}
