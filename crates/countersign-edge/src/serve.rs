//! What a listener serves, and what it knows of the peer.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use countersign_core::management_key::LocalPeer;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;

/// The other end of a connection, in the transport's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// TCP without TLS.
    Plain(SocketAddr),
    /// TCP with TLS.
    Tls(SocketAddr),
    /// The local socket; the kernel says who it is.
    Local(LocalPeer),
}

impl Peer {
    /// Returns the network address, if the peer has one. An IPv4 address that was mapped into IPv6 is IPv4.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Plain(address) | Self::Tls(address) => Some(address.ip().to_canonical()),
            Self::Local(_) => None,
        }
    }

    /// Returns the URI scheme of the connection.
    #[must_use]
    pub const fn uri_scheme(&self) -> &'static str {
        match self {
            Self::Tls(_) => "https",
            Self::Plain(_) | Self::Local(_) => "http",
        }
    }
}

/// Answers requests. Total: whatever goes wrong is an answer.
pub trait Serve: Send + Sync + 'static {
    /// The body of answers.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static;

    /// Answers one request.
    fn serve(
        &self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

impl<F, A, B> Serve for F
where
    F: Fn(Request<Incoming>, Peer) -> A + Send + Sync + 'static,
    A: Future<Output = Response<B>> + Send,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static,
{
    type Body = B;

    fn serve(&self, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Response<B>> + Send {
        self(request, peer)
    }
}
