//! The bytes of one HTTP/2 connection, guarded: a header block that has begun has to end (RFC 9113 §6.2, §6.10), and
//! what the parser forgives is refused.
//!
//! While a block of HEADERS and CONTINUATION frames is open nothing else may be sent on the connection, so one slow peer
//! would hold all of its streams; the head limit ends it. Idle connections and stalled answers are timed where streams
//! are counted. A block is held back until it is whole. If its request is malformed in a way that the parser forgives, it
//! gets one more field, one that the parser resets the stream for (RFC 9113 §8.1.1, §8.2.2).
//!
//! **Invariant.** The time of a block counts from its first byte, whatever trickles in. No request whose block was found
//! to be malformed reaches a service.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::frames::{Broken, Frames};
use crate::guard::Deadline;
use crate::limits::{Limits, MIN_HEAD_BYTES};

/// A transport whose header blocks and writes are timed.
pub(crate) struct FrameGuard<T> {
    transport: T,
    frames: Frames,
    /// What was read of a unit that is not whole yet.
    held: Vec<u8>,
    /// What is handed on before anything else is read.
    ready: Vec<u8>,
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
            held: Vec::new(),
            ready: Vec::new(),
            head: limits.head,
            write_pause: limits.write_pause,
            read,
            write: Deadline::default(),
        }
    }

    /// Looks at what was read, and spoils the blocks of malformed requests.
    fn received(&mut self, bytes: &[u8]) -> Result<Sifted, Broken> {
        let mut passed = std::mem::take(&mut self.held);
        let mut sifted = if passed.is_empty() { Sifted::AsIs } else { Sifted::Anew };
        let mut rest = bytes;
        while let Some(malformed) = self.frames.feed(rest)? {
            let (block, after) = rest.split_at_checked(malformed.end).unwrap_or((rest, &[]));
            passed.extend_from_slice(block);
            malformed.spoil(&mut passed);
            (rest, sifted) = (after, Sifted::Anew);
        }
        let open = self.frames.open();
        if open > 0 || sifted == Sifted::Anew {
            passed.extend_from_slice(rest);
            self.held = passed.split_off(passed.len().saturating_sub(open));
            self.ready = passed;
            sifted = Sifted::Anew;
        }
        if self.frames.is_within_head() {
            self.read.begin(self.head);
        } else {
            self.read.end();
        }
        Ok(sifted)
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
        loop {
            if !self.ready.is_empty() {
                let count = self.ready.len().min(buffer.remaining());
                buffer.put_slice(self.ready.get(..count).unwrap_or_default());
                self.ready.drain(..count);
                return Poll::Ready(Ok(()));
            }
            let before = buffer.filled().len();
            let outcome = Pin::new(&mut self.transport).poll_read(context, buffer);
            if outcome.is_pending() {
                return if self.read.has_passed(context) { timed_out() } else { outcome };
            }
            let bytes = buffer.filled().get(before..).unwrap_or_default();
            if bytes.is_empty() {
                return outcome;
            }
            match self.received(bytes) {
                Ok(Sifted::AsIs) => return outcome,
                Ok(Sifted::Anew) => buffer.set_filled(before),
                Err(Broken) => {
                    buffer.set_filled(before);
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
            }
        }
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

/// What is handed on of what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sifted {
    /// All of it.
    AsIs,
    /// What is ready, if anything is.
    Anew,
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::FrameGuard;
    use crate::frames::PREFACE;
    use crate::limits::Limits;

    /// Checks what is handed on of `bytes`, whatever pieces they are written and read in.
    async fn check(bytes: &[u8], expected: &[u8]) {
        for (written, read) in
            [(1, 1), (1, 64), (3, 2), (10, 7), (64, 1), (bytes.len(), 3), (bytes.len(), 8192)]
        {
            let (ours, mut theirs) = duplex(written);
            let mut guard = FrameGuard::new(ours, &Limits::default());
            let sent = bytes.to_vec();
            let writer = tokio::spawn(async move { theirs.write_all(&sent).await });
            let (mut found, mut part) = (Vec::new(), vec![0; read]);
            while let Ok(count @ 1..) = guard.read(&mut part).await {
                found.extend_from_slice(&part[..count]);
            }
            writer.await.unwrap().unwrap();
            assert_eq!(found, expected, "written by {written}, read by {read}");
        }
    }

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        [&[0, 0, u8::try_from(payload.len()).unwrap(), kind, flags, 0, 0, 0, 1], payload].concat()
    }

    #[tokio::test]
    async fn what_is_sound_is_handed_on_as_it_came() {
        let head = [frame(1, 0, b"\x82\x86"), frame(9, 0, b""), frame(9, 4, b"\x84")].concat();
        let body = [frame(0, 0, b"a body # of some length"), frame(1, 5, b"\x00\x01a\x01#")].concat();
        let bytes = [PREFACE, &frame(4, 0, &[]), &head, &body, &frame(6, 0, b"8 octets")].concat();
        check(&bytes, &bytes).await;
    }

    #[tokio::test]
    async fn rfc9113_8_1_1_a_malformed_block_is_spoiled() {
        let (before, after) = ([PREFACE, &frame(4, 0, &[])].concat(), frame(6, 0, b"8 octets"));
        let bytes = [before.clone(), frame(1, 5, b"\x82\x86\x04\x02/#"), after.clone()].concat();
        let added = frame(9, 4, b"\x00\x0aconnection\x00");
        let expected = [before, frame(1, 1, b"\x82\x86\x04\x02/#"), added, after].concat();
        check(&bytes, &expected).await;
    }
}
