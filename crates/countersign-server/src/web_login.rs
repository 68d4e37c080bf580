//! Where browsers sign in to web apps, at the gateway: sent to the issuer, and taken back (RFC 6749 §4.1).
//!
//! **Invariants.** What comes back is taken by the attempt alone that this browser keeps (`state`, RFC 6749 §10.12), from this issuer
//! (RFC 9207 §2.4). The browser gets one cookie, and goes on to a path of the same origin.

use std::net::IpAddr;

use countersign_core::client::Wanted;
use countersign_core::identity::OPENID;
use countersign_core::login_attempt::{LoginAttempt, name_of};
use countersign_core::web_app::Keeps;
use countersign_core::web_session::WebSession;
use countersign_edge::cookie::{Cookie, ours};
use countersign_edge::endpoint::WEB_LOGIN;
use countersign_edge::form::Form;
use http::header::HeaderValue;
use http::{HeaderMap, StatusCode};
use url::form_urlencoded::Serializer;

use crate::app::App;
use crate::failure::Failure;
use crate::pages::problem::ProblemKind;
use crate::received::Received;
use crate::reply::Reply;
use crate::session::seen;
use crate::visit::{Told, locale, told};
use crate::web_session::{self, Redemption};

/// The most attempts that a browser keeps, in as many tabs.
const MOST_ATTEMPTS: usize = 5;

/// What the names of attempts begin with among cookies.
const ATTEMPT: &str = "countersign-login-";

/// Finds the one cookie of a name; of two, neither (RFC 6265bis §8.6).
pub(crate) fn kept<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = ours(headers).filter(|(one, _)| *one == name).map(|(_, value)| value);
    values.next().filter(|_| values.next().is_none())
}

/// Sends a browser to the issuer.
pub(crate) async fn begin(app: &App, received: Received) -> Result<Reply, Failure> {
    let head = received.head;
    let query = query(&head.uri)?;
    let apps = app.web_apps.load();
    let wanted = apps.find(query.get("client")).ok_or_else(no_such_app)?;
    let return_to = query.get("return_to").unwrap_or("/");
    let name = wanted.app.name.clone();
    let begun = app.with_context(None, |context| {
        let attempt = LoginAttempt::begin(context, name, return_to);
        attempt.sealed(context).map(|sealed| (attempt, sealed))
    });
    let (attempt, sealed) = begun.map_err(|error| Failure::Invalid(error.to_string()))?;
    let cookie =
        Cookie { name: format!("{ATTEMPT}{}", attempt.name()).into(), value: sealed, max_age: Some(600) };
    let reply = see_other(&request(app, &apps.redirect_uri(), wanted, &attempt))?.with_cookie(&cookie);
    Ok(superseded(app, &head.headers).iter().fold(reply, Reply::with_cookie))
}

/// The request of the web app (OpenID Connect Core 1.0 §3.1.2.1).
fn request(app: &App, redirect_uri: &str, wanted: &Wanted, attempt: &LoginAttempt) -> String {
    let scopes: Vec<_> =
        std::iter::once(OPENID).chain(wanted.scopes.iter().map(|scope| scope.as_str())).collect();
    let mut query = Serializer::new(String::new());
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &wanted.app.name.client().to_string())
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("scope", &scopes.join(" "))
        .append_pair("state", &attempt.state)
        .append_pair("code_challenge", &attempt.challenge())
        .append_pair("code_challenge_method", "S256");
    if let Some(audience) = &wanted.app.audience {
        query.append_pair("resource", audience);
    }
    format!("{}/oauth/authorize?{}", app.issuer_url.trim_end_matches('/'), query.finish())
}

/// Takes away what is no good attempt any more, and the oldest ones, so that there is room for one.
fn superseded(app: &App, headers: &HeaderMap) -> Vec<Cookie> {
    let peppers = app.store.snapshot().peppers();
    let kept = ours(headers).filter_map(|(name, value)| Some((name, name.strip_prefix(ATTEMPT)?, value)));
    let (mut good, mut gone) = (Vec::new(), Vec::new());
    for (cookie, name, value) in kept {
        match LoginAttempt::open(peppers, app.now(), name, value) {
            Some(attempt) => good.push((attempt.until, cookie)),
            None => gone.push(cookie),
        }
    }
    good.sort_unstable();
    let excess = (good.len() + 1).saturating_sub(MOST_ATTEMPTS);
    let oldest = good.iter().take(excess).map(|(_, cookie)| *cookie);
    gone.into_iter().chain(oldest).map(|cookie| Cookie::gone(cookie.to_owned())).collect()
}

/// Takes a browser back.
pub(crate) async fn finish(app: &App, received: Received) -> Result<Reply, Failure> {
    let address = received.address();
    let headers = received.head.headers;
    let query = query(&received.head.uri)?;
    let state = query.get("state").unwrap_or_default();
    let Some((cookie, attempt)) = attempt(app, &headers, state) else {
        return Err(not_signed_in(app, &headers, WEB_LOGIN.path));
    };
    let again = again(&attempt);
    let answer = match code(app, &query) {
        Some(code) => redeem(app, (&headers, address), &attempt, code).await?,
        None => None,
    };
    let Some(kept) = answer else { return Err(not_signed_in(app, &headers, &again)) };
    Ok(see_other(&attempt.return_to)?.with_cookie(&kept).with_cookie(&Cookie::gone(cookie)))
}

/// Finds the attempt that a `state` belongs to, in this browser.
fn attempt(app: &App, headers: &HeaderMap, state: &str) -> Option<(String, LoginAttempt)> {
    let cookie = format!("{ATTEMPT}{}", name_of(state)?);
    let peppers = app.store.snapshot().peppers();
    let attempt = LoginAttempt::open(peppers, app.now(), name_of(state)?, kept(headers, &cookie)?)?;
    attempt.is_its(state).then_some((cookie, attempt))
}

/// Returns the code that this issuer sends; a mix-up of issuers sends none (RFC 9207 §2.4).
fn code<'q>(app: &App, query: &'q Form) -> Option<&'q str> {
    query.get("code").filter(|_| query.get("iss") == Some(&app.issuer_url))
}

/// Redeems a code; `None`: it is not good.
async fn redeem(
    app: &App,
    (headers, address): (&HeaderMap, Option<IpAddr>),
    attempt: &LoginAttempt,
    code: &str,
) -> Result<Option<Cookie>, Failure> {
    let apps = app.web_apps.load();
    let Some(wanted) = apps.find(Some(attempt.app.as_str())) else { return Ok(None) };
    let name = attempt.app.cookie();
    let redemption = Redemption {
        code,
        verifier: &attempt.verifier,
        redirect_uri: &apps.redirect_uri(),
        replaces: kept(headers, &name),
        browser: seen(headers, address),
    };
    match web_session::begin(app, &attempt.app, &redemption).await? {
        Ok(session) => Ok(browsers_half(wanted.app.keeps, name, session)),
        Err(error) => {
            tracing::info!(app = %attempt.app, %error, "a browser came back with a code that is not good");
            Ok(None)
        }
    }
}

/// Returns what a browser keeps of a session.
fn browsers_half(keeps: Keeps, name: String, session: WebSession) -> Option<Cookie> {
    let value = match keeps {
        Keeps::Opaque => session.text?,
        Keeps::Jwt => session.token,
    };
    Some(Cookie { name: name.into(), value, max_age: None })
}

/// Where somebody begins again.
fn again(attempt: &LoginAttempt) -> String {
    let mut query = Serializer::new(String::new());
    query.append_pair("client", attempt.app.as_str()).append_pair("return_to", &attempt.return_to);
    format!("{}?{}", WEB_LOGIN.path, query.finish())
}

fn not_signed_in(app: &App, headers: &HeaderMap, again: &str) -> Failure {
    let again = Some(again.trim_start_matches('/'));
    let (locale, status) = (locale(headers, ""), StatusCode::BAD_REQUEST);
    told(app, &Told { locale, kind: ProblemKind::SignIn, status, again })
}

pub(crate) fn no_such_app() -> Failure {
    Failure::Invalid(
        "client: expected the name of a web app that a route asks people to be signed in to".to_owned(),
    )
}

pub(crate) fn query(uri: &http::Uri) -> Result<Form, Failure> {
    let query = Form::read(uri.query().unwrap_or_default().as_bytes());
    query.map_err(|error| Failure::Invalid(format!("the query: {error}")))
}

pub(crate) fn see_other(location: &str) -> Result<Reply, Failure> {
    let location = HeaderValue::from_str(location);
    location
        .map(Reply::see_other)
        .map_err(|_| Failure::Invalid("an address with strange characters".to_owned()))
}
