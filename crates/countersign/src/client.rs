//! How a command reaches the management API: over HTTP with a key, over the data directory's local socket, or,
//! when no server runs, in this process with the same endpoints and no listener.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use countersign_core::management_key::LocalPeer;
use countersign_core::secret::Secret;
use countersign_server::endpoint::Desk;
use countersign_server::received::Caller;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use url::Url;

use crate::cli::Remote;
use crate::data_directory::{DataDirectory, socket};
use crate::node::{Node, NodeConfig};
use crate::tls;

/// The longest answer that a command reads.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// The management API refused.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The problem document (RFC 9457).
    pub(crate) problem: Value,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let member =
            |name: &str| self.problem.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (title, detail) = (member("title"), member("detail"));
        if detail.is_empty() { formatter.write_str(&title) } else { write!(formatter, "{title}: {detail}") }
    }
}

impl std::error::Error for Refused {}

/// A way to the management API.
pub(crate) enum Connection {
    /// Over the network.
    Http {
        /// The API's URL.
        base: Url,
        /// A management key.
        key: Secret<String>,
        /// The data directory, whose certification authority is believed too.
        data: PathBuf,
    },
    /// Over the local socket.
    Socket(PathBuf),
    /// In this process.
    InProcess(Box<Node>),
}

impl Connection {
    /// Chooses the way: the key from the environment if there is one, else the data directory.
    ///
    /// # Errors
    ///
    /// A text that says what is missing.
    pub(crate) async fn open(remote: &Remote, key: Option<String>) -> Result<Self> {
        if let Some(running) = Self::to_server(remote, key).await? {
            return Ok(running);
        }
        if !remote.data.is_dir() {
            bail!(
                "there is no data directory {}: name it with --data, or the API with --admin and its key in COUNTERSIGN_KEY",
                remote.data.display()
            );
        }
        Self::open_store(remote).await
    }

    /// Chooses the way to a server that runs; `None`: no server answers at the data directory.
    ///
    /// # Errors
    ///
    /// If what is meant to be a URL is none.
    pub(crate) async fn to_server(remote: &Remote, key: Option<String>) -> Result<Option<Self>> {
        if let Some(key) = key {
            let base = remote.admin.as_deref().unwrap_or("http://localhost:8081");
            let base = base.parse().with_context(|| format!("--admin {base} is no URL"))?;
            return Ok(Some(Self::Http { base, key: Secret::new(key), data: remote.data.clone() }));
        }
        let path = socket(&remote.data);
        Ok(UnixStream::connect(&path).await.is_ok().then_some(Self::Socket(path)))
    }

    async fn open_store(remote: &Remote) -> Result<Self> {
        let Ok(directory) = DataDirectory::open(&remote.data)? else {
            bail!(
                "another process holds the data directory {} and its local socket does not answer",
                remote.data.display()
            );
        };
        let place = NodeConfig::of_command(remote)?;
        Ok(Self::InProcess(Box::new(Node::open(directory, &place).await?)))
    }

    /// Calls an endpoint.
    ///
    /// # Errors
    ///
    /// [`Refused`] with the problem document, or a text about the connection.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let request =
            Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request = request.body(Full::new(body))?;
        let (status, body) = self.exchange(request).await?;
        let value = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
        if status.is_success() { Ok(value) } else { Err(anyhow!(Refused { problem: value })) }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(http::StatusCode, Bytes)> {
        match self {
            Self::Http { base, key, data } => over_http(base, key, data, request).await,
            Self::Socket(path) => {
                let stream = UnixStream::connect(path)
                    .await
                    .with_context(|| format!("cannot reach {}", path.display()))?;
                send(stream, named(request, "localhost")?).await
            }
            Self::InProcess(node) => {
                let uid = rustix::process::geteuid().as_raw();
                let caller = Caller::Local(LocalPeer { peer_uid: uid, server_uid: uid });
                let desk = Desk::in_process(Arc::clone(&node.app));
                received(desk.respond(caller, request).await).await
            }
        }
    }

    /// Ends what was opened for this command.
    ///
    /// # Errors
    ///
    /// If the store cannot be closed in order.
    pub(crate) async fn close(self) -> Result<()> {
        match self {
            Self::InProcess(node) => node.close().await,
            Self::Http { .. } | Self::Socket(_) => Ok(()),
        }
    }
}

async fn over_http(
    base: &Url,
    key: &Secret<String>,
    data: &std::path::Path,
    mut request: Request<Full<Bytes>>,
) -> Result<(http::StatusCode, Bytes)> {
    request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {}", key.expose()).parse()?);
    over_web(base, data, request).await
}

/// Sends a request to the server that `url` names; beside the system's trust anchors, that of the data directory counts.
///
/// # Errors
///
/// If nobody answers, or a secret would cross a network in clear.
pub(crate) async fn over_web(
    url: &Url,
    data: &std::path::Path,
    request: Request<Full<Bytes>>,
) -> Result<(http::StatusCode, Bytes)> {
    let host = url.host_str().ok_or_else(|| anyhow!("{url} names no host"))?;
    let port = url.port_or_known_default().ok_or_else(|| anyhow!("{url} names no port"))?;
    let request = named(request, &format!("{host}:{port}"))?;
    let unbracketed = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((unbracketed, port)).await;
    let stream = stream.with_context(|| format!("cannot reach {url}; is `countersign up` running there?"))?;
    if url.scheme() != "https" {
        if !stream.peer_addr()?.ip().is_loopback() {
            bail!("a secret would cross the network in clear: use https in {url}");
        }
        return send(stream, request).await;
    }
    let connector = tokio_rustls::TlsConnector::from(tls::client(&data.join("ca.pem"))?);
    let stream = connector.connect(ServerName::try_from(unbracketed.to_owned())?, stream).await;
    send(stream.with_context(|| format!("no TLS with {url}"))?, request).await
}

fn named(mut request: Request<Full<Bytes>>, host: &str) -> Result<Request<Full<Bytes>>> {
    request.headers_mut().insert(header::HOST, host.parse()?);
    Ok(request)
}

async fn send<S>(stream: S, request: Request<Full<Bytes>>) -> Result<(http::StatusCode, Bytes)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request).await.context("the server closed the connection")?;
    let received = received(answer).await;
    drop(sender);
    driver.abort();
    received
}

async fn received<B>(answer: Response<B>) -> Result<(http::StatusCode, Bytes)>
where
    B: BodyExt<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, MAX_ANSWER)
        .collect()
        .await
        .map_err(|error| anyhow!("the answer broke off: {error}"))?;
    Ok((head.status, body.to_bytes()))
}

/// Sends one request in clear to a loopback address; the whole answer.
///
/// # Errors
///
/// If nobody answers.
pub(crate) async fn whole(
    authority: &str,
    request: Request<Full<Bytes>>,
) -> Result<(http::StatusCode, http::HeaderMap, Bytes)> {
    let stream = TcpStream::connect(authority).await.with_context(|| format!("cannot reach {authority}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    let headers = answer.headers().clone();
    let (status, body) = received(answer).await?;
    driver.abort();
    Ok((status, headers, body))
}

/// Sends one request in clear to a loopback address; the answer's status, challenge and JSON body.
///
/// # Errors
///
/// If nobody answers.
pub(crate) async fn plain(authority: &str, request: Request<Full<Bytes>>) -> Result<(u16, String, Value)> {
    let (status, headers, body) = whole(authority, request).await?;
    let challenge = headers.get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
    let challenge = challenge.unwrap_or_default().to_owned();
    Ok((status.as_u16(), challenge, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}
