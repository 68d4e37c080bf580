//! Whence a browser says that a request comes (Fetch Metadata Request Headers §2, RFC 6454 §7), for who is proven by what it sends
//! along.

use http::header::ORIGIN;
use http::{HeaderMap, HeaderName};

/// Whence a request comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whence {
    /// From a page of the same origin, or from the person.
    Here,
    /// From another site, or from another host of the same site.
    Elsewhere,
    /// The browser does not say it.
    Unsaid,
}

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Reads whence a request comes; `is_ours` tells our own origins. All that is said has to agree.
pub fn whence(headers: &HeaderMap, is_ours: impl Fn(&str) -> bool) -> Whence {
    let site = |site: &str| matches!(site, "same-origin" | "none");
    if !said(headers, &SITE, site) || !said(headers, &ORIGIN, is_ours) {
        return Whence::Elsewhere;
    }
    let is_said = headers.contains_key(&SITE) || headers.contains_key(ORIGIN);
    if is_said { Whence::Here } else { Whence::Unsaid }
}

/// Tells whether the browser says itself that a page of the same origin has started a request: no page can make it say so.
#[must_use]
pub fn is_same_origin(headers: &HeaderMap) -> bool {
    headers.contains_key(&SITE) && said(headers, &SITE, |site| site == "same-origin")
}

/// Returns the authority of an origin (RFC 6454 §6.2): `null` has none.
#[must_use]
pub fn authority(origin: &str) -> Option<&str> {
    origin.split_once("://").map(|(_, authority)| authority)
}

/// Tells whether all that a field says is `good`.
fn said(headers: &HeaderMap, name: &HeaderName, good: impl Fn(&str) -> bool) -> bool {
    headers.get_all(name).iter().all(|value| value.to_str().is_ok_and(&good))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Whence, authority, is_same_origin, whence};

    #[track_caller]
    fn check(fields: &[(&'static str, &'static str)], expected: Whence) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let ours = |origin: &str| authority(origin) == Some("app.example");
        assert_eq!(whence(&headers, ours), expected, "{fields:?}");
    }

    #[test]
    fn fetch_metadata_2_all_that_a_browser_says_has_to_agree() {
        check(&[], Whence::Unsaid);
        check(&[("sec-fetch-site", "same-origin")], Whence::Here);
        check(&[("sec-fetch-site", "none")], Whence::Here);
        check(&[("sec-fetch-site", "same-site")], Whence::Elsewhere);
        check(&[("sec-fetch-site", "cross-site")], Whence::Elsewhere);
        check(&[("sec-fetch-site", "new-site")], Whence::Elsewhere);
        check(&[("origin", "https://app.example")], Whence::Here);
        check(&[("origin", "https://evil.example")], Whence::Elsewhere);
        check(&[("origin", "null")], Whence::Elsewhere);
        check(&[("origin", "https://app.example.evil.example")], Whence::Elsewhere);
        check(&[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")], Whence::Elsewhere);
        check(&[("sec-fetch-site", "cross-site"), ("origin", "https://app.example")], Whence::Elsewhere);
        check(&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], Whence::Elsewhere);
    }

    #[test]
    fn fetch_metadata_2_only_the_browsers_own_word_is_one() {
        for (sites, expected) in [
            (vec!["same-origin"], true),
            (vec![], false),
            (vec!["none"], false),
            (vec!["same-site"], false),
            (vec!["cross-site"], false),
            (vec!["same-origin", "cross-site"], false),
        ] {
            let mut headers = HeaderMap::new();
            for site in &sites {
                headers.append("sec-fetch-site", HeaderValue::from_static(site));
            }
            headers.append("origin", HeaderValue::from_static("https://app.example"));
            assert_eq!(is_same_origin(&headers), expected, "{sites:?}");
        }
    }
}
