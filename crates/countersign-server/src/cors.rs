//! What scripts of other origins may do at the issuer (Fetch §3.3, CORS): a column of the table of endpoints says for each
//! whose they may be.
//!
//! **Invariant.** No answer allows credentials: a script of another origin calls without the cookies and certificates that
//! its browser keeps, and what it has to prove it writes into the request. What is not registered gets no field at all.
//!
//! What it does not do: keep anybody out. Whoever is no browser sends what they want; who may do what is decided elsewhere.

use bytes::Bytes;
use countersign_core::redirect_uri::Origin;
use countersign_edge::endpoint::{Matched, find};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;

use crate::endpoint::{Desk, Scripts};
use crate::render::Answer;

/// What a browser is told about an endpoint.
pub(crate) struct Shared {
    scripts: Scripts,
    /// The origin that may, as the caller wrote it; `None`: it may not.
    allowed: Option<HeaderValue>,
}

impl Shared {
    /// Says what holds at the endpoint that a request names, or that it would name once a browser has asked.
    pub(crate) fn of(desk: &Desk, head: &Parts) -> Self {
        let method = asked_method(head).unwrap_or_else(|| head.method.clone());
        let scripts = match find(desk.table, |row| &row.place, desk.listener, &method, head.uri.path()) {
            Matched::Endpoint(row, _) if (row.offered)(desk) => row.scripts,
            Matched::Endpoint(..) | Matched::OtherMethods(_) | Matched::Nothing => Scripts::Own,
        };
        let allowed = match scripts {
            Scripts::All => Some(HeaderValue::from_static("*")),
            Scripts::Own => None,
            Scripts::Registered => registered(desk, &head.headers),
        };
        Self { scripts, allowed }
    }

    /// Answers a browser that asks before it sends (Fetch §3.3.3); `None`: it is no such question, or the answer is no.
    pub(crate) fn preflight(&self, head: &Parts) -> Option<Answer> {
        let method = asked_method(head)?;
        self.allowed.as_ref()?;
        let mut answer = Response::new(Full::<Bytes>::default());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        let fields = answer.headers_mut();
        fields.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_str(method.as_str()).ok()?);
        fields.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type"));
        // Ten minutes: how long a browser may go on after an origin was taken from a client. Chromium's own bound is two hours.
        fields.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        Some(answer)
    }

    /// Says on an answer, whatever it is, who may read it.
    pub(crate) fn tell(self, answer: &mut HeaderMap) {
        if self.scripts == Scripts::Registered {
            // Fetch §3.3.5: the answer depends on who asks, also where that is nobody.
            answer.append(VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(origin) = self.allowed {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("WWW-Authenticate"));
        }
    }
}

/// Reads which method a browser asks about; `None`: it does not ask.
fn asked_method(head: &Parts) -> Option<Method> {
    let asked = head.headers.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|_| head.method == Method::OPTIONS)?;
    Method::from_bytes(asked.as_bytes()).ok().filter(|_| head.headers.contains_key(ORIGIN))
}

/// Returns the origin of a request if a client is registered with it. More than one is none.
fn registered(desk: &Desk, headers: &HeaderMap) -> Option<HeaderValue> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let (Some(only), None) = (origins.next(), origins.next()) else { return None };
    let origin: Origin = only.to_str().ok()?.parse().ok()?;
    desk.app.store.snapshot().is_origin(&origin).then(|| only.clone())
}
