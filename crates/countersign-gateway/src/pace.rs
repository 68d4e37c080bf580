//! The least rate of an upload: who sends a byte now and then holds a connection, and one of the upstream's.
//!
//! **Invariant.** Only the time counts in which the sender is waited for: an upstream that takes nothing slows nobody down.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use countersign_edge::body::BodyError;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// How fast a body has to arrive, on the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Bytes in a second; 0: any rate will do. Default: 500, as Apache's `mod_reqtimeout`.
    pub rate: u64,
    /// The wait that is granted before the rate counts. Default: 10 s, what a head may take.
    pub grace: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { rate: 500, grace: Duration::from_secs(10) }
    }
}

impl Pace {
    /// Returns how long a sender of `received` bytes may have been waited for; `None`: for ever.
    fn allowance(self, received: u64) -> Option<Duration> {
        let seconds = received.checked_div(self.rate)?;
        Some(self.grace.saturating_add(Duration::from_secs(seconds)))
    }
}

/// A body that ends with an error when its sender is too slow.
#[derive(Debug)]
pub(crate) struct Paced<B> {
    body: B,
    pace: Pace,
    received: u64,
    waited: Duration,
    waiting_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<B> Paced<B> {
    pub(crate) const fn new(body: B, pace: Pace) -> Self {
        Self { body, pace, received: 0, waited: Duration::ZERO, waiting_since: None, timer: None }
    }

    fn arrived(&mut self, frame: Option<&Frame<Bytes>>) {
        let data = frame.and_then(Frame::data_ref).map_or(0, Bytes::len);
        self.received = self.received.saturating_add(u64::try_from(data).unwrap_or(u64::MAX));
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
    }

    /// Waits until the sender has used up its time.
    fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(allowance) = self.pace.allowance(self.received) else {
            return Poll::Pending;
        };
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let due = since + allowance.saturating_sub(self.waited);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
        timer.as_mut().poll(context)
    }
}

impl<B: Body<Data = Bytes, Error = BodyError> + Unpin> Body for Paced<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.arrived(frame.as_ref().and_then(|frame| frame.as_ref().ok()));
            return Poll::Ready(frame);
        }
        ready!(self.poll_overdue(context));
        Poll::Ready(Some(Err(BodyError::Stalled)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};
    use std::time::Duration;

    use bytes::Bytes;
    use countersign_edge::body::BodyError;
    use http_body::{Body, Frame};
    use http_body_util::BodyExt as _;
    use tokio::time::{Instant, Interval, interval};

    use super::{Pace, Paced};

    #[test]
    fn what_arrived_buys_time() {
        let pace = Pace { rate: 500, grace: Duration::from_secs(10) };
        for (received, seconds) in [(0, 10), (499, 10), (500, 11), (5_000, 20)] {
            assert_eq!(pace.allowance(received), Some(Duration::from_secs(seconds)), "{received}");
        }
        assert_eq!(Pace { rate: 0, ..pace }.allowance(5), None);
    }

    /// Sends `size` bytes in each second, for ever.
    struct Steady {
        beat: Interval,
        size: usize,
    }

    impl Body for Steady {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            ready!(self.beat.poll_tick(context));
            Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![0; self.size])))))
        }
    }

    /// Reads for two minutes, `pause` between the parts; returns when the sender was given up.
    async fn given_up(size: usize, pause: Duration) -> Option<u64> {
        let begun = Instant::now();
        let body = Steady { beat: interval(Duration::from_secs(1)), size };
        let mut body = Paced::new(body, Pace::default());
        while begun.elapsed() < Duration::from_secs(120) {
            match body.frame().await.unwrap() {
                Ok(_) => tokio::time::advance(pause).await,
                Err(error) => {
                    assert_eq!(error, BodyError::Stalled);
                    return Some(begun.elapsed().as_secs());
                }
            }
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_below_the_rate_is_given_up() {
        assert_eq!(given_up(1, Duration::ZERO).await, Some(10));
        assert_eq!(given_up(250, Duration::ZERO).await, Some(20));
        assert_eq!(given_up(500, Duration::ZERO).await, None);
        assert_eq!(given_up(1, Duration::from_secs(1)).await, None, "the reader is what is slow");
    }
}
