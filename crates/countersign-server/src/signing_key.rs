//! `/v1/signing-keys`: the keys that sign.

use countersign_core::reach::{Reach, reach};
use countersign_core::refusal::Refusal;
use countersign_core::signing_key::{KeyPurpose, KnownKey, SigningKeyRecord, Slot};
use countersign_core::signing_keys::{Beginning, RevokeKey, Rotate};
use countersign_core::timestamp::Timestamp;
use countersign_jose::algorithm::SignatureAlgorithm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::call::{Call, optional};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::schema::Page;

/// A signing key, without its private part.
#[derive(Serialize, JsonSchema)]
pub(crate) struct SigningKeyView {
    /// Its name: the `kid` of what it signs.
    kid: String,
    /// What it signs: `access_token` or `assertion`.
    purpose: &'static str,
    /// How.
    alg: &'static str,
    /// `prepared`, `active`, `retired`, `ended` or `revoked`.
    state: &'static str,
    /// Whether this node can sign with it: its private part opens here.
    opens: bool,
    /// When it was made, and published.
    created_at: String,
    /// When it begins to sign.
    active_at: String,
    /// When it stops signing, if a successor was made.
    retired_at: Option<String>,
    /// When the last token that it signed has ended.
    ends_at: Option<String>,
    /// When it was revoked, if it was.
    revoked_at: Option<String>,
}

/// What a rotation is asked with.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SigningKeyRotate {
    /// What the key signs: `access_token` or `assertion`. Default: `access_token`.
    #[serde(default)]
    purpose: Option<String>,
    /// How it signs. Default: ES256.
    #[serde(default)]
    alg: Option<String>,
    /// Whether it is published for `signing_key.published` first. Default: it signs at once.
    #[serde(default)]
    publish_first: bool,
}

impl SigningKeyView {
    fn new(app: &App, record: &SigningKeyRecord, now: Timestamp) -> Self {
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            kid: record.id.to_string(),
            purpose: record.slot.purpose.name(),
            alg: record.slot.algorithm.as_str(),
            state: record.state(now).name(),
            opens: app.signing.opened(record.id).is_some(),
            created_at: record.created_at.to_string(),
            active_at: record.active_at.to_string(),
            retired_at: text(record.retired_at),
            ends_at: text(record.ends_at),
            revoked_at: text(record.revoked_at),
        }
    }
}

/// Keys are few: one a month of each slot, and those that have ended go.
pub(crate) async fn list(app: &App, call: Call) -> Result<Reply, Failure> {
    let (now, known) = (app.now(), app.store.snapshot().signing_keys());
    let reached = reach(call.permit.principal()) == Reach::Installation;
    let data =
        known.iter().filter(|_| reached).map(|key| SigningKeyView::new(app, &key.record, now)).collect();
    Reply::ok(&Page { data, next_cursor: None })
}

pub(crate) async fn rotate(app: &App, call: Call) -> Result<Reply, Failure> {
    let asked: SigningKeyRotate = call.json()?;
    let slot = Slot {
        purpose: optional("purpose", asked.purpose.as_ref())?.unwrap_or(KeyPurpose::AccessToken),
        algorithm: optional("alg", asked.alg.as_ref())?.unwrap_or(SignatureAlgorithm::Es256),
    };
    let beginning = if asked.publish_first { Beginning::Published } else { Beginning::Now };
    let act = Rotate { slot, fresh: app.fresh_key(slot).await?, beginning };
    let record = app.perform(&call.permit, &act).await?;
    app.open_signing_keys().await?;
    Reply::created(&SigningKeyView::new(app, &record, app.now()))
}

pub(crate) async fn revoke(app: &App, call: Call) -> Result<Reply, Failure> {
    let id = call.segment("id");
    let known = app.store.snapshot().signing_keys();
    let is_it = |key: &&std::sync::Arc<KnownKey>| Some(key.id()) == id;
    let key = known.iter().find(is_it).ok_or(Refusal::NotFound)?;
    let slot = key.record.slot;
    let act = RevokeKey { id: key.id(), slot, fresh: app.fresh_key(slot).await? };
    let record = app.perform(&call.permit, &act).await?;
    app.open_signing_keys().await?;
    Reply::ok(&SigningKeyView::new(app, &record, app.now()))
}
