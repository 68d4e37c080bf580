//! The issuer's cookies: their names, and how they are found in a request.
//!
//! **Invariant.** One that a request names twice was tossed in by somebody, and neither is taken (RFC 6265bis §8.6).

use countersign_core::secret::Secret;
pub use countersign_edge::cookie::Cookie;
use countersign_edge::cookie::ours;
use http::HeaderMap;

/// The name of the cookie that tells browsers apart which nobody signed in with; random, and proof of nothing.
pub(crate) const BROWSER: &str = "countersign-browser";
/// The name of the cookie that holds the issuer's session.
pub(crate) const SESSION: &str = "countersign-session";

/// The name of the cookie that says who has signed in with this browser before; it proves nobody, and lasts.
pub(crate) const KNOWN: &str = "countersign-known";

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
    /// Finds our cookies; other ones are not looked at.
    ///
    /// # Errors
    ///
    /// [`Tossed`].
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, Tossed> {
        let mut cookies = Self::default();
        for (name, value) in ours(headers) {
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

#[cfg(test)]
mod tests {
    use countersign_core::secret::Secret;
    use http::{HeaderMap, HeaderValue};

    use super::{Cookies, Tossed};

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
}
