//! `Forwarded` by its grammar (RFC 7239 §4): a list of elements, each of pairs, whose values are tokens or quoted
//! strings (RFC 9110 §5.6.1, §5.6.2, §5.6.4).
//!
//! **Invariant.** A comma or semicolon within a quoted string cuts nothing, so that whoever chooses a value, such as
//! the host that a proxy copies, adds neither a pair nor an element.
//!
//! What it does not do: believe anything, or look at an element that it is not asked to read.

use std::borrow::Cow;

/// A trusted proxy said something that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// What one proxy wrote down of the request it received.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    /// Where it came from: `for`.
    pub(crate) node: Option<Cow<'a, [u8]>>,
    /// How it was made: `proto`.
    pub(crate) proto: Option<Cow<'a, [u8]>>,
}

/// Cuts a field value into its elements; empty ones are none (RFC 9110 §5.6.1.2).
pub(crate) fn elements(value: &[u8]) -> Vec<&[u8]> {
    let mut elements = Vec::new();
    let mut rest = value;
    while !rest.is_empty() {
        let (element, after) = rest.split_at_checked(element_end(rest)).unwrap_or((rest, &[]));
        let element = element.trim_ascii();
        if !element.is_empty() {
            elements.push(element);
        }
        rest = after.get(1..).unwrap_or_default();
    }
    elements
}

/// Returns where the first comma outside a quoted string stands, or the end.
fn element_end(bytes: &[u8]) -> usize {
    let (mut quoted, mut escaped, mut before) = (false, false, b' ');
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if quoted => quoted = false,
            // The grammar has a quoted string as the value of a pair and nowhere else.
            b'"' if before == b'=' => quoted = true,
            b',' if !quoted => return at,
            _ => {}
        }
        before = *byte;
    }
    bytes.len()
}

impl<'a> Element<'a> {
    /// Reads an element: `for=192.0.2.60;proto=http;by=203.0.113.43`.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] unless it is one by the grammar, each of its parameters once.
    pub(crate) fn read(element: &'a [u8]) -> Result<Self, Unreadable> {
        let mut read = Self::default();
        let mut names: Vec<&[u8]> = Vec::new();
        let mut rest = element.trim_ascii();
        while !rest.is_empty() {
            // `[ pair ] *( ";" [ pair ] )`: pairs may be missing. Blanks around `;` are written in the field.
            if let Some(after) = rest.strip_prefix(b";") {
                rest = after.trim_ascii_start();
                continue;
            }
            let (name, value, after) = pair(rest)?;
            // RFC 7239 §4: each parameter MUST NOT occur more than once per field-value element.
            if names.iter().any(|earlier| earlier.eq_ignore_ascii_case(name)) {
                return Err(Unreadable);
            }
            names.push(name);
            if name.eq_ignore_ascii_case(b"for") {
                read.node = Some(value);
            } else if name.eq_ignore_ascii_case(b"proto") {
                read.proto = Some(value);
            }
            rest = after.trim_ascii_start();
            if !rest.is_empty() && !rest.starts_with(b";") {
                return Err(Unreadable);
            }
        }
        Ok(read)
    }
}

/// A pair, and what follows it.
type Pair<'a> = (&'a [u8], Cow<'a, [u8]>, &'a [u8]);

fn pair(bytes: &[u8]) -> Result<Pair<'_>, Unreadable> {
    let (name, after) = token(bytes)?;
    let after = after.strip_prefix(b"=").ok_or(Unreadable)?;
    let (value, after) = match after.strip_prefix(b"\"") {
        Some(quoted) => quoted_string(quoted).map(|(value, after)| (Cow::Owned(value), after))?,
        None => token(after).map(|(value, after)| (Cow::Borrowed(value), after))?,
    };
    Ok((name, value, after))
}

/// RFC 9110 §5.6.2.
fn token(bytes: &[u8]) -> Result<(&[u8], &[u8]), Unreadable> {
    let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let end = bytes.iter().position(|byte| !is_tchar(byte)).unwrap_or(bytes.len());
    bytes.split_at_checked(end).filter(|(token, _)| !token.is_empty()).ok_or(Unreadable)
}

/// RFC 9110 §5.6.4: what stands after the opening quote, without quotes and backslashes.
fn quoted_string(bytes: &[u8]) -> Result<(Vec<u8>, &[u8]), Unreadable> {
    let mut value = Vec::new();
    let mut rest = bytes;
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Ok((value, after)),
            [b'\\', byte, after @ ..] | [byte, after @ ..] if is_text(*byte) => {
                value.push(*byte);
                after
            }
            [] | [..] => return Err(Unreadable),
        }
    }
}

/// What may stand in a quoted string: tab, blank, visible characters and `obs-text`.
const fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::{Element, elements};

    /// Checks the elements of a field value as `node proto`; `-`: not said; `!`: not readable.
    #[track_caller]
    fn check(value: &str, expected: &[&str]) {
        let word = |value: Option<std::borrow::Cow<'_, [u8]>>| {
            value.map_or_else(|| "-".to_owned(), |value| String::from_utf8_lossy(&value).into_owned())
        };
        let told = elements(value.as_bytes()).into_iter().map(|element| match Element::read(element) {
            Ok(read) => format!("{} {}", word(read.node), word(read.proto)),
            Err(_) => "!".to_owned(),
        });
        assert_eq!(told.collect::<Vec<_>>(), expected, "{value}");
    }

    #[test]
    fn rfc7239_4_elements_and_pairs() {
        check("for=192.0.2.60;proto=http;by=203.0.113.43", &["192.0.2.60 http"]);
        check("For=\"[2001:db8:cafe::17]:4711\"", &["[2001:db8:cafe::17]:4711 -"]);
        check("for=192.0.2.43, for=198.51.100.17", &["192.0.2.43 -", "198.51.100.17 -"]);
        check("for=_gazonk;PROTO=\"https\"", &["_gazonk https"]);
        check("proto=https;host=a", &["- https"]);
        check("for=a;ext=\"x\"; secret=y", &["a -"]);
        check("for=\"\"", &[" -"]);
    }

    #[test]
    fn rfc9110_5_6_1_empty_elements_and_missing_pairs_are_legal() {
        check("", &[]);
        check(" , ,\t", &[]);
        check(",for=a,, for=b ,", &["a -", "b -"]);
        check("for=a;", &["a -"]);
        check(";for=a;;proto=http;", &["a http"]);
        check("for=a ; proto=http ;", &["a http"]);
    }

    #[test]
    fn rfc9110_5_6_4_what_is_quoted_cuts_nothing() {
        check("for=192.0.2.1;host=\"x,for=192.0.2.7;y=\"", &["192.0.2.1 -"]);
        check("for=a;host=\"x\\\",for=b;y=\"", &["a -"]);
        check("for=a;host=\"x\\\\\",for=b", &["a -", "b -"]);
        check("host=\"a;b\";for=c", &["c -"]);
        check("for=\"\\1\\92.0.2.1\"", &["192.0.2.1 -"]);
        check("for=a;host=\"é\t \"", &["a -"]);
    }

    #[test]
    fn what_is_no_element_is_told_from_its_neighbours() {
        for element in [
            "for",
            "for=",
            "=a",
            "for = a",
            "for= a",
            "for=a b",
            "for=a=b",
            "for=a:80",
            "for=[2001:db8::1]",
            "for=\"a\"b",
            "for=\"a\"\"b\"",
            "for=a\"b\"",
            "for=a;for=b",
            "for=a;FOR=a",
            "for=a;x=1;X=2",
            "for=é",
            "192.0.2.1",
            "\"for\"=a",
            "for=(a)",
        ] {
            check(element, &["!"]);
            check(&format!("for=a,{element},for=b"), &["a -", "!", "b -"]);
        }
        for open in ["for=\"a", "for=\"a\\", "for=\"a\\\"", "for=\""] {
            check(open, &["!"]);
            check(&format!("for=a,{open}"), &["a -", "!"]);
            check(&format!("{open},for=b"), &["!"]);
        }
    }
}
