//! Who looks at their account (`/account`), and what stands around each of its pages.
//!
//! **Invariant.** Whoever acts there is proven by the session of this browser, and by a form of ours that was shown in it.

use std::sync::Arc;

use countersign_core::account;
use countersign_core::decision::Permit;
use countersign_core::known::KnownOwner;
use countersign_core::ledger::{Find as _, Unavailable};
use countersign_core::question::{FoundPerson, PersonOf};
use countersign_core::scope::ScopeSet;
use countersign_core::sign_in::Session;
use countersign_edge::form::Form;
use countersign_store::{Cursor, PageRequest};
use http::header::HeaderValue;
use http::{HeaderMap, Uri};

use crate::app::App;
use crate::csrf::FormPurpose;
use crate::failure::Failure;
use crate::pages::account::{Around, Tab};
use crate::received::Received;
use crate::reply::Reply;
use crate::visit::{OwnForm, Visit};
use crate::{session, sign_in};

/// Rows of a page.
const ROWS: usize = 50;
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

    /// Proves them, who may give `grantable` to what they make.
    pub(crate) fn permit(&self, grantable: ScopeSet) -> Result<Permit, Failure> {
        account::permit(&self.session, &self.person, grantable).ok_or_else(|| Unavailable::Stale.into())
    }

    /// Returns what they sign in by.
    pub(crate) fn username(&self) -> &str {
        self.found.person.username.as_str()
    }

    /// Returns what stands around a page.
    pub(crate) fn around<'a>(&'a self, app: &App, visit: &Visit, tab: Tab) -> Around<'a> {
        let bound = visit.bound(app, FormPurpose::Account, tab.request());
        Around { bound, user: self.username(), tab, tabs: Tab::ALL.to_vec() }
    }
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
