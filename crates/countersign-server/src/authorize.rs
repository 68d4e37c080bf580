//! The authorization endpoint (RFC 6749 §3.1), and the decision that a person makes on its page.
//!
//! **Invariant.** Nothing is kept from one page to the next: each form carries the whole request, and all of it is checked
//! again. So the back button and two tabs do what they say.

use std::sync::Arc;

use countersign_core::audit::{Actor, AuditEvent};
use countersign_core::authorization::{
    Addressed, AuthorizationError, Authorize, Checked, Next, Refused, Request, Response, ResponseMode, Said,
    SignedIn, Unanswerable, addressed, check, next,
};
use countersign_core::federation::Freshness;
use countersign_core::id_token_hint::hint;
use countersign_core::identity::OFFLINE_ACCESS;
use countersign_core::known::KnownOwner;
use countersign_core::ledger::{Find as _, Ledger as _, Unavailable};
use countersign_core::question::HolderOf;
use countersign_core::standing::Knows as _;
use countersign_edge::form::Form;
use http::StatusCode;
use http::header::HeaderValue;

use crate::app::App;
use crate::csrf::FormPurpose;
use crate::failure::Failure;
use crate::pages::Page as _;
use crate::pages::consent::{AskedScope, Consent};
use crate::pages::form_post::FormPost;
use crate::pages::problem::{Problem, ProblemKind};
use crate::pages::sign_in::{SignIn, Wrong};
use crate::received::Received;
use crate::reply::Reply;
use crate::visit::{OwnForm, Visit, reference};
use crate::{logout, session};

/// A request at this browser, as far as it is proven whom an answer goes to.
struct Asked {
    visit: Visit,
    request: Request,
    /// The same as a query.
    text: String,
    addressed: Addressed,
}

/// Takes a request: by the address that a client sends the browser to.
pub(crate) async fn authorize(app: &App, received: Received) -> Result<Reply, Failure> {
    let head = received.head;
    let request = request(head.uri.query().unwrap_or_default().as_bytes())?;
    let visit = Visit::of(app, &head.headers, &request.to_query())?;
    let asked = asked(app, visit, request).await?;
    let signed_in = session::current(app, &head.headers).await?;
    proceed(app, &asked, signed_in.as_ref(), Said::Nothing).await
}

/// Takes what a person decides on the page.
pub(crate) async fn consent(app: &App, received: Received) -> Result<Reply, Failure> {
    let form = OwnForm::receive(app, received, FormPurpose::Consent).await?;
    let said = match form.get("decision") {
        Some("allow") => Said::Yes(form.ticked()?),
        Some("deny") => Said::No,
        Some("other") => return logout::for_another(app, &form).await,
        Some(_) | None => {
            return Err(Failure::Invalid("decision: expected `allow`, `deny` or `other`".to_owned()));
        }
    };
    let (request, signed_in) =
        (request(form.request().as_bytes())?, session::current(app, &form.head.headers).await?);
    let asked = asked(app, form.visit, request).await?;
    proceed(app, &asked, signed_in.as_ref(), said).await
}

/// Returns the request that goes on once somebody has signed in.
pub(crate) fn resumed(text: &str) -> Result<String, Failure> {
    Ok(request(text.as_bytes())?.after_sign_in().to_query())
}

/// Says how lately a request wants somebody to have signed in.
pub(crate) fn freshness(text: &str) -> Result<Freshness, Failure> {
    let request = request(text.as_bytes())?;
    let prompts = request.get("prompt").unwrap_or_default();
    if prompts.split(' ').any(|prompt| ["login", "select_account"].contains(&prompt)) {
        return Ok(Freshness::Anew);
    }
    let age = request.get("max_age").and_then(|age| age.parse().ok());
    Ok(age.map_or(Freshness::Any, Freshness::Within))
}

/// Shows the page for signing in once more, with what was wrong.
pub(crate) async fn sign_in_again(
    app: &App,
    visit: Visit,
    text: &str,
    username: &str,
    wrong: Wrong,
) -> Result<Reply, Failure> {
    let asked = asked(app, visit, request(text.as_bytes())?).await?;
    Ok(sign_in(app, &asked, username, Some(wrong)))
}

fn request(text: &[u8]) -> Result<Request, Failure> {
    let form = Form::read_all(text).map_err(|error| Failure::Invalid(error.to_string()))?;
    Ok(Request::new(form.into_pairs()))
}

async fn asked(app: &App, visit: Visit, request: Request) -> Result<Asked, Failure> {
    let found = match request.client() {
        Ok(client) => app.store.find(HolderOf(Some(client))).await.map(Ok)?,
        Err(unanswerable) => Err(unanswerable),
    };
    match found.and_then(|holder| addressed(&request, holder)) {
        Ok(addressed) => Ok(Asked { visit, text: request.to_query(), request, addressed }),
        Err(unanswerable) => Err(nowhere(app, &visit, &request, unanswerable)),
    }
}

/// Tells the person that their browser is sent nowhere, and the operator why.
fn nowhere(app: &App, visit: &Visit, request: &Request, why: Unanswerable) -> Failure {
    let reference = reference(app);
    let line = AuditEvent::refused(app.now(), "grant.authorize", Actor::UNVERIFIED, why.code());
    let client = request.get("client_id").filter(|client| client.len() <= 64).unwrap_or_default();
    app.store.file(line.about(client.to_owned()).detail("reference", reference.clone()));
    let page = Problem {
        locale: visit.locale,
        kind: ProblemKind::Request,
        status: StatusCode::BAD_REQUEST,
        code: why.code(),
        detail: &why.to_string(),
        reference: &reference,
        again: None,
    };
    page.reply().into_response().into()
}

async fn proceed(
    app: &App,
    asked: &Asked,
    signed_in: Option<&SignedIn>,
    said: Said,
) -> Result<Reply, Failure> {
    let checked = check(&asked.request, asked.addressed.clone(), app.store.snapshot().resources());
    let mut checked = match checked {
        Ok(checked) => checked,
        Err(error) => return answer_error(app, asked, error),
    };
    checked.meant = hinted(app, &asked.request).or(checked.meant);
    match (next(app.now(), &checked, signed_in), signed_in) {
        (Next::Refuse(error), _) => answer_error(app, asked, error),
        (Next::SignIn, _) | (Next::Ask, None) => {
            let hint = checked.login_hint.as_deref().unwrap_or_default();
            Ok(sign_in(app, asked, hint, None))
        }
        (Next::Ask, Some(signed_in)) => decide(app, asked, &checked, signed_in, said).await,
    }
}

/// Returns whom the client means (OpenID Connect Core 1.0 §3.1.2.1 `id_token_hint`). A token that is none of ours names
/// nobody that there is.
fn hinted(app: &App, request: &Request) -> Option<String> {
    let text = request.get("id_token_hint")?;
    let hint = hint(text, &app.issuer_url, app.store.snapshot());
    Some(hint.map_or_else(String::new, |hint| hint.person.to_string()))
}

async fn decide(
    app: &App,
    asked: &Asked,
    checked: &Checked,
    signed_in: &SignedIn,
    said: Said,
) -> Result<Reply, Failure> {
    let owner = &asked.addressed.holder.owner;
    let client = known(app, asked)?;
    let act = Authorize {
        checked,
        said,
        client: &client,
        incarnation: app.store.snapshot().incarnation(),
        client_hash: asked.addressed.terms.consent_hash(&owner.name),
    };
    match app.attempt(signed_in, &act).await? {
        Ok(granted) => answer(asked, &Response::code(checked, &app.issuer_url, &granted.code)),
        Err(Refused::Error(error)) => answer_error(app, asked, error),
        Err(Refused::Ask) => ask(app, asked, checked, signed_in).await,
    }
}

/// The client as verifiers know it.
fn known(app: &App, asked: &Asked) -> Result<Arc<KnownOwner>, Failure> {
    let known = app.store.snapshot().owner(asked.addressed.holder.owner.id);
    known.ok_or_else(|| Unavailable::Stale.into())
}

fn sign_in(app: &App, asked: &Asked, username: &str, wrong: Option<Wrong>) -> Reply {
    asked.visit.reply(&SignIn {
        locale: asked.visit.locale,
        bound: asked.visit.bound(app, FormPurpose::SignIn, &asked.text),
        client: Some(&asked.addressed.holder.owner.name),
        redirect: Some(&asked.addressed.redirect_uri),
        username,
        wrong,
        forgotten: app.mail.is_open(),
        elsewhere: &app.providers.load().elsewhere(),
    })
}

/// Asks a person what the client may do.
async fn ask(app: &App, asked: &Asked, checked: &Checked, signed_in: &SignedIn) -> Result<Reply, Failure> {
    let username = session::username(app, signed_in).await?;
    let scopes = AskedScope::all(&checked.scopes, checked.resource.scopes.as_ref());
    Ok(asked.visit.reply(&Consent {
        locale: asked.visit.locale,
        bound: asked.visit.bound(app, FormPurpose::Consent, &asked.text),
        client: &asked.addressed.holder.owner.name,
        redirect: Some(&asked.addressed.redirect_uri),
        is_unchecked: asked.addressed.holder.owner.registrant.is_some(),
        user: &username,
        scopes: &scopes,
        lasting: checked.scopes.contains(OFFLINE_ACCESS),
    }))
}

fn answer_error(app: &App, asked: &Asked, error: AuthorizationError) -> Result<Reply, Failure> {
    answer(asked, &Response::error(&asked.request, &asked.addressed, &app.issuer_url, error))
}

fn answer(asked: &Asked, response: &Response) -> Result<Reply, Failure> {
    match response.mode {
        ResponseMode::Query => see_other(&response.location()),
        ResponseMode::FormPost => Ok(asked.visit.reply(&FormPost {
            locale: asked.visit.locale,
            action: &response.redirect_uri,
            fields: &response.parameters,
        })),
    }
}

fn see_other(location: &str) -> Result<Reply, Failure> {
    let location = HeaderValue::from_str(location);
    location
        .map(Reply::see_other)
        .map_err(|_| Failure::Invalid("an address with strange characters".to_owned()))
}
