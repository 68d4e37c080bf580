//! `application/x-www-form-urlencoded`: parameters of a query or of a form, each at most once.
//!
//! **Invariant.** No name is there twice (RFC 6749 §3.1, §3.2), and nothing is read that could be read differently: what
//! is not percent-encoded UTF-8 is an error, never a replacement character.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use thiserror::Error;

use crate::unknown::shown;

/// Parameters, in the order in which they were sent.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Form(Vec<(String, String)>);

/// Why parameters were not read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FormError {
    /// They are not percent-encoded UTF-8.
    #[error("expected percent-encoded UTF-8")]
    Encoding,
    /// One is there twice.
    #[error("the {} is there twice", shown("parameter", .0))]
    Repeated(String),
}

impl Form {
    /// Reads parameters.
    ///
    /// # Errors
    ///
    /// [`FormError::Encoding`] or [`FormError::Repeated`].
    pub fn read(text: &[u8]) -> Result<Self, FormError> {
        Self::read_repeating(text, &[])
    }

    /// Reads parameters of which those named may be there more than once: boxes of one name that people tick (HTML §4.10.22).
    ///
    /// # Errors
    ///
    /// [`FormError::Encoding`] or [`FormError::Repeated`].
    pub fn read_repeating(text: &[u8], repeating: &[&str]) -> Result<Self, FormError> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for (name, value) in Self::read_all(text)?.into_pairs() {
            let repeats = parameters.iter().any(|(earlier, _)| *earlier == name);
            if repeats && !repeating.contains(&name.as_str()) {
                return Err(FormError::Repeated(name));
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// Reads all parameters, however often each is there: for whom it matters which of them is there twice.
    ///
    /// # Errors
    ///
    /// [`FormError::Encoding`].
    pub fn read_all(text: &[u8]) -> Result<Self, FormError> {
        let pairs = text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        let read = pairs.map(|pair| {
            let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at(end);
            Ok((decoded(name, b' ')?, decoded(value.get(1..).unwrap_or_default(), b' ')?))
        });
        read.collect::<Result<_, _>>().map(Self)
    }

    /// Returns the value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    /// Returns every value of `name`, in their order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    /// Gives the parameters away, in their order.
    pub fn into_pairs(self) -> impl Iterator<Item = (String, String)> {
        self.0.into_iter()
    }

    /// Returns the names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

/// Names alone: values may be secrets.
impl std::fmt::Debug for Form {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.names()).finish()
    }
}

/// Returns the media type of what comes with these fields, without parameters; empty: they name none (RFC 9110 §8.3.1).
#[must_use]
pub fn media_type(headers: &HeaderMap) -> &str {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim()
}

/// Tells whether what comes with these fields is a form.
#[must_use]
pub fn is_form(headers: &HeaderMap) -> bool {
    media_type(headers).eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Reads a segment of a path (RFC 3986 §3.3).
///
/// # Errors
///
/// [`FormError::Encoding`].
pub fn path_segment(text: &str) -> Result<String, FormError> {
    decoded(text.as_bytes(), b'+')
}

/// Reads percent-encoded text, in which a plus sign is `plus`.
fn decoded(text: &[u8], plus: u8) -> Result<String, FormError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => plus,
            b'%' => match (digit(rest.next()), digit(rest.next())) {
                (Some(high), Some(low)) => high * 16 + low,
                _ => return Err(FormError::Encoding),
            },
            byte => *byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| FormError::Encoding)
}

fn digit(byte: Option<&u8>) -> Option<u8> {
    let value = char::from(*byte?).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::{Form, FormError};

    #[track_caller]
    fn check(text: &str, expected: &Result<&[(&str, &str)], FormError>) {
        let read = Form::read(text.as_bytes());
        let read = read
            .as_ref()
            .map(|form| form.0.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect::<Vec<_>>());
        assert_eq!(read, expected.as_ref().map(|expected| expected.to_vec()), "{text}");
    }

    #[test]
    fn rfc6749_b_a_form_reads_as_written() {
        check("", &Ok(&[]));
        check("a=1&b=", &Ok(&[("a", "1"), ("b", "")]));
        check("a", &Ok(&[("a", "")]));
        check("&&a=1&", &Ok(&[("a", "1")]));
        check("a=b=c", &Ok(&[("a", "b=c")]));
        check("+%25%26%2B%C2%A3%E2%82%AC=%20", &Ok(&[(" %&+£€", " ")]));
    }

    #[test]
    fn rfc6749_3_2_no_parameter_is_included_twice() {
        let twice = |name: &str| Err(FormError::Repeated(name.to_owned()));
        check("a=1&b=2&a=1", &twice("a"));
        check("a=1&%61=2", &twice("a"));
        check("a&a", &twice("a"));
        check("a=1&A=2", &Ok(&[("a", "1"), ("A", "2")]));
        let text = FormError::Repeated("a\u{202e}".to_owned()).to_string();
        assert_eq!(text, "the parameter is there twice", "a stranger's text is not repeated");
    }

    #[test]
    fn html_4_10_22_boxes_of_one_name_are_all_read() {
        let read = |text: &[u8]| Form::read_repeating(text, &["scope"]);
        let form = read(b"scope=a&x=1&scope=b&scope=a").unwrap();
        assert_eq!(form.all("scope").collect::<Vec<_>>(), ["a", "b", "a"]);
        assert_eq!(read(b"scope=a&x=1&x=1"), Err(FormError::Repeated("x".to_owned())));
    }

    #[test]
    fn what_could_be_read_differently_is_not_read() {
        for text in ["a=%", "a=%4", "a=%zz", "%=1", "a=%ff", "a=%c0%af", "%ed%a0%80", "a=%+1"] {
            check(text, &Err(FormError::Encoding));
        }
    }

    #[test]
    fn safety_25_values_are_not_printed() {
        let form = Form::read(b"client_secret=hunter2&grant_type=x").unwrap();
        assert_eq!(format!("{form:?}"), "[\"client_secret\", \"grant_type\"]");
        assert_eq!((form.get("grant_type"), form.get("scope")), (Some("x"), None));
    }
}
