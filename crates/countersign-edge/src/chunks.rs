//! The framing of a chunked body (RFC 9112 §7.1), followed to its end without looking at what is framed.
//!
//! **Invariant.** What is followed here ends where the parser behind lets it end, or is refused: every line ends with CR
//! and LF, a size is hexadecimal digits that fit, and nothing else stands where it does not belong.

/// Something in a body stands where it does not belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken;

/// How far a chunked body is.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    place: ChunkPart,
    /// The size that is read, and then what is left of the chunk.
    size: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum ChunkPart {
    #[default]
    Start,
    Size,
    /// Blanks after a size, which the grammar has before an extension (RFC 9112 §7.1.1: `BWS`).
    Blank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// The first byte of a line after the last chunk.
    Line,
    Trailer,
    TrailerLf,
    EndLf,
    End,
}

impl Chunks {
    /// Reads on; tells how many bytes belong to the body if it ends here.
    ///
    /// # Errors
    ///
    /// [`Broken`]: where the body ends is then anybody's guess.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Option<usize>, Broken> {
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            if self.place == ChunkPart::Data {
                rest = self.data(rest);
                continue;
            }
            rest = after;
            self.place = self.next(*byte)?;
            if self.place == ChunkPart::End {
                return Ok(Some(bytes.len() - rest.len()));
            }
        }
        Ok(None)
    }

    /// Takes what there is of a chunk, and returns what follows it.
    fn data<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let there = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.size > there {
            self.size -= there;
            return &[];
        }
        let taken = usize::try_from(self.size).unwrap_or(usize::MAX);
        (self.size, self.place) = (0, ChunkPart::DataCr);
        bytes.get(taken..).unwrap_or_default()
    }

    fn next(&mut self, byte: u8) -> Result<ChunkPart, Broken> {
        let digit = char::from(byte).to_digit(16);
        match (self.place, byte) {
            (ChunkPart::Start | ChunkPart::Size, _) if digit.is_some() => {
                self.digit(digit.unwrap_or_default())
            }
            (ChunkPart::Size | ChunkPart::Blank, b' ' | b'\t') => Ok(ChunkPart::Blank),
            (ChunkPart::Size | ChunkPart::Blank, b';') => Ok(ChunkPart::Extension),
            (ChunkPart::Size | ChunkPart::Blank | ChunkPart::Extension, b'\r') => Ok(ChunkPart::SizeLf),
            (ChunkPart::Extension, byte) if is_text(byte) => Ok(ChunkPart::Extension),
            (ChunkPart::SizeLf, b'\n') if self.size == 0 => Ok(ChunkPart::Line),
            (ChunkPart::SizeLf, b'\n') => Ok(ChunkPart::Data),
            (ChunkPart::DataCr, b'\r') => Ok(ChunkPart::DataLf),
            (ChunkPart::DataLf, b'\n') => Ok(ChunkPart::Start),
            (ChunkPart::Line, b'\r') => Ok(ChunkPart::EndLf),
            (ChunkPart::Trailer, b'\r') => Ok(ChunkPart::TrailerLf),
            (ChunkPart::Line | ChunkPart::Trailer, byte) if is_text(byte) => Ok(ChunkPart::Trailer),
            (ChunkPart::TrailerLf, b'\n') => Ok(ChunkPart::Line),
            (ChunkPart::EndLf, b'\n') => Ok(ChunkPart::End),
            (_, _) => Err(Broken),
        }
    }

    fn digit(&mut self, digit: u32) -> Result<ChunkPart, Broken> {
        let shifted = self.size.checked_mul(16).ok_or(Broken)?;
        self.size = shifted.checked_add(u64::from(digit)).ok_or(Broken)?;
        Ok(ChunkPart::Size)
    }
}

/// What may stand in a line: everything but controls (RFC 9110 §5.5).
const fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::{Broken, Chunks};

    /// Checks how many bytes of `text` belong to the body, in any division.
    #[track_caller]
    fn check(text: &str, expected: Result<Option<usize>, Broken>) {
        for step in 1..=text.len() {
            let mut chunks = Chunks::default();
            let mut before = 0;
            let mut found = Ok(None);
            for part in text.as_bytes().chunks(step) {
                found = chunks.feed(part).map(|end| end.map(|end| before + end));
                before += part.len();
                if found != Ok(None) {
                    break;
                }
            }
            assert_eq!(found, expected, "{text:?} in steps of {step}");
        }
    }

    #[test]
    fn rfc9112_7_1_a_chunked_body_ends_after_its_trailers() {
        for body in [
            "0\r\n\r\n",
            "000\r\n\r\n",
            "3\r\nabc\r\n0\r\n\r\n",
            "A\r\n0123456789\r\n00a\r\n\r\n0\r\n\r\n\r\nx\r\n0\r\n\r\n",
            "3;a=b;c=\"d;\"\r\nabc\r\n0 ; x\r\n\r\n",
            "3 \t\r\n\r\n0\r\n0\r\n\r\n",
            "0\r\nA: b\r\nC: 0\r\n\r\n",
            "0;\r\nA:\r\n\r\n",
        ] {
            check(body, Ok(Some(body.len())));
            check(&format!("{body}GET / HTTP/1.1\r\n"), Ok(Some(body.len())));
            check(body.strip_suffix('\n').unwrap(), Ok(None));
        }
        check("ffffffffffffffff\r\nabc", Ok(None));
    }

    #[test]
    fn what_does_not_belong_into_a_chunked_body_is_noticed() {
        for body in [
            "\r\n",
            ";a\r\n",
            " 3\r\n",
            "+3\r\n",
            "-3\r\n",
            "0x3\r\n",
            "3g\r\n",
            "3 4\r\n",
            "3\nabc",
            "3\r\r\n",
            "3\rabc",
            "3;\nabc",
            "3;a\0\r\n",
            "3\r\nabcd\r\n",
            "3\r\nabc\n",
            "3\r\nabc0\r\n\r\n",
            "3\r\nabc\r0",
            "10000000000000000\r\n",
            "0\n\r\n",
            "0\r\n\n",
            "0\r\nA: b\n\r\n",
            "0\r\nA: b\rc",
            "0\r\n\rGET",
        ] {
            check(body, Err(Broken));
        }
    }
}
