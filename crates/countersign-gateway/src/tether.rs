//! What ties an open stream to its credential (SAFETY 18).
//!
//! A decision is made once, at a request's head; an answer that never ends, or an upgraded connection, would outlive
//! it. So what is still open is judged again, twice a second, by what verifiers know then: a credential that was
//! forgotten, revoked or disabled, that expired, or whose owner was disabled ends the stream, and so does a snapshot
//! that is too old to say (SAFETY 4).
//!
//! **Invariant.** No byte passes later than [`INTERVAL`] after the snapshot has learnt of the end.
//!
//! What it does not do: judge the requirement again. A route or a scope that changed holds for the next request.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use countersign_core::context::Clock;
use countersign_core::decision::Permit;
use countersign_core::few::Few;
use countersign_core::id::CredentialId;
use countersign_core::principal::Principal;
use countersign_core::snapshot::Snapshot;
use countersign_core::standing::Watch;
use countersign_edge::body::BodyError;
use countersign_edge::metrics::Metrics;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// How often it is judged: twice in the second that SAFETY 18 allows.
pub(crate) const INTERVAL: Duration = Duration::from_millis(500);

// SAFETY 18: within one second.
const _: () = assert!(INTERVAL.as_millis() <= 500, "a judgement and its effect fit in one second");

/// What a worker judges open streams by.
pub(crate) struct Judge {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
}

impl fmt::Debug for Judge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Judge").finish_non_exhaustive()
    }
}

/// One stream's tie to the credentials that opened it.
#[derive(Debug, Clone)]
pub(crate) struct Tether {
    judge: Arc<Judge>,
    members: Few<Principal>,
    address: Option<IpAddr>,
}

impl Tether {
    /// Ties a stream to all that `permit` was given for; `None`: nothing of it can end.
    pub(crate) fn new(judge: &Arc<Judge>, permit: &Permit, address: Option<IpAddr>) -> Option<Self> {
        let ends = permit.members().iter().any(|one| one.standing().may_end());
        ends.then(|| Self { judge: Arc::clone(judge), members: permit.members().clone(), address })
    }

    /// Tells whether the stream may go on; that it may not is counted and told to the log.
    pub(crate) fn holds(&self) -> bool {
        let Some((credential, reason)) = self.end() else {
            return true;
        };
        self.judge.metrics.stream_ended();
        tracing::info!(?credential, reason, "an open stream ended with its credential");
        false
    }

    fn end(&self) -> Option<(Option<CredentialId>, &'static str)> {
        let judge = &self.judge;
        let watch = Watch {
            known: &*judge.snapshot,
            now: judge.clock.now(),
            monotonic: judge.clock.monotonic(),
            address: self.address,
        };
        self.members.iter().find_map(|one| Some((one.credential(), one.standing().end(&watch)?)))
    }
}

/// A body that breaks when its credential ends.
#[derive(Debug)]
pub(crate) struct Tethered<B> {
    body: B,
    tether: Option<Tether>,
    due: Instant,
    /// Armed by the first wait: an answer that is there at once needs none.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<B> Tethered<B> {
    pub(crate) fn new(body: B, tether: Option<Tether>) -> Self {
        Self { body, tether, due: Instant::now() + INTERVAL, timer: None }
    }

    /// Judges if it is time to; true: the body has to break.
    fn parts(&mut self) -> bool {
        let Some(tether) = &self.tether else {
            return false;
        };
        let now = Instant::now();
        if now < self.due {
            return false;
        }
        self.due = now + INTERVAL;
        !tether.holds()
    }

    /// Waits for the next judgement; ready: the body has to break.
    fn poll_parting(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.tether.is_none() {
            return Poll::Pending;
        }
        loop {
            let due = self.due;
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            std::task::ready!(timer.as_mut().poll(context));
            if self.parts() {
                return Poll::Ready(());
            }
        }
    }
}

impl<B: Body<Data = Bytes, Error = BodyError> + Unpin> Body for Tethered<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let parted = match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(frame)) if !self.parts() => return Poll::Ready(Some(frame)),
            Poll::Ready(Some(_)) => Poll::Ready(()),
            Poll::Pending => self.poll_parting(context),
        };
        parted.map(|()| Some(Err(BodyError::Aborted)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
