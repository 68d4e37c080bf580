//! Cookies of our own: how they are set, and how they are found in a request (RFC 6265bis).
//!
//! **Invariant.** A cookie is bound to the host that sets it: its name begins with `__Host-`, so that no other host, port
//! without TLS, or path can set it (§4.1.3.2). One that a request names twice was tossed in by somebody, and neither is
//! taken. The names differ from those of other listeners: the ports of one host share their cookies (SAFETY 15).

use countersign_core::secret::Secret;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// The name of the cookie that tells browsers apart which nobody signed in with; random, and proof of nothing.
pub(crate) const BROWSER: &str = "countersign-browser";
/// The name of the cookie that holds the issuer's session.
pub(crate) const SESSION: &str = "countersign-session";

/// The name of the cookie that says who has signed in with this browser before; it proves nobody, and lasts.
pub(crate) const KNOWN: &str = "countersign-known";

/// A cookie that is set: out of reach of scripts and of plain HTTP, and not sent with what another site starts, but for
/// following a link.
#[derive(Debug)]
pub struct Cookie {
    /// The name, without `__Host-`.
    pub name: &'static str,
    /// The value: letters, digits, `-` and `_`.
    pub value: Secret<String>,
    /// How many seconds a browser keeps it; 0 takes it away, `None` ends it with the browser.
    pub max_age: Option<u64>,
}

impl Cookie {
    /// Writes it as `Set-Cookie`.
    pub(crate) fn field(&self) -> Option<HeaderValue> {
        let Self { name, value, max_age } = self;
        let age = max_age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        let text = format!("{PREFIX}{name}={}; Path=/; Secure; HttpOnly; SameSite=Lax{age}", value.expose());
        // INVARIANT: the value is letters and digits, so that this never fails.
        let mut field = HeaderValue::try_from(text).ok()?;
        field.set_sensitive(true);
        Some(field)
    }
}

/// Our cookies in a request.
#[derive(Debug, Default)]
pub(crate) struct Cookies {
    /// What tells browsers apart.
    pub(crate) browser: Option<Secret<String>>,
    /// What names the issuer's session.
    pub(crate) session: Option<Secret<String>>,
    /// What says who has signed in here before.
    pub(crate) known: Option<Secret<String>>,
}

/// A request names a cookie of ours twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tossed;

impl Cookies {
    /// Finds our cookies; other ones are not looked at. HTTP/2 divides them over fields (RFC 9113 §8.2.3).
    ///
    /// # Errors
    ///
    /// [`Tossed`].
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, Tossed> {
        let mut cookies = Self::default();
        let pairs =
            headers.get_all(COOKIE).iter().flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
        for (name, value) in pairs.filter_map(own) {
            let place = match name {
                BROWSER => &mut cookies.browser,
                SESSION => &mut cookies.session,
                KNOWN => &mut cookies.known,
                _ => continue,
            };
            if place.replace(Secret::new(value.to_owned())).is_some() {
                return Err(Tossed);
            }
        }
        Ok(cookies)
    }
}

/// Reads a pair whose name is ours, up to its prefix.
fn own(pair: &[u8]) -> Option<(&str, &str)> {
    let (name, value) = str::from_utf8(pair).ok()?.split_once('=')?;
    Some((name.trim().strip_prefix(PREFIX)?, value.trim()))
}

const PREFIX: &str = "__Host-";

#[cfg(test)]
mod tests {
    use countersign_core::secret::Secret;
    use http::{HeaderMap, HeaderValue};

    use super::{Cookie, Cookies, SESSION, Tossed};

    #[track_caller]
    fn check(fields: &[&str], expected: Result<(Option<&str>, Option<&str>), Tossed>) {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append("cookie", HeaderValue::from_bytes(field.as_bytes()).unwrap());
        }
        let read = Cookies::read(&headers);
        let text = |secret: &Option<Secret<String>>| secret.as_ref().map(|secret| secret.expose().clone());
        let read = read.as_ref().map(|cookies| (text(&cookies.browser), text(&cookies.session)));
        let owned = |text: Option<&str>| text.map(str::to_owned);
        assert_eq!(read, expected.as_ref().map(|(one, other)| (owned(*one), owned(*other))), "{fields:?}");
    }

    #[test]
    fn rfc6265_4_2_our_cookies_are_found_among_others() {
        check(&[], Ok((None, None)));
        check(&["a=1; __Host-countersign-session=s; b"], Ok((None, Some("s"))));
        check(&["__Host-countersign-browser=b;__Host-countersign-session=s"], Ok((Some("b"), Some("s"))));
        check(
            &["__Host-countersign-browser=b", "x=1; __Host-countersign-session=s"],
            Ok((Some("b"), Some("s"))),
        );
        check(
            &["countersign-session=s; __host-countersign-session=s; __Host-Countersign-Session=s"],
            Ok((None, None)),
        );
        check(&["\u{ff}=1; __Host-countersign-session=a=b"], Ok((None, Some("a=b"))));
    }

    #[test]
    fn rfc6265_8_6_a_cookie_that_is_there_twice_was_tossed_in() {
        let twice = "__Host-countersign-session=mine; __Host-countersign-session=theirs";
        check(&[twice], Err(Tossed));
        check(&["__Host-countersign-session=a", "__Host-countersign-session=a"], Err(Tossed));
        check(&["__Host-countersign-browser=a; x=1;__Host-countersign-browser=b"], Err(Tossed));
    }

    #[test]
    fn rfc6265_4_1_3_2_a_cookie_is_bound_to_its_host_and_printed_nowhere() {
        let cookie = |max_age| Cookie { name: SESSION, value: Secret::new("s3cret".to_owned()), max_age };
        assert!(!format!("{:?} {:?}", cookie(None), cookie(None).field()).contains("s3cret"));
        let start = "__Host-countersign-session=s3cret; Path=/; Secure; HttpOnly; SameSite=Lax";
        assert_eq!(cookie(None).field().unwrap(), start);
        assert_eq!(cookie(Some(0)).field().unwrap(), format!("{start}; Max-Age=0"));
    }
}
