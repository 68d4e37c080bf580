//! Where the answer to a form is sent: what people are told of it, and what the policy of the page lets through.

use std::collections::BTreeSet;

use url::{Host, Url};

/// What a redirect URI means to a person.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// A web site, by its host.
    Site(String),
    /// An app on the same computer (RFC 8252 §7.3), by host and port.
    Loopback(String),
    /// An app that opens links of a scheme of its own (RFC 8252 §7.1).
    App(String),
}

impl Destination {
    /// Reads a redirect URI that was proven to be the client's.
    pub(crate) fn of(redirect_uri: &str) -> Self {
        let Ok(uri) = Url::parse(redirect_uri) else { return Self::App(String::new()) };
        let host = uri.host_str().unwrap_or_default();
        let place = uri.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let is_here = match uri.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        match (uri.scheme(), is_here) {
            ("http", true) => Self::Loopback(place),
            ("http" | "https", _) => Self::Site(place),
            (own, _) => Self::App(own.to_owned()),
        }
    }
}

/// Returns what the CSP directive `form-action` lists for forms whose answers may be redirects to these.
///
/// Browsers hold `form-action` against every redirect that follows (CSP 3 §6.4.1), and a client's own page may send a
/// browser on to another of its origins. So it is the scheme that is listed, not one origin.
pub(crate) fn form_action(leads_to: &[&str]) -> String {
    let schemes = leads_to.iter().filter_map(|uri| Url::parse(uri).ok()).map(|uri| uri.scheme().to_owned());
    let led: BTreeSet<_> = schemes.filter(|scheme| !LED_NOWHERE.contains(&scheme.as_str())).collect();
    if led.is_empty() {
        return "'self'".to_owned();
    }
    // RFC 3986 §3.1: a scheme has letters, digits, `+`, `-` and `.`, so that nothing ends the directive.
    let others = led.iter().filter(|scheme| *scheme != "https").map(|scheme| format!(" {scheme}:"));
    format!("'self' https:{}", others.collect::<String>())
}

/// Schemes by which nobody is sent to an application.
const LED_NOWHERE: [&str; 7] = ["about", "blob", "data", "file", "filesystem", "javascript", "vbscript"];

#[cfg(test)]
mod tests {
    use super::{Destination, form_action};

    #[track_caller]
    fn check(uri: &str, expected: &Destination, sources: &str) {
        assert_eq!(Destination::of(uri), *expected, "{uri}");
        assert_eq!(form_action(&[uri]), sources, "{uri}");
    }

    #[test]
    fn rfc8252_7_people_are_told_where_they_will_be_sent() {
        let site = |host: &str| Destination::Site(host.to_owned());
        let loopback = |host: &str| Destination::Loopback(host.to_owned());
        check("https://app.example/cb?x=1", &site("app.example"), "'self' https:");
        check("https://app.example:8443/cb", &site("app.example:8443"), "'self' https:");
        check("http://127.0.0.1:5555/cb", &loopback("127.0.0.1:5555"), "'self' https: http:");
        check("http://[::1]:5555/cb", &loopback("[::1]:5555"), "'self' https: http:");
        check("http://localhost/cb", &loopback("localhost"), "'self' https: http:");
        check("http://127.evil.example/cb", &site("127.evil.example"), "'self' https: http:");
        check("http://localhost.evil.example/cb", &site("localhost.evil.example"), "'self' https: http:");
        check(
            "com.example.app:/cb",
            &Destination::App("com.example.app".into()),
            "'self' https: com.example.app:",
        );
        check("https://xn--bcher-kva.example/", &site("xn--bcher-kva.example"), "'self' https:");
    }

    #[test]
    fn csp3_6_4_1_a_uri_adds_no_directive() {
        for uri in ["javascript:alert(1)", "data:text/html,x", "no uri", "", "; script-src *", "a b:c"] {
            assert_eq!(form_action(&[uri]), "'self'", "{uri}");
        }
        assert_eq!(form_action(&[]), "'self'");
        let several = ["http://localhost/cb", "https://idp.example", "https://other.example", "app:/cb"];
        assert_eq!(form_action(&several), "'self' https: app: http:");
    }
}
