//! Who looks at their account (`/account`), and what stands around each of its pages.
//!
//! **Invariant.** Whoever acts there is proven by the session of this browser, and by a form of ours that was shown in it.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::account::{self, Purpose};
use countersign_core::decision::Permit;
use countersign_core::known::KnownOwner;
use countersign_core::ledger::{Find as _, Unavailable};
use countersign_core::question::{FoundPerson, PersonOf};
use countersign_core::record::PersonRecord;
use countersign_core::refusal::Refusal;
use countersign_core::resource::Resource;
use countersign_core::scope::{Scope, ScopeSet};
use countersign_core::sign_in::Session;
use countersign_edge::form::Form;
use countersign_store::{Cursor, PageRequest};
use http::header::HeaderValue;
use http::{HeaderMap, Uri};

use crate::app::App;
use crate::csrf::FormPurpose;
use crate::failure::Failure;
use crate::pages::account::{Around, Tab};
use crate::pages::consent::AskedScope;
use crate::received::Received;
use crate::reply::Reply;
use crate::visit::{OwnForm, Visit};
use crate::{session, sign_in};

/// Rows of a page.
pub(crate) const ROWS: usize = 50;
/// How recent a sign-in has to be where something is made: a session that was left open is not enough (OWASP ASVS 5.0 §7.5.1).
pub(crate) const RECENT: Duration = Duration::from_secs(15 * 60);
/// Somebody who is signed in.
pub(crate) struct Member {
    /// By which session.
    pub(crate) session: Session,
    /// Who it is, as verifiers know them.
    pub(crate) person: Arc<KnownOwner>,
    /// What is stored of them.
    pub(crate) found: Box<FoundPerson>,
}

impl Member {
    /// Finds who is signed in, and says that their session is in use.
    pub(crate) async fn find(app: &App, headers: &HeaderMap) -> Result<Option<Self>, Failure> {
        let Some(session) = session::used(app, headers).await? else { return Ok(None) };
        let person = app.store.snapshot().owner(session.person).ok_or(Unavailable::Stale)?;
        let found = app.store.find(PersonOf(session.person)).await?;
        Ok(found.map(|found| Self { session, person, found: Box::new(found) }))
    }

    /// Proves them, for a purpose.
    pub(crate) fn permit(&self, app: &App, purpose: Purpose) -> Result<Permit, Failure> {
        let policy = app.policy.load();
        let permit = account::permit(&self.session, &self.person, (purpose, &policy.self_service));
        permit.ok_or_else(|| Unavailable::Stale.into())
    }

    /// Returns what they sign in by.
    pub(crate) fn username(&self) -> &str {
        self.found.person.username.as_str()
    }

    /// Returns what stands around a page.
    pub(crate) fn around<'a>(&'a self, app: &App, visit: &Visit, tab: Tab) -> Around<'a> {
        let bound = visit.bound(app, FormPurpose::Account, tab.request());
        Around { bound, user: self.username(), tab, tabs: tabs(app, &self.found.person) }
    }
}

/// Returns the pages that the settings have something for.
fn tabs(app: &App, person: &PersonRecord) -> Vec<Tab> {
    let (offered, providers) = (&app.policy.load().self_service, app.providers.load());
    let is_there = |tab: &Tab| match tab {
        Tab::Keys => offered.api_keys.is_some(),
        Tab::Clients => offered.clients.is_some(),
        Tab::Identities => !providers.0.is_empty(),
        // Who signs in elsewhere alone has none to change.
        Tab::Password => person.password.is_some(),
        Tab::Sessions | Tab::Apps => true,
    };
    Tab::ALL.into_iter().filter(is_there).collect()
}

/// Asks somebody to sign in once more whose sign-in is not recent; `None`: it is.
pub(crate) fn recent(app: &App, visit: &Visit, member: &Member, tab: Tab) -> Option<Reply> {
    let is_recent = member.session.is_recent(app.now(), RECENT);
    (tab.wants_recent() && !is_recent)
        .then(|| sign_in::plain(app, visit, tab.request(), member.username(), None))
}

/// Draws what tells a form that is sent twice.
pub(crate) fn once(app: &App) -> String {
    let mut bytes = [0; 16];
    (app.entropy)().fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns how scopes are offered, in the words of the first resource that has some.
pub(crate) fn offered<'a>(scopes: &'a ScopeSet, resources: &'a [Arc<Resource>]) -> Vec<AskedScope<'a>> {
    let words = |scope: &Scope| {
        resources.iter().find_map(|resource| resource.scopes.as_ref()?.get(scope)).map(String::as_str)
    };
    let shown = |scope: &'a Scope| AskedScope { name: scope.as_str(), words: words(scope), required: false };
    scopes.iter().map(shown).collect()
}

/// Says why something was not done.
pub(crate) fn refused(visit: &Visit, refusal: &Refusal) -> String {
    visit.locale.tell_of("not-possible", "why", &refusal.to_string())
}

/// A visit to a page of the account by who is signed in.
pub(crate) struct Visited {
    pub(crate) visit: Visit,
    pub(crate) member: Member,
    pub(crate) query: Form,
}

/// Begins a visit; whoever is not signed in is asked to.
pub(crate) async fn visit(
    app: &App,
    received: Received,
    tab: Tab,
) -> Result<Result<Visited, Reply>, Failure> {
    let head = received.head;
    let visit = Visit::of(app, &head.headers, "")?;
    let query = query(&head.uri)?;
    Ok(match Member::find(app, &head.headers).await? {
        Some(member) => Ok(Visited { visit, member, query }),
        None => Err(sign_in::plain(app, &visit, tab.request(), "", None)),
    })
}

/// Takes a form of a page of the account.
pub(crate) async fn form(
    app: &App,
    received: Received,
    tab: Tab,
) -> Result<Result<(OwnForm, Member), Reply>, Failure> {
    let form = OwnForm::receive(app, received, FormPurpose::Account).await?;
    Ok(match Member::find(app, &form.head.headers).await? {
        Some(member) => Ok((form, member)),
        None => Err(sign_in::plain(app, &form.visit, tab.request(), "", None)),
    })
}

/// Goes back to a page.
pub(crate) fn back(tab: Tab) -> Reply {
    Reply::see_other(HeaderValue::from_static(tab.path()))
}

/// A form that asks for what is not there.
pub(crate) fn no_such_action() -> Failure {
    Failure::Invalid("action: expected the name of one of the page's buttons".to_owned())
}

/// Reads which rows a query asks for.
pub(crate) fn page(query: &Form, name: &str) -> Result<PageRequest, Failure> {
    let cursor = query.get(name).map(str::parse::<Cursor>).transpose();
    let cursor = cursor.map_err(|error| Failure::Invalid(format!("{name}: {error}")))?;
    Ok(PageRequest { limit: ROWS, cursor })
}

fn query(uri: &Uri) -> Result<Form, Failure> {
    let query = Form::read(uri.query().unwrap_or_default().as_bytes());
    query.map_err(|error| Failure::Invalid(format!("the query: {error}")))
}
