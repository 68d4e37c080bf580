//! Signing out at the issuer, also at a client's word (OpenID Connect RP-Initiated Logout 1.0).
//!
//! **Invariant.** A browser is sent on to a client only by the ID token of that client, to a URI that is registered for it; whoever
//! brings none is asked, and sent nowhere.

use countersign_core::authorization::SignedIn;
use countersign_core::id::OwnerId;
use countersign_core::id_token_hint::{Hint, hint};
use countersign_core::ledger::Find as _;
use countersign_core::question::HolderOf;
use countersign_core::record::OwnerRecord;
use countersign_edge::form::Form;
use http::header::HeaderValue;
use url::form_urlencoded::Serializer;

use crate::app::App;
use crate::csrf::FormPurpose;
use crate::failure::Failure;
use crate::pages::notice::{Notice, NoticeKind};
use crate::pages::sign_out as page;
use crate::received::Received;
use crate::reply::Reply;
use crate::visit::{OwnForm, Visit};
use crate::{pages, session};

/// What a client asks, as far as it is proven.
struct Asked {
    /// The whole of it, as a query.
    text: String,
    /// Whom its ID token names.
    hint: Option<Hint>,
    client: Option<OwnerRecord>,
    /// Where to, if that is registered.
    redirect: Option<String>,
}

/// Takes a request to sign out (§2).
pub(crate) async fn logout(app: &App, received: Received) -> Result<Reply, Failure> {
    let head = received.head;
    let form = Form::read(head.uri.query().unwrap_or_default().as_bytes());
    let form = form.map_err(|error| Failure::Invalid(error.to_string()))?;
    let asked = asked(app, form).await?;
    let visit = Visit::of(app, &head.headers, &asked.text)?;
    let Some(signed_in) = session::current(app, &head.headers).await? else {
        return onward(&visit, &asked);
    };
    // §2: who brings no ID token of this session is asked.
    if asked.hint.as_ref().is_some_and(|hint| hint.session == signed_in.session) {
        let gone = session::end(app, &head.headers).await?;
        return Ok(onward(&visit, &asked)?.with_cookie(&gone));
    }
    ask(app, &visit, &asked, &signed_in).await
}

/// Takes what the person decides.
pub(crate) async fn decided(app: &App, received: Received) -> Result<Reply, Failure> {
    let form = OwnForm::receive(app, received, FormPurpose::SignOut).await?;
    let notice = Notice { locale: form.visit.locale, kind: NoticeKind::SignedOut };
    match form.get("decision") {
        Some("allow") => {
            let gone = session::end(app, &form.head.headers).await?;
            Ok(form.visit.reply(&notice).with_cookie(&gone))
        }
        Some("deny") => Ok(Reply::see_other(HeaderValue::from_static("/"))),
        Some(_) | None => Err(Failure::Invalid("decision: expected `allow` or `deny`".to_owned())),
    }
}

/// Signs out whoever is signed in and says that they are somebody else: the form's request begins again, with a sign-in.
///
/// Takes the form of a page, bound to the session: no link of a stranger signs anybody out.
pub(crate) async fn for_another(app: &App, form: &OwnForm) -> Result<Reply, Failure> {
    let to = HeaderValue::try_from(pages::onward(form.request()));
    let to = to.map_err(|_| Failure::Invalid("an address with strange characters".to_owned()))?;
    let gone = session::end(app, &form.head.headers).await?;
    Ok(Reply::see_other(to).with_cookie(&gone))
}

async fn ask(app: &App, visit: &Visit, asked: &Asked, signed_in: &SignedIn) -> Result<Reply, Failure> {
    let username = session::username(app, signed_in).await?;
    Ok(visit.reply(&page::SignOut {
        locale: visit.locale,
        bound: visit.bound(app, FormPurpose::SignOut, &asked.text),
        user: &username,
        client: asked.client.as_ref().map(|client| client.name.as_str()),
        redirect: None,
    }))
}

/// Goes where the client wants people to be, or says that it is done.
fn onward(visit: &Visit, asked: &Asked) -> Result<Reply, Failure> {
    let Some(redirect) = &asked.redirect else {
        return Ok(visit.reply(&Notice { locale: visit.locale, kind: NoticeKind::SignedOut }));
    };
    let location = HeaderValue::from_str(redirect);
    location
        .map(Reply::see_other)
        .map_err(|_| Failure::Invalid("an address with strange characters".to_owned()))
}

async fn asked(app: &App, form: Form) -> Result<Asked, Failure> {
    let hint = form.get("id_token_hint").and_then(|text| hint(text, &app.issuer_url, app.store.snapshot()));
    let named: Option<OwnerId> = form.get("client_id").and_then(|text| text.parse().ok());
    // §2: a client that is named has to be that of the token.
    let agree = named.is_none() || hint.as_ref().is_none_or(|hint| Some(hint.client) == named);
    let hint = hint.filter(|_| agree);
    let client = match named.or_else(|| hint.as_ref().map(|hint| hint.client)) {
        Some(id) => app.store.find(HolderOf(Some(id))).await?.map(|holder| holder.owner),
        None => None,
    };
    let client = client.filter(|client| client.client.is_some() && client.disabled_at.is_none());
    let proven = client.as_ref().filter(|client| hint.as_ref().is_some_and(|hint| hint.client == client.id));
    let redirect = proven.and_then(|client| destination(client, &form));
    let text = Serializer::new(String::new()).extend_pairs(form.into_pairs()).finish();
    Ok(Asked { text, hint, client, redirect })
}

/// Returns where the browser goes, if that is registered, byte for byte (§3.1).
fn destination(client: &OwnerRecord, form: &Form) -> Option<String> {
    let (wanted, terms) = (form.get("post_logout_redirect_uri")?, client.client.as_deref()?);
    let registered = terms.post_logout_redirect_uris.iter().any(|uri| uri.as_str() == wanted);
    let state = form.get("state").map(|state| {
        let separator = if wanted.contains('?') { '&' } else { '?' };
        let query = Serializer::new(String::new()).append_pair("state", state).finish();
        format!("{separator}{query}")
    });
    registered.then(|| format!("{wanted}{}", state.unwrap_or_default()))
}
