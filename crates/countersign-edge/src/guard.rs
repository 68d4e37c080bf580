//! The bytes of one connection, guarded: against peers that are slow, and against what the HTTP parser forgives.
//!
//! A connection is *between* requests or *within* one. Between, the head of the next has to begin before the idle
//! limit and to end before the head limit. Within, reads may wait (bodies and tunnels have their own limits) but writes
//! may not stall. What the parser forgives without a word is noticed on the way in, by [`crate::head`].
//!
//! **Invariant.** No timer is touched while bytes flow: deadlines are values, and the timer behind them is armed
//! only when there is something to wait for.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::head::{Fault, Heads};
use crate::limits::Limits;
use crate::serve::Tunnel;

/// What the service tells the guard, and the other way round.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    requests: AtomicU64,
    within_request: AtomicBool,
    tunnel: Mutex<Option<Tunnel>>,
    switched: AtomicBool,
    fault: Mutex<Option<(u64, Fault)>>,
}

impl Stage {
    /// Notes that a head was read; returns what is wrong with it.
    pub(crate) fn request_begins(&self) -> Option<Fault> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        self.within_request.store(true, Ordering::Relaxed);
        let fault = *self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        // Behind a fault it is not known where a request begins: none is served any more.
        fault.filter(|(at, _)| *at <= number).map(|(_, fault)| fault)
    }

    /// Tells whether a head was ever read.
    pub(crate) fn has_begun(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    /// Notes that the answer was handed over. What follows an answer that switches protocols is no head.
    pub(crate) fn answer_ends(&self) {
        self.within_request.store(self.switched.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Notes that the connection goes on as `tunnel` once its answer was sent.
    pub(crate) fn switches(&self, tunnel: Tunnel) {
        *self.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
        self.switched.store(true, Ordering::Relaxed);
    }

    /// Returns what the connection goes on as.
    pub(crate) fn tunnel(&self) -> Option<Tunnel> {
        self.tunnel.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A transport under guard.
pub(crate) struct Guarded<T> {
    transport: T,
    stage: Arc<Stage>,
    limits: Limits,
    head: Head,
    heads: Heads,
    requests: u64,
    read: Deadline,
    write: Deadline,
}

/// How far the next head is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    /// Nothing of it was read, and the wait for it is being timed.
    Awaited,
    /// It is being read.
    Begun,
    /// It was taken by the service.
    Taken,
}

impl<T> Guarded<T> {
    pub(crate) fn new(transport: T, stage: Arc<Stage>, limits: Limits) -> Self {
        let read = Deadline::at(Instant::now() + limits.head);
        Self {
            transport,
            stage,
            limits,
            head: Head::Awaited,
            heads: Heads::default(),
            requests: 0,
            read,
            write: Deadline::default(),
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        self.follow_stage();
        if bytes.is_empty() || self.stage.switched.load(Ordering::Relaxed) {
            return;
        }
        let within_request = self.stage.within_request.load(Ordering::Relaxed);
        if let Some(fault) = self.heads.feed(bytes) {
            // The first one ends the connection; what comes after it is not believed.
            self.stage.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
        }
        if !within_request && self.head != Head::Begun {
            self.read.at = Some(Instant::now() + self.limits.head);
            self.head = Head::Begun;
        }
    }

    /// Notes that the service has taken a head since the last look.
    fn follow_stage(&mut self) {
        let requests = self.stage.requests.load(Ordering::Relaxed);
        if self.requests != requests {
            self.requests = requests;
            self.head = Head::Taken;
            self.read.at = None;
        }
    }

    /// Starts the wait for the next head once the answer to the last one was handed over.
    fn await_head(&mut self) {
        self.follow_stage();
        if self.head == Head::Taken && !self.stage.within_request.load(Ordering::Relaxed) {
            self.head = Head::Awaited;
            self.read.at = Some(Instant::now() + self.limits.idle);
        }
    }

    fn writing<R>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if outcome.is_ready() {
            self.write.at = None;
            // The parser may have no reason to read again before the next head arrives: arm its wait here.
            self.await_head();
            let passed = self.read.has_passed(context);
            return if passed { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { outcome };
        }
        self.write.at.get_or_insert_with(|| Instant::now() + self.limits.write_pause);
        if self.write.has_passed(context) {
            Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
        } else {
            outcome
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guarded<T> {
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
        self.await_head();
        if self.read.has_passed(context) { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { outcome }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.transport).poll_write(context, bytes);
        self.writing(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.transport).poll_write_vectored(context, parts);
        self.writing(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.transport).poll_flush(context);
        self.writing(context, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.transport).poll_shutdown(context);
        self.writing(context, outcome)
    }
}

/// A deadline that may move freely; its timer follows only when it would ring too late.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(crate) const fn at(at: Instant) -> Self {
        Self { at: Some(at), timer: None }
    }

    /// Begins a wait of `limit`, unless one is being timed.
    pub(crate) fn begin(&mut self, limit: Duration) {
        self.at.get_or_insert_with(|| Instant::now() + limit);
    }

    /// Moves the deadline; `None`: there is nothing to wait for.
    pub(crate) const fn set(&mut self, at: Option<Instant>) {
        self.at = at;
    }

    /// Ends the wait.
    pub(crate) const fn end(&mut self) {
        self.at = None;
    }

    pub(crate) fn has_passed(&mut self, context: &mut Context<'_>) -> bool {
        let Some(at) = self.at else {
            return false;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() > at {
            timer.as_mut().reset(at);
        }
        while timer.as_mut().poll(context).is_ready() {
            if timer.deadline() >= at {
                return true;
            }
            timer.as_mut().reset(at);
        }
        false
    }
}
