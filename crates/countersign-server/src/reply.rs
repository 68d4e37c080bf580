//! What handlers give back: JSON, text, a page, a redirect, or nothing; with cookies.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, LOCATION, REFERRER_POLICY,
    RETRY_AFTER, SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use crate::cookie::Cookie;
use crate::failure::Failure;

/// The media type of pages (RFC 2854 §2).
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// What every page may do: look like one, and be shown in no frame (CSP 3 §6).
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What every page says beside its policy. A referrer goes to ourselves alone: not `no-referrer`, under which browsers send
/// `Origin: null` with our own forms (Fetch §3.2).
const PAGE_FIELDS: [(HeaderName, &str); 3] =
    [(REFERRER_POLICY, "same-origin"), (X_CONTENT_TYPE_OPTIONS, "nosniff"), (X_FRAME_OPTIONS, "DENY")];

/// What a handler gives back.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
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

    /// Answers with a page for people, which may do what `policy` says beside looking like one.
    #[must_use]
    pub(crate) fn page(status: StatusCode, html: String, policy: &str) -> Self {
        let policy = HeaderValue::try_from(format!("{PAGE_POLICY}; {policy}"));
        let policy = policy.unwrap_or(HeaderValue::from_static(PAGE_POLICY));
        let page = Self::new(status, Bytes::from(html))
            .with(CONTENT_TYPE, HeaderValue::from_static(HTML))
            .with(CONTENT_SECURITY_POLICY, policy);
        PAGE_FIELDS
            .into_iter()
            .fold(page, |page, (name, value)| page.with(name, HeaderValue::from_static(value)))
    }

    /// Answers that what the caller keeps is still good (RFC 9110 §15.4.5).
    #[must_use]
    pub(crate) fn not_modified() -> Self {
        Self::new(StatusCode::NOT_MODIFIED, Bytes::new())
    }

    /// Lets it be kept as `tag`, and asked about before it is used again (RFC 9111 §5.2.2.4).
    #[must_use]
    pub(crate) fn kept_as(self, tag: HeaderValue) -> Self {
        self.with(CACHE_CONTROL, HeaderValue::from_static("no-cache"))
            .with(ETAG, tag)
            .with(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
    }

    /// Tells also when to come again, or which methods there are, as `answer` does.
    #[must_use]
    pub(crate) fn told_as(mut self, answer: &Response<Full<Bytes>>) -> Self {
        for name in [ALLOW, RETRY_AFTER] {
            if let Some(value) = answer.headers().get(&name) {
                self = self.with(name, value.clone());
            }
        }
        self
    }

    /// Sends a browser on by GET, whatever it came with (RFC 9700 §4.12: 303, so that no form is sent on).
    #[must_use]
    pub fn see_other(location: HeaderValue) -> Self {
        Self::new(StatusCode::SEE_OTHER, Bytes::new()).with(LOCATION, location)
    }

    /// Sets a cookie too.
    #[must_use]
    pub fn with_cookie(mut self, cookie: &Cookie) -> Self {
        if let Some(field) = cookie.field() {
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
    use http::{HeaderValue, StatusCode};

    use super::Reply;

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
        let page = Reply::page(StatusCode::OK, "<p>a</p>".to_owned(), "form-action 'self'");
        let policy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; \
                      form-action 'self'";
        let fields = [
            ("content-type", "text/html; charset=utf-8"),
            ("content-security-policy", policy),
            ("referrer-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
        ];
        check(page, 200, &fields);
    }

    #[test]
    fn rfc9700_4_12_a_redirect_sends_no_form_on() {
        let location = "https://client.example/cb?code=x";
        let redirect = Reply::see_other(HeaderValue::from_static(location));
        check(redirect, 303, &[("location", location)]);
    }
}
