//! `/reset-password` and `/verify-email`: what people do with the links that were mailed to them.

use countersign_core::context::Context;
use countersign_core::exchange::System;
use countersign_core::ledger::Find as _;
use countersign_core::mailed::{ConfirmAddress, Link, NoLink, ReplacePassword, link, question};
use countersign_core::password::Password;
use countersign_core::question::FoundPerson;
use countersign_core::secret::Secret;
use countersign_edge::form::Form;
use countersign_edge::wire_error;
use http::StatusCode;

use crate::app::App;
use crate::csrf::FormPurpose;
use crate::failure::Failure;
use crate::guesses::Attempt;
use crate::mail_queue::{Job, To};
use crate::pages::mail::{ResetAsk, ResetChoose, VerifyEmail};
use crate::pages::notice::{Notice, NoticeKind};
use crate::pages::problem::ProblemKind;
use crate::received::Received;
use crate::reply::Reply;
use crate::visit::{OwnForm, Told, Visit, told};

/// Asks whose password was forgotten, or, of who follows a link, for a new one.
pub(crate) async fn ask_reset(app: &App, received: Received) -> Result<Reply, Failure> {
    let visit = Visit::of(app, &received.head.headers, "")?;
    match token(&received)? {
        Some(token) => {
            person(app, Link::Reset, &token).await?.map_err(|_: NoLink| stale(app, &visit))?;
            Ok(choose(app, &visit, &token, false))
        }
        None => {
            let (locale, bound) = (visit.locale, visit.bound(app, FormPurpose::Reset, ""));
            Ok(visit.reply(&ResetAsk { locale, bound }))
        }
    }
}

/// Takes whose password was forgotten, or a new one.
pub(crate) async fn reset(app: &App, received: Received) -> Result<Reply, Failure> {
    let form = OwnForm::receive(app, received, FormPurpose::Reset).await?;
    match form.get("token") {
        Some(text) => replace(app, &form, text).await,
        None => send(app, &form),
    }
}

/// Has a link sent, if there is somebody to send it to; which nobody is told.
fn send(app: &App, form: &OwnForm) -> Result<Reply, Failure> {
    let typed = form.get("username").unwrap_or_default().trim();
    let attempt = Attempt { address: form.address, username: typed, browser: None };
    if let Err(wait) = app.guesses.take_letter(attempt, app.clock.monotonic()) {
        return Err(wire_error::too_many(wait).into());
    }
    let locale = form.visit.locale;
    app.mail.ask(Job { to: To::Typed(typed.to_owned()), link: Link::Reset, locale })?;
    Ok(form.visit.reply(&Notice { locale, kind: NoticeKind::ResetSent }))
}

async fn replace(app: &App, form: &OwnForm, text: &str) -> Result<Reply, Failure> {
    let visit = &form.visit;
    let found = person(app, Link::Reset, text).await?.map_err(|_: NoLink| stale(app, visit))?;
    let typed = Secret::new(form.get("password").unwrap_or_default().to_owned());
    let email = found.person.email.as_ref().map(ToString::to_string).unwrap_or_default();
    let about = [found.person.username.as_str(), email.as_str(), found.owner.name.as_str()];
    let least = app.policy.load().people.password_min_length;
    let Ok(password) = Password::chosen(&typed, least, &about) else {
        return Ok(choose(app, visit, text, true));
    };
    if app.is_known(&password).await? {
        return Ok(choose(app, visit, text, true));
    }
    let act = ReplacePassword { text: Secret::new(text.to_owned()), password: app.hash(&password).await? };
    match app.attempt(&System, &act).await? {
        Ok(_) => Ok(visit.reply(&Notice { locale: visit.locale, kind: NoticeKind::PasswordChanged })),
        Err(_) => Err(stale(app, visit)),
    }
}

fn choose(app: &App, visit: &Visit, token: &str, weak: bool) -> Reply {
    let least = u64::try_from(app.policy.load().people.password_min_length).unwrap_or(u64::MAX);
    let (locale, bound) = (visit.locale, visit.bound(app, FormPurpose::Reset, ""));
    visit.reply(&ResetChoose { locale, bound, token, least, weak })
}

/// Asks who follows a link whether the address is theirs.
pub(crate) async fn ask_verification(app: &App, received: Received) -> Result<Reply, Failure> {
    let visit = Visit::of(app, &received.head.headers, "")?;
    let token = token(&received)?.unwrap_or_default();
    let found = person(app, Link::Verify, &token).await?.map_err(|_: NoLink| stale(app, &visit))?;
    let email = found.person.email.map(|email| email.to_string()).unwrap_or_default();
    let (locale, bound) = (visit.locale, visit.bound(app, FormPurpose::Verify, ""));
    Ok(visit.reply(&VerifyEmail { locale, bound, token: &token, email: &email }))
}

/// Takes that it is.
pub(crate) async fn verify(app: &App, received: Received) -> Result<Reply, Failure> {
    let form = OwnForm::receive(app, received, FormPurpose::Verify).await?;
    let act = ConfirmAddress { text: Secret::new(form.get("token").unwrap_or_default().to_owned()) };
    let (visit, locale) = (&form.visit, form.visit.locale);
    match app.attempt(&System, &act).await? {
        Ok(_) => Ok(visit.reply(&Notice { locale, kind: NoticeKind::EmailVerified })),
        Err(_) => Err(stale(app, visit)),
    }
}

/// Finds whom a link is for.
async fn person(app: &App, asked: Link, text: &str) -> Result<Result<FoundPerson, NoLink>, Failure> {
    let found = app.store.find(question(app.store.snapshot().peppers(), text)).await?;
    let judge = |context: &mut Context<'_>| link(context, asked, found);
    Ok(app.with_context(None, judge).map(|(_, person)| person))
}

fn stale(app: &App, visit: &Visit) -> Failure {
    let (kind, status) = (ProblemKind::Link, StatusCode::FORBIDDEN);
    told(app, &Told { locale: visit.locale, kind, status, again: None })
}

/// Reads the link's text.
fn token(received: &Received) -> Result<Option<String>, Failure> {
    let query = received.head.uri.query().unwrap_or_default();
    let form = Form::read(query.as_bytes()).map_err(|error| Failure::Invalid(error.to_string()))?;
    Ok(form.get("token").map(str::to_owned))
}
