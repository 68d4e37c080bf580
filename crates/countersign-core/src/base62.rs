//! Base62 with the alphabet `0-9A-Za-z`: the text of ids, key bodies and checksums.
//!
//! One charset without punctuation, so that a double click selects a whole credential.
//! What it does not do: variable-length numbers. Every text here has the length its caller names.

use crate::entropy::Entropy;

/// The alphabet, in the order of the digits' values.
pub const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// 62 to the tenth: the digits that are divided out in one word.
const WORD: u128 = 62_u128.pow(10);

/// Digits of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digits<const WIDTH: usize>([u8; WIDTH]);

impl<const WIDTH: usize> Digits<WIDTH> {
    /// Returns them as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Writes `value` as `WIDTH` digits, left-padded with `0`. Digits above `WIDTH` are dropped.
#[must_use]
pub fn encode<const WIDTH: usize>(mut value: u128) -> Digits<WIDTH> {
    let mut digits = [b'0'; WIDTH];
    // 64 bits are divided by one instruction, 128 by a call.
    for ten in digits.rchunks_mut(10) {
        let mut word = u64::try_from(value % WORD).unwrap_or(0);
        value /= WORD;
        for digit in ten.iter_mut().rev() {
            let index = usize::try_from(word % 62).unwrap_or(0);
            *digit = ALPHABET.get(index).copied().unwrap_or(b'0');
            word /= 62;
        }
    }
    Digits(digits)
}

/// Reads digits written by [`encode`]; `None` for a foreign character, an empty text or a value above 128 bits.
#[must_use]
pub fn decode(text: &str) -> Option<u128> {
    if text.is_empty() {
        return None;
    }
    text.bytes()
        .try_fold(0_u128, |value, byte| value.checked_mul(62)?.checked_add(u128::from(digit_value(byte)?)))
}

/// Draws `length` characters uniformly: rejection sampling, so that no character is likelier than another.
pub fn random(entropy: &mut dyn Entropy, length: usize) -> String {
    let mut text = String::with_capacity(length);
    let mut buffer = [0_u8; 64];
    while text.len() < length {
        entropy.fill(&mut buffer);
        // 248 = 4 * 62 is the largest multiple of 62 in a byte; what lies above would favour the first digits.
        let drawn =
            buffer.iter().filter(|byte| **byte < 248).filter_map(|byte| ALPHABET.get(usize::from(byte % 62)));
        text.extend(drawn.take(length - text.len()).map(|byte| char::from(*byte)));
    }
    text
}

/// Tells whether every byte of `text` is a digit of the alphabet.
#[must_use]
pub fn is_base62(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn digit_value(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'Z' => Some(byte - b'A' + 10),
        b'a'..=b'z' => Some(byte - b'a' + 36),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{WORD, decode, encode, random};
    use crate::entropy::SeededEntropy;

    #[test]
    fn encode_and_decode_are_inverse_at_the_edges() {
        for value in [0, 1, 61, 62, u128::from(u32::MAX), WORD - 1, WORD, WORD * WORD, u128::MAX] {
            assert_eq!(decode(encode::<22>(value).as_str()), Some(value));
        }
        assert_eq!(encode::<1>(62).as_str(), "0");
        assert_eq!(encode::<2>(62).as_str(), "10");
        assert_eq!(encode::<10>(WORD + 61).as_str(), "000000000z");
        assert_eq!(encode::<12>(WORD).as_str(), "010000000000");
    }

    #[test]
    fn decode_refuses_foreign_and_oversized_text() {
        for text in ["", "-", "a_b", "é", "zzzzzzzzzzzzzzzzzzzzzzz"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    #[test]
    fn random_text_uses_the_whole_alphabet_evenly() {
        let text = random(&mut SeededEntropy::new(7), 62_000);
        for byte in super::ALPHABET {
            let count = text.bytes().filter(|other| other == byte).count();
            assert!((800..1200).contains(&count), "{} occurs {count} times", char::from(*byte));
        }
    }
}
