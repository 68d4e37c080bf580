//! Which host a request is for (RFC 9110 §7.2, RFC 9112 §3.2).
//!
//! **Invariant.** A request names its host once: two `Host` fields, or one that differs from an absolute-form
//! target, are refused, never ranked. Names compare without case, port and trailing dot, here and in every matcher.

use std::collections::BTreeSet;

use http::header::HOST;
use http::{HeaderMap, Uri};
use thiserror::Error;

/// Why a request's host was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HostRefusal {
    /// It names none, two, or not one at all: 400 (RFC 9112 §3.2).
    #[error("expected one Host field with one host, equal to that of an absolute-form target")]
    Invalid,
    /// It names somebody else: 421 (RFC 9110 §15.5.20, SAFETY 15).
    #[error("the host is not served here")]
    Foreign,
}

/// The names under which a listener is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts(BTreeSet<String>);

impl Hosts {
    /// Serves the loopback names and `names`.
    #[must_use]
    pub fn with_loopback<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let all = ["localhost", "127.0.0.1", "[::1]"].into_iter().chain(names);
        Self(all.filter_map(canonical).map(|name| name.to_ascii_lowercase()).collect())
    }

    /// Refuses a request for a host that is not among the names.
    ///
    /// # Errors
    ///
    /// [`HostRefusal::Invalid`] or [`HostRefusal::Foreign`].
    pub fn admit(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), HostRefusal> {
        let host = canonical(host(uri, headers)?).ok_or(HostRefusal::Invalid)?;
        let known = self.0.iter().any(|name| name.eq_ignore_ascii_case(host));
        if known { Ok(()) } else { Err(HostRefusal::Foreign) }
    }
}

/// Returns the host that a request names, as it is written: name and port.
///
/// # Errors
///
/// [`HostRefusal::Invalid`] unless it names exactly one.
pub fn host<'a>(uri: &Uri, headers: &'a HeaderMap) -> Result<&'a str, HostRefusal> {
    let mut fields = headers.get_all(HOST).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else {
        return Err(HostRefusal::Invalid);
    };
    let text = field.to_str().map_err(|_| HostRefusal::Invalid)?;
    if canonical(text).is_none() {
        return Err(HostRefusal::Invalid);
    }
    match uri.authority() {
        Some(authority) if !authority.as_str().eq_ignore_ascii_case(text) => Err(HostRefusal::Invalid),
        Some(_) | None => Ok(text),
    }
}

/// Strips port and trailing dot from `host[:port]`; `None` if it is no host. Case is left to the comparison.
#[must_use]
pub fn canonical(text: &str) -> Option<&str> {
    let (name, port) = match text.strip_prefix('[') {
        Some(_) => text.split_at_checked(text.find(']')? + 1)?,
        None => text.split_at_checked(text.find(':').unwrap_or(text.len()))?,
    };
    let port_is_a_number = match port.strip_prefix(':') {
        Some(digits) => digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => port.is_empty(),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    (port_is_a_number && is_name(name)).then_some(name)
}

fn is_name(name: &str) -> bool {
    let inner = name.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            (1..=253).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
                && !name.starts_with('.')
                && !name.contains("..")
                && !name.ends_with('.')
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{HostRefusal, Hosts, canonical};

    #[track_caller]
    fn check(uri: &str, fields: &[&str], expected: Result<(), HostRefusal>) {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append("host", HeaderValue::from_bytes(field.as_bytes()).unwrap());
        }
        let hosts = Hosts::with_loopback(["Admin.Example.com."]);
        assert_eq!(hosts.admit(&uri.parse().unwrap(), &headers), expected, "{uri} {fields:?}");
    }

    #[test]
    fn safety_15_a_foreign_host_is_misdirected() {
        for host in ["evil.example", "localhost.evil.example", "127.0.0.2", "admin.example.com.evil.example"]
        {
            check("/", &[host], Err(HostRefusal::Foreign));
        }
        for host in [
            "localhost",
            "LOCALHOST:8081",
            "localhost.",
            "127.0.0.1:1",
            "[::1]:8081",
            "ADMIN.example.com:443",
        ] {
            check("/", &[host], Ok(()));
        }
    }

    #[test]
    fn rfc9112_3_2_a_request_names_its_host_once() {
        check("/", &[], Err(HostRefusal::Invalid));
        check("/", &["localhost", "localhost"], Err(HostRefusal::Invalid));
        check("http://localhost:1/", &["localhost:1"], Ok(()));
        check("http://localhost/", &["admin.example.com"], Err(HostRefusal::Invalid));
        for host in
            ["", "a,b", "a b", "user@localhost", "localhost:x", "localhost:123456", "[::1", "a..b", "é"]
        {
            check("/", &[host], Err(HostRefusal::Invalid));
        }
    }

    #[test]
    fn a_host_has_one_canonical_form() {
        for (text, name) in [("a.b:80", "a.b"), ("a.b.", "a.b"), ("a.b.:80", "a.b"), ("[::1]:80", "[::1]")] {
            assert_eq!(canonical(text), Some(name));
        }
    }
}
