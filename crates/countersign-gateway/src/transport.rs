//! The bytes of one connection to an upstream, as the HTTP library should see them.
//!
//! Two things it would get wrong by itself. An upstream that refuses an upload answers and closes: that a write fails must
//! not hide the answer that is there to be read. And it skips interim answers (RFC 9110 §15.2) for as long as they come.
//!
//! **Invariants.** A write fails only after everything that the upstream said was read. What precedes the content of an
//! answer, interim answers included, has at most [`HEADS`] bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The bytes that may come until an answer's head was understood: several times the largest head, because the library
/// reads ahead, and little enough to be looked through in some milliseconds.
const HEADS: u64 = 1024 * 1024;

/// What the library may hold of what it has read; it bounds an answer's head too.
pub(crate) const BUFFER: usize = 128 * 1024;

/// Whether an answer is awaited on a connection.
#[derive(Debug, Default)]
pub(crate) struct Awaited {
    now: AtomicBool,
    read: AtomicU64,
}

impl Awaited {
    /// Notes that a request is about to be sent.
    pub(crate) fn begin(&self) {
        self.read.store(0, Ordering::Relaxed);
        self.now.store(true, Ordering::Relaxed);
    }

    /// Notes that the answer's head was understood.
    pub(crate) fn end(&self) {
        self.now.store(false, Ordering::Relaxed);
    }

    /// Counts what was read; false: it is too much.
    fn admits(&self, count: usize) -> bool {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        !self.now.load(Ordering::Relaxed) || self.read.fetch_add(count, Ordering::Relaxed) <= HEADS
    }
}

/// A transport whose writes fail last.
pub(crate) struct Heard<T> {
    transport: T,
    awaited: Arc<Awaited>,
    /// The upstream takes no more.
    refused: bool,
    /// The upstream says no more.
    ended: bool,
}

impl<T> Heard<T> {
    pub(crate) const fn new(transport: T, awaited: Arc<Awaited>) -> Self {
        Self { transport, awaited, refused: false, ended: false }
    }

    /// Holds a failure back until there is nothing more to read; the read that tells so wakes the task.
    fn written<R>(&mut self, outcome: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        self.refused |= matches!(outcome, Poll::Ready(Err(_)));
        if self.refused && !self.ended { Poll::Pending } else { outcome }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Heard<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.transport).poll_read(context, buffer));
        let count = buffer.filled().len() - before;
        self.ended |= read.is_err() || (count == 0 && buffer.remaining() > 0);
        if self.awaited.admits(count) {
            return Poll::Ready(read);
        }
        self.ended = true;
        Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "interim answers without an end")))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Heard<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.transport).poll_write(context, bytes);
        self.written(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.transport).poll_write_vectored(context, parts);
        self.written(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.transport).poll_flush(context);
        self.written(outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

    use super::{Awaited, BUFFER, HEADS, Heard};

    /// Says its parts and ends; takes nothing.
    struct Refusing(VecDeque<Vec<u8>>);

    impl AsyncRead for Refusing {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            buffer.put_slice(&self.0.pop_front().unwrap_or_default());
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Refusing {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn heard(parts: impl IntoIterator<Item = Vec<u8>>) -> (Heard<Refusing>, Arc<Awaited>) {
        let awaited = Arc::<Awaited>::default();
        (Heard::new(Refusing(parts.into_iter().collect()), Arc::clone(&awaited)), awaited)
    }

    #[tokio::test]
    async fn a_write_fails_after_what_was_said_was_heard() {
        let (mut heard, _) = heard([b"413".to_vec()]);
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut buffer = [0; 8];
        assert!(Pin::new(&mut heard).poll_write(&mut context, b"x").is_pending());
        assert!(Pin::new(&mut heard).poll_flush(&mut context).is_pending());
        assert_eq!(heard.read(&mut buffer).await.unwrap(), 3);
        assert!(Pin::new(&mut heard).poll_write(&mut context, b"x").is_pending());
        assert_eq!(heard.read(&mut buffer).await.unwrap(), 0);
        assert_eq!(heard.write(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn rfc9110_15_2_what_precedes_an_answer_has_an_end() {
        let parts = usize::try_from(HEADS).unwrap() / BUFFER;
        let many = || (0..parts + 2).map(|_| vec![0; BUFFER]);
        let mut buffer = vec![0; BUFFER];
        let (mut answered, _) = heard(many());
        let (mut waited, awaited) = heard(many());
        awaited.begin();
        for part in 0..parts + 2 {
            assert_eq!(answered.read(&mut buffer).await.unwrap(), BUFFER);
            let read = waited.read(&mut buffer).await;
            assert_eq!(read.is_ok(), part <= parts, "{part}");
        }
    }
}
