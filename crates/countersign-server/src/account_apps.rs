//! `/account/apps`: what somebody allows applications, and how they take it back.

use countersign_core::account::Purpose;
use countersign_core::client_terms::AuthMethod;
use countersign_core::grant_ending::EndGrant;
use countersign_core::ledger::Find as _;
use countersign_core::question::HolderOf;
use countersign_core::reach::Reach;
use countersign_core::record::ConsentRecord;
use countersign_core::resource::Resource;
use countersign_store::ConsentFilter;

use crate::account::{Visited, back, form, no_such_action, offered, page, visit};
use crate::app::App;
use crate::failure::Failure;
use crate::pages::account::{AppRow, Apps, Tab};
use crate::received::Received;
use crate::reply::Reply;

const TAB: Tab = Tab::Apps;

/// Shows them.
pub(crate) async fn show(app: &App, received: Received) -> Result<Reply, Failure> {
    let Visited { visit, member, query } = match visit(app, received, TAB).await? {
        Ok(visited) => visited,
        Err(sign_in) => return Ok(sign_in),
    };
    let person = member.session.person;
    let filter = ConsentFilter { client: None, subject: Some(person) };
    let found = app.store.consents(Reach::Owner(person), filter, &page(&query, "cursor")?).await?;
    let resources = app.store.snapshot().resources().all();
    let mut apps = Vec::with_capacity(found.rows.len());
    for consent in &found.rows {
        apps.push(row(app, consent, &resources).await?);
    }
    let more = found.next.map(|next| next.to_string());
    Ok(visit.reply(&Apps { locale: visit.locale, around: member.around(app, &visit, TAB), apps, more }))
}

async fn row<'a>(
    app: &App,
    consent: &'a ConsentRecord,
    resources: &'a [std::sync::Arc<Resource>],
) -> Result<AppRow<'a>, Failure> {
    let client = app.store.find(HolderOf(Some(consent.client))).await?.map(|holder| holder.owner);
    let terms = client.as_ref().and_then(|client| client.client.as_deref());
    let is_own = terms.is_some_and(|terms| terms.auth_method == AuthMethod::Gateway);
    Ok(AppRow {
        id: consent.id.to_string(),
        name: client.map_or_else(|| consent.client.to_string(), |client| client.name),
        is_own,
        since: consent.created_at,
        scopes: offered(&consent.scopes, resources),
    })
}

/// Takes access away.
pub(crate) async fn take(app: &App, received: Received) -> Result<Reply, Failure> {
    let (form, member) = match form(app, received, TAB).await? {
        Ok(sent) => sent,
        Err(sign_in) => return Ok(sign_in),
    };
    if form.get("action") != Some("remove") {
        return Err(no_such_action());
    }
    let id = form.get("id").and_then(|id| id.parse().ok());
    let id = id.ok_or_else(|| Failure::Invalid("id: expected the name of a grant".to_owned()))?;
    let permit = member.permit(app, Purpose::Own)?;
    // What is not theirs, or was taken away, is not in the list that they see next.
    let _ended = app.attempt(&permit, &EndGrant(id)).await?;
    Ok(back(TAB))
}
