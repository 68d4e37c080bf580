//! Bodies with bounds: bytes, and the pause between them.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use thiserror::Error;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

/// Why a body did not arrive whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BodyError {
    /// The connection broke inside the body, or its framing is wrong.
    #[error("the body ended before its end")]
    Aborted,
    /// The pause between two parts was longer than the limit.
    #[error("the body paused for longer than the limit")]
    Stalled,
    /// It has more bytes than the limit.
    #[error("the body is larger than the limit")]
    TooLarge,
}

impl BodyError {
    /// Finds the reason in an error and its sources.
    #[must_use]
    pub fn within(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(*found);
            }
            next = error.source();
        }
        None
    }
}

/// The content of a request; its connection knows whether it was read to its end.
#[derive(Debug)]
pub struct Content {
    /// Taken when it is dropped, and only then.
    body: Option<Incoming>,
    unread: Option<Arc<AtomicBool>>,
    rest: Option<Arc<Rest>>,
}

/// What a service leaves of a content, for the connection to throw away.
#[derive(Debug, Default)]
pub(crate) struct Rest(Mutex<Option<Incoming>>);

impl Content {
    /// Tells `unread` that there is content, and when there is no more.
    pub(crate) fn told(body: Incoming, unread: &Arc<AtomicBool>) -> Self {
        let some = !body.is_end_stream();
        unread.store(some, Ordering::Relaxed);
        Self { body: Some(body), unread: some.then(|| Arc::clone(unread)), rest: None }
    }

    /// Leaves to `rest` what is not read.
    pub(crate) fn leaving(body: Incoming, rest: &Arc<Rest>) -> Self {
        let rest = (!body.is_end_stream()).then(|| Arc::clone(rest));
        Self { body: Some(body), unread: None, rest }
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        if let Some(rest) = self.rest.take() {
            *rest.0.lock().unwrap_or_else(PoisonError::into_inner) = self.body.take();
        }
    }
}

impl Rest {
    /// Reads what was left and throws it away: at most `bytes`, within `limit`.
    pub(crate) async fn discard(&self, bytes: u64, limit: Duration) {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(left) = left else {
            return;
        };
        let mut left = Bounded::new(left, bytes, limit);
        let discarded = timeout(limit, async { while let Some(Ok(_)) = left.frame().await {} }).await;
        if discarded.is_err() {
            tracing::debug!("a peer did not end what nobody reads");
        }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if (frame.is_none() || self.is_end_stream())
            && let Some(unread) = self.unread.take()
        {
            unread.store(false, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// A body that ends with an error where it would exceed a bound.
#[derive(Debug)]
pub struct Bounded<B> {
    body: B,
    left: u64,
    pause: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<B> Bounded<B> {
    /// Passes at most `bytes`, with pauses of at most `pause`.
    #[must_use]
    pub const fn new(body: B, bytes: u64, pause: Duration) -> Self {
        Self { body, left: bytes, pause, waiting: None }
    }

    fn count<D: bytes::Buf>(&mut self, frame: Frame<D>) -> Result<Frame<D>, BodyError> {
        let size = frame.data_ref().map_or(0, |data| u64::try_from(data.remaining()).unwrap_or(u64::MAX));
        self.left = self.left.checked_sub(size).ok_or(BodyError::TooLarge)?;
        Ok(frame)
    }
}

impl<B: Body + Unpin> Body for Bounded<B> {
    type Data = B::Data;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.waiting = None;
            let frame = frame.map(|frame| frame.map_err(|_| BodyError::Aborted));
            return Poll::Ready(frame.map(|frame| frame.and_then(|frame| self.count(frame))));
        }
        let pause = self.pause;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + pause)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Some(Err(BodyError::Stalled)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body whose error comes one turn late.
///
/// The HTTP library drops what it holds when a body fails; so it gets the time to send the head of the answer, and the
/// caller sees an answer that broke instead of none.
#[derive(Debug)]
pub(crate) struct Late<B> {
    body: B,
    error: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl<B> Late<B> {
    pub(crate) const fn new(body: B) -> Self {
        Self { body, error: None }
    }
}

impl<B> Body for Late<B>
where
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin,
{
    type Data = B::Data;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            None => Poll::Ready(None),
            Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
            Some(Err(error)) => {
                self.error = Some(error.into());
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.error.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Reads a whole body of at most `bytes`, with pauses of at most `pause`.
///
/// # Errors
///
/// [`BodyError`] by its reason; nothing beyond the limit is kept in memory.
pub async fn read_limited<B>(body: B, bytes: usize, pause: Duration) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let limit = u64::try_from(bytes).unwrap_or(u64::MAX);
    if body.size_hint().lower() > limit {
        return Err(BodyError::TooLarge);
    }
    let mut bounded = Bounded::new(body, limit, pause);
    let mut whole = BytesMut::new();
    while let Some(frame) = bounded.frame().await {
        if let Ok(data) = frame?.into_data() {
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Duration;

    use bytes::Bytes;
    use http_body::{Body, Frame};
    use http_body_util::Full;

    use super::{BodyError, read_limited};

    const PAUSE: Duration = Duration::from_secs(30);

    /// Sends its parts, then never anything.
    struct Parts(Vec<&'static str>);

    impl Body for Parts {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.0.pop() {
                Some(part) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(part.as_bytes()))))),
                None => Poll::Pending,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_read_up_to_its_limit() {
        let read = |limit| read_limited(Full::new(Bytes::from_static(b"12345")), limit, PAUSE);
        assert_eq!(read(5).await, Ok(Bytes::from_static(b"12345")));
        assert_eq!(read(4).await, Err(BodyError::TooLarge));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_of_unknown_length_ends_at_the_limit() {
        assert_eq!(read_limited(Parts(vec!["345", "12"]), 4, PAUSE).await, Err(BodyError::TooLarge));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_pauses_for_ever_is_given_up() {
        assert_eq!(read_limited(Parts(vec!["12"]), 4, PAUSE).await, Err(BodyError::Stalled));
    }
}
