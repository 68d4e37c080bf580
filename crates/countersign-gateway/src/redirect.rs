//! References of an upstream to itself, as its callers can follow them.
//!
//! An upstream that is called by its own host names that host where it redirects (RFC 9110 §10.2.2); a caller knows it by
//! the gateway's. So the scheme and the authority of such a reference become those of the call, and the rest stays.
//!
//! What it does not do: look into content, or change references to anybody else.

use http::header::{CONTENT_LOCATION, HeaderName, LOCATION, REFRESH};
use http::{HeaderMap, HeaderValue};

/// The fields that hold one reference.
const REFERENCES: [HeaderName; 2] = [LOCATION, CONTENT_LOCATION];

/// What a caller knows the gateway by.
#[derive(Debug, Clone)]
pub(crate) struct KnownAs {
    pub(crate) scheme: &'static str,
    /// The host as the caller wrote it. Without one a path such as `//a` could not be told from a host.
    pub(crate) host: HeaderValue,
}

/// Rewrites the references of an answer; `is_own` tells whether a host and port are the upstream's.
pub(crate) fn rewrite(headers: &mut HeaderMap, known_as: &KnownAs, is_own: impl Fn(&str, u16) -> bool) {
    let Ok(host) = known_as.host.to_str() else { return };
    let rewritten = |reference: &str| {
        own_path(reference, &is_own).map(|path| format!("{}://{host}{path}", known_as.scheme))
    };
    for (name, value) in headers.iter_mut() {
        let new = if REFERENCES.contains(name) {
            value.to_str().ok().and_then(rewritten)
        } else if *name == REFRESH {
            value.to_str().ok().and_then(|text| refreshed(text, rewritten))
        } else {
            None
        };
        if let Some(Ok(new)) = new.map(HeaderValue::try_from) {
            *value = new;
        }
    }
}

/// Rewrites `5; url=http://…`: no standard has it, browsers and servers do.
fn refreshed(text: &str, rewritten: impl Fn(&str) -> Option<String>) -> Option<String> {
    let at = text.to_ascii_lowercase().find("url=")? + "url=".len();
    let (before, reference) = text.split_at_checked(at)?;
    let bare = reference.trim_matches(['"', '\'']);
    let new = rewritten(bare)?;
    Some(format!("{before}{}", reference.replace(bare, &new)))
}

/// Returns what follows the authority of a reference to the upstream itself (RFC 3986 §4.2, §4.3).
fn own_path(reference: &str, is_own: impl Fn(&str, u16) -> bool) -> Option<&str> {
    let reference = reference.trim_ascii();
    let (scheme, rest) = reference.split_once("//")?;
    let ports: &[u16] = match scheme.to_ascii_lowercase().as_str() {
        "http:" => &[80],
        "https:" => &[443],
        // Without a scheme it is the one that the upstream was called by.
        "" => &[80, 443],
        _ => return None,
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (authority, None),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let own = match port {
        Some(port) => port.parse().is_ok_and(|port| is_own(host, port)),
        None => ports.iter().any(|port| is_own(host, *port)),
    };
    own.then_some(path)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{KnownAs, rewrite};

    #[track_caller]
    fn check_as(host: &'static str, field: &str, value: &str, expected: &str) {
        let name: HeaderName = field.parse().unwrap();
        let mut headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_str(value).unwrap())]);
        let known_as = KnownAs { scheme: "https", host: HeaderValue::from_static(host) };
        let own = [("10.0.0.7", 3000), ("orders.internal", 80), ("::1", 3000)];
        rewrite(&mut headers, &known_as, |host, port| {
            own.iter().any(|(name, at)| host.eq_ignore_ascii_case(name) && port == *at)
        });
        assert_eq!(headers[&name], expected, "{field}: {value}");
    }

    #[track_caller]
    fn check(value: &str, expected: &str) {
        check_as("api.example.com", "location", value, expected);
        check_as("api.example.com", "content-location", value, expected);
    }

    #[test]
    fn rfc9110_10_2_2_a_reference_of_the_upstream_to_itself_is_the_callers() {
        check("http://10.0.0.7:3000/a?b#c", "https://api.example.com/a?b#c");
        check("HTTPS://10.0.0.7:3000", "https://api.example.com");
        check("http://10.0.0.7:3000?q", "https://api.example.com?q");
        check("http://Orders.Internal/a", "https://api.example.com/a");
        check("http://orders.internal:80/a", "https://api.example.com/a");
        check("//orders.internal/a", "https://api.example.com/a");
        check("http://[::1]:3000/", "https://api.example.com/");
        check("http://10.0.0.7:3000//evil.example/", "https://api.example.com//evil.example/");
    }

    #[test]
    fn references_to_others_stay_as_they_are() {
        for reference in [
            "/a//b",
            "a",
            "?http://10.0.0.7:3000/",
            "http://10.0.0.7/a",
            "http://10.0.0.7:3001/",
            "https://orders.internal/",
            "http://user@10.0.0.7:3000/",
            "http://10.0.0.7:3000@evil.example/",
            "http://orders.internal.evil.example/",
            "ftp://10.0.0.7:3000/",
            "http:10.0.0.7:3000",
            "http://",
            "//",
            "http://10.0.0.7:/",
            "http://[::1]/",
        ] {
            check(reference, reference);
        }
        check_as("a", "link", "http://10.0.0.7:3000/a", "http://10.0.0.7:3000/a");
    }

    #[test]
    fn a_refresh_is_followed_too() {
        let check = |value, expected| check_as("a:8443", "refresh", value, expected);
        check("5; url=http://10.0.0.7:3000/a", "5; url=https://a:8443/a");
        check("0;URL=\"http://10.0.0.7:3000/a\"", "0;URL=\"https://a:8443/a\"");
        check("5", "5");
        check("5; url=/a", "5; url=/a");
    }
}
