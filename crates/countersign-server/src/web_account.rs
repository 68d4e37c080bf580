//! What a front end asks of its own session at the gateway: who is signed in, and to be signed out.

use std::collections::BTreeSet;

use countersign_core::ledger::Find as _;
use countersign_core::question::PersonOf;
use countersign_core::rejection::Rejection;
use countersign_core::web_login::own_path;
use countersign_edge::browser::{OwnRequest, own_request};
use countersign_edge::cookie::{Cookie, ours};
use countersign_edge::form::{Form, is_form};
use countersign_edge::wire_error::{self, Beside, Problem};
use http::HeaderMap;
use http::header::ACCEPT;
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::App;
use crate::attempts::kept;
use crate::failure::Failure;
use crate::places::Sender;
use crate::received::Received;
use crate::reply::Reply;
use crate::web_login::{no_such_app, query, see_other};
use crate::web_session;

/// The most bytes of a form: the name of a web app, and a path.
const MOST: usize = 4 * 1024;

/// Who is signed in.
#[derive(Serialize, JsonSchema)]
pub(crate) struct SessionView {
    /// The web app.
    client: String,
    /// The person: the `sub` of everything issued for them.
    subject: String,
    /// What they sign in by.
    username: String,
    /// What they are called.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// What they are in the web app's organisation.
    roles: BTreeSet<String>,
    /// What the web app may do for them.
    scope: String,
    /// When they are signed out at the latest (RFC 3339).
    ends_at: String,
}

/// Tells who is signed in. To look is no use of the session: a page that asks each minute keeps nobody signed in.
pub(crate) async fn show(app: &App, received: Received) -> Result<Reply, Failure> {
    let head = received.head;
    let query = query(&head.uri)?;
    let apps = app.web_apps.load();
    let wanted = apps.find(query.get("client")).ok_or_else(no_such_app)?;
    let text = kept(&head.headers, &wanted.app.name.cookie());
    let Some(text) = text else {
        return Err(wire_error::problem(Problem::CredentialRequired, "Nobody is signed in", None).into());
    };
    let session = web_session::look(app, &wanted.app.name, text).await?.map_err(nobody)?;
    let claims = session.claims;
    let found = app.store.find(PersonOf(claims.subject)).await?.ok_or_else(|| nobody(Rejection::UNKNOWN))?;
    let roles = claims.further.get("roles").and_then(|roles| roles.as_array()).into_iter().flatten();
    Reply::ok(&SessionView {
        client: wanted.app.name.to_string(),
        subject: claims.subject.to_string(),
        username: found.person.username.to_string(),
        name: Some(found.owner.name).filter(|name| !name.is_empty()),
        roles: roles.filter_map(|role| role.as_str().map(str::to_owned)).collect(),
        scope: claims.scopes.to_string(),
        ends_at: session.ends_at.to_string(),
    })
}

fn nobody(rejection: Rejection) -> Failure {
    wire_error::from_rejection(rejection, Beside::default()).into()
}

/// Signs out: at the web app, and at the issuer where that was for it. A page of the web app's own alone may do so.
pub(crate) async fn sign_out(app: &App, received: Received) -> Result<Reply, Failure> {
    let address = received.address();
    let Received { head, body, .. } = received;
    if own_request(&head.headers) == OwnRequest::Foreign {
        return Err(wire_error::problem(Problem::Forbidden, FOREIGN, None).into());
    }
    let body = app.intake.read(Sender::Address(address), body, MOST).await?;
    let form = if is_form(&head.headers) { Form::read(&body) } else { Ok(Form::default()) };
    let form = form.map_err(|error| Failure::Invalid(error.to_string()))?;
    let mut gone = Vec::new();
    let apps = app.web_apps.load();
    for wanted in &apps.apps {
        let name = wanted.app.name.cookie();
        let is_meant = form.get("client").is_none_or(|client| client == wanted.app.name.as_str());
        for (_, text) in ours(&head.headers).filter(|(one, _)| is_meant && *one == name) {
            web_session::end(app, text).await?;
            gone.push(Cookie::gone(name.clone()));
        }
    }
    let reply = if reads_pages(&head.headers) {
        see_other(own_path(form.get("return_to").unwrap_or("/")))?
    } else {
        Reply::nothing()
    };
    Ok(gone.iter().fold(reply, Reply::with_cookie))
}

fn reads_pages(headers: &HeaderMap) -> bool {
    headers
        .get(ACCEPT)
        .and_then(|kinds| kinds.to_str().ok())
        .is_some_and(|kinds| kinds.starts_with("text/html"))
}

/// What another site's request is told.
const FOREIGN: &str =
    "Another site has started this, or the browser does not say whence it comes: send Countersign-CSRF: 1";
