//! The frames of HTTP/2 (RFC 9113 §4.1), measured as they arrive, and their header blocks, read for what is lost on the
//! way to the service: the fragment of a `:path`, and pseudo-fields in trailers.
//!
//! **Invariant.** The verdict on a block is known with its last byte, however its bytes arrive.
//!
//! What it does not do: understand anything else. The parser behind does that.

use crate::hpack::Blocks;

/// What an HTTP/2 client sends first (RFC 9113 §3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Nothing on the connection can be read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken;

/// The block of a malformed request (RFC 9113 §8.1.1) ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Where, in the bytes that were read last.
    pub(crate) end: usize,
    /// How far before that the flags of its last frame are.
    flags: usize,
    stream: u32,
}

impl Malformed {
    /// Continues the block, which `bytes` end with, by a field that no request of HTTP/2 may have.
    pub(crate) fn spoil(self, bytes: &mut Vec<u8>) {
        let flags = bytes.len().checked_sub(self.flags).and_then(|at| bytes.get_mut(at));
        if let Some(flags) = flags {
            *flags &= !END_HEADERS;
        }
        bytes.extend_from_slice(&[0, 0, 13, CONTINUATION, END_HEADERS]);
        bytes.extend_from_slice(&self.stream.to_be_bytes());
        // RFC 7541 §6.2.2: a literal without indexing changes no table.
        bytes.extend_from_slice(b"\x00\x0aconnection\x00");
    }
}

/// How far the frames are that were read (RFC 9113 §4.1).
#[derive(Debug)]
pub(crate) struct Frames {
    preface: usize,
    /// Bytes since the beginning of the frame header, or of the block, that is not whole yet.
    open: usize,
    /// Bytes of the frame's nine-byte header that were read.
    header: u8,
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
    /// Bytes of the frame that are still to come.
    payload: usize,
    block_open: bool,
    /// The header block that is open, as far as it was read.
    block: Vec<u8>,
    /// The longest block that is kept.
    longest: usize,
    blocks: Blocks,
    /// The last stream that a request came on; a block on it or on an earlier one is of trailers.
    newest: u32,
}

impl Frames {
    /// Reads from the preface on; a head may be `longest` bytes long.
    pub(crate) fn new(longest: usize) -> Self {
        Self {
            preface: PREFACE.len(),
            open: 0,
            header: 0,
            length: 0,
            kind: 0,
            flags: 0,
            stream: 0,
            payload: 0,
            block_open: false,
            block: Vec::new(),
            longest: longest.saturating_mul(BLOCK_ROOM),
            blocks: Blocks::default(),
            newest: 0,
        }
    }

    /// Returns how many of the last bytes belong to a frame header or a block that is not whole yet.
    pub(crate) const fn open(&self) -> usize {
        self.open
    }

    /// Tells whether a peer that sends nothing keeps others waiting.
    pub(crate) const fn is_within_head(&self) -> bool {
        self.preface > 0 || self.header > 0 || self.block_open
    }

    /// Reads on, up to the end of the first block that is malformed.
    ///
    /// # Errors
    ///
    /// [`Broken`] if a block cannot be read, or is too long.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Option<Malformed>, Broken> {
        let mut rest = bytes.get(self.preface.min(bytes.len())..).unwrap_or_default();
        self.preface = self.preface.saturating_sub(bytes.len());
        while let Some((byte, after)) = rest.split_first() {
            let before = rest.len();
            if self.payload > 0 {
                let (taken, after) = rest.split_at_checked(self.payload).unwrap_or((rest, &[]));
                self.payload -= taken.len();
                self.keep(taken)?;
                rest = after;
            } else {
                self.header_byte(*byte);
                rest = after;
            }
            self.open += before - rest.len();
            let whole = self.payload == 0 && self.header == 0;
            let verdict = if whole { self.frame_ends()? } else { Verdict::Sound };
            if self.header == 0 && !self.block_open {
                self.open = 0;
            }
            if verdict == Verdict::Malformed {
                let flags = self.length + FLAGS_TO_PAYLOAD;
                return Ok(Some(Malformed { end: bytes.len() - rest.len(), flags, stream: self.stream }));
            }
        }
        Ok(None)
    }

    fn header_byte(&mut self, byte: u8) {
        match self.header {
            0 => self.length = usize::from(byte),
            1 | 2 => self.length = (self.length << 8) | usize::from(byte),
            3 => self.kind = byte,
            4 => (self.flags, self.stream) = (byte, 0),
            // RFC 9113 §4.1: the first bit is reserved.
            _ => self.stream = (self.stream << 8 | u32::from(byte)) & STREAM,
        }
        self.header += 1;
        if self.header == HEADER_BYTES {
            self.header = 0;
            self.payload = self.length;
            self.block_open |= self.is_of_block();
        }
    }

    const fn is_of_block(&self) -> bool {
        matches!(self.kind, HEADERS | CONTINUATION)
    }

    fn keep(&mut self, payload: &[u8]) -> Result<(), Broken> {
        if self.is_of_block() {
            self.block.extend_from_slice(payload);
        }
        if self.block.len() > self.longest { Err(Broken) } else { Ok(()) }
    }

    fn frame_ends(&mut self) -> Result<Verdict, Broken> {
        if !self.is_of_block() {
            return Ok(Verdict::Sound);
        }
        if self.kind == HEADERS {
            self.strip()?;
        }
        if self.flags & END_HEADERS == 0 {
            return Ok(Verdict::Sound);
        }
        self.block_open = false;
        let seen = self.blocks.read(&self.block).map_err(|_malformed| Broken)?;
        self.block.clear();
        let trailers = self.stream <= self.newest;
        self.newest = self.newest.max(self.stream);
        // RFC 9113 §8.1: trailers have no pseudo-fields; §8.3.1: a path is a path and a query.
        let malformed = seen.fragment || (trailers && seen.pseudo);
        Ok(if malformed { Verdict::Malformed } else { Verdict::Sound })
    }

    /// RFC 9113 §6.2: padding and priority stand around the block of a HEADERS frame, which begins one.
    fn strip(&mut self) -> Result<(), Broken> {
        let padded = self.flags & PADDED != 0;
        let padding = self.block.first().filter(|_| padded).copied().map_or(0, usize::from);
        let before = usize::from(padded) + if self.flags & PRIORITY != 0 { PRIORITY_BYTES } else { 0 };
        let end = self.block.len().checked_sub(padding).filter(|end| *end >= before).ok_or(Broken)?;
        // The parser behind does not read the block of a stream that depends on itself, so that the tables would differ;
        // RFC 9113 §4.3: a block that is not read ends the connection.
        if self.flags & PRIORITY != 0 && self.depends_on_itself(usize::from(padded)) {
            return Err(Broken);
        }
        self.block.truncate(end);
        self.block.drain(..before);
        Ok(())
    }

    /// Tells whether the priority that begins at `at` names its own stream; the first bit means something else.
    fn depends_on_itself(&self, at: usize) -> bool {
        let named = self.block.get(at..).and_then(<[u8]>::first_chunk).copied().map(u32::from_be_bytes);
        named.is_some_and(|stream| stream & STREAM == self.stream)
    }
}

/// What a frame makes of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Malformed,
    Sound,
}

const HEADER_BYTES: u8 = 9;
/// The bits of a stream's number (RFC 9113 §5.1.1).
const STREAM: u32 = 0x7FFF_FFFF;
/// From the flags in a frame's header to its payload.
const FLAGS_TO_PAYLOAD: usize = 5;
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
/// A dependency and a weight (RFC 9113 §6.3).
const PRIORITY_BYTES: usize = 5;
/// How much longer than the limit of a head a block may be: the parser behind answers what is too long with 431, and
/// gives up by itself what is much longer.
const BLOCK_ROOM: usize = 4;

#[cfg(test)]
mod tests {
    use super::{Broken, Frames, PREFACE};

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, u8::try_from(payload.len()).unwrap(), kind, flags, 0, 0, 0, 1];
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn rfc9113_6_10_a_header_block_is_open_until_its_last_frame() {
        let settings = frame(4, 0, &[]);
        let whole = [frame(1, 0, b"\x82\x86\x84"), frame(9, 4, b"\x85\x85")].concat();
        let data = frame(0, 1, b"a body");
        let bytes = [PREFACE, &settings, &whole, &data].concat();
        let head = PREFACE.len()..PREFACE.len() + settings.len() + whole.len();
        for step in [1, 2, 7, bytes.len()] {
            let mut frames = Frames::new(100);
            for part in bytes.chunks(step) {
                assert_eq!(frames.feed(part), Ok(None));
            }
            assert!(!frames.is_within_head(), "in steps of {step}");
        }
        for (count, within) in [
            (0, true),
            (PREFACE.len() - 1, true),
            (PREFACE.len(), false),
            (head.start + settings.len(), false),
            (head.start + settings.len() + 3, true),
            (head.start + settings.len() + 12, true),
            (head.end - 1, true),
            (head.end, false),
            (head.end + 10, false),
        ] {
            let mut frames = Frames::new(100);
            assert_eq!(frames.feed(&bytes[..count]), Ok(None));
            assert_eq!(frames.is_within_head(), within, "after {count} bytes");
        }
    }
    fn on(stream: u8, mut frame: Vec<u8>) -> Vec<u8> {
        frame[8] = stream;
        frame
    }

    const SOUND: Result<bool, Broken> = Ok(false);
    const MALFORMED: Result<bool, Broken> = Ok(true);

    /// Checks whether one of the frames behind the preface ends a malformed block, the last one if any, in any division.
    #[track_caller]
    fn check(frames: &[Vec<u8>], expected: Result<bool, Broken>) {
        let bytes = [PREFACE.to_vec(), frame(4, 0, &[]), frames.concat()].concat();
        for step in [1, 2, 3, 7, 10, bytes.len()] {
            let mut read = Frames::new(100);
            let mut found = SOUND;
            let mut passed = Vec::new();
            for part in bytes.chunks(step) {
                found = read.feed(part).map(|malformed| {
                    passed.extend_from_slice(part);
                    malformed.is_some_and(|malformed| {
                        assert_eq!(malformed.end, part.len(), "{frames:?} in steps of {step}");
                        malformed.spoil(&mut passed);
                        true
                    })
                });
                if found != SOUND {
                    break;
                }
            }
            assert_eq!(found, expected, "{frames:?} in steps of {step}");
            if found == MALFORMED {
                check_spoiled(&bytes, &passed, frames.last().unwrap());
            }
        }
    }

    /// The last frame goes on, with a field that makes its request malformed.
    #[track_caller]
    fn check_spoiled(bytes: &[u8], passed: &[u8], last: &[u8]) {
        let flags = bytes.len() - last.len() + 4;
        assert_eq!(passed[..flags], bytes[..flags]);
        assert_eq!(passed[flags], bytes[flags] & !4);
        assert_eq!(passed[flags + 1..bytes.len()], bytes[flags + 1..]);
        let added = on(last[8], frame(9, 4, b"\x00\x0aconnection\x00"));
        assert_eq!(passed[bytes.len()..], added);
    }

    /// GET / of http.
    const GET: &[u8] = b"\x82\x86\x84";

    #[test]
    fn rfc9113_8_3_1_a_path_with_a_fragment_is_noticed() {
        let path = |path: &[u8]| [b"\x82\x86\x04", &[u8::try_from(path.len()).unwrap()][..], path].concat();
        check(&[frame(1, 4, &path(b"/a?b"))], SOUND);
        for fragment in [&b"/a#b"[..], b"/#", b"#", b"/a?b#", b"/a#?b"] {
            let block = path(fragment);
            check(&[frame(1, 4, &block)], MALFORMED);
            check(&[frame(1, 5, &block)], MALFORMED);
            check(&[on(1, frame(1, 5, GET)), on(3, frame(1, 5, &block))], MALFORMED);
            for at in 0..=block.len() {
                check(&[frame(1, 0, &block[..at]), frame(9, 4, &block[at..])], MALFORMED);
            }
            let padded = [&[2], &block[..], &[b'#', 0]].concat();
            check(&[frame(1, 4 | 8, &padded)], MALFORMED);
            let weighed = [&[0, 0, 0, 0, 15], &block[..]].concat();
            check(&[frame(1, 4 | 0x20, &weighed)], MALFORMED);
        }
    }

    #[test]
    fn rfc9113_8_1_pseudo_fields_in_trailers_are_noticed() {
        let field = b"\x00\x01a\x01b";
        for (trailers, expected) in [
            (&field[..], SOUND),
            (b"", SOUND),
            (b"\x84", MALFORMED),
            (b"\x00\x01a\x01b\x82", MALFORMED),
            (b"\x00\x07:status\x03200", MALFORMED),
            (b"\x00\x02:x\x00", MALFORMED),
        ] {
            check(&[frame(1, 4, GET), frame(0, 0, b"body"), frame(1, 5, trailers)], expected);
            check(&[frame(1, 4, GET), on(3, frame(1, 5, GET)), frame(1, 5, trailers)], expected);
        }
    }

    #[test]
    fn a_block_that_cannot_be_read_ends_the_connection() {
        check(&[frame(1, 4, b"\xff")], Err(Broken));
        check(&[frame(1, 4 | 8, &[9, 0x82])], Err(Broken));
        check(&[frame(1, 4 | 0x20, &[0, 0, 0])], Err(Broken));
        // A stream that depends on itself, exclusively, and behind padding.
        for dependency in [[0, 0, 0, 1], [0x80, 0, 0, 1]] {
            let weighed = [&dependency[..], &[15], GET].concat();
            check(&[frame(1, 4 | 0x20, &weighed)], Err(Broken));
            check(&[on(3, frame(1, 4 | 0x20, &weighed))], SOUND);
            check(&[frame(1, 4 | 8 | 0x20, &[&[1], &weighed[..], &[0]].concat())], Err(Broken));
        }
        check(&[frame(1, 0, &[0; 201]), frame(9, 0, &[0; 200])], Err(Broken));
        check(&[frame(0, 0, b"#"), frame(6, 0, &[0; 8]), frame(1, 4, GET)], SOUND);
    }
}
