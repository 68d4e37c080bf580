//! Where browsers sign in to web apps, at the gateway: sent to the issuer, and taken back (RFC 6749 §4.1).
//!
//! **Invariants.** What comes back is taken by the attempt alone that this browser keeps (`state`, RFC 6749 §10.12), from this issuer
//! (RFC 9207 §2.4). The browser gets one cookie, and goes on to a path of the same origin.

use std::net::IpAddr;

use countersign_core::attempt::Attempt;
use countersign_core::client::Wanted;
use countersign_core::identity::OPENID;
use countersign_core::web_app::Keeps;
use countersign_core::web_login::WebLogin;
use countersign_core::web_session::WebSession;
use countersign_edge::cookie::Cookie;
use countersign_edge::endpoint::WEB_LOGIN;
use countersign_edge::form::Form;
use http::header::HeaderValue;
use http::{HeaderMap, StatusCode};
use url::form_urlencoded::Serializer;

use crate::app::App;
use crate::attempts::{Attempts, kept};
use crate::failure::Failure;
use crate::pages::problem::ProblemKind;
use crate::received::Received;
use crate::reply::Reply;
use crate::session::seen;
use crate::visit::{Told, locale, told};
use crate::web_session::{self, Redemption};

/// The attempts of browsers: RFC 6265 §6.1 has a browser keep 4096 bytes of each.
const ATTEMPTS: Attempts = Attempts { prefix: "countersign-login-", most: 5, longest: 3_800 };

/// Sends a browser to the issuer.
pub(crate) async fn begin(app: &App, received: Received) -> Result<Reply, Failure> {
    let head = received.head;
    let query = query(&head.uri)?;
    let apps = app.web_apps.load();
    let wanted = apps.find(query.get("client")).ok_or_else(no_such_app)?;
    let return_to = query.get("return_to").unwrap_or("/");
    let name = wanted.app.name.clone();
    let (attempt, cookies) = ATTEMPTS
        .begin(app, &head.headers, |context| Attempt::begin(context, WebLogin::new(name, return_to)))?;
    let reply = see_other(&request(app, &apps.redirect_uri(), wanted, &attempt))?;
    Ok(cookies.iter().fold(reply, Reply::with_cookie))
}

/// The request of the web app (OpenID Connect Core 1.0 §3.1.2.1).
fn request(app: &App, redirect_uri: &str, wanted: &Wanted, attempt: &Attempt<WebLogin>) -> String {
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

/// Takes a browser back.
pub(crate) async fn finish(app: &App, received: Received) -> Result<Reply, Failure> {
    let address = received.address();
    let headers = received.head.headers;
    let query = query(&received.head.uri)?;
    let state = query.get("state").unwrap_or_default();
    let Some((cookie, attempt)) = ATTEMPTS.find::<WebLogin>(app, &headers, state) else {
        return Err(not_signed_in(app, &headers, WEB_LOGIN.path));
    };
    let again = again(&attempt);
    let answer = match code(app, &query) {
        Some(code) => redeem(app, (&headers, address), &attempt, code).await?,
        None => None,
    };
    let Some(kept) = answer else { return Err(not_signed_in(app, &headers, &again)) };
    Ok(see_other(&attempt.goal.return_to)?.with_cookie(&kept).with_cookie(&Cookie::gone(cookie)))
}

/// Returns the code that this issuer sends; a mix-up of issuers sends none (RFC 9207 §2.4).
fn code<'q>(app: &App, query: &'q Form) -> Option<&'q str> {
    query.get("code").filter(|_| query.get("iss") == Some(&app.issuer_url))
}

/// Redeems a code; `None`: it is not good.
async fn redeem(
    app: &App,
    (headers, address): (&HeaderMap, Option<IpAddr>),
    attempt: &Attempt<WebLogin>,
    code: &str,
) -> Result<Option<Cookie>, Failure> {
    let apps = app.web_apps.load();
    let Some(wanted) = apps.find(Some(attempt.goal.app.as_str())) else { return Ok(None) };
    let name = attempt.goal.app.cookie();
    let redemption = Redemption {
        code,
        verifier: &attempt.verifier,
        redirect_uri: &apps.redirect_uri(),
        replaces: kept(headers, &name),
        browser: seen(headers, address),
    };
    match web_session::begin(app, &attempt.goal.app, &redemption).await? {
        Ok(session) => Ok(browsers_half(wanted.app.keeps, name, session)),
        Err(error) => {
            tracing::info!(app = %attempt.goal.app, %error, "a browser came back with a code that is not good");
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
fn again(attempt: &Attempt<WebLogin>) -> String {
    let mut query = Serializer::new(String::new());
    query.append_pair("client", attempt.goal.app.as_str()).append_pair("return_to", &attempt.goal.return_to);
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
