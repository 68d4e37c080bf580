//! The bytes of one HTTP/2 connection, guarded: a header block that has begun has to end (RFC 9113 §6.2, §6.10), and
//! what the parser forgives is noticed.
//!
//! While a block of HEADERS and CONTINUATION frames is open nothing else may be sent on the connection, so one slow peer
//! would hold all of its streams; the head limit ends it. Idle connections and stalled answers are timed where streams
//! are counted. Two things are lost behind here: the fragment of a `:path` (RFC 9113 §8.3.1 has none there), and
//! pseudo-fields in trailers (§8.1). Both make a request malformed, and end the connection before any of it is served;
//! §5.4.1 lets an endpoint treat an error of a stream so.
//!
//! **Invariant.** The time of a block counts from its first byte, whatever trickles in. No byte of a block with which
//! something is wrong is handed on after it was found to be so.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::guard::Deadline;
use crate::hpack::Blocks;
use crate::limits::{Limits, MIN_HEAD_BYTES};

/// What an HTTP/2 client sends first (RFC 9113 §3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A transport whose header blocks and writes are timed.
pub(crate) struct FrameGuard<T> {
    transport: T,
    frames: Frames,
    head: Duration,
    write_pause: Duration,
    read: Deadline,
    write: Deadline,
}

impl<T> FrameGuard<T> {
    pub(crate) fn new(transport: T, limits: &Limits) -> Self {
        let read = Deadline::at(Instant::now() + limits.head);
        Self {
            transport,
            frames: Frames::new(limits.head_bytes.max(MIN_HEAD_BYTES)),
            head: limits.head,
            write_pause: limits.write_pause,
            read,
            write: Deadline::default(),
        }
    }

    fn received(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.frames.feed(bytes)?;
        let head = self.head;
        if self.frames.is_within_head() {
            self.read.begin(head);
        } else {
            self.read.end();
        }
        Ok(())
    }

    fn written<R>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if outcome.is_ready() {
            self.write.end();
            return outcome;
        }
        self.write.begin(self.write_pause);
        if self.write.has_passed(context) { timed_out() } else { outcome }
    }
}

fn timed_out<R>() -> Poll<io::Result<R>> {
    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
}

impl<T: AsyncRead + Unpin> AsyncRead for FrameGuard<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.transport).poll_read(context, buffer);
        if outcome.is_ready() {
            return match self.received(buffer.filled().get(before..).unwrap_or_default()) {
                Ok(()) => outcome,
                Err(Malformed) => {
                    tracing::debug!(reason = "malformed header block", "connection ended early");
                    buffer.set_filled(before);
                    Poll::Ready(Err(io::ErrorKind::InvalidData.into()))
                }
            };
        }
        if self.read.has_passed(context) { timed_out() } else { outcome }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for FrameGuard<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.transport).poll_write(context, bytes);
        self.written(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.transport).poll_write_vectored(context, parts);
        self.written(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.transport).poll_flush(context);
        self.written(context, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.transport).poll_shutdown(context);
        self.written(context, outcome)
    }
}

/// A request is malformed (RFC 9113 §8.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Malformed;

/// How far the frames are that were read (RFC 9113 §4.1).
#[derive(Debug)]
struct Frames {
    preface: usize,
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
    fn new(longest: usize) -> Self {
        Self {
            preface: PREFACE.len(),
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

    const fn is_within_head(&self) -> bool {
        self.preface > 0 || self.header > 0 || self.block_open
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let mut rest = bytes.get(self.preface.min(bytes.len())..).unwrap_or_default();
        self.preface = self.preface.saturating_sub(bytes.len());
        while let Some((byte, after)) = rest.split_first() {
            if self.payload > 0 {
                let (taken, after) = rest.split_at_checked(self.payload).unwrap_or((rest, &[]));
                self.payload -= taken.len();
                self.keep(taken)?;
                rest = after;
            } else {
                self.header_byte(*byte);
                rest = after;
            }
            if self.payload == 0 && self.header == 0 {
                self.frame_ends()?;
            }
        }
        Ok(())
    }

    fn header_byte(&mut self, byte: u8) {
        match self.header {
            0 => self.length = usize::from(byte),
            1 | 2 => self.length = (self.length << 8) | usize::from(byte),
            3 => self.kind = byte,
            4 => (self.flags, self.stream) = (byte, 0),
            // RFC 9113 §4.1: the first bit is reserved.
            _ => self.stream = (self.stream << 8 | u32::from(byte)) & 0x7FFF_FFFF,
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

    fn keep(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        if self.is_of_block() {
            self.block.extend_from_slice(payload);
        }
        if self.block.len() > self.longest { Err(Malformed) } else { Ok(()) }
    }

    fn frame_ends(&mut self) -> Result<(), Malformed> {
        if !self.is_of_block() {
            return Ok(());
        }
        if self.kind == HEADERS {
            self.strip()?;
        }
        if self.flags & END_HEADERS == 0 {
            return Ok(());
        }
        self.block_open = false;
        let seen = self.blocks.read(&self.block).map_err(|_malformed| Malformed)?;
        self.block.clear();
        let trailers = self.stream <= self.newest;
        self.newest = self.newest.max(self.stream);
        if seen.fragment || (trailers && seen.pseudo) { Err(Malformed) } else { Ok(()) }
    }

    /// RFC 9113 §6.2: padding and priority stand around the block of a HEADERS frame, which begins one.
    fn strip(&mut self) -> Result<(), Malformed> {
        let padded = self.flags & PADDED != 0;
        let padding = self.block.first().filter(|_| padded).copied().map_or(0, usize::from);
        let before = usize::from(padded) + if self.flags & PRIORITY != 0 { PRIORITY_BYTES } else { 0 };
        let end = self.block.len().checked_sub(padding).filter(|end| *end >= before).ok_or(Malformed)?;
        self.block.truncate(end);
        self.block.drain(..before);
        Ok(())
    }
}

const HEADER_BYTES: u8 = 9;
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
    use super::{Frames, Malformed, PREFACE};

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
                frames.feed(part).unwrap();
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
            frames.feed(&bytes[..count]).unwrap();
            assert_eq!(frames.is_within_head(), within, "after {count} bytes");
        }
    }
    fn on(stream: u8, mut frame: Vec<u8>) -> Vec<u8> {
        frame[8] = stream;
        frame
    }

    /// Checks frames behind the preface, in any division; a wrong one is noticed with its last byte at the latest.
    #[track_caller]
    fn check(frames: &[Vec<u8>], expected: Result<(), Malformed>) {
        let bytes = [PREFACE.to_vec(), frame(4, 0, &[]), frames.concat()].concat();
        for step in [1, 2, 3, 7, 10, bytes.len()] {
            let mut read = Frames::new(100);
            let found = bytes.chunks(step).try_for_each(|part| read.feed(part));
            assert_eq!(found, expected, "{frames:?} in steps of {step}");
        }
    }

    /// GET / of http.
    const GET: &[u8] = b"\x82\x86\x84";

    #[test]
    fn rfc9113_8_3_1_a_path_with_a_fragment_is_noticed() {
        let path = |path: &[u8]| [b"\x82\x86\x04", &[u8::try_from(path.len()).unwrap()][..], path].concat();
        check(&[frame(1, 4, &path(b"/a?b"))], Ok(()));
        for fragment in [&b"/a#b"[..], b"/#", b"#", b"/a?b#", b"/a#?b"] {
            let block = path(fragment);
            check(&[frame(1, 4, &block)], Err(Malformed));
            check(&[frame(1, 5, &block)], Err(Malformed));
            check(&[on(1, frame(1, 5, GET)), on(3, frame(1, 5, &block))], Err(Malformed));
            for at in 0..=block.len() {
                check(&[frame(1, 0, &block[..at]), frame(9, 4, &block[at..])], Err(Malformed));
            }
            let padded = [&[2], &block[..], &[b'#', 0]].concat();
            check(&[frame(1, 4 | 8, &padded)], Err(Malformed));
            let weighed = [&[0, 0, 0, 0, 15], &block[..]].concat();
            check(&[frame(1, 4 | 0x20, &weighed)], Err(Malformed));
        }
    }

    #[test]
    fn rfc9113_8_1_pseudo_fields_in_trailers_are_noticed() {
        let field = b"\x00\x01a\x01b";
        for (trailers, expected) in [
            (&field[..], Ok(())),
            (b"", Ok(())),
            (b"\x84", Err(Malformed)),
            (b"\x00\x01a\x01b\x82", Err(Malformed)),
            (b"\x00\x07:status\x03200", Err(Malformed)),
            (b"\x00\x02:x\x00", Err(Malformed)),
        ] {
            check(&[frame(1, 4, GET), frame(0, 0, b"body"), frame(1, 5, trailers)], expected);
            check(&[frame(1, 4, GET), on(3, frame(1, 5, GET)), frame(1, 5, trailers)], expected);
        }
    }

    #[test]
    fn a_block_that_cannot_be_read_ends_the_connection() {
        check(&[frame(1, 4, b"\xff")], Err(Malformed));
        check(&[frame(1, 4 | 8, &[9, 0x82])], Err(Malformed));
        check(&[frame(1, 4 | 0x20, &[0, 0, 0])], Err(Malformed));
        check(&[frame(1, 0, &[0; 201]), frame(9, 0, &[0; 200])], Err(Malformed));
        check(&[frame(0, 0, b"#"), frame(6, 0, &[0; 8]), frame(1, 4, GET)], Ok(()));
    }
}
