//! The accept loop: bind, count, shake hands, serve, drain.
//!
//! One loop for every listener: on a runtime of many threads, or on each of several single-threaded ones that
//! share a socket. A failing connection never ends the loop; a lack of descriptors pauses it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::BufMut as _;
use http::Version;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::connection::{Shared, converse};
use crate::drain::{Draining, LAST_WORDS};
use crate::frames::PREFACE;
use crate::http2;
use crate::limits::Limits;
use crate::metrics::ListenerMetrics;
use crate::serve::{Peer, Serve, Transport};
use crate::tls::{HTTP2, Tls};
use crate::unix;

/// How long the loop pauses when the process has no descriptor left: long enough for connections to end.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Why a listener cannot start. Names the setting that is to be changed.
#[derive(Debug, Error)]
pub enum BindError {
    /// The address is not one of this machine's.
    #[error("{setting}: {address} is not an address of this machine")]
    NotAvailable {
        /// The setting.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// Something else listens there.
    #[error("{setting}: {address} is in use by another process")]
    InUse {
        /// The setting.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// The operating system forbids it.
    #[error("{setting}: no permission to listen on {address}; ports below 1024 need CAP_NET_BIND_SERVICE")]
    NotPermitted {
        /// The setting.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("{setting}: cannot listen on {address}")]
    Other {
        /// The setting.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// The operating system's reason.
        source: io::Error,
    },
}

/// Listens on `address`; port 0 takes a free port, which `local_addr` of the result tells.
///
/// # Errors
///
/// [`BindError`] by its reason, naming `setting`.
pub fn bind(setting: &'static str, address: SocketAddr) -> Result<TcpListener, BindError> {
    let bound = TcpListener::bind(address).and_then(|socket| {
        socket.set_nonblocking(true)?;
        Ok(socket)
    });
    bound.map_err(|source| {
        if source.kind() == io::ErrorKind::AddrInUse {
            return BindError::InUse { setting, address };
        }
        if source.kind() == io::ErrorKind::AddrNotAvailable {
            return BindError::NotAvailable { setting, address };
        }
        if source.kind() == io::ErrorKind::PermissionDenied {
            return BindError::NotPermitted { setting, address };
        }
        BindError::Other { setting, address, source }
    })
}

/// How many connections a listener may hold, however many loops accept for it.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Semaphore>);

impl Budget {
    /// Allows [`Limits::connections`].
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self(Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS))))
    }

    fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().ok()
    }
}

/// A socket that is listened on.
#[derive(Debug)]
pub enum Socket {
    /// TCP, with TLS or without.
    Tcp(TcpListener, Option<Arc<Tls>>),
    /// The local socket.
    Unix(std::os::unix::net::UnixListener),
}

/// What a loop needs beside its socket.
#[derive(Debug)]
pub struct Listener<S> {
    /// The listener's name in settings, logs and metrics.
    pub name: &'static str,
    /// Who answers.
    pub service: Arc<S>,
    /// The bounds.
    pub limits: Limits,
    /// The connections that are left.
    pub budget: Budget,
    /// The counters.
    pub metrics: ListenerMetrics,
}

/// How a loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut because the drain limit ended first.
    pub aborted: usize,
}

impl<S: Serve> Listener<S> {
    /// Accepts and serves until `draining` begins, then finishes what is in flight. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// The operating system's, if the socket cannot be used at all.
    pub async fn run(self, socket: Socket, mut draining: Draining) -> io::Result<Drained> {
        let entrance = Entrance::new(socket)?;
        let shared =
            Arc::new(Shared { service: self.service, limits: self.limits, metrics: self.metrics.clone() });
        let mut open = JoinSet::new();
        let limit = loop {
            tokio::select! {
                biased;
                limit = draining.begun() => break limit,
                Some(ended) = open.join_next() => note_end(self.name, &ended, &self.metrics),
                accepted = entrance.accept() => match accepted {
                    Ok(arrival) => match self.budget.take() {
                        Some(permit) => {
                            let tls = entrance.tls.clone();
                            open.spawn(serve(arrival, tls, Arc::clone(&shared), draining.clone(), permit));
                        }
                        None => refuse(arrival, &self.metrics),
                    },
                    Err(error) => pause_after(self.name, &error).await,
                },
            }
        };
        // What the kernel has taken in for us was promised an answer; then nobody is let in any more.
        let tls = entrance.tls.clone();
        for arrival in entrance.close() {
            match self.budget.take() {
                Some(permit) => {
                    open.spawn(serve(arrival, tls.clone(), Arc::clone(&shared), draining.clone(), permit));
                }
                None => refuse(arrival, &self.metrics),
            }
        }
        let finished = timeout(limit, async {
            while let Some(ended) = open.join_next().await {
                note_end(self.name, &ended, &self.metrics);
            }
        });
        let aborted = if finished.await.is_ok() { 0 } else { open.len() };
        open.shutdown().await;
        Ok(Drained { aborted })
    }
}

fn note_end(name: &'static str, ended: &Result<(), tokio::task::JoinError>, metrics: &ListenerMetrics) {
    if ended.as_ref().is_err_and(tokio::task::JoinError::is_panic) {
        // A panic outside the service: in a body, or in the connection itself.
        metrics.panics.inc();
        tracing::error!(listener = name, "a connection ended by a defect");
    }
}

/// Turns a connection away at once: over the budget there is no time for it.
fn refuse(arrival: Arrival, metrics: &ListenerMetrics) {
    metrics.refused_connections.inc();
    drop(arrival);
}

async fn pause_after(name: &'static str, error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | WouldBlock) {
        return;
    }
    // EMFILE and its kin: accepting again at once would only spin.
    tracing::warn!(listener = name, error = %error, "cannot accept connections, pausing");
    tokio::time::sleep(EXHAUSTED_PAUSE).await;
}

/// A socket on the runtime.
struct Entrance {
    door: Door,
    tls: Option<Arc<Tls>>,
}

enum Door {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

enum Arrival {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Entrance {
    fn new(socket: Socket) -> io::Result<Self> {
        match socket {
            Socket::Tcp(listener, tls) => {
                listener.set_nonblocking(true)?;
                Ok(Self { door: Door::Tcp(tokio::net::TcpListener::from_std(listener)?), tls })
            }
            Socket::Unix(listener) => {
                listener.set_nonblocking(true)?;
                Ok(Self { door: Door::Unix(tokio::net::UnixListener::from_std(listener)?), tls: None })
            }
        }
    }

    /// Closes the socket once nobody waits before it, and returns who did.
    fn close(self) -> Vec<Arrival> {
        let mut waiting = Vec::new();
        match self.door {
            Door::Tcp(listener) => {
                let Ok(listener) = listener.into_std() else { return waiting };
                while let Ok((stream, address)) = listener.accept() {
                    let arrived = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                    waiting.extend(arrived.map(|stream| Arrival::Tcp(stream, address)));
                }
            }
            Door::Unix(listener) => {
                let Ok(listener) = listener.into_std() else { return waiting };
                while let Ok((stream, _)) = listener.accept() {
                    let arrived = stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream));
                    waiting.extend(arrived.map(Arrival::Unix));
                }
            }
        }
        waiting
    }

    async fn accept(&self) -> io::Result<Arrival> {
        match &self.door {
            Door::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok(Arrival::Tcp(stream, address))
            }
            Door::Unix(listener) => Ok(Arrival::Unix(listener.accept().await?.0)),
        }
    }
}

async fn serve<S: Serve>(
    arrival: Arrival,
    tls: Option<Arc<Tls>>,
    shared: Arc<Shared<S>>,
    draining: Draining,
    _permit: OwnedSemaphorePermit,
) {
    let _open = Open::count(&shared.metrics);
    match arrival {
        Arrival::Unix(stream) => match unix::peer(&stream) {
            Ok(peer) => converse(stream, Peer::new(Transport::Local(peer)), shared, draining).await,
            Err(error) => tracing::warn!(error = %error, "the kernel does not name the local peer"),
        },
        Arrival::Tcp(stream, address) => {
            // Small answers wait for nobody; a socket that refuses is closed already.
            if stream.set_nodelay(true).is_err() {
                return;
            }
            match tls {
                None => converse_plain(stream, Peer::new(Transport::Plain(address)), shared, draining).await,
                Some(tls) => {
                    let handshake = TlsAcceptor::from(tls.current()).accept(stream);
                    if let Ok(Ok(stream)) = timeout(shared.limits.handshake, handshake).await {
                        let peer = Peer::new(Transport::Tls(address));
                        Box::pin(converse_tls(stream, peer, shared, draining)).await;
                    }
                }
            }
        }
    }
}

/// RFC 9113 §3.2: with TLS, ALPN alone chooses the protocol.
async fn converse_tls<S: Serve>(
    stream: TlsStream<TcpStream>,
    peer: Peer,
    shared: Arc<Shared<S>>,
    draining: Draining,
) {
    let session = stream.get_ref().1;
    let protocol = Protocol::of(session.alpn_protocol() == Some(HTTP2));
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    let peer = peer.shaken(session.server_name(), certificate.map(AsRef::as_ref));
    protocol.converse(stream, peer, shared, draining).await;
}

/// RFC 9113 §3.3: without TLS, a client that knows sends the preface of HTTP/2; there is no upgrade to it.
async fn converse_plain<S: Serve>(
    mut stream: TcpStream,
    peer: Peer,
    shared: Arc<Shared<S>>,
    mut draining: Draining,
) {
    let begun = {
        let mut beginning = std::pin::pin!(timeout(shared.limits.head, begin(&mut stream)));
        tokio::select! {
            begun = beginning.as_mut() => begun,
            // Who was let in is most often about to speak.
            limit = draining.begun() => match timeout(limit.min(LAST_WORDS), beginning).await {
                Ok(begun) => begun,
                Err(_) => return,
            },
        }
    };
    match begun {
        Ok(Ok((protocol, taken))) if taken.is_empty() => {
            protocol.converse(stream, peer, shared, draining).await;
        }
        Ok(Ok((protocol, taken))) => {
            let (reader, writer) = stream.into_split();
            let transport = tokio::io::join(io::Cursor::new(taken).chain(reader), writer);
            protocol.converse(transport, peer, shared, draining).await;
        }
        Ok(Err(_)) | Err(_) => {}
    }
}

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    const fn of(http2: bool) -> Self {
        if http2 { Self::Http2 } else { Self::Http1 }
    }

    async fn converse<S, T>(self, transport: T, peer: Peer, shared: Arc<Shared<S>>, draining: Draining)
    where
        S: Serve,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match self {
            Self::Http1 => converse(transport, peer, shared, draining).await,
            Self::Http2 => {
                // Boxed, or every connection of HTTP/1.1 would keep its room.
                let peer = peer.speaking(Version::HTTP_2);
                Box::pin(http2::converse(transport, peer, shared, draining)).await;
            }
        }
    }
}

/// Waits for the first bytes of a connection. Returns also what of them had to be taken, because fewer had come than tell.
async fn begin(stream: &mut TcpStream) -> io::Result<(Protocol, Vec<u8>)> {
    let mut first = [0; TELLING];
    let count = stream.peek(&mut first).await?;
    let mut taken = Vec::new();
    if count == TELLING || !PREFACE.starts_with(first.get(..count).unwrap_or_default()) {
        return Ok((Protocol::of(PREFACE.starts_with(&first)), taken));
    }
    while taken.len() < TELLING && PREFACE.starts_with(&taken) {
        let missing = TELLING - taken.len();
        if stream.read_buf(&mut (&mut taken).limit(missing)).await? == 0 {
            break;
        }
    }
    Ok((Protocol::of(taken.len() == TELLING && PREFACE.starts_with(&taken)), taken))
}

/// Bytes that are enough to tell: no method is called `PRI` (RFC 9113 §11.4), and the engine reads the rest.
const TELLING: usize = 4;

/// Counts a connection for as long as it lives.
struct Open(ListenerMetrics);

impl Open {
    fn count(metrics: &ListenerMetrics) -> Self {
        metrics.connections.inc();
        Self(metrics.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Poll;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::{PREFACE, Protocol, begin};

    /// Checks what is taken for the beginning when `first` comes before the rest.
    async fn check(first: &[u8], rest: &[u8], expected: (Protocol, &[u8])) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut theirs = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut ours, _) = listener.accept().await.unwrap();
        theirs.write_all(first).await.unwrap();
        ours.readable().await.unwrap();
        let mut beginning = pin!(begin(&mut ours));
        let early = std::future::poll_fn(|context| Poll::Ready(beginning.as_mut().poll(context))).await;
        theirs.write_all(rest).await.unwrap();
        drop(theirs);
        let found = match early {
            Poll::Ready(found) => found,
            Poll::Pending => beginning.await,
        };
        let (protocol, taken) = found.unwrap();
        assert_eq!((protocol, &taken[..]), expected, "{first:?}, then {rest:?}");
    }

    #[tokio::test]
    async fn rfc9113_3_4_a_preface_may_come_in_pieces() {
        for at in 1..PREFACE.len() {
            let (first, rest) = PREFACE.split_at(at);
            let taken = if at < 4 { &PREFACE[..4] } else { b"" };
            check(first, rest, (Protocol::Http2, taken)).await;
        }
        check(b"P", b"OST / HTTP/1.1", (Protocol::Http1, b"POST")).await;
        check(b"PR", b"I", (Protocol::Http1, b"PRI")).await;
        check(b"PRI", b"X / HTTP/1.1", (Protocol::Http1, b"PRIX")).await;
        check(b"G", b"ET / HTTP/1.1", (Protocol::Http1, b"")).await;
        check(b"PRIX / HTTP/1.1", b"", (Protocol::Http1, b"")).await;
    }
}
