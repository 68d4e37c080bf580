//! Who answers at the listeners: [`Management`] at the admin listener and the local socket, [`Issuer`] at the issuer.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use countersign_core::audit::AuditEvent;
use countersign_core::authenticators::{MANAGEMENT, recognise};
use countersign_core::credential::{Rejection, RequestHead};
use countersign_core::decision::{Condition, Decision, Permit, Requirement, decide};
use countersign_core::id::EventId;
use countersign_core::ledger::{Ledger as _, Unavailable};
use countersign_core::management_key::{LocalPeer, local_operator};
use countersign_core::principal::{Principal, Scheme};
use countersign_core::refusal::Refusal;
use countersign_core::scope::ScopeSet;
use countersign_edge::body::Content;
use countersign_edge::host::Hosts;
use countersign_edge::limits::Limits;
use countersign_edge::serve::{Peer, Serve};
use countersign_edge::wire_error::{self, Problem};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Body;

use crate::app::{App, Failure};
use crate::call::Call;
use crate::endpoints::{ENDPOINTS, Endpoint};
use crate::github::Github;
use crate::leaks::Leaks;
use crate::openapi;
use crate::placed::Placed;
use crate::places::{Place, Sender};
use crate::reply::Reply;

/// Where anybody may report leaked keys.
const REVOKE_LEAKED: &str = "/v1/keys/revoke-leaked";
/// Where GitHub reports what its secret scanning found.
const FROM_GITHUB: &str = "/v1/leaks/github";

type Answer = Response<Full<Bytes>>;

/// How a caller reached the management API.
#[derive(Debug, Clone, Copy)]
pub enum Caller {
    /// Over a listener, from this address: a management key proves who it is.
    Network(Option<IpAddr>),
    /// Over the local socket, or in this process: the operating system says who it is.
    Local(LocalPeer),
}

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
        let caller = match peer {
            Peer::Local(peer) => Caller::Local(peer),
            Peer::Plain(_) | Peer::Tls(_) => {
                if let Err(refusal) = self.hosts.admit(request.uri(), request.headers()) {
                    return free(wire_error::from_host(refusal, None));
                }
                Caller::Network(peer.ip())
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
        Matched::Description => return describe(app, caller, &head.headers).await,
        Matched::OtherMethods(methods) => return wire_error::method_not_allowed(&methods, None),
        Matched::Nothing => return wire_error::problem(Problem::NotFound, "There is no such resource", None),
    };
    let scopes = endpoint.scope.name().parse().unwrap_or_default();
    let permit = match admit(app, caller, &head.headers, scopes).await {
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

/// What a method and a path name.
enum Matched {
    Endpoint(&'static Endpoint, Vec<(String, String)>),
    Description,
    OtherMethods(Vec<Method>),
    Nothing,
}

fn find(method: &Method, path: &str) -> Matched {
    if path == "/v1/openapi.json" && method == Method::GET {
        return Matched::Description;
    }
    let matching =
        || ENDPOINTS.iter().filter_map(|endpoint| Some((endpoint, segments(endpoint.path, path)?)));
    // A row without a named segment is nearer: `/v1/keys/verify` is no key of the name `verify`.
    let nearest = matching()
        .filter(|(endpoint, _)| endpoint.method == method.as_str())
        .min_by_key(|(_, named)| named.len());
    if let Some((endpoint, segments)) = nearest {
        return Matched::Endpoint(endpoint, segments);
    }
    let others: Vec<_> = matching().filter_map(|(endpoint, _)| endpoint.method.parse().ok()).collect();
    if others.is_empty() { Matched::Nothing } else { Matched::OtherMethods(others) }
}

/// Matches a path with a pattern, segment by segment, and returns what the pattern names.
fn segments(pattern: &str, path: &str) -> Option<Vec<(String, String)>> {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    let mut named = Vec::new();
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return Some(named),
            (Some(wanted), Some(found)) => {
                match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                    Some(name) => named.push((name.to_owned(), found.to_owned())),
                    None if wanted == found => {}
                    None => return None,
                }
            }
            (None, Some(_)) | (Some(_), None) => return None,
        }
    }
}

async fn describe(app: &App, caller: Caller, headers: &HeaderMap) -> Answer {
    match admit(app, caller, headers, ScopeSet::default()).await {
        Ok(_permit) => json_answer(StatusCode::OK, openapi::document().to_string().into_bytes()),
        Err(refused) => *refused,
    }
}

/// Finds out who calls, and whether they may. A refusal is boxed: it is large and rare.
async fn admit(
    app: &App,
    caller: Caller,
    headers: &HeaderMap,
    scopes: ScopeSet,
) -> Result<Permit, Box<Answer>> {
    let (principal, scheme) = match caller {
        Caller::Local(peer) => (Some(local(app, peer)?), Scheme::LocalSocket),
        Caller::Network(address) => (by_key(app, headers, address).await?, Scheme::ManagementKey),
    };
    let requirement = Requirement::Any(vec![Condition { scopes: scopes.clone(), ..Condition::of(scheme) }]);
    match decide(principal, &requirement) {
        Decision::Permit(permit) => Ok(permit),
        Decision::Challenge => Err(Box::new(wire_error::challenge(None))),
        Decision::Deny(denial) => Err(Box::new(wire_error::from_denial(&denial, &scopes, None))),
    }
}

fn local(app: &App, peer: LocalPeer) -> Result<Principal, Box<Answer>> {
    let outcome = app.with_context(None, |context| local_operator(context, peer));
    outcome.answer.map_err(|rejection| refused(app, rejection, outcome.audit))
}

async fn by_key(
    app: &App,
    headers: &HeaderMap,
    address: Option<IpAddr>,
) -> Result<Option<Principal>, Box<Answer>> {
    let recognised = match recognise(MANAGEMENT, &RequestHead { headers, key_headers: &[] }) {
        Ok(recognised) => recognised,
        Err(rejection) => return Err(Box::new(wire_error::from_rejection(rejection, None))),
    };
    let Some(recognised) = recognised else {
        return Ok(None);
    };
    if !app.store.snapshot().is_fresh(app.clock.monotonic()) {
        return Err(Box::new(wire_error::from_unavailable(&Unavailable::Stale, None)));
    }
    match app.verify(recognised.presented, address).await {
        Ok(outcome) => match outcome.answer {
            Ok(principal) => Ok(Some(seen(app, principal))),
            Err(rejection) => Err(refused(app, rejection, outcome.audit)),
        },
        Err(unavailable) => Err(Box::new(wire_error::from_unavailable(&unavailable, None))),
    }
}

fn seen(app: &App, principal: Principal) -> Principal {
    if let Some(credential) = principal.credential() {
        app.store.report_use(credential, app.now());
    }
    principal
}

/// Refuses, and leaves a line in the audit that the caller's problem document names.
fn refused(app: &App, rejection: Rejection, audit: AuditEvent) -> Box<Answer> {
    let instance = EventId::random((app.entropy)().as_mut());
    tracing::info!(%instance, action = %audit.action, reason = rejection.code(), "refused");
    app.store.file(audit.detail("instance", instance.to_string()));
    Box::new(wire_error::from_rejection(rejection, Some(instance)))
}

fn render(answer: Result<Reply, Failure>) -> Answer {
    match answer {
        Ok(Reply::Ok(body)) => json_answer(StatusCode::OK, body),
        Ok(Reply::Created(body)) => json_answer(StatusCode::CREATED, body),
        Ok(Reply::Nothing) => {
            let mut answer = Response::new(Full::new(Bytes::new()));
            *answer.status_mut() = StatusCode::NO_CONTENT;
            answer
        }
        Err(Failure::Invalid(detail)) => wire_error::problem(Problem::BadRequest, &detail, None),
        Err(Failure::Refused(refusal)) => wire_error::problem(kind(&refusal), &refusal.to_string(), None),
        Err(Failure::Unavailable(unavailable)) => {
            tracing::warn!(%unavailable, "the management API cannot answer");
            wire_error::from_unavailable(&unavailable, None)
        }
    }
}

const fn kind(refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::NotFound | Refusal::OwnerNotFound => Problem::NotFound,
        Refusal::DisabledAbove(_)
        | Refusal::ExcessPrefix(_)
        | Refusal::ExcessScope(_)
        | Refusal::SetNotDeclared
        | Refusal::Outranked(_) => Problem::Forbidden,
        Refusal::Full(..)
        | Refusal::OwnerDisabled
        | Refusal::Revoked
        | Refusal::Superseded
        | Refusal::TooManySets
        | Refusal::TakenOver
        | Refusal::HashRefused => Problem::Conflict,
        Refusal::IdempotencyMismatch => Problem::UnprocessableContent,
        Refusal::Addresses
        | Refusal::Allowances
        | Refusal::EmptyLife
        | Refusal::LifetimeExceedsPolicy(_)
        | Refusal::Name
        | Refusal::ReservedPrefix => Problem::BadRequest,
    }
}

fn json_answer(status: StatusCode, body: Vec<u8>) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // Answers hold secrets and what is true now: RFC 6749 §5.1 asks the same of tokens.
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The issuer listener. It publishes the certification authority; OAuth and OpenID Connect are not served yet.
pub struct Issuer {
    /// The endpoints' ground.
    pub app: Arc<App>,
    /// The names under which the listener may be called.
    pub hosts: Hosts,
    /// What takes reports of leaked keys.
    pub leaks: Leaks,
    /// What takes GitHub's reports; `None` where the operator did not ask for it.
    pub github: Option<Github>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Issuer").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl Serve for Issuer {
    type Body = Full<Bytes>;

    async fn serve(&self, request: Request<Content>, peer: Peer) -> Answer {
        if let Err(refusal) = self.hosts.admit(request.uri(), request.headers()) {
            return wire_error::from_host(refusal, None);
        }
        if request.uri().path() == REVOKE_LEAKED {
            if request.method() != Method::POST {
                return wire_error::method_not_allowed(&[Method::POST], None);
            }
            return self.leaks.take(&self.app, request, peer.ip()).await;
        }
        if let Some(github) = self.github.as_ref().filter(|_| request.uri().path() == FROM_GITHUB) {
            if request.method() != Method::POST {
                return wire_error::method_not_allowed(&[Method::POST], None);
            }
            return github.take(&self.app, request, peer.ip()).await;
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return wire_error::problem(Problem::NotFound, "The issuer serves no OAuth endpoint yet", None);
        }
        match request.uri().path() {
            "/" => json_answer(StatusCode::OK, self.about()),
            "/pki/ca.pem" => pem(&self.app.ca_pem),
            _ => wire_error::problem(
                Problem::NotFound,
                "The issuer serves /, /pki/ca.pem and /v1/keys/revoke-leaked; OAuth is not served yet",
                None,
            ),
        }
    }
}

impl Issuer {
    fn about(&self) -> Vec<u8> {
        let from_github = self.github.is_some().then_some(FROM_GITHUB);
        let serves: Vec<_> = ["/pki/ca.pem", REVOKE_LEAKED].into_iter().chain(from_github).collect();
        let about = serde_json::json!({
            "product": "Countersign", "version": env!("CARGO_PKG_VERSION"), "issuer": self.app.issuer_url,
            "serves": serves, "note": "OAuth and OpenID Connect are not served yet",
        });
        about.to_string().into_bytes()
    }
}

fn pem(text: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text.to_owned())));
    // RFC 8555 §9.1 registers the type of certificate chains in PEM.
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/pem-certificate-chain"));
    answer
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::{Matched, find, is_foreign_origin};
    use crate::endpoints::ENDPOINTS;

    #[test]
    fn every_endpoint_is_found_by_its_own_path() {
        for endpoint in ENDPOINTS {
            let path = endpoint.path.replace("{id}", "key_1");
            let Matched::Endpoint(found, _) = find(&endpoint.method.parse().unwrap(), &path) else {
                panic!("{endpoint:?} is not found");
            };
            assert!(std::ptr::eq(found, endpoint), "{endpoint:?} is hidden by {found:?}");
        }
        assert!(matches!(find(&Method::PUT, "/v1/keys"), Matched::OtherMethods(_)));
        for path in ["/v1", "/v1/keys/", "/v1/keys/a/b", "/v1/keys/a/revoke/", "//v1/keys"] {
            assert!(
                matches!(find(&Method::POST, path), Matched::Nothing | Matched::OtherMethods(_)),
                "{path}"
            );
        }
    }

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
