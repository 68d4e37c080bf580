//! Where a browser is sent back to (RFC 6749 §3.1.2, RFC 8252), and whose scripts may call (RFC 6454).
//!
//! **Invariant.** A redirect URI is no pattern: what is presented is the same bytes. The one exception is RFC 8252 §7.3: a
//! native application takes whatever port it gets on a loopback address, so the port alone may differ there.

use crate::registered::text;
use crate::uri::{LOOPBACK, Web, is_absolute, unescaped, web};

text!(
    /// Where a resource owner may be sent back to.
    RedirectUri,
    is_redirect,
    "an https URI, http on this machine, or a scheme of the application's own such as com.example.app:, without userinfo, fragment, wildcard and the parameters of an answer"
);
text!(
    /// Whose scripts may call: scheme, host and port as browsers write them in `Origin` (RFC 6454 §6.2).
    Origin,
    is_origin,
    "an origin as browsers write it, such as https://app.example or http://localhost:5173: in small letters, without path and default port"
);

impl RedirectUri {
    /// Tells whether a request may name `presented` for this one.
    #[must_use]
    pub fn admits(&self, presented: &str) -> bool {
        let registered = without_port(self.as_str());
        self.as_str() == presented || registered.is_some() && registered == without_port(presented)
    }

    /// Returns the origin of the pages that it leads to; `None`: it leads to an application.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        web(self.as_str()).map(|web| Origin(serialised(&web).into()))
    }
}

/// Takes the port out of the URI of a loopback address. `localhost` is a name, which others may answer (RFC 8252 §8.3).
fn without_port(text: &str) -> Option<Web<'_>> {
    let web = web(text).filter(|web| web.scheme == "http" && LOOPBACK.contains(&web.host))?;
    Some(Web { port: None, ..web })
}

/// RFC 6454 §6.2.
fn serialised(web: &Web<'_>) -> String {
    let (scheme, host) = (web.scheme.to_ascii_lowercase(), web.host.to_ascii_lowercase());
    let default = if scheme == "https" { 443 } else { 80 };
    let port = web.port.filter(|port| *port != default).map(|port| format!(":{port}"));
    format!("{scheme}://{host}{}", port.unwrap_or_default())
}

fn is_origin(text: &str) -> bool {
    web(text).is_some_and(|web| serialised(&web) == text)
}

/// What an authorization response is made of: a redirect URI that brings it along would answer for us.
const ANSWER: [&str; 5] = ["code", "state", "iss", "error", "response"];

fn is_redirect(text: &str) -> bool {
    let own_scheme = text.split_once(':').is_some_and(|(scheme, _)| {
        // RFC 8252 §7.1: a private-use scheme is a reversed domain name.
        scheme.contains('.')
    });
    let may_lead = web(text).is_some() || own_scheme && is_absolute(text);
    may_lead && !text.contains(['@', '*']) && !answers(text)
}

/// Whatever an application might take for a name of ours counts: escaped, and behind `;`, which some divide at.
fn answers(text: &str) -> bool {
    let Some((_, query)) = text.split_once('?') else { return false };
    query.split(['&', ';', '?']).any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        ANSWER.contains(&&*unescaped(name))
    })
}

#[cfg(test)]
mod tests {
    use super::{Origin, RedirectUri};
    use crate::client_terms::WebUri;

    #[test]
    fn attack_rows_2_3_5_6_a_redirect_that_confuses_is_not_registered() {
        for (text, may) in [
            ("https://app.example/cb", true),
            ("https://app.example/cb?tenant=1", true),
            ("http://127.0.0.1/cb", true),
            ("http://127.0.0.1:8400/cb", true),
            ("http://[::1]/cb", true),
            ("http://localhost:3000/cb", true),
            ("com.example.app:/cb", true),
            ("com.example.app://cb", true),
            ("http://localhost.evil.test/cb", false),
            ("http://127.0.0.1.evil.test/cb", false),
            ("http://127.0.0.2/cb", false),
            ("http://0.0.0.0/cb", false),
            ("https://app.example@evil.test/cb", false),
            ("https://a@b@c/cb", false),
            ("com.example.app://a@b/cb", false),
            ("https://app.example/cb?code=x", false),
            ("https://app.example/cb?a=1&state=x", false),
            ("https://app.example/cb?a=1;state=x", false),
            ("https://app.example/cb?c%6Fde=x", false),
            ("https://app.example/cb?iss", false),
            ("https://app.example/cb?error=", false),
            ("https://app.example/cb?response=x", false),
            ("https://app.example/cb?barcode=x", true),
            ("com.example.app:/cb?code=x", false),
            ("https://app.example/cb#", false),
            ("https://app.example/cb#code=x", false),
            ("https://*.example/cb", false),
            ("https://app.example/*", false),
            ("javascript:alert(1)", false),
            ("JaVaScRiPt:alert(1)", false),
            ("data:text/html,x", false),
            ("vbscript:x", false),
            ("file:///etc/passwd", false),
            ("myapp:/cb", false),
            ("http://app.example/cb", false),
            ("//app.example/cb", false),
            ("/cb", false),
            ("", false),
        ] {
            assert_eq!(text.parse::<RedirectUri>().is_ok(), may, "{text}");
        }
        assert!("com.example.app:/jwks".parse::<WebUri>().is_err());
    }

    #[track_caller]
    fn check(registered: &str, presented: &str, expected: bool) {
        let registered: RedirectUri = registered.parse().unwrap();
        assert_eq!(registered.admits(presented), expected, "{registered} {presented}");
    }

    #[test]
    fn attack_rows_1_2_3_4_a_redirect_is_compared_byte_for_byte() {
        let app = "https://app.example/allowed/cb";
        check(app, app, true);
        for other in [
            "https://app.example/allowed/..;/evil",
            "https://app.example/allowed/cb/",
            "https://app.example/allowed/cb/../cb",
            "https://app.example/allowed/./cb",
            "https://app.example/allowed//cb",
            "https://app.example/allowed/%63b",
            "https://app.example/allowed/CB",
            "https://APP.example/allowed/cb",
            "https://app.example:443/allowed/cb",
            "https://app.example:8443/allowed/cb",
            "https://app.example/allowed/cb?x=1",
            "https://app.example/allowed/cb#",
            "https://app.example@evil.test/allowed/cb",
            "https://app.example.evil.test/allowed/cb",
            "http://app.example/allowed/cb",
            " https://app.example/allowed/cb",
            "",
        ] {
            check(app, other, false);
        }
        check("com.example.app:/cb", "com.example.app:/cb", true);
        check("com.example.app:/cb", "COM.example.app:/cb", false);
    }

    #[test]
    fn rfc8252_7_3_the_port_alone_may_differ_on_a_loopback_address() {
        let native = "http://127.0.0.1/cb?a=1";
        for (presented, expected) in [
            (native, true),
            ("http://127.0.0.1:51004/cb?a=1", true),
            ("http://127.0.0.1:51004/cb?a=2", false),
            ("http://127.0.0.1:51004/CB?a=1", false),
            ("http://127.0.0.1:99999/cb?a=1", false),
            ("http://127.0.0.1:/cb?a=1", false),
            ("http://127.0.0.1:+80/cb?a=1", false),
            ("http://localhost:51004/cb?a=1", false),
            ("http://localhost/cb?a=1", false),
            ("http://[::1]/cb?a=1", false),
            ("https://127.0.0.1/cb?a=1", false),
            ("http://127.0.0.1:80@evil.test/cb?a=1", false),
            ("http://127.0.0.1.evil.test/cb?a=1", false),
            ("http://evil.test/cb?a=1", false),
            ("http://127.0.0.1:51004/cb?a=1#", false),
        ] {
            check(native, presented, expected);
        }
        check("http://[::1]:1/", "http://[::1]:2/", true);
        check("http://localhost:1/cb", "http://localhost:2/cb", false);
        check("https://127.0.0.1:1/cb", "https://127.0.0.1:2/cb", false);
    }

    #[test]
    fn rfc6454_6_2_an_origin_is_as_browsers_write_it() {
        for (text, may) in [
            ("https://app.example", true),
            ("https://app.example:8443", true),
            ("http://localhost:5173", true),
            ("http://[::1]:5173", true),
            ("https://app.example/", false),
            ("https://app.example:443", false),
            ("http://localhost:80", false),
            ("https://App.example", false),
            ("http://app.example", false),
            ("https://*.example", false),
            ("null", false),
            ("*", false),
            ("com.example.app:", false),
        ] {
            assert_eq!(text.parse::<Origin>().is_ok(), may, "{text}");
        }
        for (uri, origin) in [
            ("HTTPS://App.Example:443/cb", Some("https://app.example")),
            ("http://127.0.0.1:8400/cb", Some("http://127.0.0.1:8400")),
            ("com.example.app:/cb", None),
        ] {
            let uri: RedirectUri = uri.parse().unwrap();
            assert_eq!(uri.origin().as_ref().map(Origin::as_str), origin, "{uri}");
        }
    }
}
