//! `/account/clients`: clients of the authorization server that somebody registers for themselves.

use countersign_core::account::{AmendApp, AppKind, Purpose, RegisterApp};
use countersign_core::client::RotateSecret;
use countersign_core::id::OwnerId;
use countersign_core::idempotency::Idempotency;
use countersign_core::owner::SwitchOwner;
use countersign_core::record::OwnerRecord;
use countersign_core::redirect_uri::RedirectUri;
use countersign_core::refusal::Refusal;
use countersign_core::switching::Switch;
use countersign_store::PageRequest;

use crate::account::{
    Member, ROWS, Visited, back, form, no_such_action, offered, once, page, recent, refused, visit,
};
use crate::app::App;
use crate::failure::Failure;
use crate::pages::account::{ClientRow, Clients, ShownOnce, Tab};
use crate::received::Received;
use crate::reply::Reply;
use crate::visit::{OwnForm, Visit};

const TAB: Tab = Tab::Clients;

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
    let found = app.store.registered_by(member.session.person, request).await?;
    let policy = app.policy.load();
    let resources = app.store.snapshot().resources().all();
    let allowed = policy.self_service.clients.as_ref();
    Ok(visit.reply(&Clients {
        locale: visit.locale,
        around: member.around(app, visit, TAB),
        clients: found.rows.iter().map(row).collect(),
        more: found.next.map(|next| next.to_string()),
        offer: allowed.map(|allowed| offered(&allowed.scopes, &resources)),
        once: once(app),
        wrong,
    }))
}

fn row(client: &OwnerRecord) -> ClientRow {
    let terms = client.client.as_deref().cloned().unwrap_or_default();
    let uris: Vec<_> = terms.redirect_uris.iter().map(RedirectUri::as_str).collect();
    ClientRow {
        id: client.id.to_string(),
        name: client.name.clone(),
        redirect_uris: uris.join("\n"),
        scopes: terms.scopes.to_string(),
        has_secret: terms.auth_method.has_secret(),
        is_live: client.disabled_at.is_none(),
    }
}

/// Registers one, or changes one.
pub(crate) async fn take(app: &App, received: Received) -> Result<Reply, Failure> {
    let (form, member) = match form(app, received, TAB).await? {
        Ok(sent) => sent,
        Err(sign_in) => return Ok(sign_in),
    };
    if let Some(sign_in) = recent(app, &form.visit, &member, TAB) {
        return Ok(sign_in);
    }
    let done = match form.get("action") {
        Some("register") => register(app, &form, &member).await?,
        Some("change") => change(app, &form, &member).await?,
        Some("rotate") => rotate(app, &form, &member).await?,
        Some("disable") => switch(app, &form, &member, Switch::Disabled).await?,
        Some("enable") => switch(app, &form, &member, Switch::Enabled).await?,
        Some(_) | None => return Err(no_such_action()),
    };
    match done {
        Ok(reply) => Ok(reply),
        Err(why) => {
            let first = PageRequest { limit: ROWS, cursor: None };
            list(app, &form.visit, &member, (&first, Some(why))).await
        }
    }
}

/// An answer, or why it was not done.
type Done = Result<Reply, String>;

fn told(form: &OwnForm, refusal: &Refusal) -> Done {
    Err(refused(&form.visit, refusal))
}

/// Reads redirect URIs, one on each line.
fn redirect_uris(form: &OwnForm) -> Result<Vec<RedirectUri>, String> {
    let lines = form.get("redirect_uris").unwrap_or_default().lines().map(str::trim);
    let read = |line: &str| {
        line.parse()
            .map_err(|error| form.visit.locale.tell_of("not-possible", "why", &format!("{line}: {error}")))
    };
    lines.filter(|line| !line.is_empty()).map(read).collect()
}

fn id(form: &OwnForm) -> Result<OwnerId, Failure> {
    let id = form.get("id").and_then(|id| id.parse().ok());
    id.ok_or_else(|| Failure::Invalid("id: expected a client_id".to_owned()))
}

async fn register(app: &App, form: &OwnForm, member: &Member) -> Result<Done, Failure> {
    let redirect_uris = match redirect_uris(form) {
        Ok(uris) => uris,
        Err(why) => return Ok(Err(why)),
    };
    let name = form.get("name").unwrap_or_default();
    let kind = match form.get("kind") {
        Some("public") => AppKind::Public,
        Some("server") => AppKind::Server,
        Some(_) | None => return Err(Failure::Invalid("kind: expected `server` or `public`".to_owned())),
    };
    let idempotency = Idempotency {
        key: format!("account-clients\0{}\0{}", member.session.person, form.get("once").unwrap_or_default()),
        fingerprint: name.to_owned(),
    };
    let act = RegisterApp { name: name.to_owned(), kind, redirect_uris, scopes: form.ticked()?, idempotency };
    Ok(match app.attempt(&member.permit(app, Purpose::Clients)?, &act).await? {
        Ok(registered) => Ok(form.visit.reply(&ShownOnce {
            locale: form.visit.locale,
            around: member.around(app, &form.visit, TAB),
            name,
            client_id: Some(registered.client.id.to_string()),
            secret: registered.secret.as_ref(),
            words: "client-made",
        })),
        Err(refusal) => told(form, &refusal),
    })
}

async fn change(app: &App, form: &OwnForm, member: &Member) -> Result<Done, Failure> {
    let redirect_uris = match redirect_uris(form) {
        Ok(uris) => uris,
        Err(why) => return Ok(Err(why)),
    };
    let act =
        AmendApp { id: id(form)?, name: form.get("name").unwrap_or_default().to_owned(), redirect_uris };
    let changed = app.attempt(&member.permit(app, Purpose::Clients)?, &act).await?;
    Ok(changed.map(|_| back(TAB)).or_else(|refusal| told(form, &refusal)))
}

async fn rotate(app: &App, form: &OwnForm, member: &Member) -> Result<Done, Failure> {
    let act = RotateSecret { id: id(form)?, overlap: None };
    Ok(match app.attempt(&member.permit(app, Purpose::Clients)?, &act).await? {
        Ok(rotated) => Ok(form.visit.reply(&ShownOnce {
            locale: form.visit.locale,
            around: member.around(app, &form.visit, TAB),
            name: &rotated.client.name,
            client_id: Some(rotated.client.id.to_string()),
            secret: rotated.secret.as_ref(),
            words: "secret-made",
        })),
        Err(refusal) => told(form, &refusal),
    })
}

async fn switch(app: &App, form: &OwnForm, member: &Member, switch: Switch) -> Result<Done, Failure> {
    let act = SwitchOwner { id: id(form)?, switch };
    let switched = app.attempt(&member.permit(app, Purpose::Own)?, &act).await?;
    Ok(switched.map(|_| back(TAB)).or_else(|refusal| told(form, &refusal)))
}
