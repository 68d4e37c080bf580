//! Whole bodies that this process reads itself: a few at a time, each within a deadline.
//!
//! **Invariants.** Before its first byte is read there is a place for all of a body. Nobody holds more than a share of
//! the places. A body gives its place up only when it was worked on, so that what it became is bounded too.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use countersign_core::id::OwnerId;
use countersign_core::ledger::Unavailable;
use countersign_edge::body::{BodyError, read_limited};
use countersign_edge::wire_error;
use http::Response;
use http_body_util::Full;
use hyper::body::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Up to here a body is small: the largest form or JSON of our protocols.
const SMALL: u64 = 64 * 1024;
/// Small bodies at a time, and of one sender: together at most 16 MiB.
const SMALL_PLACES: (usize, usize) = (256, 16);
/// Senders that are remembered before those without a place are forgotten.
const REMEMBERED: usize = 1_000;

/// Who sends a body, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Sender {
    /// Whoever is at this address.
    Address(Option<IpAddr>),
    /// A proven caller; `None`: the operator of this machine.
    Owner(Option<OwnerId>),
}

/// Reads bodies.
#[derive(Debug)]
pub struct Intake {
    small: Places,
    large: Places,
    within: Duration,
}

/// A body, whole, with its place.
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
    /// Too many are being read, and none was finished in time.
    Full,
}

impl Intake {
    /// Reads at most `large` bodies beyond 64 KiB at a time, `share` of them of one sender, each `within` a time.
    #[must_use]
    pub fn new(large: usize, share: usize, within: Duration) -> Self {
        let (small, small_share) = SMALL_PLACES;
        Self { small: Places::new(small, small_share), large: Places::new(large, share), within }
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
        if body.is_end_stream() {
            return Ok(Whole { bytes: Bytes::new(), _place: None });
        }
        let most_bytes = u64::try_from(most).unwrap_or(u64::MAX);
        let announced = body.size_hint();
        if announced.lower() > most_bytes {
            return Err(Unread::Body(BodyError::TooLarge));
        }
        let size = announced.upper().unwrap_or(most_bytes).min(most_bytes);
        let places = if size <= SMALL { &self.small } else { &self.large };
        let place = timeout(self.within, places.take(sender)).await.ok().flatten().ok_or(Unread::Full)?;
        match timeout(self.within, read_limited(body, most, self.within)).await {
            Ok(Ok(bytes)) => Ok(Whole { bytes, _place: Some(place) }),
            Ok(Err(error)) => Err(Unread::Body(error)),
            Err(_elapsed) => Err(Unread::Body(BodyError::Stalled)),
        }
    }
}

impl Deref for Whole {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.bytes
    }
}

impl Unread {
    /// Returns the refusal.
    pub(crate) fn answer(self) -> Response<Full<Bytes>> {
        match self {
            Self::Body(error) => wire_error::from_body(error, None),
            Self::Full => wire_error::from_unavailable(&Unavailable::Contended, None),
        }
    }
}

/// Places for bodies of one size.
#[derive(Debug)]
struct Places {
    all: Arc<Semaphore>,
    share: usize,
    /// What is left of each sender's share.
    of: Mutex<HashMap<Sender, Weak<Semaphore>>>,
}

/// A place that is taken, of a sender's share and of all.
#[derive(Debug)]
struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_sender: OwnedSemaphorePermit,
}

impl Places {
    fn new(all: usize, share: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), share, of: Mutex::default() }
    }

    /// Waits for a place. First of one's own share: whoever has none left keeps nobody else waiting.
    async fn take(&self, sender: Sender) -> Option<Place> {
        let of_sender = self.share_of(sender).acquire_owned().await.ok()?;
        let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Place { _of_all: of_all, _of_sender: of_sender })
    }

    fn share_of(&self, sender: Sender) -> Arc<Semaphore> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = of.get(&sender).and_then(Weak::upgrade) {
            return share;
        }
        if of.len() >= REMEMBERED {
            of.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(Semaphore::new(self.share));
        of.insert(sender, Arc::downgrade(&share));
        share
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
    use http_body_util::{Empty, Full};
    use hyper::body::{Body, Frame};
    use tokio::time::{Instant, sleep};

    use super::{Intake, Sender, Unread, Whole};

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
        assert_eq!(**small, *b"{}", "small ones have places of their own");
        assert!(read(&intake, address(3), Empty::<Bytes>::new()).await.is_ok(), "nothing needs none");
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
    async fn what_is_announced_too_large_waits_for_no_place() {
        let intake = Intake::new(1, 1, WITHIN);
        let refused = intake.read(address(1), large(), 1000).await;
        assert!(matches!(refused, Err(Unread::Body(BodyError::TooLarge))), "{refused:?}");
    }
}
