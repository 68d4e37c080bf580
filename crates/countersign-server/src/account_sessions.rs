//! `/account`: where somebody is signed in, and how they sign out there.

use countersign_core::account::{EndSession, OwnSession, Purpose, Whence};
use countersign_core::context::Context;
use countersign_core::id::CredentialId;
use countersign_core::record::ArtifactRecord;
use countersign_core::seen_browser::SeenBrowser;
use countersign_core::sign_in::{self, Session};
use countersign_core::standing::Knows as _;
use countersign_core::timestamp::Timestamp;
use countersign_core::token_ending::EndAllOf;
use countersign_core::web_session::{self, ShownSession};
use countersign_store::SessionsOf;

use crate::account::{Member, Visited, back, form, no_such_action, page, visit};
use crate::app::App;
use crate::browser_name::browser_name;
use crate::cookie::{Cookie, SESSION};
use crate::failure::Failure;
use crate::pages::account::{SessionRow, Sessions, Tab};
use crate::pages::notice::{Notice, NoticeKind};
use crate::received::Received;
use crate::reply::Reply;
use crate::session;
use crate::visit::OwnForm;

const TAB: Tab = Tab::Sessions;

/// Shows them.
pub(crate) async fn show(app: &App, received: Received) -> Result<Reply, Failure> {
    let Visited { visit, member, query } = match visit(app, received, TAB).await? {
        Ok(visited) => visited,
        Err(sign_in) => return Ok(sign_in),
    };
    let person = member.session.person;
    let here = app.store.sessions(SessionsOf::Issuer, person, &page(&query, "sessions")?).await?;
    let there = app.store.sessions(SessionsOf::WebApps, person, &page(&query, "web_sessions")?).await?;
    let sign_ins = here.rows.into_iter().filter_map(|record| sign_in_row(app, &member, record));
    let web_sessions = there.rows.iter().filter_map(|record| web_row(app, &member, record));
    Ok(visit.reply(&Sessions {
        locale: visit.locale,
        around: member.around(app, &visit, TAB),
        sign_ins: latest_first(sign_ins),
        more_sign_ins: here.next.map(|next| next.to_string()),
        web_sessions: latest_first(web_sessions),
        more_web_sessions: there.next.map(|next| next.to_string()),
    }))
}

fn latest_first(rows: impl Iterator<Item = SessionRow>) -> Vec<SessionRow> {
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|row| (!row.is_this, std::cmp::Reverse(row.seen_at)));
    rows
}

/// A session here, if it counts.
fn sign_in_row(app: &App, member: &Member, record: ArtifactRecord) -> Option<SessionRow> {
    let incarnation = app.store.snapshot().incarnation();
    let judge =
        |context: &mut Context<'_>| sign_in::current(context, record, Some(&member.person), incarnation);
    let Session { id, auth_time, seen_at, browser, .. } = app.with_context(None, judge).ok()?;
    let is_this = id == member.session.id;
    Some(SessionRow { is_this, ..row(id, &browser, (auth_time, seen_at)) })
}

/// A session at a web app, if it counts.
fn web_row(app: &App, member: &Member, record: &ArtifactRecord) -> Option<SessionRow> {
    let snapshot = app.store.snapshot();
    let client = snapshot.owner(record.client?)?;
    let incarnation = snapshot.incarnation();
    let judge = |context: &mut Context<'_>| {
        web_session::shown(context, record, (&client, &member.person), incarnation)
    };
    let ShownSession { id, client, began_at, seen_at, browser } = app.with_context(None, judge)?;
    let apps = app.web_apps.load();
    let name = apps.apps.iter().map(|wanted| &wanted.app.name).find(|name| name.client() == client);
    let name = name.map_or_else(|| client.to_string(), ToString::to_string);
    Some(SessionRow { app: Some(name), ..row(id, &browser, (began_at, seen_at)) })
}

fn row(id: CredentialId, browser: &SeenBrowser, (began_at, seen_at): (Timestamp, Timestamp)) -> SessionRow {
    SessionRow {
        id: id.to_string(),
        app: None,
        browser: browser_name(browser.agent()),
        address: browser.address().map(|address| address.to_string()),
        is_this: false,
        began_at,
        seen_at,
    }
}

/// Signs out: here, there, or everywhere.
pub(crate) async fn take(app: &App, received: Received) -> Result<Reply, Failure> {
    let (form, member) = match form(app, received, TAB).await? {
        Ok(sent) => sent,
        Err(sign_in) => return Ok(sign_in),
    };
    match form.get("action") {
        Some("sign-out") => {
            let gone = session::end(app, &form.head.headers).await?;
            Ok(signed_out(&form).with_cookie(&gone))
        }
        Some("end-session") => end(app, &form, &member, Whence::Issuer).await,
        Some("end-web-session") => end(app, &form, &member, Whence::WebApp).await,
        Some("everywhere") => {
            let everything = EndAllOf(member.session.person);
            app.perform(&member.permit(app, Purpose::Own)?, &everything).await?;
            Ok(signed_out(&form).with_cookie(&Cookie::gone(SESSION)))
        }
        Some(_) | None => Err(no_such_action()),
    }
}

async fn end(app: &App, form: &OwnForm, member: &Member, whence: Whence) -> Result<Reply, Failure> {
    let id = form.get("id").and_then(|id| id.parse().ok());
    let id = id.ok_or_else(|| Failure::Invalid("id: expected the name of a session".to_owned()))?;
    let permit = member.permit(app, Purpose::Own)?;
    // What is not theirs, or has ended, is not in the list that they see next.
    let _ended = app.attempt(&permit, &EndSession(OwnSession { whence, id })).await?;
    Ok(back(TAB))
}

fn signed_out(form: &OwnForm) -> Reply {
    form.visit.reply(&Notice { locale: form.visit.locale, kind: NoticeKind::SignedOut })
}
