//! Who is signed in at a browser.

use std::net::IpAddr;

use countersign_core::authorization::SignedIn;
use countersign_core::context::Context;
use countersign_core::exchange::System;
use countersign_core::ledger::{Commit, Durable as _, Find as _, Ledger as _, Unavailable};
use countersign_core::question::PersonOf;
use countersign_core::secret::Secret;
use countersign_core::seen_browser::SeenBrowser;
use countersign_core::sign_in::{Session, SignOut, current as judged, question};
use countersign_core::standing::Knows as _;
use http::HeaderMap;
use http::header::USER_AGENT;

use crate::app::App;
use crate::cookie::{Cookie, Cookies, SESSION};

/// Returns who is signed in, and says that the session is in use. Whoever has two sessions has none.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn current(app: &App, headers: &HeaderMap) -> Result<Option<SignedIn>, Unavailable> {
    let Some(session) = used(app, headers).await? else { return Ok(None) };
    let person = app.store.snapshot().owner(session.person).ok_or(Unavailable::Stale)?;
    let Session { id, auth_time, is_undated, amr, .. } = session;
    Ok(Some(SignedIn { session: id, person, auth_time, is_undated, amr }))
}

/// Finds the session of a browser likewise.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn used(app: &App, headers: &HeaderMap) -> Result<Option<Session>, Unavailable> {
    let Some(session) = find(app, headers).await? else { return Ok(None) };
    let now = app.now();
    if let Some(touch) = app.with_context(None, |context| session.touch(context))
        && let Some(effect) = touch.effect(now)
    {
        // Whoever is overtaken is in use all the same, or signed out.
        let (Commit::Done | Commit::Lost) = app.store.commit(vec![effect], Vec::new()).await?;
    }
    Ok(Some(session))
}

/// Returns what a request says of its browser.
pub(crate) fn seen(headers: &HeaderMap, address: Option<IpAddr>) -> SeenBrowser {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    SeenBrowser::new(agent.unwrap_or_default(), address)
}

/// Returns the name that somebody signs in by, for the pages that say who is signed in; one who is gone has none.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn username(app: &App, signed_in: &SignedIn) -> Result<String, Unavailable> {
    let found = app.store.find(PersonOf(signed_in.person.id())).await?;
    Ok(found.map(|found| found.person.username.to_string()).unwrap_or_default())
}

/// Ends the session of a browser. Returns the cookie that takes its text away.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn end(app: &App, headers: &HeaderMap) -> Result<Cookie, Unavailable> {
    if let Some(session) = find(app, headers).await? {
        // Whoever was quicker has ended it too.
        let _ended = app.attempt(&System, &SignOut(session)).await?;
    }
    Ok(Cookie::gone(SESSION))
}

/// Finds the session whose text a browser has sent, if it counts.
///
/// # Errors
///
/// [`Unavailable`].
pub(crate) async fn find(app: &App, headers: &HeaderMap) -> Result<Option<Session>, Unavailable> {
    let sent = Cookies::read(headers).ok().and_then(|cookies| cookies.session);
    match sent {
        Some(text) => named(app, &text).await,
        None => Ok(None),
    }
}

async fn named(app: &App, text: &Secret<String>) -> Result<Option<Session>, Unavailable> {
    let snapshot = app.store.snapshot();
    let Some(record) = app.store.find(question(snapshot.peppers(), text.expose())).await? else {
        return Ok(None);
    };
    // What is known of the person has to be what holds now (SAFETY 4).
    app.store.ready()?;
    let person = record.subject.and_then(|person| snapshot.owner(person));
    let incarnation = snapshot.incarnation();
    let judge = |context: &mut Context<'_>| judged(context, record, person.as_deref(), incarnation);
    Ok(app.with_context(None, judge).ok())
}
