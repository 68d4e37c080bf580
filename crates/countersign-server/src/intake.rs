//! What is taken in: calls, and the whole bodies that this process reads itself, a few at a time, each within a deadline.
//!
//! **Invariants.** Before its first byte is read there is a place for all of a body. Nobody holds more than a share of
//! the places. A body gives its place up only when it was worked on, and a call when its answer was sent, so that what
//! they became is bounded too.

use std::ops::Deref;
use std::time::Duration;

use bytes::Bytes;
use countersign_core::ledger::Unavailable;
use countersign_edge::body::{BodyError, read_limited};
use countersign_edge::wire_error;
use hyper::body::Body;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::places::{Place, Places, Sender};

/// Up to here a body is small: the largest form or JSON of our protocols.
const SMALL: u64 = 64 * 1024;
/// Calls at a time, and of one sender, each with a small body and an answer of a few hundred rows.
const CALLS: (usize, usize) = (256, 16);
/// Takes calls and bodies in.
#[derive(Debug)]
pub struct Intake {
    calls: Places,
    large: Places,
    within: Duration,
}

/// A body, whole, with the place of a large one.
#[derive(Debug)]
pub(crate) struct Whole {
    bytes: Bytes,
    _place: Option<Place>,
}

/// Why a body was not read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It did not arrive whole.
    Body(BodyError),
    /// Too many are under way, and none ended in time.
    Full,
}

impl Intake {
    /// Reads at most `large` bodies beyond 64 KiB at a time, `share` of them of one sender, each `within` a time.
    #[must_use]
    pub fn new(large: usize, share: usize, within: Duration) -> Self {
        let (calls, calls_of_one) = CALLS;
        Self { calls: Places::new(calls, calls_of_one), large: Places::new(large, share), within }
    }

    /// Lets a call in; its place is given up with what is returned.
    ///
    /// # Errors
    ///
    /// [`Unread::Full`].
    pub(crate) async fn enter(&self, sender: Sender) -> Result<Place, Unread> {
        self.wait(&self.calls, sender).await
    }

    /// Reads a whole body of at most `most` bytes. Waiting for a place is bounded by the same time as reading.
    ///
    /// # Errors
    ///
    /// [`Unread`] by its reason; nothing beyond the limit is kept in memory.
    pub(crate) async fn read<B>(&self, sender: Sender, body: B, most: usize) -> Result<Whole, Unread>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let most_bytes = u64::try_from(most).unwrap_or(u64::MAX);
        let announced = body.size_hint();
        if announced.lower() > most_bytes {
            return Err(Unread::Body(BodyError::TooLarge));
        }
        let size = announced.upper().unwrap_or(most_bytes).min(most_bytes);
        let place = if size > SMALL { Some(self.wait(&self.large, sender).await?) } else { None };
        match timeout(self.within, read_limited(body, most, self.within)).await {
            Ok(Ok(bytes)) => Ok(Whole { bytes, _place: place }),
            Ok(Err(error)) => Err(Unread::Body(error)),
            Err(_elapsed) => Err(Unread::Body(BodyError::Stalled)),
        }
    }

    async fn wait(&self, places: &Places, sender: Sender) -> Result<Place, Unread> {
        timeout(self.within, places.take(sender)).await.ok().flatten().ok_or(Unread::Full)
    }
}

impl Deref for Whole {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.bytes
    }
}

impl From<Unread> for Failure {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Body(error) => wire_error::from_body(error, None).into(),
            Unread::Full => Self::Unavailable(Unavailable::Contended),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};
    use std::time::Duration;

    use bytes::Bytes;
    use countersign_edge::body::BodyError;
    use http_body_util::Full;
    use hyper::body::{Body, Frame};
    use tokio::time::{Instant, sleep};

    use super::{CALLS, Intake, Unread, Whole};
    use crate::placed::Placed;
    use crate::places::Sender;

    const WITHIN: Duration = Duration::from_secs(30);
    const MOST: usize = 1024 * 1024;

    /// Sends a byte each second, for ever: never a pause that is too long.
    struct Drip(Pin<Box<tokio::time::Sleep>>);

    fn drip() -> Drip {
        Drip(Box::pin(sleep(Duration::from_secs(1))))
    }

    impl Body for Drip {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            std::task::ready!(self.0.as_mut().poll(context));
            self.0.as_mut().reset(Instant::now() + Duration::from_secs(1));
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }

    fn address(last: u8) -> Sender {
        Sender::Address(Some([192, 0, 2, last].into()))
    }

    fn large() -> Full<Bytes> {
        Full::new(Bytes::from(vec![b'x'; 100_000]))
    }

    async fn read(
        intake: &Intake,
        sender: Sender,
        body: impl Body<Data = Bytes> + Unpin,
    ) -> Result<Whole, Unread> {
        intake.read(sender, body, MOST).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_a_deadline_for_the_whole() {
        let (intake, begun) = (Intake::new(1, 1, WITHIN), Instant::now());
        let slow = read(&intake, address(1), drip()).await;
        assert!(matches!(slow, Err(Unread::Body(BodyError::Stalled))), "{slow:?}");
        assert_eq!(begun.elapsed(), WITHIN);
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_beyond_the_places_wait_and_are_refused_after_the_deadline() {
        let intake = Intake::new(2, 1, WITHIN);
        let held = [read(&intake, address(1), large()).await, read(&intake, address(2), large()).await];
        assert!(held.iter().all(Result::is_ok), "{held:?}");
        let begun = Instant::now();
        assert!(matches!(read(&intake, address(3), large()).await, Err(Unread::Full)));
        assert_eq!(begun.elapsed(), WITHIN);
        let small = read(&intake, address(3), Full::new(Bytes::from_static(b"{}"))).await.unwrap();
        assert_eq!(**small, *b"{}", "small ones are part of their call");
        drop(held);
        assert!(read(&intake, address(3), large()).await.is_ok(), "a place came back");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_holds_more_than_a_share() {
        let intake = Arc::new(Intake::new(4, 1, WITHIN));
        let waiting: Vec<_> = (0..50)
            .map(|_| {
                let intake = Arc::clone(&intake);
                tokio::spawn(async move { read(&intake, address(1), drip()).await.is_ok() })
            })
            .collect();
        sleep(Duration::from_secs(1)).await;
        let begun = Instant::now();
        assert!(read(&intake, address(2), large()).await.is_ok());
        assert_eq!(begun.elapsed(), Duration::ZERO);
        for slow in waiting {
            assert!(!slow.await.unwrap());
        }
        assert!(read(&intake, address(1), large()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn calls_beyond_a_share_wait_and_anothers_do_not() {
        let intake = Intake::new(1, 1, WITHIN);
        let mut held = Vec::new();
        for _ in 0..CALLS.1 {
            held.push(intake.enter(address(1)).await.unwrap());
        }
        assert!(matches!(intake.enter(address(1)).await, Err(Unread::Full)));
        assert!(intake.enter(address(2)).await.is_ok());
        let answer = Placed::new(Full::new(Bytes::from_static(b"{}")), held.pop());
        assert!(matches!(intake.enter(address(1)).await, Err(Unread::Full)), "its answer is not sent yet");
        drop(answer);
        assert!(intake.enter(address(1)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_announced_too_large_waits_for_no_place() {
        let intake = Intake::new(1, 1, WITHIN);
        let refused = intake.read(address(1), large(), 1000).await;
        assert!(matches!(refused, Err(Unread::Body(BodyError::TooLarge))), "{refused:?}");
    }
}
