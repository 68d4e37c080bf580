//! `/login`: somebody says who they are.

use std::time::Duration;

use countersign_core::audit::{Actor, AuditEvent};
use countersign_core::exchange::System;
use countersign_core::ledger::{Find as _, Ledger as _};
use countersign_core::password::{Password, ProvenPassword};
use countersign_core::question::{FoundPerson, PersonNamed};
use countersign_core::secret::Secret;
use countersign_core::sign_in::{Begun, Proof, SignIn};
use countersign_core::standing::Knows as _;
use countersign_core::typed_name::TypedName;
use http::HeaderValue;

use crate::app::App;
use crate::cookie::{Cookie, Cookies, SESSION};
use crate::csrf::FormPurpose;
use crate::failure::Failure;
use crate::guesses::{Attempt, Taken};
use crate::pages::account::Tab;
use crate::pages::sign_in as page;
use crate::pages::sign_in::Wrong;
use crate::passwords::Busy;
use crate::received::Received;
use crate::reply::Reply;
use crate::visit::{OwnForm, Visit};
use crate::{authorize, known_browser, pages, session};

/// The longest username that is looked at.
const MOST_USERNAME: usize = 256;

/// Shows the page.
pub(crate) async fn show(app: &App, received: Received) -> Result<Reply, Failure> {
    let visit = Visit::of(app, &received.head.headers, "")?;
    Ok(plain(app, &visit, "", "", None))
}

/// Takes what somebody has typed.
pub(crate) async fn take(app: &App, received: Received) -> Result<Reply, Failure> {
    let form = OwnForm::receive(app, received, FormPurpose::SignIn).await?;
    match proven(app, &form).await? {
        Ok((begun, person)) => {
            let known = known_browser::cookie(app, &person);
            Ok(welcome(form.request(), begun)?.with_cookie(&known))
        }
        Err(wrong) => again(app, form, wrong).await,
    }
}

/// Sends somebody on who has signed in.
pub(crate) fn welcome(request: &str, begun: Begun) -> Result<Reply, Failure> {
    let to = HeaderValue::try_from(onward(request)?);
    let to = to.map_err(|_| Failure::Invalid("an address with strange characters".to_owned()))?;
    let kept = Cookie { name: SESSION.into(), value: begun.text, max_age: None };
    Ok(Reply::see_other(to).with_cookie(&kept))
}

/// Returns where a request goes on to: a page of ours or the authorization endpoint, and nowhere else. Whoever came for
/// themselves sees their account.
fn onward(request: &str) -> Result<String, Failure> {
    match request {
        "" => Ok(Tab::Sessions.path().to_owned()),
        request if pages::is_own(request) => Ok(pages::onward(request)),
        request => Ok(pages::onward(&authorize::resumed(request)?)),
    }
}

/// Shows the page once more, with what was wrong.
async fn again(app: &App, form: OwnForm, wrong: Wrong) -> Result<Reply, Failure> {
    let (request, username) = (form.request().to_owned(), username(&form).to_owned());
    if request.is_empty() || pages::is_own(&request) {
        return Ok(plain(app, &form.visit, &request, &username, Some(wrong)));
    }
    authorize::sign_in_again(app, form.visit, &request, &username, wrong).await
}

/// The page of who goes on to no client.
pub(crate) fn plain(app: &App, visit: &Visit, request: &str, username: &str, wrong: Option<Wrong>) -> Reply {
    visit.reply(&page::SignIn {
        locale: visit.locale,
        bound: visit.bound(app, FormPurpose::SignIn, request),
        client: None,
        redirect: None,
        username,
        wrong,
        forgotten: app.mail.is_open(),
        elsewhere: &app.providers.load().elsewhere(),
    })
}

/// Whoever is there or not, and may or not, costs the same and hears the same.
async fn proven(app: &App, form: &OwnForm) -> Result<Result<(Begun, FoundPerson), Wrong>, Failure> {
    let found = match username(form).parse::<TypedName>() {
        Ok(typed) => app.store.find(PersonNamed(typed)).await?,
        Err(_) => None,
    };
    let taken = match take_one(app, form, found.as_ref()) {
        Ok(taken) => taken,
        Err(wait) => {
            file(app, found.as_ref(), "throttled");
            return Ok(Err(Wrong::Throttled(wait)));
        }
    };
    match (check(app, form, found.as_ref()).await, found) {
        (Err(Busy), _) => {
            taken.give_back();
            Ok(Err(Wrong::Busy))
        }
        (Ok(Some(proof)), Some(found)) => match begin(app, form, proof).await? {
            Some(begun) => {
                taken.give_back();
                Ok(Ok((begun, found)))
            }
            None => Ok(Err(Wrong::Credentials)),
        },
        (Ok(_), found) => {
            file(app, found.as_ref(), "wrong_password");
            Ok(Err(Wrong::Credentials))
        }
    }
}

/// Returns what was typed, as far as it is looked at.
fn username(form: &OwnForm) -> &str {
    let typed = form.get("username").unwrap_or_default().trim();
    typed.get(..MOST_USERNAME).unwrap_or(typed)
}

/// Takes an attempt from the allowances that it falls under.
fn take_one<'a>(app: &'a App, form: &OwnForm, found: Option<&FoundPerson>) -> Result<Taken<'a>, Duration> {
    let known = Cookies::read(&form.head.headers).ok().and_then(|cookies| cookies.known);
    let peppers = app.store.snapshot().peppers();
    let browser = known.as_ref().zip(found);
    let browser = browser.and_then(|(known, found)| known_browser::name(peppers, known.expose(), found));
    let attempt = Attempt { address: form.address, username: username(form), browser };
    app.guesses.take(attempt, app.clock.monotonic())
}

async fn check(
    app: &App,
    form: &OwnForm,
    found: Option<&FoundPerson>,
) -> Result<Option<ProvenPassword>, Busy> {
    let typed = Secret::new(form.get("password").unwrap_or_default().to_owned());
    // What can be no password costs as much as one that is wrong.
    let (password, found) = match Password::typed(&typed) {
        Ok(password) => (password, found),
        Err(_) => (Password::none(), None),
    };
    app.prove(&password, found).await
}

/// Begins the session; `None`: the proof is true no more.
pub(crate) async fn begin(
    app: &App,
    form: &OwnForm,
    proof: ProvenPassword,
) -> Result<Option<Begun>, Failure> {
    let replaces = session::find(app, &form.head.headers).await?;
    let browser = session::seen(&form.head.headers, form.address);
    let proof = Proof::Password(proof);
    let act = SignIn { proof, incarnation: app.store.snapshot().incarnation(), replaces, browser };
    Ok(app.attempt(&System, &act).await?.ok())
}

fn file(app: &App, found: Option<&FoundPerson>, reason: &'static str) {
    let line = AuditEvent::refused(app.now(), "user.sign_in", Actor::UNVERIFIED, reason);
    app.store.file(match found {
        Some(found) => line.about(found.owner.id.to_string()).within(Some(found.owner.organisation)),
        None => line,
    });
}
