//! The page on which people connect a device (RFC 8628 §3.3).
//!
//! **Invariants.** Nobody sees what asks before they have signed in, and nothing is connected that they were not shown and did
//! not allow, also where the address of the page holds the code (`verification_uri_complete`, §5.4). Codes are tried a few
//! times for each address and each person (§5.1).

use std::net::IpAddr;
use std::sync::Arc;

use countersign_core::authorization::SignedIn;
use countersign_core::device::{DecideDevice, Decision, DeviceState, Said, UserCode, asked_by};
use countersign_core::id::CredentialId;
use countersign_core::identity::OFFLINE_ACCESS;
use countersign_core::known::KnownOwner;
use countersign_core::ledger::{Find as _, Unavailable};
use countersign_core::question::HolderOf;
use countersign_core::standing::Knows as _;
use countersign_edge::form::Form;
use http::HeaderValue;

use crate::app::App;
use crate::csrf::FormPurpose;
use crate::failure::Failure;
use crate::pages::consent::AskedScope;
use crate::pages::device::{Confirm, Enter, WrongCode};
use crate::pages::notice::{Notice, NoticeKind};
use crate::pages::sign_in::SignIn;
use crate::received::Received;
use crate::reply::Reply;
use crate::visit::{OwnForm, Visit};
use crate::{logout, session};

/// What asks, as it is shown.
struct Asking {
    family: CredentialId,
    state: DeviceState,
    client: Arc<KnownOwner>,
    name: String,
    hash: [u8; 32],
}

/// Shows the page: first for a sign-in, then for the code, then for the decision.
pub(crate) async fn show(app: &App, received: Received) -> Result<Reply, Failure> {
    let address = received.address();
    let head = received.head;
    let query = Form::read(head.uri.query().unwrap_or_default().as_bytes());
    let query = query.map_err(|error| Failure::Invalid(format!("the query: {error}")))?;
    let typed = query.get("user_code").unwrap_or_default();
    let visit = Visit::of(app, &head.headers, head.uri.query().unwrap_or_default())?;
    let Some(by) = session::current(app, &head.headers).await? else {
        return Ok(sign_in(app, &visit, typed));
    };
    if typed.is_empty() {
        return Ok(enter(app, &visit, "", None));
    }
    match find(app, typed, (address, &by)).await? {
        Ok((code, asking)) => confirm(app, &visit, &by, (&code, &asking)).await,
        Err(wrong) => Ok(enter(app, &visit, typed, Some(wrong))),
    }
}

/// Takes a code that was typed: the page is shown with it. Nothing is decided by that.
pub(crate) async fn take(app: &App, received: Received) -> Result<Reply, Failure> {
    let form = OwnForm::receive_for(app, received, purpose).await?;
    match form.get("decision") {
        None => {
            let typed = form.get("user_code").unwrap_or_default();
            let to = HeaderValue::try_from(format!("/{}", request(typed)));
            to.map(Reply::see_other).map_err(|_| Failure::Invalid("user_code: expected a code".to_owned()))
        }
        Some("allow") => decide(app, &form, Decision::Allow(form.ticked()?)).await,
        Some("deny") => decide(app, &form, Decision::Deny).await,
        Some("other") => logout::for_another(app, &form).await,
        Some(_) => Err(Failure::Invalid("decision: expected `allow`, `deny` or `other`".to_owned())),
    }
}

/// Says what a form is for: the two of the page go to one place.
fn purpose(form: &Form) -> FormPurpose {
    if form.get("decision").is_some() { FormPurpose::DeviceDecision } else { FormPurpose::DeviceCode }
}

/// The request that the forms go on with. It holds the letters of a code, or nothing.
fn request(typed: &str) -> String {
    let Ok(code) = typed.parse::<UserCode>() else {
        return if typed.is_empty() { "device".to_owned() } else { "device?user_code=-".to_owned() };
    };
    format!("device?user_code={}", code.shown().expose())
}

fn sign_in(app: &App, visit: &Visit, typed: &str) -> Reply {
    visit.reply(&SignIn {
        locale: visit.locale,
        bound: visit.bound(app, FormPurpose::SignIn, &request(typed)),
        client: None,
        redirect: None,
        username: "",
        wrong: None,
        forgotten: false,
        elsewhere: &app.providers.load().elsewhere(),
    })
}

fn enter(app: &App, visit: &Visit, code: &str, wrong: Option<WrongCode>) -> Reply {
    let bound = visit.bound(app, FormPurpose::DeviceCode, "device");
    visit.reply(&Enter { locale: visit.locale, bound, code, wrong })
}

/// Finds what shows this code and waits, if there are attempts left.
async fn find(
    app: &App,
    typed: &str,
    (address, by): (Option<IpAddr>, &SignedIn),
) -> Result<Result<(UserCode, Asking), WrongCode>, Failure> {
    if !app.devices.may_try(address, by.person.id(), app.clock.monotonic()) {
        return Ok(Err(WrongCode::TooMany));
    }
    let Ok(code) = typed.parse::<UserCode>() else { return Ok(Err(WrongCode::Unknown)) };
    let asking = asking(app, &code).await?;
    Ok(asking.map(|asking| (code, asking)).ok_or(WrongCode::Unknown))
}

/// Finds what shows this code and waits.
async fn asking(app: &App, code: &UserCode) -> Result<Option<Asking>, Failure> {
    let found = app.store.find(asked_by(app.store.snapshot().peppers(), code)).await?;
    let Some((record, client)) = found.and_then(|record| record.client.map(|client| (record, client))) else {
        return Ok(None);
    };
    let Some(holder) = app.store.find(HolderOf(Some(client))).await? else { return Ok(None) };
    let state = serde_json::from_str::<DeviceState>(&record.payload).ok();
    let waits = |state: &DeviceState| state.said == Said::Nothing && state.good_until > app.now();
    let (Some(state), Some(terms)) = (state.filter(waits), holder.owner.client) else { return Ok(None) };
    Ok(Some(Asking {
        family: record.family,
        state,
        client: app.store.snapshot().owner(client).ok_or(Unavailable::Stale)?,
        hash: terms.consent_hash(&holder.owner.name),
        name: holder.owner.name,
    }))
}

/// Asks whether that may be connected.
async fn confirm(
    app: &App,
    visit: &Visit,
    by: &SignedIn,
    (code, asking): (&UserCode, &Asking),
) -> Result<Reply, Failure> {
    let username = session::username(app, by).await?;
    let resource = app.store.snapshot().resources().find(&asking.state.audience);
    let described = resource.as_ref().and_then(|resource| resource.scopes.as_ref());
    let scopes = AskedScope::all(&asking.state.scopes, described);
    let shown = code.shown();
    let address = asking.state.address.map(|address| address.to_canonical().to_string());
    Ok(visit.reply(&Confirm {
        locale: visit.locale,
        bound: visit.bound(app, FormPurpose::DeviceDecision, &request(shown.expose())),
        client: &asking.name,
        user: &username,
        code: shown.expose(),
        address: address.as_deref(),
        minutes: app.now().since(asking.state.asked_at).as_secs() / 60,
        scopes: &scopes,
        lasting: asking.state.scopes.contains(OFFLINE_ACCESS),
    }))
}

/// Does what the person says, about what the form was shown for.
async fn decide(app: &App, form: &OwnForm, decision: Decision) -> Result<Reply, Failure> {
    let typed = form.request().strip_prefix("device?user_code=").unwrap_or_default().to_owned();
    let Some(by) = session::current(app, &form.head.headers).await? else {
        return Ok(sign_in(app, &form.visit, &typed));
    };
    let asking = match find(app, &typed, (form.address, &by)).await? {
        Ok((_, asking)) => asking,
        Err(wrong) => return Ok(enter(app, &form.visit, &typed, Some(wrong))),
    };
    let act = DecideDevice {
        family: asking.family,
        client: &asking.client,
        client_hash: asking.hash,
        incarnation: app.store.snapshot().incarnation(),
        decision,
    };
    let kind = match app.attempt(&by, &act).await? {
        Ok(Decision::Allow(_)) => NoticeKind::DeviceAllowed,
        Ok(Decision::Deny) => NoticeKind::DeviceDenied,
        Err(_undecided) => return Ok(enter(app, &form.visit, &typed, Some(WrongCode::Unknown))),
    };
    Ok(form.visit.reply(&Notice { locale: form.visit.locale, kind }))
}
