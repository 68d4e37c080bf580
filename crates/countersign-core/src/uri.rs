//! URIs as OAuth registers and compares them: byte for byte (RFC 6749 §3.1.2, RFC 8707 §2).

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// The longest URI that is kept; a bound, not a clause.
pub(crate) const MAX_URI: usize = 512;

/// Tells whether `text` is an absolute URI without a fragment: a scheme, then only what RFC 3986 §2 lets stand in a URI.
pub(crate) fn is_absolute(text: &str) -> bool {
    scheme(text).is_some_and(|(_, rest)| !rest.is_empty() && rest.bytes().all(may_stand))
        && text.len() <= MAX_URI
        && escapes(text)
}

/// Tells whether `text` is an absolute `https` URI that names a host, or `http` for this machine alone, without userinfo.
pub(crate) fn is_web(text: &str) -> bool {
    web(text).is_some()
}

/// The parts of a URI of the web, as they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Web<'a> {
    /// `https`, or `http`, in any case.
    pub(crate) scheme: &'a str,
    /// A name, or an address: that of version 6 in its brackets.
    pub(crate) host: &'a str,
    /// What is said of the port.
    pub(crate) port: Option<u16>,
    /// Path and query.
    pub(crate) rest: &'a str,
}

/// Divides a URI for which [`is_web`] holds. Whatever two parsers could divide differently is none.
pub(crate) fn web(text: &str) -> Option<Web<'_>> {
    let (scheme, rest) = scheme(text).filter(|_| is_absolute(text))?;
    let rest = rest.strip_prefix("//")?;
    let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, digits)) if !digits.ends_with(']') => (host, Some(port(digits)?)),
        _ => (authority, None),
    };
    let loopback = LOOPBACK.contains(&host) || host == "localhost";
    let may = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http") && loopback;
    (is_host(host) && may).then_some(Web { scheme, host, port, rest })
}

/// The addresses of this machine (RFC 8252 §7.3).
pub(crate) const LOOPBACK: [&str; 2] = ["127.0.0.1", "[::1]"];

/// RFC 3986 §3.2.3, and what sockets take; never a sign, which Rust would read.
fn port(digits: &str) -> Option<u16> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// A name of the DNS, or an address. RFC 3986 §3.2.2 lets names be more: nothing answers by such a one.
fn is_host(host: &str) -> bool {
    let name = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
    };
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => name(host),
    }
}

/// Takes the escapes out of a part of a URI (RFC 3986 §2.1). What is no text then stays as it is written.
pub(crate) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let decoded = (byte == b'%').then(|| Some(digit(bytes.next())? * 16 + digit(bytes.next())?));
        plain.push(decoded.flatten().and_then(|code| u8::try_from(code).ok()).unwrap_or(byte));
    }
    String::from_utf8(plain).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Divides at the scheme (RFC 3986 §3.1).
fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let begins = scheme.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let goes_on = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    (begins && goes_on).then_some((scheme, rest))
}

/// RFC 3986 §2.2 and §2.3, and `%`; `#` begins a fragment, which none of ours has.
const fn may_stand(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b':'
                | b'/'
                | b'?'
                | b'['
                | b']'
                | b'@'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b'%'
        )
}

/// RFC 3986 §2.1: `%` is followed by two hexadecimal digits.
fn escapes(text: &str) -> bool {
    let digits = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    text.split('%').skip(1).all(digits)
}

#[cfg(test)]
mod tests {
    use super::{MAX_URI, is_absolute, is_web};

    #[test]
    fn rfc8707_2_a_resource_is_an_absolute_uri_without_a_fragment() {
        for (text, absolute, web) in [
            ("https://api.example.com", true, true),
            ("https://api.example.com:8443/v1?a=%20", true, true),
            ("http://localhost:8000", true, true),
            ("http://127.0.0.1/", true, true),
            ("http://[::1]:80/", true, true),
            ("http://api.example.com", true, false),
            ("http://localhost.evil.test", true, false),
            ("http://localhost@evil.test", true, false),
            ("https://a@b/", true, false),
            ("https:///path", true, false),
            ("https://api.example.com:+443/", true, false),
            ("https://api.example.com:65536/", true, false),
            ("https://api.example.com:/", true, false),
            ("https://*.example.com/", true, false),
            ("https://api.example.com%2eevil.test/", true, false),
            ("https://[2001:db8::1]/", true, true),
            ("https://[example]/", true, false),
            ("https://[::1]evil.test/", true, false),
            ("urn:example:api", true, false),
            ("JaVaScRiPt:alert(1)", true, false),
            ("https://api.example.com/#", false, false),
            ("https://api.example.com/%2", false, false),
            ("https://api.example.com/%zz", false, false),
            ("https://api.example.com/ a", false, false),
            ("https://api.example.com/\u{e9}", false, false),
            ("api.example.com", false, false),
            ("/path", false, false),
            ("1https://x", false, false),
            ("https:", false, false),
            ("", false, false),
        ] {
            assert_eq!((is_absolute(text), is_web(text)), (absolute, web), "{text}");
        }
        let long = |length| format!("https://a/{}", "x".repeat(length - 10));
        assert!(is_absolute(&long(MAX_URI)) && !is_absolute(&long(MAX_URI + 1)));
    }
}
