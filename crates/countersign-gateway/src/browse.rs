//! Browsers at routes of web apps: from a cookie to the session token that stands for it.
//!
//! **Invariants.** A cookie counts where a route lists its web app, once, and where whence the request comes backs it (OWASP ASVS 5.0
//! §3.5.1). What it stands for is verified like every credential. A person is sent to sign in where that may help; a script is told.

use std::borrow::Cow;
use std::sync::Arc;

use countersign_core::decision::Requirement;
use countersign_core::exchange::Reason;
use countersign_core::rejection::Rejection;
use countersign_core::secret::Secret;
use countersign_core::snapshot::Snapshot;
use countersign_core::timestamp::Timestamp;
use countersign_core::web_app::{Keeps, WebApp};
use countersign_core::web_session::presented;
use countersign_edge::browser::{OwnRequest, is_navigation, needs_origin, own_request};
use countersign_edge::cookie::{Cookie, ours};
use countersign_edge::endpoint::WEB_LOGIN;
use http::header::{AUTHORIZATION, HeaderMap, LOCATION, SET_COOKIE};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use url::form_urlencoded::Serializer;

use crate::enforce::Refusal;
use crate::keeper::Keeper;
use crate::web::Web;

/// What a browser has shown.
#[derive(Default)]
pub(crate) struct Browsed {
    /// The session token that stands for it.
    pub(crate) token: Option<Arc<Secret<String>>>,
    /// What the browser is given to keep.
    pub(crate) cookie: Option<HeaderValue>,
}

/// What a browser's cookie is looked at with.
#[derive(Clone, Copy)]
pub(crate) struct Browsing<'a> {
    pub(crate) app: &'a WebApp,
    pub(crate) requirement: &'a Requirement,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) keeper: &'a Keeper,
    pub(crate) web: &'a dyn Web,
    pub(crate) now: Timestamp,
}

impl Browsing<'_> {
    /// Reads what a browser has shown.
    pub(crate) async fn browse(self, head: &Parts, key_fields: &[HeaderName]) -> Result<Browsed, Refusal> {
        let name = self.app.name.cookie();
        let mut shown = ours(&head.headers).filter(|(one, _)| *one == name).map(|(_, value)| value);
        let Some(text) = shown.next() else { return Ok(Browsed::default()) };
        if goes_before(self.requirement, &head.headers, key_fields) {
            return Ok(Browsed::default());
        }
        // RFC 6265bis §8.6: somebody tossed one in.
        if shown.next().is_some() {
            return Err(rejected(Rejection::AMBIGUOUS, self.now));
        }
        if needs_origin(&head.method, &head.headers) && own_request(&head.headers) == OwnRequest::Foreign {
            return Err(Refusal::Foreign);
        }
        self.fresh(text).await
    }

    async fn fresh(self, text: &str) -> Result<Browsed, Refusal> {
        let Some(session) = presented(text, self.snapshot) else {
            return Err(rejected(Rejection::UNRECOGNISED, self.now));
        };
        if session.is_good_at(self.now) {
            return Ok(Browsed { token: Some(Arc::new(Secret::new(text.to_owned()))), cookie: None });
        }
        let renew = || self.web.renew(&self.app.name, text);
        match self.keeper.fresh(self.now, text, renew).await {
            Ok(Ok(token)) => Ok(Browsed { cookie: self.kept(&token), token: Some(token) }),
            Ok(Err(rejection)) => Err(rejected(rejection, self.now)),
            Err(unavailable) => Err(Refusal::Unavailable(unavailable)),
        }
    }

    /// Returns what the browser keeps from now on: a token of its own, where it keeps one.
    fn kept(self, token: &Secret<String>) -> Option<HeaderValue> {
        match self.app.keeps {
            Keeps::Opaque => None,
            Keeps::Jwt => {
                let value = Secret::new(token.expose().clone());
                Cookie { name: Cow::Owned(self.app.name.cookie()), value, max_age: None }.field()
            }
        }
    }
}

/// Tells whether what is presented for a request goes before what a browser sends along: under `any`, one counts; under `all`, each.
fn goes_before(requirement: &Requirement, headers: &HeaderMap, key_fields: &[HeaderName]) -> bool {
    match requirement {
        Requirement::Any(_) => is_explicit(headers, key_fields),
        Requirement::All(..) => false,
    }
}

fn is_explicit(headers: &HeaderMap, key_fields: &[HeaderName]) -> bool {
    let key = countersign_core::key_string::KEY_HEADER;
    headers.contains_key(AUTHORIZATION)
        || headers.contains_key(key)
        || key_fields.iter().any(|field| headers.contains_key(field))
}

fn rejected(rejection: Rejection, at: Timestamp) -> Refusal {
    Refusal::NotAdmitted { reason: Reason::Rejected(rejection), at }
}

/// What somebody at a browser has asked for, and what was made of what it has shown.
#[derive(Clone, Copy)]
pub(crate) struct Visited<'a> {
    pub(crate) head: &'a Parts,
    pub(crate) target: &'a PathAndQuery,
    pub(crate) key_fields: &'a [HeaderName],
    pub(crate) browsed: &'a Browsed,
}

impl Visited<'_> {
    /// Tells whether somebody who signs in again would be let through, for all that is known.
    pub(crate) fn may_sign_in(self, refusal: &Refusal) -> bool {
        let Refusal::NotAdmitted { reason, .. } = refusal else { return false };
        match reason {
            // Who is signed in lacks something else: their device, a key.
            Reason::Challenge(_) => self.browsed.token.is_none(),
            Reason::Rejected(rejection) => *rejection != Rejection::AMBIGUOUS,
            Reason::Denied(_) | Reason::Exceeded(_) => false,
        }
    }

    /// Takes what a browser keeps away if it was refused, and sends a person to sign in.
    pub(crate) fn answer<B>(self, response: &mut Response<B>, app: &WebApp) {
        let Self { head, target, key_fields, .. } = self;
        let name = app.name.cookie();
        // Of two that were presented together, it is not said here which was refused.
        let shown =
            ours(&head.headers).any(|(one, _)| one == name) && !is_explicit(&head.headers, key_fields);
        if let Some(gone) = Cookie::gone(name).field().filter(|_| shown) {
            response.headers_mut().append(SET_COOKIE, gone);
        }
        if !is_navigation(&head.method, &head.headers) {
            return;
        }
        let mut query = Serializer::new(String::new());
        query.append_pair("client", app.name.as_str()).append_pair("return_to", target.as_str());
        if let Ok(location) = HeaderValue::try_from(format!("{}?{}", WEB_LOGIN.path, query.finish())) {
            *response.status_mut() = StatusCode::SEE_OTHER;
            response.headers_mut().insert(LOCATION, location);
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::api_key;
    use countersign_core::decision::{Agreement, Condition, Requirement};
    use http::{HeaderMap, HeaderName, HeaderValue};
    use serde_json::{Map, json};

    use super::goes_before;

    #[test]
    fn safety_6_what_is_presented_goes_before_a_cookie_where_one_of_them_is_asked_for() {
        let conditions = || {
            let session = json!({ "client": "web" });
            let session = countersign_core::web_session::KIND.condition(session.as_object().unwrap());
            let key = api_key::KIND.condition(&Map::new());
            Vec::<Condition>::from([session.unwrap(), key.unwrap()])
        };
        let any = Requirement::Any(conditions());
        let all = Requirement::All(conditions(), Agreement::Owner);
        let own = [HeaderName::from_static("x-acme-key")];
        for (field, before_any) in [
            ("authorization", true),
            ("x-api-key", true),
            ("x-acme-key", true),
            ("x-other-key", false),
            ("cookie", false),
        ] {
            let pair = (HeaderName::from_static(field), HeaderValue::from_static("x"));
            let headers = HeaderMap::from_iter([pair]);
            assert_eq!(goes_before(&any, &headers, &own), before_any, "{field}");
            assert!(!goes_before(&all, &headers, &own), "{field}: each counts");
        }
    }
}
