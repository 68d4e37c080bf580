//! What a browser does with what it sends along, at the gateway: whether a page of the same origin has started it, and whether it goes
//! to a page itself.

use http::header::{ACCEPT, HOST, UPGRADE};
use http::{HeaderMap, HeaderName, Method};

use crate::whence::{Whence, authority, whence};

/// The field that no other site's page sends without being asked for it first (Fetch §3.2.2: a request with it is no simple one).
pub const CSRF: HeaderName = HeaderName::from_static("countersign-csrf");

const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const DESTINATION: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Whether a request comes from a page of the same origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnRequest {
    /// It does, by what the browser says or by [`CSRF`].
    Own,
    /// It does not, or nobody says so.
    Foreign,
}

/// Tells whether a page of the same origin has started a request, whose host `headers` name.
#[must_use]
pub fn own_request(headers: &HeaderMap) -> OwnRequest {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    match whence(headers, |origin| authority(origin).is_some() && authority(origin) == host) {
        Whence::Here => OwnRequest::Own,
        Whence::Unsaid if headers.contains_key(CSRF) => OwnRequest::Own,
        Whence::Elsewhere | Whence::Unsaid => OwnRequest::Foreign,
    }
}

/// Tells whether what a browser sends along has to be backed by whence it comes: a request that may change something (RFC 9110
/// §9.2.1), or opens a channel, for which browsers ask nobody (RFC 6455 §10.2).
#[must_use]
pub fn needs_origin(method: &Method, headers: &HeaderMap) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) || headers.contains_key(UPGRADE)
}

/// Tells whether a person goes to a page: then they can be sent elsewhere. What a script fetches has to be told (Fetch Metadata
/// §2.2, §2.3); a browser that does not say it names HTML first.
#[must_use]
pub fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let goes = match text(&MODE) {
        Some(mode) => {
            mode == "navigate" && text(&DESTINATION).is_none_or(|destination| destination == "document")
        }
        None => text(&ACCEPT).is_some_and(|kinds| kinds.trim_start().starts_with("text/html")),
    };
    *method == Method::GET && goes && !headers.contains_key(UPGRADE)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, Method};

    use super::{OwnRequest, is_navigation, needs_origin, own_request};

    fn fields(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = fields.iter();
        pairs.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn attack_csrf_what_changes_something_comes_from_a_page_of_the_same_origin() {
        use OwnRequest::{Foreign, Own};
        let host = ("host", "app.example:8000");
        for (sent, expected) in [
            (vec![host], Foreign),
            (vec![host, ("countersign-csrf", "1")], Own),
            (vec![host, ("sec-fetch-site", "same-origin")], Own),
            (vec![host, ("sec-fetch-site", "none")], Own),
            (vec![host, ("sec-fetch-site", "same-site"), ("countersign-csrf", "1")], Foreign),
            (vec![host, ("sec-fetch-site", "cross-site"), ("countersign-csrf", "1")], Foreign),
            (vec![host, ("origin", "http://app.example:8000")], Own),
            (vec![host, ("origin", "https://app.example:8000")], Own),
            (vec![host, ("origin", "http://app.example")], Foreign),
            (vec![host, ("origin", "null")], Foreign),
            (vec![host, ("origin", "null"), ("countersign-csrf", "1")], Foreign),
            (vec![("origin", "http://app.example")], Foreign),
        ] {
            assert_eq!(own_request(&fields(&sent)), expected, "{sent:?}");
        }
        let upgrade = fields(&[("upgrade", "websocket")]);
        for (method, headers, expected) in [
            (Method::GET, &fields(&[]), false),
            (Method::HEAD, &fields(&[]), false),
            (Method::OPTIONS, &fields(&[]), false),
            (Method::POST, &fields(&[]), true),
            (Method::DELETE, &fields(&[]), true),
            (Method::GET, &upgrade, true),
        ] {
            assert_eq!(needs_origin(&method, headers), expected, "{method} {headers:?}");
        }
    }

    #[test]
    fn a_person_is_sent_to_sign_in_and_a_script_is_told() {
        let html = ("accept", "text/html,application/xhtml+xml");
        for (method, sent, expected) in [
            (Method::GET, vec![html], true),
            (Method::GET, vec![html, ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")], true),
            (Method::GET, vec![html, ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")], false),
            (Method::GET, vec![html, ("sec-fetch-mode", "cors")], false),
            (Method::GET, vec![("accept", "application/json")], false),
            (Method::GET, vec![("accept", "*/*")], false),
            (Method::GET, vec![], false),
            (Method::POST, vec![html, ("sec-fetch-mode", "navigate")], false),
            (Method::GET, vec![html, ("upgrade", "websocket")], false),
        ] {
            assert_eq!(is_navigation(&method, &fields(&sent)), expected, "{method} {sent:?}");
        }
    }
}
