//! The head of an upstream's answer: how its content is framed (RFC 9112 §6), and what its trailers may say.
//!
//! **Invariant.** Framing is derived, never copied: what the caller is told of the length is what was understood here. An
//! answer that two readers could end at different places is none.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode, Version};

use crate::headers;

/// The framing of the answer cannot be understood, or would be lost on the way to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidFraming;

/// Leaves of an answer's framing what is true of it.
///
/// # Errors
///
/// [`InvalidFraming`] for a transfer coding other than `chunked` alone, for any in HTTP/1.0, and for lengths that are none
/// or differ.
pub(crate) fn settle(
    status: StatusCode,
    version: Version,
    headers: &mut HeaderMap,
) -> Result<(), InvalidFraming> {
    if headers.contains_key(TRANSFER_ENCODING) {
        // RFC 9112 §6.1: a coding in HTTP/1.0 is faulty framing; and a coding beside `chunked` would have to be undone
        // here, because it ends with this hop.
        if version != Version::HTTP_11 || !headers::is_chunked_alone(headers) {
            return Err(InvalidFraming);
        }
        // RFC 9112 §6.3: the coding overrides a length, which is removed before the answer is passed on.
        headers.remove(CONTENT_LENGTH);
        return Ok(());
    }
    match length(headers)? {
        Length::None | Length::One if status != StatusCode::NO_CONTENT => {}
        Length::Repeated(length) if status != StatusCode::NO_CONTENT => {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        // RFC 9110 §8.6: an answer 204 has no length.
        Length::None | Length::One | Length::Repeated(_) => {
            headers.remove(CONTENT_LENGTH);
        }
    }
    Ok(())
}

/// What an answer says of its length.
enum Length {
    None,
    One,
    Repeated(u64),
}

/// Reads the length. RFC 9110 §8.6: a list of the same number counts as that number.
fn length(headers: &HeaderMap) -> Result<Length, InvalidFraming> {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    match (lines.next(), lines.next()) {
        (None, _) => return Ok(Length::None),
        (Some(line), None) if number(line.as_bytes()).is_some() => return Ok(Length::One),
        (Some(_), _) => {}
    }
    let lines = headers.get_all(CONTENT_LENGTH).iter();
    let mut all = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',').map(number));
    let Some(Some(length)) = all.next() else {
        return Err(InvalidFraming);
    };
    if all.all(|other| other == Some(length)) { Ok(Length::Repeated(length)) } else { Err(InvalidFraming) }
}

/// RFC 9110 §8.6: digits and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    let text = str::from_utf8(text.trim_ascii()).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Removes from an answer's trailers what only a header section may say (RFC 9110 §6.5.1).
pub(crate) fn settle_trailers(trailers: &mut HeaderMap) {
    headers::downstream(trailers);
    trailers.remove(CONTENT_LENGTH);
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};

    use super::{InvalidFraming, settle, settle_trailers};

    fn fields(fields: &[(&str, &str)]) -> HeaderMap {
        let fields = fields.iter().map(|(name, value)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        });
        let mut headers = HeaderMap::new();
        fields.for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    }

    #[track_caller]
    fn check(
        head: (u16, Version),
        received: &[(&str, &str)],
        expected: Result<Option<&str>, InvalidFraming>,
    ) {
        let mut headers = fields(received);
        let settled = settle(StatusCode::from_u16(head.0).unwrap(), head.1, &mut headers);
        let lengths: Vec<_> = headers.get_all("content-length").iter().collect();
        let found =
            settled.map(|()| lengths.iter().map(|length| length.to_str().unwrap()).collect::<Vec<_>>());
        assert_eq!(found, expected.map(|length| length.into_iter().collect()), "{head:?} {received:?}");
    }

    const OK: (u16, Version) = (200, Version::HTTP_11);
    const OLD: (u16, Version) = (200, Version::HTTP_10);

    #[test]
    fn rfc9112_6_3_a_coding_overrides_a_length() {
        let chunked = ("transfer-encoding", "chunked");
        check(OK, &[chunked], Ok(None));
        check(OK, &[("transfer-encoding", "Chunked"), ("content-length", "3")], Ok(None));
        check(OK, &[("content-length", "3"), chunked, ("content-length", "x")], Ok(None));
    }

    #[test]
    fn rfc9112_6_1_a_coding_that_would_be_lost_is_no_answer() {
        for coding in [
            "gzip, chunked",
            "chunked, gzip",
            "gzip",
            "identity",
            "chunked, chunked",
            "chunked;a=b",
            "",
            "xchunked",
        ] {
            check(OK, &[("transfer-encoding", coding)], Err(InvalidFraming));
        }
        let chunked = ("transfer-encoding", "chunked");
        check(OK, &[("transfer-encoding", "gzip"), chunked], Err(InvalidFraming));
        check(OK, &[chunked, chunked], Err(InvalidFraming));
        check(OLD, &[chunked], Err(InvalidFraming));
        check(OLD, &[("content-length", "3"), chunked], Err(InvalidFraming));
    }

    #[test]
    fn rfc9110_8_6_a_length_is_one_number() {
        let length = |value| ("content-length", value);
        check(OK, &[], Ok(None));
        check(OLD, &[length("2")], Ok(Some("2")));
        check(OK, &[length("2, 2")], Ok(Some("2")));
        check(OK, &[length("2"), length("2")], Ok(Some("2")));
        check(OK, &[length("2,2"), length("2")], Ok(Some("2")));
        for value in ["", "+2", "-2", "0x2", "2 2", "2,", ",2", "2, 3", "a", "18446744073709551616", "2;2"] {
            check(OK, &[length(value)], Err(InvalidFraming));
            check(OK, &[length(value), length("2")], Err(InvalidFraming));
        }
        check(OK, &[length("2"), length("3")], Err(InvalidFraming));
    }

    #[test]
    fn rfc9110_8_6_what_has_no_content_has_the_length_that_is_true_of_it() {
        let (none, unchanged) = ((204, Version::HTTP_11), (304, Version::HTTP_11));
        check(none, &[("content-length", "5")], Ok(None));
        check(none, &[("content-length", "x")], Err(InvalidFraming));
        check(unchanged, &[("content-length", "5")], Ok(Some("5")));
        check(unchanged, &[("content-length", "5, 5")], Ok(Some("5")));
    }

    #[test]
    fn rfc9110_6_5_1_trailers_frame_nothing() {
        let mut trailers = fields(&[
            ("content-length", "3"),
            ("transfer-encoding", "chunked"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("countersign-subject", "org_admin"),
            ("grpc-status", "0"),
        ]);
        settle_trailers(&mut trailers);
        assert_eq!(trailers, fields(&[("grpc-status", "0")]));
    }
}
