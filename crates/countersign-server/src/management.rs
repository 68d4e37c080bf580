//! The management API, at the admin listener, at the local socket and in this process; health and metrics.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use countersign_core::ledger::Unavailable;
use countersign_core::scope::ScopeSet;
use countersign_edge::body::Content;
use countersign_edge::host::Hosts;
use countersign_edge::limits::Limits;
use countersign_edge::serve::{Peer, Serve, Transport};
use countersign_edge::wire_error::{self, Problem};
use http::header::{CONTENT_TYPE, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Body;

use crate::admission::{Caller, admit};
use crate::app::{App, Failure};
use crate::call::Call;
use crate::endpoints::Endpoint;
use crate::matching::{Matched, find};
use crate::openapi;
use crate::placed::Placed;
use crate::places::{Place, Sender};
use crate::render::{Answer, json_answer, render};
use crate::reply::Reply;

/// The management API, health and metrics.
pub struct Management {
    /// The endpoints.
    pub app: Arc<App>,
    /// The names under which the listener may be called (SAFETY 15).
    pub hosts: Hosts,
}

impl fmt::Debug for Management {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Management").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl Serve for Management {
    type Body = Placed;

    async fn serve(&self, request: Request<Content>, peer: Peer) -> Response<Placed> {
        let caller = match peer.transport() {
            Transport::Local(local) => Caller::Local(local),
            Transport::Plain(_) | Transport::Tls(_) => {
                if let Err(refusal) = self.hosts.admit(request.uri(), request.headers()) {
                    return free(wire_error::from_host(refusal, None));
                }
                Caller::Network(Arc::clone(peer.connection()))
            }
        };
        match request.uri().path() {
            "/healthz" => free(json_answer(StatusCode::OK, br#"{"status":"ok"}"#.to_vec())),
            "/readyz" => free(ready(&self.app)),
            "/metrics" => free(metrics(&self.app)),
            _ => respond(&self.app, caller, request).await,
        }
    }
}

fn ready(app: &App) -> Answer {
    if app.store.snapshot().is_fresh(app.clock.monotonic()) {
        return json_answer(StatusCode::OK, br#"{"status":"ready"}"#.to_vec());
    }
    wire_error::from_unavailable(&Unavailable::Stale, None)
}

fn metrics(app: &App) -> Answer {
    let snapshot = app.store.snapshot();
    app.metrics.observe_snapshot(snapshot.age(app.clock.monotonic()), snapshot.len());
    let mut answer = Response::new(Full::new(Bytes::from(app.metrics.render())));
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

/// Gives an answer that is no call's.
fn free(answer: Answer) -> Response<Placed> {
    answer.map(|body| Placed::new(body, None))
}

/// Answers a call to the management API.
pub async fn respond<B>(app: &App, caller: Caller, request: Request<B>) -> Response<Placed>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin,
{
    let mut place = None;
    let answer = answer(app, caller, request, &mut place).await;
    answer.map(|body| Placed::new(body, place))
}

/// Answers a call, whose place is put into `place`.
async fn answer<B>(app: &App, caller: Caller, request: Request<B>, place: &mut Option<Place>) -> Answer
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin,
{
    let (head, body) = request.into_parts();
    if is_foreign_origin(&head.headers) {
        return wire_error::problem(
            Problem::Forbidden,
            "The management API takes no calls from web pages",
            None,
        );
    }
    let (endpoint, segments) = match find(&head.method, head.uri.path()) {
        Matched::Endpoint(endpoint, segments) => (endpoint, segments),
        Matched::Description => return describe(app, &caller, &head).await,
        Matched::OtherMethods(methods) => return wire_error::method_not_allowed(&methods, None),
        Matched::Nothing => return wire_error::problem(Problem::NotFound, "There is no such resource", None),
    };
    let scopes = endpoint.scope.name().parse().unwrap_or_default();
    let permit = match admit(app, &caller, &head, scopes).await {
        Ok(permit) => permit,
        Err(refused) => return *refused,
    };
    let most = endpoint.body_bytes.unwrap_or_else(|| Limits::default().protocol_body_bytes);
    let sender = Sender::of(permit.principal());
    *place = match app.intake.enter(sender).await {
        Ok(place) => Some(place),
        Err(full) => return full.answer(),
    };
    let body = match app.intake.read(sender, body, most).await {
        Ok(body) => body,
        Err(unread) => return unread.answer(),
    };
    let query =
        form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let mut keys = head.headers.get_all("idempotency-key").iter();
    // One that is there twice is none: which of them was meant is not ours to guess.
    let once = |value: &HeaderValue, again: Option<&HeaderValue>| match again {
        None => value.to_str().unwrap_or_default().to_owned(),
        Some(_) => String::new(),
    };
    let idempotency_key = keys.next().map(|value| once(value, keys.next()));
    let call = Call { permit, segments, query, idempotency_key, body };
    render(handle(app, endpoint, call).await)
}

async fn handle(app: &App, endpoint: &Endpoint, call: Call) -> Result<Reply, Failure> {
    call.only(endpoint.parameters)?;
    if endpoint.request.is_none() {
        call.without_body()?;
    }
    (endpoint.handler)(app, call).await
}

/// A page of another origin must not use what a browser sends along (SAFETY 15).
fn is_foreign_origin(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    headers.get_all(ORIGIN).iter().any(|origin| {
        let authority =
            origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
        authority.is_none() || authority != host
    })
}

async fn describe(app: &App, caller: &Caller, head: &Parts) -> Answer {
    match admit(app, caller, head, ScopeSet::default()).await {
        Ok(_permit) => json_answer(StatusCode::OK, openapi::document().to_string().into_bytes()),
        Err(refused) => *refused,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::is_foreign_origin;

    #[test]
    fn safety_15_an_origin_other_than_the_host_is_foreign() {
        for (origin, foreign) in [
            (None, false),
            (Some("http://localhost:8081"), false),
            (Some("http://evil"), true),
            (Some("null"), true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("host", "localhost:8081".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert("origin", origin.parse().unwrap());
            }
            assert_eq!(is_foreign_origin(&headers), foreign, "{origin:?}");
        }
    }
}
