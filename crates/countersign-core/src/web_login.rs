//! Attempts to sign in at a web app, and where a browser goes that has.
//!
//! **Invariant.** A browser is sent on to a path of the same origin alone.

use serde::{Deserialize, Serialize};

use crate::attempt::Goal;
use crate::web_app::WebAppName;

/// The longest path that a browser is sent on to: what is longer would not fit into a cookie with the rest.
const MOST_PATH: usize = 1024;

/// What an attempt to sign in at a web app is for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebLogin {
    /// The web app.
    pub app: WebAppName,
    /// Where the browser wanted to go.
    pub return_to: String,
}

impl Goal for WebLogin {
    const PURPOSE: &'static str = "login_attempt";
}

impl WebLogin {
    /// Goes on to a path of the same origin, or to `/`.
    #[must_use]
    pub fn new(app: WebAppName, return_to: &str) -> Self {
        Self { app, return_to: own_path(return_to).to_owned() }
    }
}

/// Returns where a browser is sent on to: a path of the same origin, or `/`. Browsers read a backslash as a slash, take two slashes
/// for a host, and leave tabs and line ends out (WHATWG URL §4.4).
#[must_use]
pub fn own_path(wanted: &str) -> &str {
    let plain = |byte: u8| matches!(byte, b'!'..=b'~') && byte != b'\\';
    let is_path = wanted.starts_with('/') && !wanted.starts_with("//") && wanted.bytes().all(plain);
    if is_path && wanted.len() <= MOST_PATH { wanted } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn attack_open_redirect_a_browser_is_sent_on_to_a_path_of_the_same_origin_alone() {
        for (wanted, expected) in [
            ("/orders?page=2&x=%2F", "/orders?page=2&x=%2F"),
            ("/", "/"),
            ("", "/"),
            ("orders", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("\\\\evil.example", "/"),
            ("/\t/evil.example", "/"),
            ("https://evil.example/", "/"),
            ("javascript:alert(1)", "/"),
            ("/a\r\nSet-Cookie: x=1", "/"),
            ("/ä", "/"),
            ("/.//evil.example", "/.//evil.example"),
        ] {
            assert_eq!(own_path(wanted), expected, "{wanted}");
        }
        assert_eq!(own_path(&format!("/{}", "x".repeat(1024))), "/", "what a cookie does not hold");
    }
}
