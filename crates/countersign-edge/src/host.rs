//! Which host a request is for (RFC 9110 §7.2, RFC 9112 §3.2).
//!
//! **Invariant.** A request names its host once: two `Host` fields, or one that differs from an absolute-form
//! target, are refused, never ranked. Names compare without case, port and trailing dot, addresses as addresses
//! (RFC 5952 §4: one address has many spellings), here and in every matcher.

use std::net::{IpAddr, Ipv6Addr};

use http::header::HOST;
use http::{HeaderMap, Uri};
use thiserror::Error;

/// Why a request's host was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HostRefusal {
    /// It names none, two, or not one at all: 400 (RFC 9112 §3.2).
    #[error(
        "expected one Host field with one host, equal to that of an absolute-form target of http or https"
    )]
    Invalid,
    /// It names somebody else: 421 (RFC 9110 §15.5.20, SAFETY 15).
    #[error("the host is not served here")]
    Foreign,
}

/// A host in the one form that is compared; without its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host<'a> {
    /// An address. One of IPv4 that is written in IPv6 is one of IPv4 (RFC 4291 §2.5.5.2).
    Address(IpAddr),
    /// A name, without its trailing dot; its case is as written.
    Name(&'a str),
}

impl Host<'_> {
    /// Tells whether both name one host.
    #[must_use]
    pub fn is(self, other: Host<'_>) -> bool {
        match (self, other) {
            (Self::Address(one), Host::Address(other)) => one == other,
            (Self::Name(one), Host::Name(other)) => one.eq_ignore_ascii_case(other),
            (Self::Address(_), Host::Name(_)) | (Self::Name(_), Host::Address(_)) => false,
        }
    }
}

/// Several hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts {
    addresses: Vec<IpAddr>,
    names: Vec<String>,
}

impl Hosts {
    /// Serves the loopback names and `names`; what is no host is left out.
    #[must_use]
    pub fn with_loopback<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let all = ["localhost", "127.0.0.1", "[::1]"].into_iter().chain(names);
        Self::of(all.filter_map(canonical))
    }

    /// Holds `hosts`.
    #[must_use]
    pub fn of<'a>(hosts: impl IntoIterator<Item = Host<'a>>) -> Self {
        let (mut addresses, mut names) = (Vec::new(), Vec::new());
        for host in hosts {
            match host {
                Host::Address(address) => addresses.push(address),
                Host::Name(name) => names.push(name.to_ascii_lowercase()),
            }
        }
        Self { addresses, names }
    }

    /// Tells whether `host` is one of them.
    #[must_use]
    pub fn contains(&self, host: Host<'_>) -> bool {
        match host {
            Host::Address(address) => self.addresses.contains(&address),
            Host::Name(name) => self.names.iter().any(|one| one.eq_ignore_ascii_case(name)),
        }
    }

    /// Refuses a request for a host that is not among the names.
    ///
    /// # Errors
    ///
    /// [`HostRefusal::Invalid`] or [`HostRefusal::Foreign`].
    pub fn admit(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), HostRefusal> {
        let host = canonical(host(uri, headers)?).ok_or(HostRefusal::Invalid)?;
        if self.contains(host) { Ok(()) } else { Err(HostRefusal::Foreign) }
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
    // DIVERGES: RFC 9112 §3.2.2 lets a target name any scheme; nothing else is served here.
    if !matches!(uri.scheme_str(), None | Some("http" | "https")) {
        return Err(HostRefusal::Invalid);
    }
    match uri.authority() {
        Some(authority) if !authority.as_str().eq_ignore_ascii_case(text) => Err(HostRefusal::Invalid),
        Some(_) | None => Ok(text),
    }
}

/// Reads `host[:port]` (RFC 3986 §3.2.2); `None` if it is no host.
#[must_use]
pub fn canonical(text: &str) -> Option<Host<'_>> {
    let (name, port) = match text.strip_prefix('[') {
        Some(_) => text.split_at_checked(text.find(']')? + 1)?,
        None => text.split_at_checked(text.find(':').unwrap_or(text.len()))?,
    };
    is_port(port).then_some(())?;
    match name.strip_prefix('[') {
        Some(address) => {
            let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
            Some(Host::Address(address.to_canonical()))
        }
        None => registered_name(name.strip_suffix('.').unwrap_or(name)),
    }
}

/// Tells whether `text` is nothing, or a colon and a port that may be empty (RFC 3986 §3.2.3).
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(digits) => {
            digits.is_empty()
                || (digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok())
        }
        None => text.is_empty(),
    }
}

fn registered_name(name: &str) -> Option<Host<'_>> {
    let is_name = (1..=253).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
        && !name.starts_with('.')
        && !name.contains("..")
        && !name.ends_with('.');
    is_name.then(|| name.parse().map_or(Host::Name(name), Host::Address))
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
            "[0:0:0:0:0:0:0:1]:8081",
            "[::0:1]",
            "[0000:0000:0000:0000:0000:0000:0000:0001]",
            "[::ffff:127.0.0.1]",
            "[::FFFF:7f00:1]",
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
        for (scheme, expected) in [
            ("HTTP", Ok(())),
            ("https", Ok(())),
            ("ftp", Err(HostRefusal::Invalid)),
            ("ws", Err(HostRefusal::Invalid)),
        ] {
            check(&format!("{scheme}://localhost/"), &["localhost"], expected);
        }
        for host in [
            "",
            "a,b",
            "a b",
            "user@localhost",
            "localhost:x",
            "localhost:123456",
            "localhost:65536",
            "localhost:+80",
            "[::1",
            "[::1]x",
            "[::1].",
            "[localhost]",
            "[127.0.0.1]",
            "[fe80::1%25eth0]",
            "::1",
            "a..b",
            "é",
        ] {
            check("/", &[host], Err(HostRefusal::Invalid));
        }
    }

    #[test]
    fn rfc5952_4_a_host_has_one_canonical_form() {
        for (text, name) in [
            ("a.b:80", "a.b"),
            ("a.b.", "a.b"),
            ("a.b.:80", "a.b"),
            ("A.B:", "a.b"),
            ("[::1]:80", "[0:0:0:0:0:0:0:1]"),
            ("[2001:DB8::0:1]", "[2001:db8:0:0:0:0:0:1]"),
            ("[::ffff:192.0.2.1]:443", "192.0.2.1"),
            ("192.0.2.1.:443", "192.0.2.1"),
        ] {
            let (one, other) = (canonical(text).unwrap(), canonical(name).unwrap());
            assert!(one.is(other) && Hosts::of([one]).contains(other), "{text} {name}");
        }
        for (text, name) in [("a.b", "a.c"), ("[::1]", "127.0.0.1"), ("192.0.2.1", "192.0.2.1.example")] {
            let (one, other) = (canonical(text).unwrap(), canonical(name).unwrap());
            assert!(!one.is(other) && !Hosts::of([one]).contains(other), "{text} {name}");
        }
    }
}
