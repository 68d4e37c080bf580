//! A worker: everything that one core needs to answer requests by itself.

use std::borrow::Cow;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use bytes::Bytes;
use countersign_core::context::Entropy;
use countersign_core::decision::Permit;
use countersign_core::exchange::Admitted;
use countersign_core::id::EventId;
use countersign_core::ledger::Unavailable;
use countersign_core::meter::Charge;
use countersign_core::signing_key::{KeyPurpose, KnownKey};
use countersign_edge::body::{BodyError, Bounded, Content};
use countersign_edge::endpoint::{
    GATEWAY_HEALTH, GATEWAY_KEYS, ListenerName, Matched, Place, RESOURCE_METADATA, RESOURCE_METADATA_OF,
    find, query,
};
use countersign_edge::host::{Hosts, host};
use countersign_edge::limits::Limits;
use countersign_edge::metrics::Metrics;
use countersign_edge::rate_limit;
use countersign_edge::serve::{Peer, Serve, Tunnel};
use countersign_edge::wire_error::{self, Beside, Problem};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::assertions::{Assertions, Making, Signs};
use crate::browse::{Browsed, Browsing, Visited};
use crate::enforce::{self, Refusal, Refused};
use crate::forward::{Forwarded, Ready, Received, forward, prepare};
use crate::forward_error::ForwardError;
use crate::health;
use crate::intermediary;
use crate::journal::{Journal, Permitted, RefusedRequest, Told};
use crate::keeper::Keeper;
use crate::lent::Lent;
use crate::names;
use crate::pool::Pool;
use crate::resource::{self, Identity, Known, WELL_KNOWN};
use crate::route::{CompiledRoute, RouteTable};
use crate::sources::Sources;
use crate::tether::{Judge, Tether, Tethered};
use crate::upstream::{Upstream, UpstreamLimits};
use crate::web::Web;

/// Paths that are ours on every gateway.
const OWN: &str = "/.countersign";

/// One of the gateway's own endpoints.
struct OwnEndpoint {
    place: Place,
    answer: fn(&Worker, &OwnCall<'_>) -> Response<GatewayBody>,
}

/// What is answered under [`OWN`] and [`WELL_KNOWN`]; the server's table describes it.
static ENDPOINTS: &[OwnEndpoint] = &[
    OwnEndpoint { place: GATEWAY_HEALTH, answer: Worker::health },
    OwnEndpoint { place: GATEWAY_KEYS, answer: Worker::keys },
    OwnEndpoint { place: RESOURCE_METADATA, answer: Worker::resource },
    OwnEndpoint { place: RESOURCE_METADATA_OF, answer: Worker::resource },
];

/// A call of one of the gateway's own endpoints.
struct OwnCall<'a> {
    head: &'a Parts,
    table: &'a RouteTable,
    path: &'a str,
}

/// What all workers share: values that are read without a lock.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) sources: Sources,
    pub(crate) routes: Arc<ArcSwap<RouteTable>>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) signs: Arc<dyn Signs>,
    pub(crate) web: Arc<dyn Web>,
    /// The session tokens of browsers, over all workers.
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) hosts: Option<Hosts>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limits: Limits,
    pub(crate) upstream_limits: UpstreamLimits,
    /// Places for connections to all upstreams together.
    pub(crate) places: Arc<Semaphore>,
}

/// An exchange with an upstream that is about to begin.
struct Exchange {
    ready: Ready,
    pool: Arc<Pool>,
    tether: Option<Tether>,
    charges: Vec<Charge>,
}

/// One core's own: its connections, its journal, its entropy. The locks are there for `Sync`; nobody waits for them.
pub(crate) struct Worker {
    node: Node,
    pools: Mutex<Vec<Arc<Pool>>>,
    journal: Mutex<Journal>,
    entropy: Mutex<Box<dyn Entropy>>,
    assertions: Mutex<Assertions>,
    judge: Arc<Judge>,
}

impl Worker {
    pub(crate) fn new(node: Node, journal: Journal, entropy: Box<dyn Entropy>) -> Self {
        let judge = Arc::new(Judge {
            snapshot: Arc::clone(&node.sources.snapshot),
            clock: Arc::clone(&node.sources.clock),
            metrics: Arc::clone(&node.metrics),
        });
        Self {
            judge,
            node,
            pools: Mutex::default(),
            journal: Mutex::new(journal),
            entropy: Mutex::new(entropy),
            assertions: Mutex::default(),
        }
    }

    /// Lends the journal for a look.
    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what is due once a second.
    pub(crate) fn tick(&self) {
        let upstreams = self.node.routes.load();
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|pool| upstreams.upstreams().iter().any(|one| Arc::ptr_eq(one, &pool.upstream)));
        pools.iter().for_each(|pool| pool.sweep());
        drop(pools);
        let gap = self.event();
        self.journal().tick(self.node.sources.clock.now(), gap);
    }

    /// Looks the upstreams' names up, and asks whether they are well; one worker asks for all.
    pub(crate) async fn watch_upstreams(&self, number: usize) -> Infallible {
        if number > 0 {
            return std::future::pending().await;
        }
        let (routes, metrics, limits) = (&self.node.routes, &self.node.metrics, &self.node.upstream_limits);
        tokio::select! {
            never = health::watch(Arc::clone(routes), Arc::clone(metrics)) => never,
            never = names::watch(Arc::clone(routes), Arc::clone(metrics), limits) => never,
        }
    }

    /// Tells what is left to tell.
    pub(crate) fn close(&self) {
        let gap = self.event();
        self.journal().close(self.node.sources.clock.now(), gap);
    }

    fn event(&self) -> EventId {
        EventId::random(&mut Drawn(&self.entropy))
    }

    fn pool(&self, upstream: &Arc<Upstream>) -> Arc<Pool> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.iter().find(|pool| Arc::ptr_eq(&pool.upstream, upstream)) {
            return Arc::clone(pool);
        }
        let limits = self.node.upstream_limits.clone();
        let callers = self.node.limits.connections;
        let (places, metrics) = (Arc::clone(&self.node.places), Arc::clone(&self.node.metrics));
        let pool = Arc::new(Pool::new(Arc::clone(upstream), limits, callers, places, metrics));
        pools.push(Arc::clone(&pool));
        pool
    }

    async fn answer(&self, request: Request<Content>, peer: Peer) -> Response<GatewayBody> {
        let (head, body) = request.into_parts();
        let now = self.node.sources.clock.now();
        let target = match self.target(&head) {
            Ok(target) => target,
            Err(refusal) => {
                let path = head.uri.path();
                return self.refuse(Refused::unproven(now, refusal), None, &head.method, path, &peer);
            }
        };
        let table = self.node.routes.load();
        let Ok(caller) = table.trusted().resolve(&peer, &head.headers) else {
            let refused = Refused::unproven(now, Refusal::Forwarded);
            return self.refuse(refused, None, &head.method, target.path(), &peer);
        };
        if is_own(&table, target.path()) {
            let call = OwnCall { head: &head, table: &table, path: target.path() };
            if let Some(answer) = self.own(&call, target.query()) {
                return answer;
            }
            drop(table);
            return self.node.web.answer(Request::from_parts(head, body), peer).await.map(GatewayBody::Own);
        }
        let route = match enforce::route(&table, &head, target.path()) {
            Ok(route) => route,
            Err(refusal) => {
                let refused = Refused::unproven(now, refusal);
                return self.refuse(refused, None, &head.method, target.path(), &peer);
            }
        };
        drop(table);
        let mut entropy = Drawn(&self.entropy);
        let sources = &self.node.sources;
        let key_headers = sources.snapshot.key_headers();
        let browsed = match self.browse(&route, &head, &key_headers).await {
            Ok(browsed) => browsed,
            Err(refusal) => {
                let (refused, browsed) = (Refused::unproven(now, refusal), &Browsed::default());
                let visited = Visited { head: &head, target: &target, key_fields: &key_headers, browsed };
                return self.refuse_browser(refused, &route, visited, &peer);
            }
        };
        let judged = enforce::Received {
            head: &head,
            connection: peer.connection(),
            caller: &caller,
            key_fields: &key_headers,
            session: browsed.token.as_deref().map(|token| token.expose().as_str()),
        };
        match enforce::authorise(sources, &mut entropy, &route, judged).await {
            Ok(admitted) => {
                let dropped = route.dropped();
                let received = Received {
                    head,
                    body,
                    target,
                    caller,
                    key_headers,
                    dropped,
                    assertion: None,
                    tether: None,
                };
                // All that was received is consumed before anything is waited for: no future carries it.
                let answer = match self.prepare(admitted, &route, received) {
                    Ok(exchange) => self.exchange(exchange, &route).await,
                    Err(answer) => *answer,
                };
                with_cookie(answer, browsed.cookie)
            }
            Err(refused) => {
                let (target, key_fields) = (&target, &*key_headers);
                let visited = Visited { head: &head, target, key_fields, browsed: &browsed };
                let answer = self.refuse_browser(refused, &route, visited, &peer);
                with_cookie(answer, browsed.cookie)
            }
        }
    }

    fn target(&self, head: &Parts) -> Result<PathAndQuery, Refusal> {
        let target = enforce::target(head)?;
        if let Some(hosts) = &self.node.hosts {
            hosts.admit(&head.uri, &head.headers).map_err(Refusal::Host)?;
        }
        Ok(target)
    }

    /// Reads what a browser has shown, where a route's people are signed in to a web app.
    async fn browse(
        &self,
        route: &CompiledRoute,
        head: &Parts,
        key_fields: &[HeaderName],
    ) -> Result<Browsed, Refusal> {
        let Some(app) = route.web_app() else { return Ok(Browsed::default()) };
        let Node { sources, keeper, web, .. } = &self.node;
        let (snapshot, now) = (&*sources.snapshot, sources.clock.now());
        let requirement = route.requirement();
        Browsing { app, requirement, snapshot, keeper, web: &**web, now }.browse(head, key_fields).await
    }

    /// Refuses; a person at a web app is sent to sign in, if that may help.
    fn refuse_browser(
        &self,
        refused: Refused,
        route: &CompiledRoute,
        visited: Visited<'_>,
        peer: &Peer,
    ) -> Response<GatewayBody> {
        let app = route.web_app().filter(|_| visited.may_sign_in(&refused.refusal));
        let Visited { head, target, .. } = visited;
        let mut answer = self.refuse(refused, Some(route), &head.method, target.path(), peer);
        if let Some(app) = app {
            visited.answer(&mut answer, app);
        }
        answer
    }

    /// Answers under the paths that are ours; `None`: the issuer answers there.
    fn own(&self, call: &OwnCall<'_>, asked: Option<&str>) -> Option<Response<GatewayBody>> {
        Some(match find(ENDPOINTS, |row| &row.place, ListenerName::Gateway, &call.head.method, call.path) {
            Matched::Endpoint(endpoint, _) => match query(asked, &[]) {
                Ok(_none) => (endpoint.answer)(self, call),
                Err(detail) => wire_error::problem(Problem::BadRequest, &detail, None).map(GatewayBody::Own),
            },
            Matched::OtherMethods(allowed) => {
                wire_error::method_not_allowed(&allowed, None).map(GatewayBody::Own)
            }
            Matched::Nothing => return None,
        })
    }

    fn resource(&self, call: &OwnCall<'_>) -> Response<GatewayBody> {
        let path = call.path.strip_prefix(WELL_KNOWN).unwrap_or_default();
        let host = host(&call.head.uri, &call.head.headers).unwrap_or_default();
        let known = Known { table: call.table, resources: self.node.sources.snapshot.resources() };
        let described = self.node.identity.describe(known, host, path);
        described.unwrap_or_else(|| wire_error::problem(Problem::NotFound, "", None)).map(GatewayBody::Own)
    }

    /// Publishes the keys that assertions are verified by (RFC 7517 §5).
    fn keys(&self, _: &OwnCall<'_>) -> Response<GatewayBody> {
        let sources = &self.node.sources;
        if !sources.snapshot.is_fresh(sources.clock.monotonic()) {
            return wire_error::from_unavailable(&Unavailable::Stale, None).map(GatewayBody::Own);
        }
        let now = sources.clock.now();
        let is_published = |key: &Arc<KnownKey>| {
            key.record.slot.purpose == KeyPurpose::Assertion && key.state(now).is_trusted()
        };
        let keys = sources.snapshot.signing_keys().into_iter().filter(is_published);
        let keys: Vec<_> = keys.map(|key| key.public.to_jwk()).collect();
        resource::published(json!({ "keys": keys }).to_string().into()).map(GatewayBody::Own)
    }

    fn health(&self, _: &OwnCall<'_>) -> Response<GatewayBody> {
        let sources = &self.node.sources;
        if !sources.snapshot.is_fresh(sources.clock.monotonic()) {
            return wire_error::from_unavailable(&Unavailable::Stale, None).map(GatewayBody::Own);
        }
        status(StatusCode::OK, "{\"status\":\"ok\"}")
    }

    /// Prepares the exchange of a request that was admitted. What ends here is answered, boxed: it is large and rare.
    fn prepare(
        &self,
        admitted: Admitted,
        route: &CompiledRoute,
        mut received: Received<'_>,
    ) -> Result<Exchange, Box<Response<GatewayBody>>> {
        let Admitted { permit, charges } = admitted;
        self.note(&permit, route, &received);
        if intermediary::ends_here(&mut received.head) {
            return Err(Box::new(final_recipient(route)));
        }
        received.assertion = self.assert(&permit, route);
        let pool = self.pool(route.upstream());
        let tether = Tether::new(&self.judge, &permit, received.caller.address);
        if !received.body.is_end_stream() {
            received.tether.clone_from(&tether);
        }
        match prepare(permit, route, &pool, received, &self.node.limits) {
            Ok(ready) => Ok(Exchange { ready, pool, tether, charges }),
            Err(error) => Err(Box::new(self.failed(error, route, &pool))),
        }
    }

    /// Signs who calls, for the upstream.
    fn assert(&self, permit: &Permit, route: &CompiledRoute) -> Option<HeaderValue> {
        let mut entropy = Drawn(&self.entropy);
        let (issuer, signs) = (&self.node.identity.issuer, &*self.node.signs);
        let mut making = Making { issuer, signs, entropy: &mut entropy };
        let now = self.node.sources.clock.now();
        let mut assertions = self.assertions.lock().unwrap_or_else(PoisonError::into_inner);
        assertions.of(permit.principal(), route.upstream().shared_name(), now, &mut making)
    }

    async fn exchange(&self, exchange: Exchange, route: &CompiledRoute) -> Response<GatewayBody> {
        let Exchange { ready, pool, tether, charges } = exchange;
        match forward(ready, &pool).await {
            Ok(Forwarded::Answer(mut response)) => {
                for charge in &charges {
                    let now = self.node.sources.clock.now();
                    rate_limit::tell(response.headers_mut(), &charge.levels, now);
                }
                response.map(|body| GatewayBody::Upstream(Tethered::new(body, tether)))
            }
            Ok(Forwarded::Switch(mut response, sides)) => {
                let idle = pool.limits.body_pause;
                response.extensions_mut().insert(Tunnel::new(sides.relay(idle, tether)));
                response.map(|()| GatewayBody::Own(Full::default()))
            }
            Err(error) => self.failed(error, route, &pool),
        }
    }

    fn failed(&self, error: ForwardError, route: &CompiledRoute, pool: &Pool) -> Response<GatewayBody> {
        if error.is_upstreams() {
            self.node.metrics.upstream_failed(pool.upstream.name(), error.code());
            tracing::warn!(
                upstream = pool.upstream.name(),
                route = &**route.name(),
                reason = error.code(),
                "the exchange with the upstream failed"
            );
        }
        error.response().map(GatewayBody::Own)
    }

    fn note(&self, permit: &Permit, route: &CompiledRoute, received: &Received<'_>) {
        let at = self.node.sources.clock.now();
        let principal = permit.principal();
        self.journal().permit(Permitted {
            at,
            route: route.name(),
            method: &received.head.method,
            path: received.target.path(),
            scheme: principal.scheme(),
            credential: principal.credential(),
            counted: principal.counted(),
        });
        route.count_permit(principal.scheme(), &self.node.metrics);
    }

    fn refuse(
        &self,
        refused: Refused,
        route: Option<&CompiledRoute>,
        method: &Method,
        path: &str,
        peer: &Peer,
    ) -> Response<GatewayBody> {
        let Refused { refusal, mut audit } = refused;
        let (id, reason) = (self.event(), refusal.code());
        let name = route.map_or("-", |route| route.name());
        *audit = audit.detail("route", name);
        if let Some(peer) = peer.ip() {
            *audit = audit.detail("peer", peer.to_string());
        }
        let scheme = match &audit.actor.scheme {
            Cow::Borrowed(name) => *name,
            Cow::Owned(_) => "other",
        };
        self.node.metrics.decision(name, scheme, "refused", reason).inc();
        let credential = audit.subject.clone();
        let request =
            RefusedRequest { id, event: audit, route: route.map(CompiledRoute::name), method, path, reason };
        let told = self.journal().refuse(request, self.node.sources.clock.monotonic());
        if told == Told::Yes {
            tracing::info!(event = %id, route = name, reason, credential, "refused");
        }
        let described_at = route.and_then(|route| self.node.identity.described_at(route.requirement()));
        let beside = Beside { instance: Some(id), resource_metadata: described_at.as_deref() };
        refusal.response(beside).map(GatewayBody::Own)
    }
}

/// Has a browser keep something too.
fn with_cookie(mut answer: Response<GatewayBody>, cookie: Option<HeaderValue>) -> Response<GatewayBody> {
    if let Some(cookie) = cookie {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    answer
}

fn status(code: StatusCode, text: &'static str) -> Response<GatewayBody> {
    let mut response = Response::new(GatewayBody::Own(Full::new(Bytes::from_static(text.as_bytes()))));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Answers OPTIONS in the upstream's place (RFC 9110 §7.6.2, §9.3.7).
fn final_recipient(route: &CompiledRoute) -> Response<GatewayBody> {
    let mut response = Response::new(GatewayBody::Own(Full::default()));
    if let Some(allowed) = route.methods().and_then(wire_error::allow) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

/// Tells whether a path is ours: under [`WELL_KNOWN`], where there are resources to describe.
fn is_own(table: &RouteTable, path: &str) -> bool {
    let below =
        |own: &str| path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    below(OWN) || (table.asks_for_tokens() && below(WELL_KNOWN))
}

/// What one listener of a worker serves.
pub(crate) struct Reception(pub(crate) Arc<Worker>);

impl Serve for Reception {
    type Body = GatewayBody;

    fn serve(
        &self,
        request: Request<Content>,
        peer: Peer,
    ) -> impl Future<Output = Response<GatewayBody>> + Send {
        self.0.answer(request, peer)
    }
}

/// Draws from a worker's entropy, for as long as a draw takes.
struct Drawn<'a>(&'a Mutex<Box<dyn Entropy>>);

impl Entropy for Drawn<'_> {
    fn fill(&mut self, buffer: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill(buffer);
    }
}

/// The body of an answer of the gateway.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are an upstream's, and a box would be one more allocation"
)]
pub(crate) enum GatewayBody {
    /// Of our own.
    Own(Full<Bytes>),
    /// Of an upstream.
    Upstream(Tethered<Bounded<Lent>>),
}

impl Body for GatewayBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Own(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Self::Upstream(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body) => body.is_end_stream(),
            Self::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body) => body.size_hint(),
            Self::Upstream(body) => body.size_hint(),
        }
    }
}
