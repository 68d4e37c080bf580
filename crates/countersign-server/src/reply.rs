//! What handlers give back: JSON, text, a page, a redirect, or nothing; with cookies.

use std::time::Duration;

use bytes::Bytes;
use countersign_core::secret::Secret;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use crate::failure::Failure;

/// What a page may do: nothing but look like one and send its own forms (CSP 3 §6). It is shown in no frame.
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What a handler gives back.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// A cookie of our own, bound to the host that sets it (RFC 6265bis §4.1.3.2): out of reach of scripts and of plain HTTP,
/// and not sent with what another site starts, but for following a link.
#[derive(Debug)]
pub struct Cookie {
    /// The name, without `__Host-`.
    pub name: &'static str,
    /// The value: letters, digits, `-` and `_`.
    pub value: Secret<String>,
    /// How many seconds a browser keeps it; 0 takes it away, `None` ends it with the browser.
    pub max_age: Option<u64>,
}

impl Reply {
    /// Answers with `value`.
    ///
    /// # Errors
    ///
    /// If it cannot be written as JSON.
    pub fn ok(value: &impl Serialize) -> Result<Self, Failure> {
        json(StatusCode::OK, value)
    }

    /// Answers with what was made.
    ///
    /// # Errors
    ///
    /// If it cannot be written as JSON.
    pub fn created(value: &impl Serialize) -> Result<Self, Failure> {
        json(StatusCode::CREATED, value)
    }

    /// Answers that a report was taken.
    #[must_use]
    pub fn accepted() -> Self {
        Self::new(StatusCode::ACCEPTED, Bytes::new())
    }

    /// Answers that it is done, and that there is nothing to say.
    #[must_use]
    pub fn nothing() -> Self {
        Self::new(StatusCode::NO_CONTENT, Bytes::new())
    }

    /// Answers that it is done, to whoever expects 200 and no body (RFC 7009 §2.2).
    #[must_use]
    pub fn done() -> Self {
        Self::new(StatusCode::OK, Bytes::new())
    }

    /// Lets anybody keep it for `age`: it is public.
    #[must_use]
    pub fn cached(self, age: Duration) -> Self {
        let kept = format!("public, max-age={}", age.as_secs());
        let field = HeaderValue::from_str(&kept).unwrap_or(HeaderValue::from_static("no-store"));
        self.with(CACHE_CONTROL, field)
    }

    /// Answers with a text of the media type `kind`.
    #[must_use]
    pub fn text(kind: &'static str, text: String) -> Self {
        Self::new(StatusCode::OK, Bytes::from(text)).with(CONTENT_TYPE, HeaderValue::from_static(kind))
    }

    /// Answers with a page for people.
    #[must_use]
    pub fn page(html: String) -> Self {
        let policy = HeaderValue::from_static(PAGE_POLICY);
        Self::text("text/html; charset=utf-8", html).with(CONTENT_SECURITY_POLICY, policy)
    }

    /// Sends a browser on by GET, whatever it came with (RFC 9700 §4.12: 303, so that no form is sent on).
    #[must_use]
    pub fn see_other(location: HeaderValue) -> Self {
        Self::new(StatusCode::SEE_OTHER, Bytes::new()).with(LOCATION, location)
    }

    /// Sets a cookie too.
    #[must_use]
    pub fn with_cookie(mut self, cookie: &Cookie) -> Self {
        let Cookie { name, value, max_age } = cookie;
        let age = max_age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        let value = value.expose();
        let text = format!("__Host-{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{age}");
        // INVARIANT: `Cookie` asks for letters and digits, so that this never fails.
        if let Ok(mut field) = HeaderValue::from_str(&text) {
            field.set_sensitive(true);
            self.headers.append(SET_COOKIE, field);
        }
        self
    }

    /// Becomes a response.
    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    /// Answers hold secrets and what is true now, so nobody may store them: RFC 6749 §5.1 asks the same of tokens.
    fn new(status: StatusCode, body: Bytes) -> Self {
        let headers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static("no-store"))]);
        Self { status, headers, body }
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

fn json(status: StatusCode, value: &impl Serialize) -> Result<Reply, Failure> {
    let body = serde_json::to_vec(value)
        .map_err(|error| Failure::Invalid(format!("the answer cannot be written: {error}")))?;
    let kind = HeaderValue::from_static("application/json");
    Ok(Reply::new(status, Bytes::from(body)).with(CONTENT_TYPE, kind))
}

#[cfg(test)]
mod tests {
    use countersign_core::secret::Secret;
    use http::HeaderValue;

    use super::{Cookie, Reply};

    #[track_caller]
    fn check(reply: Reply, status: u16, fields: &[(&str, &str)]) {
        let response = reply.into_response();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers().len(), fields.len() + 1, "{:?}", response.headers());
        for (name, value) in fields {
            assert_eq!(response.headers()[*name], value, "{name}");
        }
    }

    #[test]
    fn an_answer_says_what_it_is_and_is_not_stored() {
        check(Reply::nothing(), 204, &[]);
        check(Reply::accepted(), 202, &[]);
        check(Reply::ok(&[1]).unwrap(), 200, &[("content-type", "application/json")]);
        check(Reply::created(&[1]).unwrap(), 201, &[("content-type", "application/json")]);
        check(Reply::text("text/plain", String::new()), 200, &[("content-type", "text/plain")]);
    }

    #[test]
    fn a_page_runs_nothing_and_is_shown_in_no_frame() {
        let response = Reply::page("<p>a</p>".to_owned()).into_response();
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    }

    #[test]
    fn rfc9700_4_12_a_redirect_sends_no_form_on() {
        let location = "https://client.example/cb?code=x";
        let redirect = Reply::see_other(HeaderValue::from_static(location));
        check(redirect, 303, &[("location", location)]);
    }

    #[test]
    fn rfc6265_a_cookie_is_bound_to_its_host_and_printed_nowhere() {
        let cookie = |max_age| Cookie { name: "session", value: Secret::new("s3cret".to_owned()), max_age };
        let reply = Reply::nothing().with_cookie(&cookie(None)).with_cookie(&cookie(Some(0)));
        assert!(!format!("{reply:?}").contains("s3cret"));
        let response = reply.into_response();
        let set: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(
            set,
            [
                "__Host-session=s3cret; Path=/; Secure; HttpOnly; SameSite=Lax",
                "__Host-session=s3cret; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"
            ]
        );
    }
}
