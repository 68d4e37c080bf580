//! The one form of a request target: what is decided on is what is forwarded.
//!
//! RFC 3986 §6.2.2 lets one path be written in many ways, and every difference between how a proxy and its upstream
//! read it has been an authentication bypass. So a path has one form here or is refused.
//!
//! **Invariants.** Normalising is idempotent. A normal path holds no empty or dot segment, nothing that some
//! decoder would turn into a delimiter, and no character outside visible ASCII. The query decides nothing.
//!
//! What it does not do: merge slashes, resolve `..`, or guess. A client that means `/a/b` can write `/a/b`.

use std::borrow::Cow;

use thiserror::Error;

/// The longest request target: what clients and servers in the field agree on (RFC 9110 §4.1 asks for 8,000).
const MAX_TARGET: usize = 8 * 1024;

/// Why a request target was refused. All are 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PathRefusal {
    /// A control character, or one outside ASCII.
    #[error("a character that a request target may not hold")]
    Character,
    /// `.` or `..`, also with `;parameters`.
    #[error("a dot segment")]
    DotSegment,
    /// `%25` before two hexadecimal digits: somebody would decode it twice.
    #[error("an encoding within an encoding")]
    DoubleEncoding,
    /// `//`.
    #[error("an empty segment")]
    EmptySegment,
    /// An encoded `/`, `\`, `.` or control character.
    #[error("an encoded delimiter, dot or control character")]
    EncodedDelimiter,
    /// `%` without two hexadecimal digits, or octets that are no UTF-8.
    #[error("a percent sign that encodes nothing")]
    Encoding,
    /// Not a path: `*`, an authority, or nothing.
    #[error("expected a path that begins with /")]
    Form,
    /// More than 8 KiB.
    #[error("longer than 8 KiB")]
    Length,
}

impl PathRefusal {
    /// Returns the stable name: the reason in audit and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Character => "target_character",
            Self::DotSegment => "target_dot_segment",
            Self::DoubleEncoding => "target_double_encoding",
            Self::EmptySegment => "target_empty_segment",
            Self::EncodedDelimiter => "target_encoded_delimiter",
            Self::Encoding => "target_encoding",
            Self::Form => "target_form",
            Self::Length => "target_length",
        }
    }
}

/// A request target in normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NormalPath<'a> {
    path: Cow<'a, str>,
    query: Option<&'a str>,
}

impl<'a> NormalPath<'a> {
    /// Brings `path?query` into its normal form.
    ///
    /// # Errors
    ///
    /// [`PathRefusal`] if it has none.
    pub fn parse(target: &'a str) -> Result<Self, PathRefusal> {
        if target.len() > MAX_TARGET {
            return Err(PathRefusal::Length);
        }
        let acceptable = |byte: u8| matches!(byte, 0x21..=0x7E) && !matches!(byte, b'#' | b'\\');
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        if !path.starts_with('/') {
            return Err(PathRefusal::Form);
        }
        // A backslash in the query decides nothing and is left to the upstream; `#` and controls are nowhere.
        let query_is_plain =
            query.is_none_or(|query| query.bytes().all(|byte| byte == b'\\' || acceptable(byte)));
        if !path.bytes().all(acceptable) || !query_is_plain {
            return Err(PathRefusal::Character);
        }
        let path = decode(path)?;
        refuse_segments(&path)?;
        Ok(Self { path, query })
    }

    /// Returns the path, on which everything is decided.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the query as it came.
    #[must_use]
    pub const fn query(&self) -> Option<&str> {
        self.query
    }

    /// Tells whether the target was in normal form as it came, so that it can be forwarded without copying.
    #[must_use]
    pub const fn is_as_received(&self) -> bool {
        matches!(self.path, Cow::Borrowed(_))
    }

    /// Writes what is forwarded.
    #[must_use]
    pub fn to_target(&self) -> String {
        match self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone().into_owned(),
        }
    }
}

/// Decodes what needs no encoding and writes the rest in upper case (RFC 3986 §6.2.2.1, §6.2.2.2).
fn decode(path: &str) -> Result<Cow<'_, str>, PathRefusal> {
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let mut normal = String::with_capacity(path.len());
    let mut octets = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((plain, encoded)) = rest.split_once('%') {
        normal.push_str(plain);
        octets.extend_from_slice(plain.as_bytes());
        let (digits, after) = encoded.split_at_checked(2).ok_or(PathRefusal::Encoding)?;
        let octet = octet(digits).ok_or(PathRefusal::Encoding)?;
        if octet.is_ascii_control() || matches!(octet, b'/' | b'\\' | b'.') {
            return Err(PathRefusal::EncodedDelimiter);
        }
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'~') {
            normal.push(char::from(octet));
        } else {
            normal.push('%');
            normal.push_str(&digits.to_ascii_uppercase());
        }
        octets.push(octet);
        rest = after;
    }
    normal.push_str(rest);
    octets.extend_from_slice(rest.as_bytes());
    // Overlong forms such as %C0%AF are a `/` to some decoders; they are no UTF-8 to any good one.
    if str::from_utf8(&octets).is_err() {
        return Err(PathRefusal::Encoding);
    }
    if encodes_twice(&normal) {
        return Err(PathRefusal::DoubleEncoding);
    }
    Ok(if normal == path { Cow::Borrowed(path) } else { Cow::Owned(normal) })
}

fn octet(digits: &str) -> Option<u8> {
    let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    hexadecimal.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// Tells whether `%25` stands before two hexadecimal digits: decoding the normal form once more would decode them.
fn encodes_twice(normal: &str) -> bool {
    normal.split("%25").skip(1).any(|after| after.get(..2).is_some_and(|next| octet(next).is_some()))
}

fn refuse_segments(path: &str) -> Result<(), PathRefusal> {
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        // `/` alone and a slash at the end leave one empty segment, the last.
        if segment.is_empty() && segments.peek().is_some() {
            return Err(PathRefusal::EmptySegment);
        }
        // `..;x` is `..` to servers that know path parameters, encoded or not.
        let name = segment.split(';').next().unwrap_or_default();
        let name = name.split("%3B").next().unwrap_or_default();
        if name == "." || name == ".." {
            return Err(PathRefusal::DotSegment);
        }
        if name.is_empty() && !segment.is_empty() {
            return Err(PathRefusal::EmptySegment);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{NormalPath, PathRefusal};

    #[track_caller]
    fn check(target: &str, expected: Result<&str, PathRefusal>) {
        let found = NormalPath::parse(target).map(|path| path.to_target());
        assert_eq!(found.as_deref().map_err(|refusal| *refusal), expected, "{target:?}");
    }

    #[test]
    fn rfc3986_6_2_2_a_path_has_one_form() {
        for (target, normal) in [
            ("/", "/"),
            ("/orders", "/orders"),
            ("/orders/", "/orders/"),
            ("/orders/1?x=%2F..%2f&y=//", "/orders/1?x=%2F..%2f&y=//"),
            ("/orders?", "/orders?"),
            ("/%61dmin", "/admin"),
            ("/%41%7e%2D%5f", "/A~-_"),
            ("/a%20b", "/a%20b"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/100%25", "/100%25"),
            ("/a%3fb", "/a%3Fb"),
            ("/a%23b", "/a%23b"),
            ("/...", "/..."),
            ("/.well-known/x", "/.well-known/x"),
            ("/a;v=1/b", "/a;v=1/b"),
            ("/a:b@c,d", "/a:b@c,d"),
            ("/a?b\\c", "/a?b\\c"),
        ] {
            check(target, Ok(normal));
        }
    }

    #[test]
    fn what_a_proxy_and_an_upstream_could_read_differently_is_refused() {
        for (target, refusal) in [
            ("", PathRefusal::Form),
            ("*", PathRefusal::Form),
            ("host:80", PathRefusal::Form),
            ("orders", PathRefusal::Form),
            ("?x", PathRefusal::Form),
            ("/public/../admin", PathRefusal::DotSegment),
            ("/public/./admin", PathRefusal::DotSegment),
            ("/public/..", PathRefusal::DotSegment),
            ("/public/..;/admin", PathRefusal::DotSegment),
            ("/public/..;x=1/admin", PathRefusal::DotSegment),
            ("/public/.;/admin", PathRefusal::DotSegment),
            ("/public/..%3b/admin", PathRefusal::DotSegment),
            ("/public/;/admin", PathRefusal::EmptySegment),
            ("/public/%2e%2e/admin", PathRefusal::EncodedDelimiter),
            ("/public/%2E./admin", PathRefusal::EncodedDelimiter),
            ("/public/..%2fadmin", PathRefusal::EncodedDelimiter),
            ("/public%2Fadmin", PathRefusal::EncodedDelimiter),
            ("/public/..%5cadmin", PathRefusal::EncodedDelimiter),
            ("/a%00", PathRefusal::EncodedDelimiter),
            ("/a%0d%0ax:y", PathRefusal::EncodedDelimiter),
            ("/a%7f", PathRefusal::EncodedDelimiter),
            ("/%252e%252e/admin", PathRefusal::DoubleEncoding),
            ("/%25%32%65", PathRefusal::DoubleEncoding),
            ("/a%2525", PathRefusal::DoubleEncoding),
            ("/%c0%af", PathRefusal::Encoding),
            ("/%ff", PathRefusal::Encoding),
            ("/%u002e", PathRefusal::Encoding),
            ("/%", PathRefusal::Encoding),
            ("/%2", PathRefusal::Encoding),
            ("/%+2", PathRefusal::Encoding),
            ("//admin", PathRefusal::EmptySegment),
            ("/a//b", PathRefusal::EmptySegment),
            ("/a//", PathRefusal::EmptySegment),
            ("/a\\..\\admin", PathRefusal::Character),
            ("/public#/../admin", PathRefusal::Character),
            ("/a?x#y", PathRefusal::Character),
            ("/a b", PathRefusal::Character),
            ("/a\tb", PathRefusal::Character),
            ("/é", PathRefusal::Character),
            ("/a?é", PathRefusal::Character),
        ] {
            check(target, Err(refusal));
        }
        check(&format!("/{}", "a".repeat(8 * 1024)), Err(PathRefusal::Length));
    }

    proptest! {
        #[test]
        fn normalising_is_idempotent(target in "/[a-c%0-9A-F./;?~\\-#\\\\]{0,24}") {
            if let Ok(path) = NormalPath::parse(&target) {
                let once = path.to_target();
                let twice = NormalPath::parse(&once).expect("a normal form is acceptable");
                assert_eq!(twice.to_target(), once);
                assert_eq!(twice.path(), path.path(), "what is forwarded is what was matched");
                assert!(twice.is_as_received());
            }
        }

        #[test]
        fn nothing_panics(target in "(?s).{0,60}") {
            let _outcome = NormalPath::parse(&target);
        }

        #[test]
        fn no_decoder_finds_a_dot_segment_in_a_normal_path(target in "/([.%25eEfFcC2/;a]|%2e|%2f|%25|%5c){0,16}") {
            if let Ok(path) = NormalPath::parse(&target) {
                let mut text = path.path().to_owned();
                for _ in 0..3 {
                    text = text.replace("%25", "%").replace("%2E", ".").replace("%2e", ".").replace("%2F", "/").replace("%2f", "/").replace("%5C", "/");
                    assert!(!text.split('/').any(|segment| segment == ".." || segment == "."), "{target} -> {text}");
                }
            }
        }
    }
}
