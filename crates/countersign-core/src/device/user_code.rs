//! The code that a person copies from one screen to another (RFC 8628 §6.1).

use std::str::FromStr;

use thiserror::Error;

use crate::context::Entropy;
use crate::secret::Secret;

/// RFC 8628 §6.1: "20 characters, no vowels", so that no word comes of it and none is mistaken for another.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// RFC 8628 §6.1: eight of twenty are 34.5 bits, which is enough where attempts are few.
const LETTERS: usize = 8;

/// The longest text that may hold one: a letter, and what people put between.
const MOST: usize = 64;

/// What a person types. It is a secret as long as nobody has used it.
#[derive(Debug)]
pub struct UserCode(Secret<String>);

/// The text cannot be a user code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected eight letters, none of them a vowel")]
pub struct NotAUserCode;

impl UserCode {
    /// Draws one, every letter alike.
    pub(super) fn draw(entropy: &mut dyn Entropy) -> Self {
        let mut text = String::with_capacity(LETTERS);
        let mut byte = [0];
        while text.len() < LETTERS {
            entropy.fill(&mut byte);
            let [drawn] = byte;
            // 240 is the greatest multiple of 20 that a byte reaches: above it, the first letters would come more often.
            let letter = ALPHABET.get(usize::from(drawn) % ALPHABET.len()).filter(|_| drawn < 240);
            text.extend(letter.copied().map(char::from));
        }
        Self(Secret::new(text))
    }

    /// Returns the letters, by which it is found.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Returns it as people are shown it: `XXXX-XXXX`.
    #[must_use]
    pub fn shown(&self) -> Secret<String> {
        let letters = self.0.expose();
        let (first, second) = letters.split_at(letters.len() / 2);
        Secret::new(format!("{first}-{second}"))
    }
}

/// RFC 8628 §6.1: case, and whatever people put between the letters, make no difference.
impl FromStr for UserCode {
    type Err = NotAUserCode;

    fn from_str(text: &str) -> Result<Self, NotAUserCode> {
        let letters = text.chars().filter(|letter| !letter.is_whitespace() && !is_dash(*letter));
        let letters: String = letters.map(|letter| letter.to_ascii_uppercase()).take(LETTERS + 1).collect();
        let is_one = letters.len() == LETTERS && letters.bytes().all(|letter| ALPHABET.contains(&letter));
        if is_one && text.len() <= MOST { Ok(Self(Secret::new(letters))) } else { Err(NotAUserCode) }
    }
}

/// The dashes that keyboards and autocorrection make of one.
const fn is_dash(letter: char) -> bool {
    matches!(letter, '-' | '_' | '.' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{ALPHABET, UserCode};
    use crate::context::SeededEntropy;

    #[test]
    fn rfc8628_6_1_a_user_code_is_compared_without_case_and_what_stands_between() {
        for text in [
            "BCDFGHJK",
            "bcdf-ghjk",
            "BCDF GHJK",
            " b c d f - g h j k ",
            "BCDF\u{2013}GHJK",
            "BCDF\u{a0}GHJK",
            "BCDF.GHJK",
        ] {
            let code: UserCode = text.parse().unwrap();
            assert_eq!((code.expose(), code.shown().expose().as_str()), ("BCDFGHJK", "BCDF-GHJK"), "{text}");
            assert!(!format!("{code:?}").contains("BCDF"), "SAFETY 25");
        }
        let long = format!("BCDFGHJK{}", " ".repeat(64));
        for text in ["", "BCDFGHJ", "BCDFGHJKL", "BCDFGHJA", "BCDFGHJ1", "BCDFGHJ\u{c9}", "BCDF/GHJK", &long]
        {
            assert!(text.parse::<UserCode>().is_err(), "{text}");
        }
    }

    #[test]
    fn rfc8628_6_1_every_letter_is_drawn_as_often_as_any_other() {
        let mut entropy = SeededEntropy::new(1);
        let mut drawn = BTreeMap::new();
        for _ in 0..5000 {
            let code = UserCode::draw(&mut entropy);
            assert!(code.expose().parse::<UserCode>().is_ok());
            code.expose().bytes().for_each(|letter| *drawn.entry(letter).or_insert(0_u32) += 1);
        }
        assert_eq!(drawn.len(), ALPHABET.len());
        // 2000 of each are expected; six deviations of the binomial distribution are 262.
        assert!(drawn.values().all(|n| n.abs_diff(2000) < 262), "{drawn:?}");
    }
}
