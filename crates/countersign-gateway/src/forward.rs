//! Forwarding: one exchange with an upstream, streamed both ways.
//!
//! **Invariants.** [`prepare`] takes the [`Permit`] by value: without one nothing is forwarded. A request that may have been
//! processed is sent again only if it is idempotent and has no body (RFC 9110 §9.2.2). An answer that breaks in its
//! middle breaks the caller's connection too: it never looks whole.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::decision::Permit;
use countersign_edge::body::{BodyError, Bounded, Content};
use countersign_edge::limits::Limits;
use http::header::HOST;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::timeout;

use crate::address::{Address, ConnectError};
use crate::answer;
use crate::caller::Caller;
use crate::connection::Connection;
use crate::field_names::DroppedFields;
use crate::forward_error::ForwardError;
use crate::headers::{self, Call, CredentialFields};
use crate::intermediary;
use crate::lent::Lent;
use crate::names;
use crate::outgoing::{self, Outgoing, Progress};
use crate::pace::{Pace, Paced};
use crate::pool::Pool;
use crate::redirect::{self, KnownAs};
use crate::route::{CalledBy, CompiledRoute, Protocol};
use crate::tether::{Tether, Tethered};
use crate::upstream::InFlight;
use crate::websocket::{self, Sides};

/// A request as received, and the form of its target that was decided on.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    pub(crate) head: Parts,
    pub(crate) body: Content,
    pub(crate) target: PathAndQuery,
    pub(crate) caller: Caller,
    pub(crate) key_headers: Vec<HeaderName>,
    pub(crate) dropped: &'a DroppedFields,
    pub(crate) assertion: Option<HeaderValue>,
    pub(crate) tether: Option<Tether>,
}

/// What became of a request that was forwarded.
pub(crate) enum Forwarded {
    /// It was answered; the body is still to come.
    Answer(Response<Bounded<Lent>>),
    /// The upstream agreed to another protocol.
    Switch(Response<()>, Sides),
}

/// A request that may be sent, and what its answer will be read by.
pub(crate) struct Ready {
    request: Request<Outgoing>,
    called_by: CalledBy,
    /// As what the caller knows the gateway.
    known_as: Option<KnownAs>,
    /// The caller's side, if it asks for another protocol.
    caller: Option<OnUpgrade>,
    in_flight: InFlight,
    /// By which right.
    _permit: Permit,
}

/// Prepares a request that `permit` allows.
///
/// # Errors
///
/// [`ForwardError`] for a body that is too large, and for an upstream that has enough to do.
pub(crate) fn prepare(
    permit: Permit,
    route: &CompiledRoute,
    pool: &Pool,
    mut received: Received<'_>,
    limits: &Limits,
) -> Result<Ready, ForwardError> {
    if received.body.size_hint().lower() > limits.body_bytes {
        return Err(ForwardError::Body(BodyError::TooLarge));
    }
    let in_flight = pool.upstream.enter(pool.exchanges).ok_or(ForwardError::Exhausted)?;
    let may_switch = route.upgrades_to(Protocol::WebSocket) && received.body.is_end_stream();
    let caller = if may_switch { websocket::asked(&mut received.head) } else { None };
    let (scheme, host) = (received.caller.uri_scheme, received.head.headers.get(HOST).cloned());
    let known_as = host.map(|host| KnownAs { scheme, host });
    let mut request = outgoing(&permit, route, received, limits, pool.limits.pace);
    if caller.is_some() {
        websocket::set(request.headers_mut());
    }
    Ok(Ready { request, called_by: route.calls_by(), known_as, caller, in_flight, _permit: permit })
}

/// Sends what was prepared, and returns the answer's head.
pub(crate) async fn forward(ready: Ready, pool: &Arc<Pool>) -> Result<Forwarded, ForwardError> {
    let Ready { request, called_by, known_as, caller, in_flight, _permit } = ready;
    let (connection, response) = exchange(pool, request, called_by).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return switch(caller, (connection, in_flight), response);
    }
    let (mut head, body) = response.into_parts();
    answer::settle(head.status, head.version, &mut head.headers)
        .map_err(|_invalid| ForwardError::InvalidAnswer)?;
    headers::downstream(&mut head.headers);
    if let Some(known_as) = &known_as {
        redirect::rewrite(&mut head.headers, known_as, |host, port| pool.upstream.is_at(host, port));
    }
    intermediary::add_via(&mut head.headers, head.version);
    head.version = Version::HTTP_11;
    let lent =
        Lent::begin(body, connection, pool, in_flight).await.map_err(|_broken| ForwardError::AnswerBroken)?;
    let body = Bounded::new(lent, u64::MAX, pool.limits.body_pause);
    Ok(Forwarded::Answer(Response::from_parts(head, body)))
}

/// Takes an answer 101. RFC 9110 §15.2.2: it names a protocol that was asked for.
fn switch(
    caller: Option<OnUpgrade>,
    used: (Connection, InFlight),
    response: Response<Incoming>,
) -> Result<Forwarded, ForwardError> {
    let (mut head, _body) = response.into_parts();
    let upstream = head.extensions.remove::<OnUpgrade>();
    let (Some(caller), Some(upstream), true) = (caller, upstream, websocket::is_websocket(&head.headers))
    else {
        return Err(ForwardError::SwitchedProtocols);
    };
    headers::downstream(&mut head.headers);
    intermediary::add_via(&mut head.headers, head.version);
    head.version = Version::HTTP_11;
    websocket::set(&mut head.headers);
    Ok(Forwarded::Switch(Response::from_parts(head, ()), Sides { caller, upstream, used }))
}

fn outgoing(
    permit: &Permit,
    route: &CompiledRoute,
    received: Received<'_>,
    limits: &Limits,
    pace: Pace,
) -> Request<Outgoing> {
    let Received { head, body, target, caller, key_headers, dropped, assertion, tether } = received;
    let callers = || head.headers.get(HOST).filter(|_| route.calls_by() == CalledBy::CallersHost);
    // The first address; the one whose turn it is says its own name in `exchange`.
    let authority = callers().unwrap_or_else(|| route.upstream().authority()).clone();
    let call = Call {
        principal: permit.principal(),
        assertion: assertion.as_ref(),
        caller: &caller,
        key_headers: &key_headers,
        dropped,
        authority: &authority,
        credential: if route.forwards_credential() {
            CredentialFields::Kept
        } else {
            CredentialFields::Removed
        },
    };
    let body = if body.is_end_stream() {
        Outgoing::Empty
    } else {
        Outgoing::Streaming {
            body: Box::new(Tethered::new(
                Paced::new(Bounded::new(body, limits.body_bytes, limits.body_pause), pace),
                tether,
            )),
            progress: Arc::default(),
        }
    };
    let mut request = Request::new(body);
    *request.method_mut() = head.method;
    *request.uri_mut() = Uri::from(target);
    *request.headers_mut() = headers::upstream(head.headers, &call);
    intermediary::add_via(request.headers_mut(), head.version);
    outgoing::frame(&mut request);
    request
}

/// Sends to an address of the upstream; where none can be reached, its names may have moved.
async fn exchange(
    pool: &Pool,
    request: Request<Outgoing>,
    called_by: CalledBy,
) -> Result<(Connection, Response<Incoming>), ForwardError> {
    let known = pool.upstream.addresses();
    let walked = match walk(pool, &known, request, called_by).await {
        Err(Failure::Unsent(request, failure)) => {
            let now = names::elsewhere(&pool.upstream, &pool.metrics, &known, pool.limits.connect).await;
            walk(pool, &now.ok_or(failure)?, *request, called_by).await
        }
        walked => walked,
    };
    walked.map_err(Failure::into_error)
}

/// Sends to the address whose turn it is, on a kept connection or else on a new one.
///
/// An address that cannot be reached has received nothing, so the next one may have any request.
async fn walk(
    pool: &Pool,
    addresses: &[Arc<Address>],
    mut request: Request<Outgoing>,
    called_by: CalledBy,
) -> Result<(Connection, Response<Incoming>), Failure> {
    let mut failure = ForwardError::Connect(ConnectError::Name);
    for address in pool.upstream.in_turn(addresses) {
        if called_by == CalledBy::OwnHost {
            request.headers_mut().insert(HOST, address.origin().authority().clone());
        }
        if let Some(kept) = pool.take(address) {
            // However short a connection was idle, the upstream may have closed it a moment ago.
            let spare = repeatable(&request);
            match attempt(kept, request, pool.limits.answer).await {
                Ok(done) => return Ok(done),
                Err(Failure::Unsent(unsent, _closed)) => request = *unsent,
                Err(Failure::Sent(error)) => match spare {
                    Some(spare) if error == ForwardError::Closed => request = spare,
                    Some(_) | None => return Err(Failure::Sent(error)),
                },
            }
        }
        match pool.connect(address).await {
            Ok(fresh) => {
                let attempted = attempt(fresh, request, pool.limits.answer).await;
                return attempted.map_err(|failure| Failure::Sent(failure.into_error()));
            }
            Err(error) => failure = ForwardError::Connect(error),
        }
    }
    Err(Failure::Unsent(Box::new(request), failure))
}

/// Copies a request that may be sent twice.
fn repeatable(request: &Request<Outgoing>) -> Option<Request<Outgoing>> {
    if !request.method().is_idempotent() || !matches!(request.body(), Outgoing::Empty) {
        return None;
    }
    let mut copy = Request::new(Outgoing::Empty);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

enum Failure {
    /// Nothing of it has left, and why.
    Unsent(Box<Request<Outgoing>>, ForwardError),
    /// It may have been processed.
    Sent(ForwardError),
}

impl Failure {
    fn into_error(self) -> ForwardError {
        match self {
            Self::Unsent(_, error) | Self::Sent(error) => error,
        }
    }
}

async fn attempt(
    mut connection: Connection,
    request: Request<Outgoing>,
    limit: Duration,
) -> Result<(Connection, Response<Incoming>), Failure> {
    let progress = match request.body() {
        Outgoing::Empty => None,
        Outgoing::Streaming { progress, .. } => Some(Arc::clone(progress)),
    };
    connection.awaited.begin();
    let mut sending = pin!(connection.sender.try_send_request(request));
    let mut parts = 0;
    loop {
        match timeout(limit, sending.as_mut()).await {
            Ok(Ok(response)) => {
                connection.awaited.end();
                return Ok((connection, response));
            }
            Ok(Err(mut failed)) => {
                return Err(match failed.take_message() {
                    Some(unsent) => Failure::Unsent(Box::new(unsent), ForwardError::Closed),
                    None => Failure::Sent(reason(failed.error())),
                });
            }
            // While the body moves, the wait for the answer has not begun.
            Err(_elapsed) if has_moved(progress.as_deref(), &mut parts) => {}
            Err(_elapsed) => return Err(Failure::Sent(ForwardError::AnswerTimedOut)),
        }
    }
}

fn has_moved(progress: Option<&Progress>, before: &mut u64) -> bool {
    let now = progress.map_or(0, Progress::parts);
    std::mem::replace(before, now) != now
}

fn reason(error: &hyper::Error) -> ForwardError {
    if let Some(body) = BodyError::within(error) {
        return ForwardError::Body(body);
    }
    if error.is_parse() { ForwardError::InvalidAnswer } else { ForwardError::Closed }
}
