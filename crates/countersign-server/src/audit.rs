//! `/v1/audit`: the chains of events, as they were hashed.

use countersign_core::reach::reach;
use countersign_store::{AuditRequest, Chain};

use crate::app::App;
use crate::call::Call;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::schema::{AuditLine, ChainView, Page};

pub(crate) async fn list(app: &App, call: Call) -> Result<Reply, Failure> {
    let request = AuditRequest {
        node: call.parameter("node")?,
        after: call.parameter("cursor")?,
        last: call.query.flag("last"),
        limit: call.limit(),
    };
    let rows = app.store.audit(reach(call.permit.principal()), &request).await?;
    // The latest are one page: there is nothing after them.
    let full = rows.len() == request.limit && !request.last;
    let next_cursor = rows.last().filter(|_| full).map(|row| format!("{}:{}", row.node, row.n));
    let data: Vec<_> = rows
        .into_iter()
        .map(|row| AuditLine { node: row.node, n: row.n, hash: hex(row.hash.as_bytes()), body: row.body })
        .collect();
    Reply::ok(&Page { data, next_cursor })
}

pub(crate) async fn chains(app: &App, _: Call) -> Result<Reply, Failure> {
    let chains = app.store.verify_audit().await?;
    let view = |chain: Chain| ChainView {
        node: chain.node,
        events: chain.events,
        head: hex(chain.head.as_bytes()),
        broken_at: chain.broken_at,
    };
    Reply::ok(&Page { data: chains.into_iter().map(view).collect(), next_cursor: None })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
