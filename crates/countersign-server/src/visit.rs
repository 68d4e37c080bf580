//! A person's visit to a page: their language, the cookies of ours that their browser sent, and the forms they send back.
//!
//! **Invariant.** An [`OwnForm`] comes from a page of ours that was shown in this browser, for this purpose and this request, by
//! its token or, where nobody is signed in yet, by the browser's own word. There is no other way to make one.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::scope::ScopeSet;
use countersign_core::secret::Secret;
use countersign_edge::form::{Form, is_form};
use countersign_edge::whence::is_same_origin;
use http::header::ACCEPT_LANGUAGE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};

use crate::app::App;
use crate::cookie::{self, Cookie, Cookies};
use crate::csrf::{self, FormPurpose};
use crate::failure::Failure;
use crate::pages::language::Locale;
use crate::pages::problem::{Problem, ProblemKind};
use crate::pages::{Bound, Page};
use crate::places::Sender;
use crate::received::Received;
use crate::reply::Reply;

/// Who looks at a page.
#[derive(Debug)]
pub(crate) struct Visit {
    /// Their language.
    pub(crate) locale: Locale,
    cookies: Cookies,
    /// The cookie by which this browser is told apart from now on.
    fresh: Option<Cookie>,
}

/// A form of ours that was sent back, proven as the invariant says.
#[derive(Debug)]
pub(crate) struct OwnForm {
    /// Who sent it.
    pub(crate) visit: Visit,
    /// The request's head.
    pub(crate) head: Parts,
    /// Where it came from.
    pub(crate) address: Option<IpAddr>,
    form: Form,
}

impl Visit {
    /// Begins a visit; `request` is the query that its page goes on with.
    ///
    /// # Errors
    ///
    /// A page, if a cookie of ours is there twice.
    pub(crate) fn of(app: &App, headers: &HeaderMap, request: &str) -> Result<Self, Failure> {
        let locale = locale(headers, request);
        let mut cookies = Cookies::read(headers).map_err(|_tossed| {
            told(
                app,
                &Told { locale, kind: ProblemKind::Stale, status: StatusCode::BAD_REQUEST, again: None },
            )
        })?;
        let fresh = cookies.browser.is_none().then(|| new_browser(app));
        if let Some(fresh) = &fresh {
            cookies.browser = Some(Secret::new(fresh.value.expose().clone()));
        }
        Ok(Self { locale, cookies, fresh })
    }

    /// Binds a form to this visit.
    pub(crate) fn bound<'a>(&self, app: &App, purpose: FormPurpose, request: &'a str) -> Bound<'a> {
        let peppers = app.store.snapshot().peppers();
        Bound { token: csrf::token(peppers, &self.cookies, purpose, request), request }
    }

    /// Answers with a page.
    pub(crate) fn reply(&self, page: &impl Page) -> Reply {
        let reply = page.reply();
        match &self.fresh {
            Some(cookie) => reply.with_cookie(cookie),
            None => reply,
        }
    }
}

impl OwnForm {
    /// Takes a form that a browser sent.
    ///
    /// # Errors
    ///
    /// A page with 403, if another site sent it or it is not this browser's any more; what cannot be read is 400.
    pub(crate) async fn receive(
        app: &App,
        received: Received,
        purpose: FormPurpose,
    ) -> Result<Self, Failure> {
        Self::receive_for(app, received, |_| purpose).await
    }

    /// Takes a form whose fields say which of a place's forms it is.
    ///
    /// # Errors
    ///
    /// As [`Self::receive`].
    pub(crate) async fn receive_for(
        app: &App,
        received: Received,
        purpose: impl Fn(&Form) -> FormPurpose + Send,
    ) -> Result<Self, Failure> {
        let address = received.address();
        let Received { head, body, .. } = received;
        if csrf::is_foreign(&head.headers, &app.issuer_url) {
            let (locale, status) = (locale(&head.headers, ""), StatusCode::FORBIDDEN);
            return Err(told(app, &Told { locale, kind: ProblemKind::Foreign, status, again: None }));
        }
        let body = app.intake.read(Sender::Address(address), body, MOST).await?;
        let form = read(&head.headers, &body)?;
        let purpose = purpose(&form);
        Self::assertion(app, head, address, form, purpose)
    }

    fn assertion(
        app: &App,
        head: Parts,
        address: Option<IpAddr>,
        form: Form,
        purpose: FormPurpose,
    ) -> Result<Self, Failure> {
        let request = form.get("request").unwrap_or_default();
        let visit = Visit::of(app, &head.headers, request)?;
        let peppers = app.store.snapshot().peppers();
        let sent = form.get("csrf").unwrap_or_default();
        let is_own = csrf::is_token(peppers, &visit.cookies, (purpose, request), sent)
            || purpose.is_anybodys() && is_same_origin(&head.headers);
        if !is_own {
            let again = Some(request).filter(|request| !request.is_empty());
            let (locale, status) = (visit.locale, StatusCode::FORBIDDEN);
            return Err(told(app, &Told { locale, kind: ProblemKind::Stale, status, again }));
        }
        Ok(Self { visit, head, address, form })
    }

    /// Returns a field.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.form.get(name)
    }

    /// Returns the scopes whose boxes were ticked.
    ///
    /// # Errors
    ///
    /// [`Failure::Invalid`]: they are no scopes.
    pub(crate) fn ticked(&self) -> Result<ScopeSet, Failure> {
        let ticked: Result<Vec<_>, _> = self.form.all("scope").map(str::parse).collect();
        let ticked = ticked.ok().and_then(|ticked| ScopeSet::try_from(ticked).ok());
        ticked.ok_or_else(|| Failure::Invalid("scope: expected scope-tokens".to_owned()))
    }

    /// Returns the query that the form goes on with.
    pub(crate) fn request(&self) -> &str {
        self.get("request").unwrap_or_default()
    }
}

/// What a person is told instead of what was asked.
pub(crate) struct Told<'a> {
    pub(crate) locale: Locale,
    pub(crate) kind: ProblemKind,
    pub(crate) status: StatusCode,
    pub(crate) again: Option<&'a str>,
}

/// Tells a person what went wrong; the log tells more by the same reference.
pub(crate) fn told(app: &App, told: &Told<'_>) -> Failure {
    told_as(told, &reference(app)).into_response().into()
}

/// Tells a person what went wrong, by a reference that the log knows already.
pub(crate) fn told_as(told: &Told<'_>, reference: &str) -> Reply {
    let Told { locale, kind, status, again } = *told;
    tracing::info!(%reference, %status, ?kind, "a person was told of a problem");
    Problem { locale, kind, status, code: "", detail: "", reference, again }.reply()
}

/// Draws what a person reads to the operator: short, and without letters that are mistaken for others.
pub(crate) fn reference(app: &App) -> String {
    let mut bytes = [0; 10];
    (app.entropy)().fill(&mut bytes);
    let letter = |byte: &u8| REFERENCE.get(usize::from(byte & 31)).copied().map(char::from);
    bytes.iter().filter_map(letter).collect()
}

/// Returns the language that a request asks for, or else the browser.
pub(crate) fn locale(headers: &HeaderMap, request: &str) -> Locale {
    let request = Form::read(request.as_bytes()).unwrap_or_default();
    let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|field| field.to_str().ok());
    Locale::negotiate(request.get("ui_locales"), accepted)
}

fn read(headers: &HeaderMap, body: &[u8]) -> Result<Form, Failure> {
    if !is_form(headers) {
        return Err(Failure::no_form());
    }
    Form::read_repeating(body, &["scope"]).map_err(|error| Failure::Invalid(error.to_string()))
}

fn new_browser(app: &App) -> Cookie {
    let mut bytes = [0; 32];
    (app.entropy)().fill(&mut bytes);
    Cookie { name: cookie::BROWSER.into(), value: Secret::new(URL_SAFE_NO_PAD.encode(bytes)), max_age: None }
}

/// The most bytes of a form: a request of 8 KiB, percent-encoded once more, and the fields beside it.
const MOST: usize = 64 * 1024;

/// 32 letters and digits.
const REFERENCE: &[u8; 32] = b"0123456789bcdfghjkmnpqrstvwxyzae";
