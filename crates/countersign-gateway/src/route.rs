//! Routes: which upstream answers a path, and what a caller must be.
//!
//! The first route that matches path, host and method wins; paths are matched by `pattern`.
//!
//! An upstream may read a path more freely than it is matched here (see `fold`). Where the folded path meets an
//! earlier route that the exact one does not, the request is refused: the exact path decides, the fold only objects.
//!
//! **Invariants.** What no route matches is refused, never open. A table that cannot be decided on is not built.
//!
//! What it does not do: look at the query, or decide whether the caller meets the requirement.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use countersign_core::authenticators::GATEWAY;
use countersign_core::decision::{Condition, Requirement};
use countersign_core::presentation::recognises;
use countersign_core::scheme::Scheme;
use countersign_core::web_app::WebApp;
use countersign_edge::host::{Host, Hosts, canonical};
use countersign_edge::metrics::{Counter, Metrics};
use http::Method;
use thiserror::Error;

use crate::caller::TrustedProxies;
use crate::field_names::DroppedFields;
use crate::fold::fold;
use crate::foreign_issuer::ForeignIssuers;
use crate::path::NormalPath;
use crate::pattern::Pattern;
use crate::upstream::Upstream;

/// What is believed of what callers send, on all routes alike.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Whose tokens routes may take, beside our own.
    pub issuers: ForeignIssuers,
    /// Whose word about others counts.
    pub trusted: TrustedProxies,
    /// Which header fields of callers end at the gateway.
    pub dropped: DroppedFields,
}

/// A route as the operator writes it.
#[derive(Debug, Clone)]
pub struct Route {
    /// The route's name in audit, metrics and explanations.
    pub name: String,
    /// The paths.
    pub pattern: String,
    /// The methods; `None`: every method. `HEAD` is not part of `GET`.
    pub methods: Option<Vec<Method>>,
    /// The hosts; `None`: every host.
    pub hosts: Option<Vec<String>>,
    /// The position of the upstream in the table's list.
    pub upstream: usize,
    /// What a caller must be.
    pub requirement: Requirement,
    /// What is tried beside the requirement, counted, and never acted on.
    pub shadow: Option<Requirement>,
    /// Whether `Authorization` and `X-API-Key` reach the upstream.
    pub forward_credential: bool,
    /// Whether the upstream is called by the caller's host, instead of by its own.
    pub preserve_host: bool,
    /// What a call costs of its credential's limits.
    pub cost: u32,
    /// The protocols that a connection may be switched to.
    pub upgrade: Vec<Protocol>,
}

/// The `Host` that an upstream is called by (RFC 9110 §7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CalledBy {
    /// That of the address whose turn it is.
    OwnHost,
    /// The one that the caller named.
    CallersHost,
}

/// A protocol that HTTP/1.1 can be switched to (RFC 9110 §7.8), by its registered name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `websocket` (RFC 6455).
    WebSocket,
}

/// The name is of no protocol that is passed through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected `websocket`, the one protocol that is passed through")]
pub struct UnknownProtocol;

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(text: &str) -> Result<Self, UnknownProtocol> {
        if text.eq_ignore_ascii_case("websocket") { Ok(Self::WebSocket) } else { Err(UnknownProtocol) }
    }
}

/// Why a table of routes was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RouteError {
    /// `all` holds `anonymous`, which nobody can present beside a credential.
    #[error("route {route}: `anonymous` cannot be a member of `all`; write it under `any`")]
    AnonymousInAll {
        /// The route.
        route: String,
    },
    /// Two routes have one name.
    #[error("route {route}: another route has this name")]
    DuplicateName {
        /// The route.
        route: String,
    },
    /// The list of hosts is empty, or holds something that is none.
    #[error("route {route}: expected host names such as api.example.com, found `{found}`")]
    Host {
        /// The route.
        route: String,
        /// What was found.
        found: String,
    },
    /// A method holds letters in lower case, with which no request passes.
    #[error("route {route}: methods are case-sensitive: expected `{expected}`, found `{found}`")]
    MethodCase {
        /// The route.
        route: String,
        /// What was meant.
        expected: String,
        /// What was found.
        found: Method,
    },
    /// The list of methods is empty.
    #[error(
        "route {route}: `methods` is empty, so the route matches nothing; leave it out to match every method"
    )]
    NoMethods {
        /// The route.
        route: String,
    },
    /// The requirement is empty.
    #[error(
        "route {route}: `require` is empty; to let everybody in write require = {{ any = [ {{ anonymous = {{}} }} ] }}"
    )]
    NoConditions {
        /// The route.
        route: String,
    },
    /// The pattern cannot be read.
    #[error("route {route}: the pattern `{pattern}` {reason}")]
    Pattern {
        /// The route.
        route: String,
        /// The pattern.
        pattern: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// `all` names one kind of credential twice.
    #[error("route {route}: `all` names {scheme} twice; a caller presents one of each kind")]
    RepeatedScheme {
        /// The route.
        route: String,
        /// The kind.
        scheme: &'static str,
    },
    /// The gateway does not recognise this kind of credential.
    #[error("route {route}: {scheme} is not a credential of the gateway's callers")]
    Scheme {
        /// The route.
        route: String,
        /// The kind.
        scheme: &'static str,
    },
    /// It names two web apps.
    #[error("route {route}: expected one web app; people are signed in to one at a time")]
    TwoWebApps {
        /// The route.
        route: String,
    },
    /// There is no such upstream.
    #[error("route {route}: there is no upstream number {upstream}")]
    UnknownUpstream {
        /// The route.
        route: String,
        /// The number.
        upstream: usize,
    },
}

/// The routes and upstreams that requests are decided by; replaced as a whole.
#[derive(Debug)]
pub struct RouteTable {
    routes: Vec<Arc<CompiledRoute>>,
    trusted: TrustedProxies,
    /// Whether some pattern is not its own fold, so that plain paths may fold onto it too.
    folds: bool,
    asks_for_tokens: bool,
    upstreams: Vec<Arc<Upstream>>,
}

/// A route that can be matched.
#[derive(Debug)]
pub struct CompiledRoute {
    name: Arc<str>,
    pattern: Pattern,
    folded: Pattern,
    methods: Option<Vec<Method>>,
    hosts: Option<Hosts>,
    upstream: Arc<Upstream>,
    requirement: Requirement,
    shadow: Option<Requirement>,
    forward_credential: bool,
    called_by: CalledBy,
    cost: u32,
    upgrade: Vec<Protocol>,
    dropped: Arc<DroppedFields>,
    issuers: ForeignIssuers,
    web_app: Option<WebApp>,
    permitted: Vec<(Scheme, OnceLock<Counter>)>,
}

/// What all routes have in common.
struct Front {
    dropped: Arc<DroppedFields>,
    issuers: ForeignIssuers,
}

/// What a route is found by.
#[derive(Clone, Copy)]
struct Asked<'a> {
    method: &'a Method,
    host: Option<Host<'a>>,
    path: &'a str,
}

/// What a table knows of a request.
#[derive(Debug)]
pub enum Match<'a> {
    /// The first route that matches.
    Route(&'a Arc<CompiledRoute>),
    /// A route matches, and an upstream may read the path as one of this earlier route.
    Ambiguous(&'a Arc<CompiledRoute>),
    /// Routes match but for the method; these methods would do.
    MethodNotAllowed(Vec<Method>),
    /// Nothing matches.
    NotFound,
}

impl RouteTable {
    /// Compiles `routes`, whose `upstream` counts in `upstreams`, and which are called as `trust` says.
    ///
    /// # Errors
    ///
    /// [`RouteError`] for the first route that cannot be decided on.
    pub fn new(routes: Vec<Route>, upstreams: Vec<Arc<Upstream>>, trust: Trust) -> Result<Self, RouteError> {
        let front = Front { dropped: Arc::new(trust.dropped), issuers: trust.issuers };
        let mut compiled: Vec<Arc<CompiledRoute>> = Vec::with_capacity(routes.len());
        for route in routes {
            if compiled.iter().any(|earlier| *earlier.name == *route.name) {
                return Err(RouteError::DuplicateName { route: route.name });
            }
            compiled.push(Arc::new(CompiledRoute::new(route, &upstreams, &front)?));
        }
        let folds = compiled.iter().any(|route| route.folded != route.pattern);
        let asks =
            |route: &Arc<CompiledRoute>| route.requirement.conditions().any(|one| one.token().is_some());
        let asks_for_tokens = compiled.iter().any(asks);
        Ok(Self { routes: compiled, trusted: trust.trusted, folds, asks_for_tokens, upstreams })
    }

    /// Finds the route of a request; `host` is the `Host` field as received.
    #[must_use]
    pub fn find(&self, method: &Method, host: &str, path: &str) -> Match<'_> {
        let mut allowed: Vec<Method> = Vec::new();
        let host = canonical(host);
        for (position, route) in self.routes.iter().enumerate().filter(|(_, one)| one.matches(host, path)) {
            match &route.methods {
                Some(methods) if !methods.contains(method) => allowed.extend(methods.iter().cloned()),
                // RFC 9110 §9.3.2: an upstream answers HEAD as it would GET, so a route for whatever is left is no way
                // around the one that says what GET needs.
                None if *method == Method::HEAD && allowed.contains(&Method::GET) => break,
                Some(_) | None => {
                    let asked = Asked { method, host, path };
                    return self
                        .earlier(position, route, asked)
                        .map_or(Match::Route(route), Match::Ambiguous);
                }
            }
        }
        if allowed.is_empty() {
            return Match::NotFound;
        }
        allowed.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        allowed.dedup();
        Match::MethodNotAllowed(allowed)
    }

    /// Finds a route before `route` that the path belongs to once it is folded.
    fn earlier(
        &self,
        position: usize,
        route: &CompiledRoute,
        asked: Asked<'_>,
    ) -> Option<&Arc<CompiledRoute>> {
        if position == 0 {
            return None;
        }
        let folded = fold(asked.path);
        if !self.folds && matches!(folded, Cow::Borrowed(_)) {
            return None;
        }
        let meets = |one: &&Arc<CompiledRoute>| {
            one.takes_host(asked.host)
                && one.speaks_for(asked.method)
                && one.folded.matches_folded(&folded)
                // Whoever writes both `/exact` and `/exact/` tells them apart, and so does the upstream.
                && one.folded != route.folded
        };
        self.routes.iter().take(position).find(meets)
    }

    /// Tells whether requests can be refused for what their paths fold onto.
    #[must_use]
    pub fn may_object(&self) -> bool {
        self.routes.len() > 1
    }

    /// Finds the route of a call that was not made: `path` in whatever form a client would send it. What would be refused
    /// before it is routed has none. An empty `host` is one that no route names.
    #[must_use]
    pub fn called(&self, method: &Method, host: &str, path: &str) -> Option<&Arc<CompiledRoute>> {
        let hosted = host.is_empty() || canonical(host).is_some();
        if !hosted || !is_upper_case(method) || matches!(*method, Method::CONNECT | Method::TRACE) {
            return None;
        }
        let normal = NormalPath::parse(path).ok()?;
        let target = normal.to_target();
        let path = target.split_once('?').map_or(target.as_str(), |(path, _)| path);
        match self.find(method, host, path) {
            Match::Route(route) => Some(route),
            Match::Ambiguous(_) | Match::MethodNotAllowed(_) | Match::NotFound => None,
        }
    }

    /// Tells whether a route asks for a token, so that the gateway describes resources.
    pub(crate) const fn asks_for_tokens(&self) -> bool {
        self.asks_for_tokens
    }

    /// Returns whose word about others counts.
    pub(crate) const fn trusted(&self) -> &TrustedProxies {
        &self.trusted
    }

    /// Walks the routes in their order.
    pub fn routes(&self) -> impl Iterator<Item = &CompiledRoute> {
        self.routes.iter().map(AsRef::as_ref)
    }

    /// Returns the upstreams.
    #[must_use]
    pub fn upstreams(&self) -> &[Arc<Upstream>] {
        &self.upstreams
    }
}

impl CompiledRoute {
    fn new(route: Route, upstreams: &[Arc<Upstream>], front: &Front) -> Result<Self, RouteError> {
        decidable(&route, &route.requirement)?;
        if let Some(shadow) = &route.shadow {
            decidable(&route, shadow)?;
        }
        let pattern = Pattern::parse(&route.pattern).map_err(|reason| RouteError::Pattern {
            route: route.name.clone(),
            pattern: route.pattern.clone(),
            reason,
        })?;
        let Some(upstream) = upstreams.get(route.upstream).cloned() else {
            return Err(RouteError::UnknownUpstream { route: route.name, upstream: route.upstream });
        };
        let web_app = web_app(&route)?;
        let schemes = route.requirement.conditions().map(Condition::scheme);
        let permitted = schemes.map(|scheme| (scheme, OnceLock::new())).collect();
        let hosts = route.hosts.as_deref().map(|hosts| compile_hosts(&route.name, hosts)).transpose()?;
        Ok(Self {
            name: route.name.into(),
            folded: pattern.folded(),
            pattern,
            methods: route.methods,
            hosts,
            upstream,
            requirement: route.requirement,
            shadow: route.shadow,
            forward_credential: route.forward_credential,
            called_by: if route.preserve_host { CalledBy::CallersHost } else { CalledBy::OwnHost },
            cost: route.cost,
            upgrade: route.upgrade,
            dropped: Arc::clone(&front.dropped),
            issuers: front.issuers.clone(),
            web_app,
            permitted,
        })
    }

    /// Returns whose tokens are taken, on all routes alike.
    pub(crate) const fn issuers(&self) -> &ForeignIssuers {
        &self.issuers
    }

    /// Returns the web app that people may be signed in to.
    pub(crate) const fn web_app(&self) -> Option<&WebApp> {
        self.web_app.as_ref()
    }

    /// Returns which header fields of callers end here.
    pub(crate) fn dropped(&self) -> &DroppedFields {
        &self.dropped
    }

    /// Returns the route's name.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns the upstream that answers.
    #[must_use]
    pub const fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// Returns what a caller must be.
    #[must_use]
    pub const fn requirement(&self) -> &Requirement {
        &self.requirement
    }

    /// Returns what is tried beside the requirement (SAFETY 7).
    pub(crate) const fn shadow(&self) -> Option<&Requirement> {
        self.shadow.as_ref()
    }

    /// Returns the methods that it takes; `None`: all.
    pub(crate) fn methods(&self) -> Option<&[Method]> {
        self.methods.as_deref()
    }

    /// Tells whether the credential reaches the upstream.
    #[must_use]
    pub const fn forwards_credential(&self) -> bool {
        self.forward_credential
    }

    /// Returns the host that the upstream is called by.
    pub(crate) const fn calls_by(&self) -> CalledBy {
        self.called_by
    }

    /// Returns what a call costs of its credential's limits.
    #[must_use]
    pub const fn cost(&self) -> u32 {
        self.cost
    }

    /// Tells whether a connection may be switched to `protocol`.
    #[must_use]
    pub fn upgrades_to(&self, protocol: Protocol) -> bool {
        self.upgrade.contains(&protocol)
    }

    /// Counts a permit; the counter is looked up once.
    pub(crate) fn count_permit(&self, scheme: Scheme, metrics: &Metrics) {
        if let Some((_, kept)) = self.permitted.iter().find(|(one, _)| *one == scheme) {
            kept.get_or_init(|| metrics.decision(&self.name, scheme.name(), "granted", "")).inc();
        }
    }

    fn matches(&self, host: Option<Host<'_>>, path: &str) -> bool {
        self.takes_host(host) && self.pattern.matches(path)
    }

    fn takes_method(&self, method: &Method) -> bool {
        self.methods.as_ref().is_none_or(|methods| methods.contains(method))
    }

    /// Tells whether what it requires concerns a method, `HEAD` with `GET`.
    fn speaks_for(&self, method: &Method) -> bool {
        self.takes_method(method) || (*method == Method::HEAD && self.takes_method(&Method::GET))
    }

    fn takes_host(&self, host: Option<Host<'_>>) -> bool {
        self.hosts.as_ref().is_none_or(|hosts| host.is_some_and(|host| hosts.contains(host)))
    }
}

fn decidable(route: &Route, requirement: &Requirement) -> Result<(), RouteError> {
    let name = || route.name.clone();
    let conditions: Vec<_> = requirement.conditions().collect();
    if conditions.is_empty() {
        return Err(RouteError::NoConditions { route: name() });
    }
    if route.methods.as_ref().is_some_and(Vec::is_empty) {
        return Err(RouteError::NoMethods { route: name() });
    }
    if let Some(found) = route.methods.iter().flatten().find(|method| !is_upper_case(method)) {
        let expected = found.as_str().to_ascii_uppercase();
        return Err(RouteError::MethodCase { route: name(), expected, found: found.clone() });
    }
    for condition in &conditions {
        if condition.scheme() != Scheme::ANONYMOUS && !recognises(GATEWAY, condition.scheme()) {
            return Err(RouteError::Scheme { route: name(), scheme: condition.scheme().name() });
        }
    }
    match requirement {
        Requirement::Any(_) => Ok(()),
        Requirement::All(members, _) => {
            if members.iter().any(|member| member.scheme() == Scheme::ANONYMOUS) {
                return Err(RouteError::AnonymousInAll { route: name() });
            }
            let repeated = members.iter().enumerate().find(|(index, member)| {
                members.iter().take(*index).any(|earlier| earlier.scheme() == member.scheme())
            });
            repeated.map_or(Ok(()), |(_, member)| {
                Err(RouteError::RepeatedScheme { route: name(), scheme: member.scheme().name() })
            })
        }
    }
}

/// Tells whether a method holds no letter in lower case, as every registered one (RFC 9110 §9.1).
pub(crate) fn is_upper_case(method: &Method) -> bool {
    !method.as_str().bytes().any(|byte| byte.is_ascii_lowercase())
}

/// Returns the web app that a route's people may be signed in to.
fn web_app(route: &Route) -> Result<Option<WebApp>, RouteError> {
    let mut apps = route.requirement.conditions().filter_map(Condition::web_app);
    let first = apps.next();
    if apps.any(|other| Some(other) != first) {
        return Err(RouteError::TwoWebApps { route: route.name.clone() });
    }
    Ok(first.cloned())
}

fn compile_hosts(route: &str, hosts: &[String]) -> Result<Hosts, RouteError> {
    let refused = |found: &str| RouteError::Host { route: route.to_owned(), found: found.to_owned() };
    if hosts.is_empty() {
        return Err(refused(""));
    }
    let hosts: Result<Vec<_>, _> =
        hosts.iter().map(|host| canonical(host).ok_or_else(|| refused(host))).collect();
    hosts.map(Hosts::of)
}

#[cfg(test)]
mod tests;
