//! What is kept of the browser in which somebody signed in, so that they recognise it in a list. It proves nothing.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The most bytes that are kept of a `User-Agent`: those of browsers have some 120.
const MAX_AGENT: usize = 256;

/// A browser, as it was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenBrowser {
    /// What it calls itself: the start of its `User-Agent` (RFC 9110 §10.1.5), visible ASCII alone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    agent: String,
    /// Whence it called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
}

impl SeenBrowser {
    /// Takes what a request says of its browser.
    #[must_use]
    pub fn new(agent: &str, address: Option<IpAddr>) -> Self {
        let visible = agent.chars().filter(|letter| matches!(letter, ' '..='~'));
        Self {
            agent: visible.take(MAX_AGENT).collect(),
            address: address.map(|address| address.to_canonical()),
        }
    }

    /// Returns what it calls itself; empty: nothing.
    #[must_use]
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// Returns whence it called, if that is known.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_AGENT, SeenBrowser};

    #[test]
    fn rfc9110_10_1_5_what_a_browser_calls_itself_is_bounded_and_breaks_no_line() {
        let seen = SeenBrowser::new("Mozilla/5.0\u{202e}\r\n é (X11)", None);
        assert_eq!(seen.agent(), "Mozilla/5.0  (X11)");
        assert_eq!(SeenBrowser::new(&"a".repeat(100_000), None).agent().len(), MAX_AGENT);
        let mapped = SeenBrowser::new("", Some("::ffff:192.0.2.1".parse().unwrap()));
        assert_eq!(mapped.address(), Some("192.0.2.1".parse().unwrap()));
        let text = serde_json::to_string(&mapped).unwrap();
        assert_eq!(serde_json::from_str::<SeenBrowser>(&text).unwrap(), mapped);
    }
}
