//! The bounds on what a peer may cost: connections, bytes and waits.

use std::time::Duration;

/// Bounds of a listener. Each is a setting; the defaults are here, with their sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once on the listener; further ones are refused at once.
    ///
    /// Default: 10,000, at 64 KiB of buffer each well below a small machine's memory.
    pub connections: usize,
    /// The time that a TLS handshake may take.
    ///
    /// Default: 10 s, three retransmissions on a bad line.
    pub handshake: Duration,
    /// The time from a connection's beginning, or a request's first byte, to the end of the request's head.
    ///
    /// Default: 10 s; against clients that send one byte at a time.
    pub head: Duration,
    /// The time that a kept connection may wait for its next request.
    ///
    /// Default: 75 s, nginx's `keepalive_timeout`.
    pub idle: Duration,
    /// The longest pause inside a request's body.
    ///
    /// Default: 30 s.
    pub body_pause: Duration,
    /// The time that a whole body may take that we read ourselves.
    ///
    /// Default: 30 s, in which 64 KiB pass the slowest of lines, and 4 MiB one of 1.2 Mbit/s.
    pub body: Duration,
    /// The time that a peer may take no byte of an answer.
    ///
    /// Default: 30 s.
    pub write_pause: Duration,
    /// The time that a peer may take to close its side of a connection on which we have said the last word.
    ///
    /// Default: 10 s, twice nginx's `lingering_timeout`, which begins anew with each byte.
    pub closing: Duration,
    /// The bytes of a request's head, and of the read buffer.
    ///
    /// Default: 64 KiB; at least 8 KiB. More is answered with 431.
    pub head_bytes: usize,
    /// The bytes that a peer may send ahead on an HTTP/2 connection: what is kept of uploads until it is taken.
    ///
    /// Default and least: 65,535, the initial window of RFC 9113 §6.9.2, as much as the read buffer of HTTP/1.1.
    pub window_bytes: u32,
    /// The bytes of a request's body that is passed through.
    ///
    /// Default: 10 MiB, what hosted API gateways allow. More is answered with 413.
    pub body_bytes: u64,
    /// The bytes of a request's body that we read ourselves.
    ///
    /// Default: 64 KiB, many times the largest form or JSON of our protocols.
    pub protocol_body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            body_pause: Duration::from_secs(30),
            body: Duration::from_secs(30),
            write_pause: Duration::from_secs(30),
            closing: Duration::from_secs(10),
            head_bytes: 64 * 1024,
            window_bytes: 65_535,
            body_bytes: 10 * 1024 * 1024,
            protocol_body_bytes: 64 * 1024,
        }
    }
}

/// The smallest read buffer that the HTTP implementation works with.
pub(crate) const MIN_HEAD_BYTES: usize = 8 * 1024;
