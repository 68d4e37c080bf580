//! What a listener serves, and what it knows of the peer.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use countersign_core::carried::{Connection, PeerCertificate};
use countersign_core::management_key::LocalPeer;
use http::{Request, Response, Version};
use http_body::Body;

use crate::body::Content;

/// What a connection runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP without TLS.
    Plain(SocketAddr),
    /// TCP with TLS.
    Tls(SocketAddr),
    /// The local socket; the kernel says who it is.
    Local(LocalPeer),
}

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    transport: Transport,
    connection: Arc<Connection>,
}

impl Peer {
    /// Describes who came over `transport` and speaks HTTP/1.1.
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        let peer = match transport {
            // An IPv4 address that was mapped into IPv6 is IPv4.
            Transport::Plain(address) | Transport::Tls(address) => Some(address.ip().to_canonical()),
            Transport::Local(_) => None,
        };
        let connection = Connection { peer, server_name: None, certificate: None, version: Version::HTTP_11 };
        Self { transport, connection: Arc::new(connection) }
    }

    /// Adds what a handshake has told: the name that was asked for (RFC 6066 §3), and a certificate that was verified.
    #[must_use]
    pub fn shaken(self, server_name: Option<&str>, certificate: Option<&[u8]>) -> Self {
        let (server_name, certificate) = (server_name.map(Into::into), certificate.map(PeerCertificate::new));
        self.with(|connection| Connection { server_name, certificate, ..connection })
    }

    /// Says which version of HTTP is spoken.
    #[must_use]
    pub fn speaking(self, version: Version) -> Self {
        self.with(|connection| Connection { version, ..connection })
    }

    fn with(self, change: impl FnOnce(Connection) -> Connection) -> Self {
        let connection = Arc::unwrap_or_clone(self.connection);
        Self { connection: Arc::new(change(connection)), ..self }
    }

    /// Returns what the connection runs over.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// Returns what is known of the connection.
    #[must_use]
    pub const fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Returns the network address, if the peer has one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.connection.peer
    }

    /// Returns the URI scheme of the connection.
    #[must_use]
    pub const fn uri_scheme(&self) -> &'static str {
        match self.transport {
            Transport::Tls(_) => "https",
            Transport::Plain(_) | Transport::Local(_) => "http",
        }
    }
}

/// What becomes of a connection after an answer 101 (RFC 9110 §7.8): the service puts it into the answer's extensions.
///
/// It runs as part of the connection, after the answer was sent, and is dropped where the connection is drained.
#[derive(Clone)]
pub struct Tunnel(Arc<Mutex<Option<Tunnelled>>>);

/// What a tunnel does until its end.
pub(crate) struct Tunnelled(pub(crate) Pin<Box<dyn Future<Output = ()> + Send>>);

impl Tunnel {
    /// Goes on with `tunnelled`.
    #[must_use]
    pub fn new(tunnelled: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Tunnelled(Box::pin(tunnelled))))))
    }

    pub(crate) fn take(&self) -> Option<Tunnelled> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tunnel").finish_non_exhaustive()
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
        request: Request<Content>,
        peer: Peer,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

impl<F, A, B> Serve for F
where
    F: Fn(Request<Content>, Peer) -> A + Send + Sync + 'static,
    A: Future<Output = Response<B>> + Send,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static,
{
    type Body = B;

    fn serve(&self, request: Request<Content>, peer: Peer) -> impl Future<Output = Response<B>> + Send {
        self(request, peer)
    }
}
