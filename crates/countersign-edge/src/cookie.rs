//! Cookies of our own: how they are named, set, found in a request, and kept from others (RFC 6265bis).
//!
//! **Invariant.** A cookie is bound to the host that sets it: its name begins with `__Host-`, so that no other host, port
//! without TLS, or path can set it (§4.1.3.2). The ports of one host share their cookies, so that every listener has names of
//! its own, and nobody behind the gateway is told one or sets one (SAFETY 15).

use std::borrow::Cow;

use countersign_core::secret::Secret;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// What the names of all our cookies begin with, behind `__Host-`.
const OURS: &str = "countersign-";

/// What keeps a cookie with its host.
const PREFIX: &str = "__Host-";

/// A cookie that is set: out of reach of scripts and of plain HTTP, and not sent with what another site starts, but for
/// following a link.
#[derive(Debug)]
pub struct Cookie {
    /// The name, without `__Host-`: `countersign-…`.
    pub name: Cow<'static, str>,
    /// The value: letters, digits, `-`, `_` and `.`.
    pub value: Secret<String>,
    /// How many seconds a browser keeps it; 0 takes it away, `None` ends it with the browser.
    pub max_age: Option<u64>,
}

impl Cookie {
    /// Takes a cookie away.
    #[must_use]
    pub fn gone(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), value: Secret::new(String::new()), max_age: Some(0) }
    }

    /// Writes it as `Set-Cookie`; `None`: its name or value holds what a field may not.
    #[must_use]
    pub fn field(&self) -> Option<HeaderValue> {
        let Self { name, value, max_age } = self;
        let age = max_age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        let text = format!("{PREFIX}{name}={}; Path=/; Secure; HttpOnly; SameSite=Lax{age}", value.expose());
        let mut field = HeaderValue::try_from(text).ok()?;
        field.set_sensitive(true);
        Some(field)
    }
}

/// Walks our cookies in a request: their names without `__Host-`, and their values. HTTP/2 divides them over fields (RFC 9113
/// §8.2.3).
pub fn ours(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let fields = headers.get_all(COOKIE).iter();
    fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b';')).filter_map(|pair| {
        let (name, value) = str::from_utf8(pair).ok()?.split_once('=')?;
        let name = name.trim().strip_prefix(PREFIX).filter(|name| name.starts_with(OURS))?;
        Some((name, value.trim()))
    })
}

/// What is left of a `Cookie` field for those to whom our cookies are not addressed.
#[derive(Debug, PartialEq, Eq)]
pub enum Left {
    /// All of it: it holds none of ours.
    All,
    /// This.
    Some(HeaderValue),
    /// Nothing.
    Nothing,
}

/// Takes our cookies out of a `Cookie` field.
#[must_use]
pub fn without_ours(field: &HeaderValue) -> Left {
    let pairs = || field.as_bytes().split(|byte| *byte == b';');
    if !pairs().any(is_ours) {
        return Left::All;
    }
    let left: Vec<_> = pairs().filter(|pair| !is_ours(pair)).map(<[u8]>::trim_ascii).collect();
    HeaderValue::from_bytes(&left.join(&b"; "[..]))
        .ok()
        .filter(|_| !left.is_empty())
        .map_or(Left::Nothing, Left::Some)
}

/// Tells whether a `Set-Cookie` field sets a cookie of ours.
#[must_use]
pub fn sets_ours(field: &HeaderValue) -> bool {
    field.as_bytes().split(|byte| *byte == b';').next().is_some_and(is_ours)
}

/// Tells whether a pair's name is ours, as the most forgiving reader would (§5.7 compares the prefix without case).
fn is_ours(pair: &[u8]) -> bool {
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
    name.split_at_checked(PREFIX.len() + OURS.len()).is_some_and(|(start, _)| {
        let (prefix, ours) = start.split_at(PREFIX.len());
        prefix.eq_ignore_ascii_case(PREFIX.as_bytes()) && ours.eq_ignore_ascii_case(OURS.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use countersign_core::secret::Secret;
    use http::{HeaderMap, HeaderValue};

    use super::{Cookie, Left, ours, sets_ours, without_ours};

    #[test]
    fn rfc6265_4_2_our_cookies_are_found_among_others() {
        let mut headers = HeaderMap::new();
        for field in [
            "a=1; __Host-countersign-a=s; b",
            "__Host-countersign-b=x=y",
            "countersign-c=1;__host-countersign-d=1",
        ] {
            headers.append("cookie", HeaderValue::from_static(field));
        }
        headers.append("cookie", HeaderValue::from_bytes(b"\xff=1; __Host-countersign-e=5").unwrap());
        let found: Vec<_> = ours(&headers).collect();
        assert_eq!(found, [("countersign-a", "s"), ("countersign-b", "x=y"), ("countersign-e", "5")]);
    }

    #[test]
    fn safety_15_our_cookies_are_taken_out_and_no_others() {
        for (field, expected) in [
            ("", Some("")),
            ("a=1; b=2", Some("a=1; b=2")),
            ("a=1;  b=2;c", Some("a=1;  b=2;c")),
            ("__Host-countersign-session=s", None),
            ("__Host-countersign-session=s; a=1", Some("a=1")),
            ("a=1; __Host-countersign-session=s; b=2", Some("a=1; b=2")),
            ("a=1;__Host-countersign-x=1;__Host-countersign-y=2", Some("a=1")),
            ("a=1; __HOST-Countersign-Session = s", Some("a=1")),
            ("a=__Host-countersign-session; b=2", Some("a=__Host-countersign-session; b=2")),
            (
                "__Host-countersign=1; __Secure-countersign-x=2",
                Some("__Host-countersign=1; __Secure-countersign-x=2"),
            ),
            ("__Host-countersign-x", None),
        ] {
            let value = HeaderValue::from_static(field);
            let left = match without_ours(&value) {
                Left::All => Some(value.clone()),
                Left::Some(left) => Some(left),
                Left::Nothing => None,
            };
            assert_eq!(left.as_ref().map(|left| left.to_str().unwrap()), expected, "{field}");
        }
    }

    #[test]
    fn safety_15_nobody_else_sets_our_cookies() {
        for (field, expected) in [
            ("__Host-countersign-session=evil; Path=/", true),
            ("__host-COUNTERSIGN-app-web=evil", true),
            (" __Host-countersign-session =evil", true),
            ("session=1; Path=/; x=__Host-countersign-a=1", false),
            ("a=__Host-countersign-session", false),
        ] {
            assert_eq!(sets_ours(&HeaderValue::from_static(field)), expected, "{field}");
        }
    }

    #[test]
    fn rfc6265_4_1_3_2_a_cookie_is_bound_to_its_host_and_printed_nowhere() {
        let cookie = |max_age| Cookie {
            name: "countersign-a".into(),
            value: Secret::new("s3cret".to_owned()),
            max_age,
        };
        assert!(!format!("{:?} {:?}", cookie(None), cookie(None).field()).contains("s3cret"));
        let start = "__Host-countersign-a=s3cret; Path=/; Secure; HttpOnly; SameSite=Lax";
        assert_eq!(cookie(None).field().unwrap(), start);
        assert_eq!(cookie(Some(60)).field().unwrap(), format!("{start}; Max-Age=60"));
        let gone = "__Host-countersign-a=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0";
        assert_eq!(Cookie::gone("countersign-a").field().unwrap(), gone);
    }
}
