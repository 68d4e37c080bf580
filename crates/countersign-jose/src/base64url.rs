//! base64url as JOSE has it (RFC 7515 §2): no padding, no white space, no stray bits, so that bytes have one text.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A text that is not the base64url of anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not base64url without padding (RFC 7515 §2)")]
pub struct Malformed;

/// Writes bytes.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Appends the text of bytes.
pub(crate) fn append(bytes: &[u8], text: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

/// Reads bytes.
///
/// # Errors
///
/// [`Malformed`] for anything that [`encode`] does not write.
pub fn decode(text: &str) -> Result<Vec<u8>, Malformed> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::{Malformed, decode, encode};

    #[track_caller]
    fn check(text: &str, expected: Result<&[u8], Malformed>) {
        assert_eq!(decode(text), expected.map(<[u8]>::to_vec), "{text:?}");
        if let Ok(bytes) = expected {
            assert_eq!(encode(bytes), text);
        }
    }

    #[test]
    fn rfc7515_c_bytes_have_one_text() {
        check("", Ok(b""));
        check("A-z_4ME", Ok(&[3, 236, 255, 224, 193]));
        for text in
            ["A-z_4ME=", "A-z/4ME", "A+z_4ME", "A-z_4MF", "A-z_4M E", "A-z_4ME\n", " A-z_4ME", "A", "AB", "é"]
        {
            check(text, Err(Malformed));
        }
    }
}
