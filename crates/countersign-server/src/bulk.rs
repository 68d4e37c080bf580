//! `/v1/keys/revoke`: every key that a filter names.

use countersign_core::api_key;
use countersign_core::lifecycle::Revoke;
use countersign_core::refusal::Refusal;

use crate::app::App;
use crate::call::{Call, optional};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::schema::{KeyView, KeysRevoke, KeysRevoked};

/// Keys that one call revokes at most; the answer says where to go on.
const MOST: usize = 500;

pub(crate) async fn revoke(app: &App, call: Call) -> Result<Reply, Failure> {
    let asked: KeysRevoke = call.json()?;
    if asked.filter.is_empty() != asked.all {
        return Err(Failure::Invalid(
            "expected the member `filter`, or `all: true` for every key".to_owned(),
        ));
    }
    let filter = asked.filter.parse(&api_key::KIND, app.now())?;
    let cursor = optional("cursor", asked.cursor.as_ref())?;
    let mut found = filter.scan(app, &call.permit, MOST, cursor).await?;
    found.records.retain(|record| record.revoked_at.is_none());
    if !asked.dry_run {
        let acts: Vec<_> =
            found.records.iter().map(|record| Revoke { kind: &api_key::KIND, id: record.id }).collect();
        for outcome in app.attempt_each(&call.permit, &acts).await? {
            match outcome {
                // One that was forgotten meanwhile has ended too.
                Ok(_) | Err(Refusal::NotFound) => {}
                Err(refusal) => return Err(refusal.into()),
            }
        }
    }
    let now = app.now();
    Reply::ok(&KeysRevoked {
        count: found.records.len(),
        dry_run: asked.dry_run,
        data: found.records.iter().map(|record| KeyView::new(record, now)).collect(),
        next_cursor: found.next.map(|next| next.to_string()),
    })
}
