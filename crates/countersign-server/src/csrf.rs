//! Whether a form comes from a page of ours, shown in this browser for this request (RFC 6749 §10.12, RFC 9700 §4.7).
//!
//! Two things are asked. Whence the browser says that it comes (Fetch Metadata, `Origin`); a browser that says neither is
//! not refused for it. And the token: a keyed hash over a cookie of the browser, what the form is for, and the request that
//! it goes on with.
//!
//! **Invariant.** The token of another browser, session, purpose or request is none.

use countersign_core::secret::{Peppers, Purpose, SecretHash};
use countersign_edge::whence::{Whence, authority, whence};
use http::HeaderMap;
use http::header::HOST;
use url::Url;

use crate::cookie::Cookies;

/// What a form is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FormPurpose {
    /// To change something of one's account.
    Account,
    /// To decide what an application may do.
    Consent,
    /// To name a device.
    DeviceCode,
    /// To decide what a device may do.
    DeviceDecision,
    /// To replace a password.
    Reset,
    /// To sign in.
    SignIn,
    /// To sign out.
    SignOut,
    /// To confirm an address.
    Verify,
}

impl FormPurpose {
    const fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Consent => "consent",
            Self::DeviceCode => "device-code",
            Self::DeviceDecision => "device-decision",
            Self::Reset => "reset",
            Self::SignIn => "sign-in",
            Self::SignOut => "sign-out",
            Self::Verify => "verify",
        }
    }

    /// Tells whether it is a form of whoever looks at it, and not of somebody who is signed in.
    ///
    /// Such a form is taken without its token too where the browser itself says that a page of ours has sent it: of several tabs
    /// that somebody opens at once before they were ever here, the last one's cookie is the browser's.
    pub(crate) const fn is_anybodys(self) -> bool {
        match self {
            Self::DeviceCode | Self::Reset | Self::SignIn | Self::Verify => true,
            Self::Account | Self::Consent | Self::DeviceDecision | Self::SignOut => false,
        }
    }

    /// Returns the cookie that its token is bound to: the session where one is needed, which another tab cannot have
    /// replaced unnoticed, or else the browser, which stays the same while people sign in and out.
    fn cookie(self, cookies: &Cookies) -> Option<&str> {
        let cookie = match self {
            Self::Account | Self::Consent | Self::DeviceDecision | Self::SignOut => &cookies.session,
            Self::DeviceCode | Self::Reset | Self::SignIn | Self::Verify => &cookies.browser,
        };
        cookie.as_ref().map(|secret| secret.expose().as_str())
    }
}

/// Returns the token of a form; without its cookie, none that will be taken.
pub(crate) fn token(peppers: &Peppers, cookies: &Cookies, purpose: FormPurpose, request: &str) -> String {
    let Some(cookie) = purpose.cookie(cookies) else { return String::new() };
    hex(&peppers.current().hash(Purpose::OwnForm, &bound(cookie, purpose, request)))
}

/// Tells whether `sent` is the token of a form.
pub(crate) fn is_token(
    peppers: &Peppers,
    cookies: &Cookies,
    (purpose, request): (FormPurpose, &str),
    sent: &str,
) -> bool {
    let (Some(cookie), Some(sent)) = (purpose.cookie(cookies), unhex(sent)) else { return false };
    let text = bound(cookie, purpose, request);
    peppers.all().any(|pepper| pepper.hash(Purpose::OwnForm, &text).matches(&sent))
}

/// Tells whether the browser says that another site started this.
///
/// An `Origin` counts as ours by its authority, as the request names it or the issuer: who ends TLS before us knows the scheme.
pub(crate) fn is_foreign(headers: &HeaderMap, issuer_url: &str) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let issuer = Url::parse(issuer_url).map(|issuer| issuer.origin().ascii_serialization());
    let is_issuer = |origin: &str| issuer.as_ref().is_ok_and(|issuer| issuer == origin);
    let ours = |origin: &str| {
        let authority = authority(origin);
        authority.is_some() && (authority == host || is_issuer(origin))
    };
    whence(headers, ours) == Whence::Elsewhere
}

/// Writes what a token is bound to, each part after its length, so that no two are written alike.
fn bound(cookie: &str, purpose: FormPurpose, request: &str) -> String {
    [cookie, purpose.word(), request].iter().map(|part| format!("{}:{part}", part.len())).collect()
}

fn hex(hash: &SecretHash) -> String {
    hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<SecretHash> {
    let digit = |letter: &u8| char::from(*letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Option<Vec<u8>> = text
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? * 16 + digit(low)?),
            _ => None,
        })
        .collect();
    SecretHash::from_bytes(&bytes?)
}

#[cfg(test)]
mod tests {
    use countersign_core::secret::{Pepper, Peppers, Secret};
    use http::HeaderMap;

    use super::{FormPurpose, is_foreign, is_token, token};
    use crate::cookie::Cookies;

    const PURPOSES: [FormPurpose; 8] = [
        FormPurpose::Account,
        FormPurpose::Consent,
        FormPurpose::DeviceCode,
        FormPurpose::DeviceDecision,
        FormPurpose::Reset,
        FormPurpose::SignIn,
        FormPurpose::SignOut,
        FormPurpose::Verify,
    ];

    fn peppers(current: u8, previous: &[u8]) -> Peppers {
        let pepper = |byte: u8| Pepper::new(u32::from(byte), &Secret::new([byte; 32]));
        Peppers::new(pepper(current), previous.iter().map(|byte| pepper(*byte)).collect())
    }

    fn cookies(browser: Option<&str>, session: Option<&str>) -> Cookies {
        let secret = |text: Option<&str>| text.map(|text| Secret::new(text.to_owned()));
        Cookies { browser: secret(browser), session: secret(session), known: None }
    }

    #[test]
    fn rfc9700_4_7_a_token_is_bound_to_browser_session_purpose_and_request() {
        let (peppers, ours) = (peppers(1, &[]), cookies(Some("b"), Some("s")));
        for purpose in PURPOSES {
            let token = token(&peppers, &ours, purpose, "client_id=a");
            let good =
                |cookies: &Cookies, purpose, request| is_token(&peppers, cookies, (purpose, request), &token);
            assert!(good(&ours, purpose, "client_id=a"), "{purpose:?}");
            assert!(!good(&ours, purpose, "client_id=b"), "{purpose:?}");
            assert!(!good(&cookies(Some("x"), Some("x")), purpose, "client_id=a"), "{purpose:?}");
            assert!(!good(&cookies(None, None), purpose, "client_id=a"), "{purpose:?}");
            for other in PURPOSES.into_iter().filter(|other| *other != purpose) {
                assert!(!good(&ours, other, "client_id=a"), "{purpose:?} {other:?}");
            }
        }
    }

    #[test]
    fn login_csrf_a_sign_in_is_bound_to_the_browser_and_outlives_what_another_tab_signs_in() {
        let peppers = peppers(1, &[]);
        let token = token(&peppers, &cookies(Some("b"), None), FormPurpose::SignIn, "");
        let after = cookies(Some("b"), Some("s"));
        assert!(is_token(&peppers, &after, (FormPurpose::SignIn, ""), &token));
        assert!(!is_token(&peppers, &cookies(Some("theirs"), None), (FormPurpose::SignIn, ""), &token));
    }

    #[test]
    fn what_is_no_token_is_not_taken() {
        let (peppers, ours) = (peppers(1, &[]), cookies(Some("b"), None));
        let good = token(&peppers, &ours, FormPurpose::SignIn, "");
        let none = token(&peppers, &cookies(None, None), FormPurpose::SignIn, "");
        assert_eq!(none, "");
        for sent in [
            "",
            "00",
            good.split_at(62).0,
            &format!("{good}00"),
            &good.replace(|_: char| true, "g"),
            "é",
            &none,
        ] {
            assert!(!is_token(&peppers, &ours, (FormPurpose::SignIn, ""), sent), "{sent}");
            assert!(!is_token(&peppers, &cookies(None, None), (FormPurpose::SignIn, ""), sent), "{sent}");
        }
    }

    #[test]
    fn a_form_outlives_the_rotation_of_the_pepper() {
        let ours = cookies(Some("b"), None);
        let old = token(&peppers(1, &[]), &ours, FormPurpose::SignIn, "");
        assert!(is_token(&peppers(2, &[1]), &ours, (FormPurpose::SignIn, ""), &old));
        assert!(!is_token(&peppers(2, &[]), &ours, (FormPurpose::SignIn, ""), &old));
    }

    #[track_caller]
    fn check(fields: &[(&'static str, &str)], foreign: bool) {
        let mut headers = HeaderMap::new();
        headers.insert("host", "auth.example:8080".parse().unwrap());
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        assert_eq!(is_foreign(&headers, "https://issuer.example/tenant"), foreign, "{fields:?}");
    }

    #[test]
    fn fetch_metadata_what_another_site_starts_is_foreign() {
        check(&[], false);
        check(&[("sec-fetch-site", "same-origin")], false);
        check(&[("sec-fetch-site", "none")], false);
        for site in ["cross-site", "same-site", "", "Same-Origin", "same-origin, cross-site"] {
            check(&[("sec-fetch-site", site)], true);
        }
        check(&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], true);
    }

    #[test]
    fn rfc6454_7_an_origin_is_ours_or_foreign() {
        for origin in ["http://auth.example:8080", "https://auth.example:8080", "https://issuer.example"] {
            check(&[("origin", origin)], false);
            check(&[("origin", origin), ("sec-fetch-site", "cross-site")], true);
        }
        for origin in [
            "null",
            "",
            "https://evil.example",
            "auth.example:8080",
            "http://auth.example",
            "https://issuer.example/tenant",
            "https://auth.example:8080@evil.example",
            "https://auth.example:8080.evil.example",
        ] {
            check(&[("origin", origin)], true);
            check(&[("origin", origin), ("sec-fetch-site", "same-origin")], true);
        }
    }
}
