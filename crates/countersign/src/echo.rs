//! The built-in upstream: it answers with what reached it, so that a first look needs no API of one's own.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// How much of a body is shown.
const SHOWN: usize = 4096;

/// A running echo.
#[derive(Debug)]
pub(crate) struct Echo {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Echo {
    /// Starts on a free loopback port.
    ///
    /// # Errors
    ///
    /// If there is no free port.
    pub(crate) async fn start() -> Result<Self> {
        let listener =
            TcpListener::bind("127.0.0.1:0").await.context("no free port for the built-in echo")?;
        let address = listener.local_addr()?;
        Ok(Self { address, task: tokio::spawn(accept(listener)) })
    }

    /// Returns the echo's URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops, and ends its connections.
    pub(crate) async fn stop(self) {
        self.task.abort();
        let _aborted = self.task.await;
    }
}

async fn accept(listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)));
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut headers = Map::new();
    for (name, value) in request.headers() {
        headers
            .insert(name.to_string(), Value::String(String::from_utf8_lossy(value.as_bytes()).into_owned()));
    }
    let (head, body) = request.into_parts();
    let body = Limited::new(body, SHOWN).collect().await.map(|body| body.to_bytes());
    let body = body.map_or_else(
        |_| "(longer than is shown)".to_owned(),
        |body| String::from_utf8_lossy(&body).into_owned(),
    );
    let seen = json!({
        "method": head.method.as_str(), "path": head.uri.path(), "query": head.uri.query(), "headers": headers, "body": body,
    });
    // A line's end, so that a shell's prompt does not stick to it.
    let mut response = Response::new(Full::new(Bytes::from(format!("{seen:#}\n"))));
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Ok(response)
}
