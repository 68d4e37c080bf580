//! Closing in stages (RFC 9112 §9.6): what we said last has to arrive, though the peer is still sending.
//!
//! A socket that is closed while bytes wait to be read is reset, and a reset can take away what the peer has not read
//! yet: the answer that says why. So the writing side is closed first, then the peer's rest is read and thrown away until
//! it closes too.
//!
//! **Invariant.** It is bounded by time and by bytes: who sends on for ever is cut.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;

/// The most that is thrown away: several times the largest body that is taken by default.
pub(crate) const MOST: u64 = 64 * 1024 * 1024;

/// A transport that comes back when whoever reads and writes it is done.
pub(crate) struct Held<T> {
    transport: Option<T>,
    /// Whether the peer has closed: then nothing is left to be read.
    ended: bool,
    back: Back<T>,
}

type Back<T> = Arc<Mutex<Option<T>>>;

/// What is left of a connection.
pub(crate) struct Left<T>(Back<T>);

/// Lends `transport` until what it is lent as is dropped.
pub(crate) fn hold<T>(transport: T) -> (Held<T>, Left<T>) {
    let back = Back::default();
    (Held { transport: Some(transport), ended: false, back: Arc::clone(&back) }, Left(back))
}

impl<T: AsyncRead + AsyncWrite + Unpin> Left<T> {
    /// Closes in stages, within `limit`, unless the peer has closed already.
    pub(crate) async fn close(self, limit: Duration) {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut transport) = left else {
            return;
        };
        let closing = async {
            transport.shutdown().await?;
            tokio::io::copy(&mut transport.take(MOST), &mut tokio::io::sink()).await
        };
        if !matches!(timeout(limit, closing).await, Ok(Ok(_))) {
            tracing::debug!("a peer did not close its side in order");
        }
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        let left = self.transport.take().filter(|_| !self.ended);
        *self.back.lock().unwrap_or_else(PoisonError::into_inner) = left;
    }
}

impl<T: Unpin> Held<T> {
    fn transport(&mut self) -> io::Result<Pin<&mut T>> {
        // INVARIANT: it is taken by `drop` alone.
        self.transport.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Held<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(self.transport()?.poll_read(context, buffer));
        self.ended |= read.is_err() || (buffer.filled().len() == before && buffer.remaining() > 0);
        Poll::Ready(read)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Held<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.transport()?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.transport()?.poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport()?.poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::Instant;

    use super::hold;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn rfc9112_9_6_the_rest_is_read_until_the_peer_closes() {
        let (ours, mut peer) = duplex(16);
        let (held, left) = hold(ours);
        drop(held);
        let closing = tokio::spawn(left.close(LIMIT));
        let mut said = Vec::new();
        assert_eq!(peer.read_to_end(&mut said).await.unwrap(), 0, "our side is closed first");
        peer.write_all(&[0; 1000]).await.expect("what the peer still sends is taken");
        assert!(!closing.is_finished());
        drop(peer);
        closing.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn rfc9112_9_6_a_peer_that_never_closes_is_cut() {
        let (ours, _peer) = duplex(16);
        let (held, left) = hold(ours);
        drop(held);
        let begun = Instant::now();
        left.close(LIMIT).await;
        assert_eq!(begun.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_has_closed_is_not_waited_for() {
        let (ours, peer) = duplex(16);
        let (mut held, left) = hold(ours);
        drop(peer);
        assert_eq!(held.read(&mut [0; 8]).await.unwrap(), 0);
        drop(held);
        assert!(left.0.lock().unwrap().is_none());
    }
}
