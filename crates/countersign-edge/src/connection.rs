//! One connection: HTTP/1.1 on a guarded transport, one request after another.

use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, EXPECT};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};

use crate::body::{Content, Late};
use crate::closing::{Held, hold};
use crate::drain::{Draining, LAST_WORDS};
use crate::guard::{Guarded, Stage};
use crate::limits::{Limits, MIN_HEAD_BYTES};
use crate::metrics::ListenerMetrics;
use crate::serve::{Peer, Serve, Tunnelled};
use crate::wire_error::{Problem, problem};

/// What the connections of a listener share.
pub(crate) struct Shared<S> {
    pub(crate) service: Arc<S>,
    pub(crate) limits: Limits,
    pub(crate) metrics: ListenerMetrics,
}

/// Serves a connection until its end, or until it is drained.
pub(crate) async fn converse<S, T>(transport: T, peer: Peer, shared: Arc<Shared<S>>, mut draining: Draining)
where
    S: Serve,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (held, left) = hold(transport);
    let limit = shared.limits.closing;
    match exchange(held, peer, shared, &mut draining).await {
        End::Refused => left.close(limit).await,
        End::Answered => tokio::select! {
            () = left.close(limit) => {}
            // Everything was read and answered: a peer that does not close is not waited for.
            _limit = draining.begun() => {}
        },
        End::Theirs => {}
    }
}

/// How a connection comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// By an answer after which nothing is awaited.
    Answered,
    /// By an answer that the peer may still be sending against.
    Refused,
    /// The peer ended it, or was too slow.
    Theirs,
}

async fn exchange<S, T>(
    transport: Held<T>,
    peer: Peer,
    shared: Arc<Shared<S>>,
    draining: &mut Draining,
) -> End
where
    S: Serve,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (stage, unread) = (Arc::new(Stage::default()), Arc::<AtomicBool>::default());
    let guarded = Guarded::new(transport, Arc::clone(&stage), shared.limits.clone());
    let limits = &shared.limits;
    let service = service_fn(|request| {
        answer(Arc::clone(&shared), Arc::clone(&stage), Arc::clone(&unread), request, peer.clone())
    });
    let connection = Builder::new()
        .half_close(false)
        .timer(TokioTimer::new())
        // The guard times heads and idle connections: the parser's one timer cannot tell them apart.
        .header_read_timeout(None)
        .max_buf_size(limits.head_bytes.max(MIN_HEAD_BYTES))
        .max_header_size(limits.head_bytes.max(MIN_HEAD_BYTES))
        .serve_connection(TokioIo::new(guarded), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        limit = draining.begun() => {
            // The engine would close a connection on which nothing was read, though its first request is on its way.
            let first = poll_fn(|context| match connection.as_mut().poll(context) {
                Poll::Ready(ended) => Poll::Ready(Some(ended)),
                Poll::Pending if stage.has_begun() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            match timeout(limit.min(LAST_WORDS), first).await {
                Ok(Some(ended)) => ended,
                Ok(None) | Err(_) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        }
    };
    if let Err(error) = ended {
        // Every cause is the peer's: it went away, was too slow, or sent no HTTP. Its text stays out of the log.
        tracing::debug!(reason = %reason(&error), "connection ended early");
        // No HTTP was answered, and an answer that broke has a head that may still be on its way.
        return if error.is_parse() || error.is_user() { End::Refused } else { End::Theirs };
    }
    if let Some(Tunnelled(tunnelled)) = stage.tunnel().and_then(|tunnel| tunnel.take()) {
        tokio::select! {
            () = tunnelled => {}
            // A tunnel has no last request to wait for.
            _limit = draining.begun() => {}
        }
        return End::Theirs;
    }
    if unread.load(Ordering::Relaxed) { End::Refused } else { End::Answered }
}

fn reason(error: &hyper::Error) -> &'static str {
    if error.is_parse() {
        "not HTTP/1.1"
    } else if error.is_timeout() {
        "too slow"
    } else {
        "closed"
    }
}

async fn answer<S: Serve>(
    shared: Arc<Shared<S>>,
    stage: Arc<Stage>,
    unread: Arc<AtomicBool>,
    request: Request<Incoming>,
    peer: Peer,
) -> Result<Response<Answer<S::Body>>, Infallible> {
    let fault = stage.request_begins();
    let request = request.map(|body| Content::told(body, &unread));
    let request = fault.map_or(Ok(request), |fault| Err(fault.detail()));
    let mut response = respond(&shared, request, peer).await;
    let status = response.status();
    let is_refusal = status.is_client_error() || status.is_server_error();
    // Where the next request begins is anybody's guess after a fault; and who is refused need not send the rest
    // (RFC 9112 §9.6).
    if fault.is_some() || (is_refusal && unread.load(Ordering::Relaxed)) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(tunnel) = response.extensions_mut().remove() {
        stage.switches(tunnel);
    }
    Ok(response.map(|body| Answer { body: Late::new(body), stage }))
}

/// Has the service answer a request, or answers what is none by saying why.
pub(crate) async fn respond<S: Serve>(
    shared: &Shared<S>,
    request: Result<Request<Content>, &'static str>,
    peer: Peer,
) -> Response<Either<Full<Bytes>, S::Body>> {
    let begun = Instant::now();
    let response = match request {
        Err(reason) => problem(Problem::BadRequest, reason, None).map(Either::Left),
        Ok(request) if !is_met(request.headers()) => {
            let detail = "The only expectation that is met here is 100-continue";
            problem(Problem::ExpectationFailed, detail, None).map(Either::Left)
        }
        Ok(request) => {
            let serving = pin!(shared.service.serve(request, peer));
            match caught(serving).await {
                Some(response) => response.map(Either::Right),
                None => {
                    shared.metrics.panics.inc();
                    problem(Problem::InternalError, "", None).map(Either::Left)
                }
            }
        }
    };
    shared.metrics.answered(response.status(), begun.elapsed());
    response
}

/// RFC 9110 §10.1.1: one expectation is defined; the HTTP library meets it when the content is read.
fn is_met(headers: &HeaderMap) -> bool {
    let mut expected =
        headers.get_all(EXPECT).iter().flat_map(|field| field.as_bytes().split(|byte| *byte == b','));
    expected.all(|one| one.trim_ascii().is_empty() || one.trim_ascii().eq_ignore_ascii_case(b"100-continue"))
}

/// Runs a future where it lies, which is large; `None`: it panicked. The panic hook has told the log.
fn caught<F: Future>(mut future: Pin<&mut F>) -> impl Future<Output = Option<F::Output>> {
    poll_fn(move |context| {
        // INVARIANT: a future that panicked is not polled again; what it shares survives panics by itself.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Some(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_panic) => Poll::Ready(None),
        }
    })
}

/// The body of an answer; its end is the end of the request.
struct Answer<B> {
    body: Late<Either<Full<Bytes>, B>>,
    stage: Arc<Stage>,
}

impl<B> Drop for Answer<B> {
    fn drop(&mut self) {
        self.stage.answer_ends();
    }
}

impl<B> Body for Answer<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
