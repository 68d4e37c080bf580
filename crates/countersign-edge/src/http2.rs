//! One connection: HTTP/2 (RFC 9113), many requests at once.
//!
//! The engine multiplexes; what it leaves open is bounded here. A connection on which no request is open ends after
//! the idle limit, and after the head limit if it never had one. An answer whose receiver grants no more window ends
//! after the write limit. A peer that abandons most of what it asks for is cut (CVE-2023-44487, CVE-2025-8671).
//!
//! **Invariants.** Every stream's task belongs to its connection and ends with it. Behind this module a request
//! looks as in HTTP/1.1: its target is a path, its host is in `Host`, its cookies are one field.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, COOKIE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::body::{Content, Late, Rest};
use crate::closing::MOST;
use crate::connection::{Shared, respond};
use crate::drain::Draining;
use crate::frame_guard::FrameGuard;
use crate::guard::Deadline;
use crate::limits::{Limits, MIN_HEAD_BYTES};
use crate::metrics::ListenerMetrics;
use crate::serve::{Peer, Serve};

/// Requests that a connection may have open at once (RFC 9113 §5.1.2: "no smaller than 100" is recommended).
const STREAMS: u32 = 100;
/// Streams that were reset before they were looked at: h2's own bound against rapid resets.
const PENDING_RESETS: usize = 20;
/// Streams that were reset because the peer broke the protocol on them.
const LOCAL_RESETS: usize = 64;
/// Requests that a peer may abandon, if they are also most of all: twice what it may have open.
const ABANDONED: u64 = 200;
/// How often a silent peer is asked for a sign of life: below the minutes after which networks forget connections.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// What is kept of one answer until it is sent: a frame (RFC 9113 §4.2), and thus 1.6 MiB on all streams.
const SEND_BUFFER: usize = 16 * 1024;

/// Serves a connection until its end, or until it is drained.
pub(crate) async fn converse<S, T>(transport: T, peer: Peer, shared: Arc<Shared<S>>, mut draining: Draining)
where
    S: Serve,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = shared.limits.clone();
    let tasks = Arc::new(Mutex::new(JoinSet::new()));
    let (activity, mut seen) = watch::channel(Activity::default());
    let streams = Streams {
        tasks: Arc::downgrade(&tasks),
        activity: Arc::new(activity),
        pause: limits.write_pause,
        closing: limits.closing,
        metrics: shared.metrics.clone(),
    };
    let service = service_fn(|request| answer(Arc::clone(&shared), request, peer.clone()));
    let guarded = FrameGuard::new(transport, &limits);
    let connection = builder(streams, &limits).serve_connection(TokioIo::new(guarded), service);
    let mut connection = pin!(connection);
    let mut excess = seen.clone();
    let mut excess = pin!(excess.wait_for(Activity::is_excessive));
    let goes_on = tokio::select! {
        _ended = connection.as_mut() => false,
        _limit = draining.begun() => true,
        used = quiet(&mut seen, limits.idle, limits.head) => used,
        _abuse = excess.as_mut() => false,
    };
    if goes_on {
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            _ended = connection.as_mut() => {}
            // The peer does not confirm the end, though nothing is open any more.
            _used = quiet(&mut seen, limits.head, limits.head) => {}
            _abuse = excess.as_mut() => {}
        }
    }
    let mut left = std::mem::take(&mut *tasks.lock().unwrap_or_else(PoisonError::into_inner));
    left.shutdown().await;
}

fn builder(streams: Streams, limits: &Limits) -> Builder<Streams> {
    let head_bytes = u32::try_from(limits.head_bytes.max(MIN_HEAD_BYTES)).unwrap_or(u32::MAX);
    let mut builder = Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(LOCAL_RESETS)
        .max_header_list_size(head_bytes)
        .initial_stream_window_size(limits.window_bytes)
        .initial_connection_window_size(limits.window_bytes)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(limits.head);
    builder
}

/// Waits until no request was open for `idle`, or none came for `first`; tells whether there ever was one.
async fn quiet(seen: &mut watch::Receiver<Activity>, idle: Duration, first: Duration) -> bool {
    let mut limit = if seen.borrow().started == 0 { first } else { idle };
    loop {
        let Ok(started) = seen.wait_for(|now| now.open == 0).await.map(|now| now.started) else {
            return std::future::pending().await;
        };
        if timeout(limit, seen.wait_for(|now| now.started != started)).await.is_err() {
            return started > 0;
        }
        limit = idle;
    }
}

/// What a connection's streams did so far.
#[derive(Debug, Default, Clone, Copy)]
struct Activity {
    started: u64,
    open: u64,
    abandoned: u64,
}

impl Activity {
    const fn is_excessive(&self) -> bool {
        self.abandoned > ABANDONED && self.abandoned > self.started / 2
    }
}

/// Runs the streams of one connection. The tasks belong to the connection, which may be gone.
#[derive(Clone)]
struct Streams {
    tasks: Weak<Mutex<JoinSet<()>>>,
    activity: Arc<watch::Sender<Activity>>,
    pause: Duration,
    closing: Duration,
    metrics: ListenerMetrics,
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let Some(tasks) = self.tasks.upgrade() else {
            return;
        };
        let flow = Arc::new(Flow::default());
        self.activity.send_modify(|now| {
            now.started += 1;
            now.open += 1;
        });
        let open = Open { activity: Arc::clone(&self.activity), flow: Arc::clone(&flow) };
        let (rest, pause, closing) = (Arc::clone(&flow.rest), self.pause, self.closing);
        let seen = Arc::clone(&flow);
        let stream = async move {
            unless_stalled(pin!(stream), seen, pause).await;
            // RFC 9113 §8.1 allows to reset what nobody reads; a client that is still sending may miss the answer then.
            rest.discard(MOST, closing).await;
            drop(open);
        };
        let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(ended) = tasks.try_join_next() {
            // A panic in a body: the hook has told the log, and the stream was reset.
            if ended.is_err_and(|error| error.is_panic()) {
                self.metrics.panics.inc();
            }
        }
        tasks.spawn(FLOW.scope(flow, stream));
    }
}

/// Counts a stream for as long as it is open.
struct Open {
    activity: Arc<watch::Sender<Activity>>,
    flow: Arc<Flow>,
}

impl Drop for Open {
    fn drop(&mut self) {
        let abandoned = u64::from(!self.flow.answered.load(Ordering::Relaxed));
        self.activity.send_modify(|now| {
            now.open = now.open.saturating_sub(1);
            now.abandoned += abandoned;
        });
    }
}

tokio::task_local! {
    /// The flow of the stream whose task is running.
    static FLOW: Arc<Flow>;
}

/// How an answer gets on.
#[derive(Debug, Default)]
struct Flow {
    /// Since when the engine has asked for no more of it: the receiver grants no window (RFC 9113 §5.2).
    waiting: Mutex<Option<Instant>>,
    answered: AtomicBool,
    /// What nobody has read of the request.
    rest: Arc<Rest>,
}

impl Flow {
    fn wait(&self, since: Option<Instant>) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn waiting_since(&self) -> Option<Instant> {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a stream where it lies; one whose receiver takes nothing for `pause` is given up, and reset when it is dropped.
fn unless_stalled<F: Future<Output = ()>>(
    mut stream: Pin<&mut F>,
    flow: Arc<Flow>,
    pause: Duration,
) -> impl Future<Output = ()> {
    let mut deadline = Deadline::default();
    std::future::poll_fn(move |context| {
        if stream.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        deadline.set(flow.waiting_since().map(|since| since + pause));
        if deadline.has_passed(context) { Poll::Ready(()) } else { Poll::Pending }
    })
}

async fn answer<S: Serve>(
    shared: Arc<Shared<S>>,
    request: Request<Incoming>,
    peer: Peer,
) -> Result<Response<Streamed<S::Body>>, Infallible> {
    let flow = FLOW.try_with(Arc::clone).unwrap_or_default();
    let request = request.map(|body| Content::leaving(body, &flow.rest));
    let is_head = request.method() == Method::HEAD;
    let response = respond(&shared, settled(request), peer).await;
    let response = if is_head { without_content(response) } else { response };
    flow.wait(Some(Instant::now()));
    Ok(response.map(|body| Streamed { body: Late::new(body), flow }))
}

/// RFC 9110 §9.3.2: an answer to HEAD says how much there is, and sends nothing of it. The engine sends what it is given.
fn without_content<B>(response: Response<Either<Full<Bytes>, B>>) -> Response<Either<Full<Bytes>, B>>
where
    Either<Full<Bytes>, B>: Body,
{
    if response.body().is_end_stream() {
        return response;
    }
    let (mut head, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact().filter(|_| !head.headers.contains_key(CONTENT_LENGTH)) {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(head, Either::Left(Full::default()))
}

/// Writes a request as HTTP/1.1 would have it; the error is for the caller.
fn settled(request: Request<Content>) -> Result<Request<Content>, &'static str> {
    let (mut head, body) = request.into_parts();
    // DIVERGES: RFC 9113 §8.3.1 also allows `*` for OPTIONS, and none for CONNECT; neither is served.
    let target = head.uri.path_and_query().filter(|target| target.as_str().starts_with('/'));
    let target = target.cloned().ok_or("The request target is not a path")?;
    // DIVERGES: RFC 9113 §8.3.1 lets a request be for other schemes; nothing else is served here. Without `:authority`,
    // where `Host` names the host, the parser does not tell the scheme.
    if !matches!(head.uri.scheme_str(), None | Some("http" | "https")) {
        return Err("The scheme is http or https");
    }
    if !says_one_length(&head.headers) {
        return Err("Content-Length is one number, once");
    }
    if let Some(authority) = head.uri.authority() {
        name_host(&mut head.headers, authority.as_str())?;
    }
    join_cookies(&mut head.headers);
    head.uri = Uri::from(target);
    Ok(Request::from_parts(head, body))
}

/// RFC 9110 §8.6: the parser takes equal lengths for one and nothing for 0, and hands them on.
fn says_one_length(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter().map(HeaderValue::as_bytes);
    match (lengths.next(), lengths.next()) {
        (None, _) => true,
        (Some(length), None) => !length.is_empty() && length.iter().all(u8::is_ascii_digit),
        (Some(_), Some(_)) => false,
    }
}

/// RFC 9113 §8.3.1: `:authority` is the host, and a `Host` beside it has to say the same.
fn name_host(headers: &mut HeaderMap, authority: &str) -> Result<(), &'static str> {
    let mut named = headers.get_all(HOST).iter();
    match (named.next(), named.next()) {
        (None, _) => {
            let host = HeaderValue::from_str(authority).map_err(|_| "The authority is not a host")?;
            headers.insert(HOST, host);
            Ok(())
        }
        (Some(host), None) if host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) => Ok(()),
        (Some(_), _) => Err("The Host field differs from the authority"),
    }
}

/// RFC 9113 §8.2.3: cookies that came as several fields are joined before they leave HTTP/2.
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() < 2 {
        return;
    }
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(b"; ".as_slice())) {
        headers.insert(COOKIE, joined);
    }
}

/// The body of an answer on its stream.
struct Streamed<B> {
    body: Late<Either<Full<Bytes>, B>>,
    flow: Arc<Flow>,
}

impl<B> Body for Streamed<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let handed_over = matches!(polled, Poll::Ready(Some(Ok(_))));
        self.flow.wait(handed_over.then(Instant::now));
        // An answer that breaks is over on our side: the caller has not abandoned it.
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) || self.body.is_end_stream() {
            self.flow.answered.store(true, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let ended = self.body.is_end_stream();
        if ended {
            self.flow.answered.store(true, Ordering::Relaxed);
        }
        ended
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
