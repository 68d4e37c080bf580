//! The bytes of one HTTP/2 connection, guarded: a header block that has begun has to end (RFC 9113 §6.2, §6.10).
//!
//! Frames are only measured here, never understood: the parser behind does that. While a block of HEADERS and
//! CONTINUATION frames is open nothing else may be sent on the connection, so one slow peer would hold all of its
//! streams; the head limit ends it. Idle connections and stalled answers are timed where streams are counted.
//!
//! **Invariant.** The time of a block counts from its first byte, whatever trickles in.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::guard::Deadline;
use crate::limits::Limits;

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
            frames: Frames::default(),
            head: limits.head,
            write_pause: limits.write_pause,
            read,
            write: Deadline::default(),
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        self.frames.feed(bytes);
        let head = self.head;
        if self.frames.is_within_head() {
            self.read.begin(head);
        } else {
            self.read.end();
        }
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
            self.received(buffer.filled().get(before..).unwrap_or_default());
            return outcome;
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

/// How far the frames are that were read (RFC 9113 §4.1).
#[derive(Debug)]
struct Frames {
    preface: usize,
    /// Bytes of the frame's nine-byte header that were read.
    header: u8,
    length: usize,
    kind: u8,
    flags: u8,
    /// Bytes of the frame that are still to come.
    payload: usize,
    block_open: bool,
}

impl Default for Frames {
    fn default() -> Self {
        let preface = PREFACE.len();
        Self { preface, header: 0, length: 0, kind: 0, flags: 0, payload: 0, block_open: false }
    }
}

impl Frames {
    fn is_within_head(&self) -> bool {
        self.preface > 0 || self.header > 0 || self.block_open
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes.get(self.preface.min(bytes.len())..).unwrap_or_default();
        self.preface = self.preface.saturating_sub(bytes.len());
        while let Some((byte, after)) = rest.split_first() {
            if self.payload > 0 {
                let taken = self.payload.min(rest.len());
                self.payload -= taken;
                rest = rest.get(taken..).unwrap_or_default();
            } else {
                self.header_byte(*byte);
                rest = after;
            }
            if self.payload == 0 && self.header == 0 {
                self.frame_ends();
            }
        }
    }

    fn header_byte(&mut self, byte: u8) {
        match self.header {
            0 => self.length = usize::from(byte),
            1 | 2 => self.length = (self.length << 8) | usize::from(byte),
            3 => self.kind = byte,
            4 => self.flags = byte,
            _ => {}
        }
        self.header += 1;
        if self.header == HEADER_BYTES {
            self.header = 0;
            self.payload = self.length;
            self.block_open |= matches!(self.kind, HEADERS | CONTINUATION);
        }
    }

    const fn frame_ends(&mut self) {
        if matches!(self.kind, HEADERS | CONTINUATION) && self.flags & END_HEADERS != 0 {
            self.block_open = false;
        }
    }
}

const HEADER_BYTES: u8 = 9;
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;

#[cfg(test)]
mod tests {
    use super::{Frames, PREFACE};

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, u8::try_from(payload.len()).unwrap(), kind, flags, 0, 0, 0, 1];
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn rfc9113_6_10_a_header_block_is_open_until_its_last_frame() {
        let settings = frame(4, 0, &[]);
        let whole = [frame(1, 0, b"abc"), frame(9, 4, b"de")].concat();
        let data = frame(0, 1, b"a body");
        let bytes = [PREFACE, &settings, &whole, &data].concat();
        let head = PREFACE.len()..PREFACE.len() + settings.len() + whole.len();
        for step in [1, 2, 7, bytes.len()] {
            let mut frames = Frames::default();
            for part in bytes.chunks(step) {
                frames.feed(part);
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
            let mut frames = Frames::default();
            frames.feed(&bytes[..count]);
            assert_eq!(frames.is_within_head(), within, "after {count} bytes");
        }
    }
}
