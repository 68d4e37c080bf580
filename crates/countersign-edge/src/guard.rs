//! The bytes of one connection, guarded: against peers that are slow, and against what the HTTP parser forgives.
//!
//! A connection is *between* requests or *within* one. Between, the head of the next has to begin before the idle
//! limit and to end before the head limit. Within, reads may wait (bodies and tunnels have their own limits) but writes
//! may not stall. The parser drops a `#fragment` from a request target without a word; RFC 9112 §3.2 allows none there, and
//! attackers use it to let a proxy and its upstream see different paths, so it is noticed here.
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

use crate::limits::Limits;
use crate::serve::Tunnel;

/// What the service tells the guard, and the other way round.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    requests: AtomicU64,
    within_request: AtomicBool,
    tunnel: Mutex<Option<Tunnel>>,
    fragment_seen: AtomicBool,
}

impl Stage {
    /// Notes that a head was read; returns whether its target had a fragment.
    pub(crate) fn request_begins(&self) -> bool {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.within_request.store(true, Ordering::Relaxed);
        self.fragment_seen.swap(false, Ordering::Relaxed)
    }

    /// Notes that the answer was handed over. What follows an answer that switches protocols is no head.
    pub(crate) fn answer_ends(&self) {
        let switches = self.tunnel.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        self.within_request.store(switches, Ordering::Relaxed);
    }

    /// Notes that the connection goes on as `tunnel` once its answer was sent.
    pub(crate) fn switches(&self, tunnel: Tunnel) {
        *self.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
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
    requests: u64,
    read: Deadline,
    write: Deadline,
}

/// How far the next head is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    /// Nothing of it was read, and the wait for it is being timed.
    Awaited,
    /// Its first line is being read.
    Line(Scan),
    /// Its first line was read.
    Begun,
    /// It was taken by the service.
    Taken,
}

impl<T> Guarded<T> {
    pub(crate) fn new(transport: T, stage: Arc<Stage>, limits: Limits) -> Self {
        let read = Deadline::at(Instant::now() + limits.head);
        Self { transport, stage, limits, head: Head::Awaited, requests: 0, read, write: Deadline::default() }
    }

    fn received(&mut self, bytes: &[u8]) {
        self.follow_stage();
        if bytes.is_empty() || self.stage.within_request.load(Ordering::Relaxed) {
            return;
        }
        let scan = match self.head {
            Head::Awaited | Head::Taken => {
                self.read.at = Some(Instant::now() + self.limits.head);
                Scan::Method
            }
            Head::Line(scan) => scan,
            Head::Begun => return,
        };
        self.head = match scan.feed(bytes) {
            Scan::Fragment => {
                self.stage.fragment_seen.store(true, Ordering::Relaxed);
                Head::Begun
            }
            Scan::Done => Head::Begun,
            more @ (Scan::Method | Scan::Target) => Head::Line(more),
        };
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

/// Reads a request line up to where a fragment would show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scan {
    Method,
    Target,
    Fragment,
    Done,
}

impl Scan {
    fn feed(mut self, bytes: &[u8]) -> Self {
        for byte in bytes {
            self = match (self, byte) {
                // RFC 9112 §2.2: empty lines before the request line are skipped.
                (Self::Method, b'\r' | b'\n') => Self::Method,
                (Self::Method, b' ') => Self::Target,
                (Self::Method, byte) if byte.is_ascii_alphabetic() || *byte == b'-' => Self::Method,
                (Self::Target, b'#') => Self::Fragment,
                (Self::Target, byte) if !matches!(byte, b' ' | b'\r' | b'\n') => Self::Target,
                (Self::Method | Self::Target | Self::Done | Self::Fragment, _) => return Self::Done,
            };
            if self == Self::Fragment {
                return self;
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Scan;

    #[test]
    fn a_fragment_in_a_request_target_is_seen_in_any_division() {
        for (text, expected) in [
            ("GET /a#b HTTP/1.1\r\n", Scan::Fragment),
            ("\r\nGET /#", Scan::Fragment),
            ("GET /a HTTP/1.1\r\nx: #\r\n", Scan::Done),
            ("GET /a", Scan::Target),
            ("x: a b #", Scan::Done),
        ] {
            assert_eq!(Scan::Method.feed(text.as_bytes()), expected, "{text}");
            let mut scan = Scan::Method;
            for byte in text.bytes() {
                if matches!(scan, Scan::Method | Scan::Target) {
                    scan = scan.feed(&[byte]);
                }
            }
            assert_eq!(scan, expected, "{text} byte by byte");
        }
    }
}
