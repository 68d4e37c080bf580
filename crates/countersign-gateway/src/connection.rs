//! One connection to an upstream: who speaks HTTP on it, and where it leads.

use std::io;
use std::sync::Arc;

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::address::{Address, ConnectError};
use crate::outgoing::Outgoing;
use crate::transport::{Awaited, BUFFER, Heard};

/// An open connection, and where it leads. It ends when this is dropped, whatever is still being sent on it.
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<Outgoing>,
    pub(crate) address: Arc<Address>,
    /// Whether an answer is awaited.
    pub(crate) awaited: Arc<Awaited>,
    /// Since when it is open.
    pub(crate) since: Instant,
    _speaker: Speaker,
    /// Its place among all connections to upstreams, if it was given one.
    _place: Option<OwnedSemaphorePermit>,
}

/// The task that speaks on a connection.
struct Speaker(JoinHandle<()>);

impl Drop for Speaker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    /// Opens a connection; the caller limits the time.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] by its reason.
    pub(crate) async fn open(address: &Arc<Address>) -> Result<Self, ConnectError> {
        let stream = TcpStream::connect(address.socket()).await.map_err(|error| refusal(&error))?;
        stream.set_nodelay(true).map_err(|error| refusal(&error))?;
        let origin = address.origin();
        let Some((connector, server)) = origin.tls() else {
            return Self::begin(stream, address).await;
        };
        let stream = connector.connect(server.clone(), stream).await.map_err(|error| {
            tracing::warn!(upstream = origin.upstream(), error = %error, "TLS to the upstream failed");
            ConnectError::Tls
        })?;
        Self::begin(stream, address).await
    }

    /// Begins to speak HTTP/1.1 on `stream`.
    async fn begin<T>(stream: T, address: &Arc<Address>) -> Result<Self, ConnectError>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let awaited = Arc::<Awaited>::default();
        let heard = Heard::new(stream, Arc::clone(&awaited));
        let handshake = Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(heard)).await;
        let (sender, connection) = handshake.map_err(|_| ConnectError::Refused)?;
        // Its error is told to whoever waits for an answer.
        let speaker = tokio::spawn(async move { connection.with_upgrades().await.unwrap_or_default() });
        Ok(Self {
            sender,
            address: Arc::clone(address),
            awaited,
            since: Instant::now(),
            _speaker: Speaker(speaker),
            _place: None,
        })
    }

    /// Keeps `place` for as long as it is open.
    pub(crate) fn holding(mut self, place: OwnedSemaphorePermit) -> Self {
        self._place = Some(place);
        self
    }
}

fn refusal(error: &io::Error) -> ConnectError {
    if error.kind() == io::ErrorKind::TimedOut { ConnectError::TimedOut } else { ConnectError::Refused }
}
