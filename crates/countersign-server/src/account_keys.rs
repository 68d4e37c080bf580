//! `/account/keys`: somebody's API keys, and those that they make for themselves.

use std::time::Duration;

use countersign_core::account::{MintKey, Purpose};
use countersign_core::api_key;
use countersign_core::idempotency::Idempotency;
use countersign_core::lifecycle::{Forget, Revoke};
use countersign_core::minting::Expiry;
use countersign_core::reach::Reach;
use countersign_core::record::{CredentialRecord, State};
use countersign_core::self_service::OwnKeys;
use countersign_store::{CredentialFilter, PageRequest};

use crate::account::{
    Member, Visited, back, form, no_such_action, offered, once, page, recent, refused, visit,
};
use crate::app::App;
use crate::failure::Failure;
use crate::pages::account::{KeyOffer, KeyRow, Keys, ShownOnce, Tab};
use crate::received::Received;
use crate::reply::Reply;
use crate::visit::{OwnForm, Visit};

const TAB: Tab = Tab::Keys;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How many days a key may be asked to live; the least that is offered stands first.
const DAYS: [u64; 5] = [7, 30, 90, 180, 365];

/// Shows them.
pub(crate) async fn show(app: &App, received: Received) -> Result<Reply, Failure> {
    let Visited { visit, member, query } = match visit(app, received, TAB).await? {
        Ok(visited) => visited,
        Err(sign_in) => return Ok(sign_in),
    };
    match recent(app, &visit, &member, TAB) {
        Some(sign_in) => Ok(sign_in),
        None => list(app, &visit, &member, (&page(&query, "cursor")?, None)).await,
    }
}

async fn list(
    app: &App,
    visit: &Visit,
    member: &Member,
    (request, wrong): (&PageRequest, Option<String>),
) -> Result<Reply, Failure> {
    let (person, now) = (member.session.person, app.now());
    let filter = CredentialFilter { kind: &api_key::KIND, owner: Some(person), state: None };
    let found = app.store.credentials(Reach::Owner(person), &filter, request, now).await?;
    let policy = app.policy.load();
    let allowed = policy.self_service.api_keys.as_ref();
    let resources = app.store.snapshot().resources().all();
    let offer = allowed.map(|allowed| KeyOffer {
        scopes: offered(&allowed.scopes, &resources),
        days: days(allowed, policy.api_key_max_lifetime),
    });
    Ok(visit.reply(&Keys {
        locale: visit.locale,
        around: member.around(app, visit, TAB),
        keys: found.rows.iter().map(|record| row(record, now)).collect(),
        more: found.next.map(|next| next.to_string()),
        offer,
        once: once(app),
        wrong,
    }))
}

/// Returns how many days a key may live, as far as people may choose.
fn days(allowed: &OwnKeys, all: Option<Duration>) -> Vec<u64> {
    let most = [allowed.max_lifetime, all].into_iter().flatten().min();
    let most = most.map_or(u64::MAX, |most| most.as_secs() / DAY.as_secs());
    let mut days: Vec<_> = DAYS.into_iter().filter(|days| *days <= most).collect();
    if days.is_empty() {
        days.push(most.max(1));
    }
    days
}

fn row(record: &CredentialRecord, now: countersign_core::timestamp::Timestamp) -> KeyRow {
    KeyRow {
        id: record.id.to_string(),
        name: record.terms.name.clone(),
        hint: record.terms.hint.clone(),
        scopes: record.terms.scopes.to_string(),
        since: record.created_at,
        ends: record.expires_at,
        used: record.last_used_at,
        is_live: !matches!(record.life().state(now), State::Revoked | State::Expired),
    }
}

/// Makes one, or ends one.
pub(crate) async fn take(app: &App, received: Received) -> Result<Reply, Failure> {
    let (form, member) = match form(app, received, TAB).await? {
        Ok(sent) => sent,
        Err(sign_in) => return Ok(sign_in),
    };
    if let Some(sign_in) = recent(app, &form.visit, &member, TAB) {
        return Ok(sign_in);
    }
    match form.get("action") {
        Some("create") => create(app, &form, &member).await,
        Some("revoke") => {
            let act = Revoke { kind: &api_key::KIND, id: id(&form)? };
            // What is not theirs, or has ended, is in the list that they see next as it is.
            let _ended = app.attempt(&member.permit(app, Purpose::Own)?, &act).await?;
            Ok(back(TAB))
        }
        Some("delete") => {
            let act = Forget { kind: &api_key::KIND, id: id(&form)? };
            let _gone = app.attempt(&member.permit(app, Purpose::Own)?, &act).await?;
            Ok(back(TAB))
        }
        Some(_) | None => Err(no_such_action()),
    }
}

fn id(form: &OwnForm) -> Result<countersign_core::id::CredentialId, Failure> {
    let id = form.get("id").and_then(|id| id.parse().ok());
    id.filter(|id| api_key::KIND.names(*id))
        .ok_or_else(|| Failure::Invalid("id: expected the name of a key".to_owned()))
}

async fn create(app: &App, form: &OwnForm, member: &Member) -> Result<Reply, Failure> {
    let days = form.get("days").and_then(|days| days.parse::<u64>().ok()).unwrap_or_default();
    let name = form.get("name").unwrap_or_default();
    let act = MintKey {
        name: name.to_owned(),
        scopes: form.ticked()?,
        expiry: Expiry::After(DAY.saturating_mul(u32::try_from(days).unwrap_or(u32::MAX))),
        idempotency: Idempotency {
            key: format!("account-keys\0{}\0{}", member.session.person, form.get("once").unwrap_or_default()),
            fingerprint: name.to_owned(),
        },
    };
    match app.attempt(&member.permit(app, Purpose::ApiKeys)?, &act).await? {
        Ok(minted) => Ok(form.visit.reply(&ShownOnce {
            locale: form.visit.locale,
            around: member.around(app, &form.visit, TAB),
            name,
            client_id: None,
            words: if minted.key.is_some() { "key-made" } else { "already-made" },
            secret: minted.key.as_ref(),
        })),
        Err(refusal) => {
            let first = PageRequest { limit: crate::account::ROWS, cursor: None };
            list(app, &form.visit, member, (&first, Some(refused(&form.visit, &refusal)))).await
        }
    }
}
