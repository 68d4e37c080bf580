//! URIs as OAuth registers and compares them: byte for byte (RFC 6749 §3.1.2, RFC 8707 §2).

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
    let Some((scheme, rest)) = scheme(text).filter(|_| is_absolute(text)) else { return false };
    let Some(rest) = rest.strip_prefix("//") else { return false };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        _ => authority,
    };
    let named = !host.is_empty() && !authority.contains('@');
    let loopback = ["localhost", "127.0.0.1", "[::1]"].contains(&host);
    named && (scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http") && loopback)
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
