//! One question, one answer: resolve, check, connect, ask, read.
//!
//! HTTP/1.1 (RFC 9112) over TLS; in clear to loopback that is allowed.
//!
//! **Invariant.** Every step has a limit of time, and every answer one of bytes.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::address::{AddressPolicy, Checked, Transport, Unreachable};
use crate::resolve::Resolve;

/// How we call ourselves; GitHub's API refuses callers without a name.
const NAME: &str = concat!("countersign/", env!("CARGO_PKG_VERSION"));
/// The media type of forms.
const FORM: &str = "application/x-www-form-urlencoded";
/// The most bytes of an answer's head, and the most that is read ahead of the body.
const HEAD_BYTES: usize = 64 * 1024;
/// Addresses of one name that are tried.
const ADDRESSES: usize = 4;

/// The limits of one call.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    /// Resolving, connecting and the TLS handshake together.
    pub connect: Duration,
    /// From the question to the answer's head.
    pub answer: Duration,
    /// The whole call.
    pub total: Duration,
    /// Bytes of the answer's body.
    pub bytes: usize,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum EgressError {
    /// Nothing listens, or TLS was not agreed.
    #[error("no connection was made: {0}")]
    Connect(String),
    /// What was sent is no HTTP, or it broke off.
    #[error("the answer is no whole HTTP answer: {0}")]
    Http(#[from] hyper::Error),
    /// A step took too long.
    #[error("no {0} within its limit of time")]
    Late(&'static str),
    /// A redirect, which is never followed.
    #[error("the answer is a redirect ({0}), which is not followed")]
    Redirect(StatusCode),
    /// The name stands for nothing.
    #[error("the name is not resolved: {0}")]
    Resolve(String),
    /// The body is larger than the limit.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// One of the addresses must not be called.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// It is no URL that can be called.
    #[error("expected an https URL with a host and without a user")]
    Url,
}

/// The client.
#[derive(Clone)]
pub struct Egress {
    reach: AddressPolicy,
    resolver: Arc<dyn Resolve>,
    tls: Arc<ClientConfig>,
    limits: CallLimits,
}

impl fmt::Debug for Egress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Egress").field("reach", &self.reach).finish_non_exhaustive()
    }
}

impl Egress {
    /// Makes a client that calls what is public and what `reach` adds.
    #[must_use]
    pub fn new(
        reach: AddressPolicy,
        resolver: Arc<dyn Resolve>,
        tls: Arc<ClientConfig>,
        limits: CallLimits,
    ) -> Self {
        Self { reach, resolver, tls, limits }
    }

    /// Returns the limits of one call.
    #[must_use]
    pub const fn limits(&self) -> &CallLimits {
        &self.limits
    }

    /// Asks for `url` with GET. Any status that is no redirect is an answer.
    ///
    /// # Errors
    ///
    /// [`EgressError`] by its reason.
    pub async fn get(&self, url: &Url, headers: HeaderMap) -> Result<Response<Bytes>, EgressError> {
        self.ask(url, request(url, headers)?).await
    }

    /// Posts a form to `url`: its fields are written already. Any status that is no redirect is an answer.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        form: String,
    ) -> Result<Response<Bytes>, EgressError> {
        let mut request = request(url, headers)?;
        *request.method_mut() = Method::POST;
        *request.body_mut() = Full::new(Bytes::from(form));
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(FORM));
        self.ask(url, request).await
    }

    async fn ask(&self, url: &Url, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, EgressError> {
        timeout(self.limits.total, self.call(url, request)).await.map_err(|_| EgressError::Late("answer"))?
    }

    async fn call(&self, url: &Url, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, EgressError> {
        let transport = match url.scheme() {
            "https" => Transport::Tls,
            "http" => Transport::Plain,
            _ => return Err(EgressError::Url),
        };
        let connect = self.connect(url, transport);
        let stream =
            timeout(self.limits.connect, connect).await.map_err(|_| EgressError::Late("connection"))??;
        match stream {
            Connected::Plain(stream) => self.exchange(TokioIo::new(stream), request).await,
            Connected::Tls(stream) => self.exchange(TokioIo::new(*stream), request).await,
        }
    }

    async fn connect(&self, url: &Url, transport: Transport) -> Result<Connected, EgressError> {
        let addresses = self.addresses(url, transport).await?;
        let stream = first(&addresses).await?;
        if transport == Transport::Plain {
            return Ok(Connected::Plain(stream));
        }
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector.connect(server_name(url)?, stream).await;
        stream
            .map(|stream| Connected::Tls(Box::new(stream)))
            .map_err(|error| EgressError::Connect(error.to_string()))
    }

    /// Resolves and judges: one address that must not be called condemns the answer that it stands in.
    async fn addresses(&self, url: &Url, transport: Transport) -> Result<Vec<Checked>, EgressError> {
        let port = url.port_or_known_default().ok_or(EgressError::Url)?;
        let found = match url.host().ok_or(EgressError::Url)? {
            Host::Ipv4(ip) => vec![SocketAddr::from((ip, port))],
            Host::Ipv6(ip) => vec![SocketAddr::from((ip, port))],
            Host::Domain(name) => {
                let resolved = self.resolver.resolve(name, port).await;
                resolved.map_err(|error| EgressError::Resolve(error.to_string()))?
            }
        };
        let checked: Result<Vec<_>, _> =
            found.into_iter().map(|address| self.reach.check(address, transport)).collect();
        Ok(checked?)
    }

    async fn exchange<S>(
        &self,
        stream: S,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, EgressError>
    where
        S: Read + Write + Send + Unpin + 'static,
    {
        let (mut sender, connection) =
            http1::Builder::new().max_buf_size(HEAD_BYTES).handshake(stream).await?;
        let asking = async {
            let answer = timeout(self.limits.answer, sender.send_request(request)).await;
            self.read(answer.map_err(|_| EgressError::Late("answer's head"))??).await
        };
        // The connection lives in this call, not in a task: what ends the call ends it too.
        let driving = async {
            let _ended = connection.await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            answer = asking => answer,
            () = driving => Err(EgressError::Late("answer")),
        }
    }

    async fn read(&self, answer: Response<Incoming>) -> Result<Response<Bytes>, EgressError> {
        let (head, body) = answer.into_parts();
        if head.status.is_redirection() && head.status != StatusCode::NOT_MODIFIED {
            return Err(EgressError::Redirect(head.status));
        }
        let body = Limited::new(body, self.limits.bytes).collect().await;
        let body = body.map_err(|error| self.broken(error))?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }

    fn broken(&self, error: Box<dyn std::error::Error + Send + Sync>) -> EgressError {
        if error.is::<LengthLimitError>() {
            return EgressError::TooLarge(self.limits.bytes);
        }
        match error.downcast::<hyper::Error>() {
            Ok(error) => EgressError::Http(*error),
            Err(error) => EgressError::Connect(error.to_string()),
        }
    }
}

enum Connected {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

/// Connects to the first address that answers.
async fn first(addresses: &[Checked]) -> Result<TcpStream, EgressError> {
    let mut last = EgressError::Resolve("it has no address".to_owned());
    for checked in addresses.iter().take(ADDRESSES) {
        match TcpStream::connect(checked.address()).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = EgressError::Connect(error.to_string()),
        }
    }
    Err(last)
}

fn server_name(url: &Url) -> Result<ServerName<'static>, EgressError> {
    match url.host().ok_or(EgressError::Url)? {
        Host::Ipv4(ip) => Ok(ServerName::from(std::net::IpAddr::V4(ip))),
        Host::Ipv6(ip) => Ok(ServerName::from(std::net::IpAddr::V6(ip))),
        // RFC 6066 §3: the name stands without a trailing dot.
        Host::Domain(name) => {
            ServerName::try_from(name.trim_end_matches('.').to_owned()).map_err(|_| EgressError::Url)
        }
    }
}

fn request(url: &Url, headers: HeaderMap) -> Result<Request<Full<Bytes>>, EgressError> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EgressError::Url);
    }
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => return Err(EgressError::Url),
    };
    let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let mut request = Request::new(Full::default());
    *request.uri_mut() = target.parse().map_err(|_| EgressError::Url)?;
    *request.headers_mut() = headers;
    request.headers_mut().insert(HOST, HeaderValue::from_str(&host).map_err(|_| EgressError::Url)?);
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(NAME));
    Ok(request)
}
