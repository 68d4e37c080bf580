//! Routes: which upstream answers a path, and what a caller must be.
//!
//! The pattern language has three words. A segment as it is; `{name}` for one segment that is not empty; and at the
//! end `{**}` for any number of segments. `/orders/{**}` also matches `/orders` and `/orders/`: whoever protects what
//! is below a path means the path too. The first route that matches path, host and method wins.
//!
//! **Invariants.** What no route matches is refused, never open. A table that cannot be decided on is not built.
//!
//! What it does not do: look at the query, or decide whether the caller meets the requirement.

use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use countersign_core::decision::{Requirement, rehearse};
use countersign_core::principal::{Principal, Scheme};
use countersign_edge::host::canonical;
use countersign_edge::metrics::{Counter, Metrics};
use http::Method;
use thiserror::Error;

use crate::path::NormalPath;
use crate::upstream::Upstream;

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
    /// What a call costs of its credential's limits.
    pub cost: u32,
    /// The protocols that a connection may be switched to.
    pub upgrade: Vec<Protocol>,
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
    upstreams: Vec<Arc<Upstream>>,
}

/// A route that can be matched.
#[derive(Debug)]
pub struct CompiledRoute {
    name: Arc<str>,
    pattern: Pattern,
    methods: Option<Vec<Method>>,
    hosts: Option<Vec<String>>,
    upstream: Arc<Upstream>,
    requirement: Requirement,
    shadow: Option<Requirement>,
    forward_credential: bool,
    cost: u32,
    upgrade: Vec<Protocol>,
    permitted: Vec<(Scheme, OnceLock<Counter>)>,
}

/// What a table knows of a request.
#[derive(Debug)]
pub enum Match<'a> {
    /// The first route that matches.
    Route(&'a Arc<CompiledRoute>),
    /// Routes match but for the method; these methods would do.
    MethodNotAllowed(Vec<Method>),
    /// Nothing matches.
    NotFound,
}

impl RouteTable {
    /// Compiles `routes`, whose `upstream` counts in `upstreams`.
    ///
    /// # Errors
    ///
    /// [`RouteError`] for the first route that cannot be decided on.
    pub fn new(routes: Vec<Route>, upstreams: Vec<Arc<Upstream>>) -> Result<Self, RouteError> {
        let mut compiled: Vec<Arc<CompiledRoute>> = Vec::with_capacity(routes.len());
        for route in routes {
            if compiled.iter().any(|earlier| *earlier.name == *route.name) {
                return Err(RouteError::DuplicateName { route: route.name });
            }
            compiled.push(Arc::new(CompiledRoute::new(route, &upstreams)?));
        }
        Ok(Self { routes: compiled, upstreams })
    }

    /// Finds the route of a request; `host` is the `Host` field as received.
    #[must_use]
    pub fn find(&self, method: &Method, host: &str, path: &str) -> Match<'_> {
        let mut allowed: Vec<Method> = Vec::new();
        for route in self.routes.iter().filter(|route| route.matches(host, path)) {
            match &route.methods {
                Some(methods) if !methods.contains(method) => allowed.extend(methods.iter().cloned()),
                Some(_) | None => return Match::Route(route),
            }
        }
        if allowed.is_empty() {
            return Match::NotFound;
        }
        allowed.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        allowed.dedup();
        Match::MethodNotAllowed(allowed)
    }

    /// Finds the route of a call that was not made: `path` in whatever form a client would send it.
    #[must_use]
    pub fn called(&self, method: &Method, host: &str, path: &str) -> Option<&Arc<CompiledRoute>> {
        let normal = NormalPath::parse(path).ok()?;
        let target = normal.to_target();
        let path = target.split_once('?').map_or(target.as_str(), |(path, _)| path);
        match self.find(method, host, path) {
            Match::Route(route) => Some(route),
            Match::MethodNotAllowed(_) | Match::NotFound => None,
        }
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
    fn new(route: Route, upstreams: &[Arc<Upstream>]) -> Result<Self, RouteError> {
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
        let schemes = route.requirement.conditions().map(|condition| condition.scheme);
        let permitted = schemes.map(|scheme| (scheme, OnceLock::new())).collect();
        let hosts = route.hosts.as_deref().map(|hosts| compile_hosts(&route.name, hosts)).transpose()?;
        Ok(Self {
            name: route.name.into(),
            pattern,
            methods: route.methods,
            hosts,
            upstream,
            requirement: route.requirement,
            shadow: route.shadow,
            forward_credential: route.forward_credential,
            cost: route.cost,
            upgrade: route.upgrade,
            permitted,
        })
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

    /// Tries the shadow requirement, if there is one, and counts what it would have decided (SAFETY 7).
    pub(crate) fn rehearse(&self, principal: Option<&Principal>, metrics: &Metrics) {
        if let Some(shadow) = &self.shadow {
            metrics.shadow_decision(&self.name, rehearse(principal, shadow));
        }
    }

    /// Tells whether the credential reaches the upstream.
    #[must_use]
    pub const fn forwards_credential(&self) -> bool {
        self.forward_credential
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

    fn matches(&self, host: &str, path: &str) -> bool {
        let host_matches = self.hosts.as_ref().is_none_or(|hosts| {
            canonical(host).is_some_and(|host| hosts.iter().any(|name| name.eq_ignore_ascii_case(host)))
        });
        host_matches && self.pattern.matches(path)
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
    for condition in &conditions {
        match condition.scheme {
            Scheme::Anonymous | Scheme::ApiKey => {}
            Scheme::ManagementKey | Scheme::LocalSocket => {
                return Err(RouteError::Scheme { route: name(), scheme: condition.scheme.name() });
            }
        }
    }
    match requirement {
        Requirement::Any(_) => Ok(()),
        Requirement::All(members) => {
            if members.iter().any(|member| member.scheme == Scheme::Anonymous) {
                return Err(RouteError::AnonymousInAll { route: name() });
            }
            let repeated = members.iter().enumerate().find(|(index, member)| {
                members.iter().take(*index).any(|earlier| earlier.scheme == member.scheme)
            });
            repeated.map_or(Ok(()), |(_, member)| {
                Err(RouteError::RepeatedScheme { route: name(), scheme: member.scheme.name() })
            })
        }
    }
}

fn compile_hosts(route: &str, hosts: &[String]) -> Result<Vec<String>, RouteError> {
    let refused = |found: &str| RouteError::Host { route: route.to_owned(), found: found.to_owned() };
    if hosts.is_empty() {
        return Err(refused(""));
    }
    hosts
        .iter()
        .map(|host| canonical(host).map(str::to_ascii_lowercase).ok_or_else(|| refused(host)))
        .collect()
}

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    segments: Vec<Segment>,
    open: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Any,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix('/').ok_or("does not begin with /")?;
        let (rest, open) = match rest.strip_suffix("{**}") {
            Some("") => return Ok(Self { segments: Vec::new(), open: true }),
            Some(before) => (before.strip_suffix('/').ok_or("has something before {**}")?, true),
            None => (rest, false),
        };
        let segments = rest.split('/').map(Segment::parse).collect::<Result<_, _>>()?;
        let pattern = Self { segments, open };
        pattern.is_reachable().then_some(pattern).ok_or("is not in normal form, so no request would match it")
    }

    /// Tells whether the literals are such as normal paths have.
    fn is_reachable(&self) -> bool {
        let words = self.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => text.as_str(),
            Segment::Any => "x",
        });
        let path = format!("/{}", words.collect::<Vec<_>>().join("/"));
        // The empty segment after a last slash can have nothing after it.
        if self.open && path.ends_with('/') {
            return false;
        }
        NormalPath::parse(&path).is_ok_and(|normal| normal.is_as_received() && normal.query().is_none())
    }

    fn matches(&self, path: &str) -> bool {
        let mut segments = path.strip_prefix('/').unwrap_or(path).split('/');
        let fixed = self.segments.iter().all(|segment| match (segment, segments.next()) {
            (Segment::Literal(text), Some(found)) => text == found,
            (Segment::Any, Some(found)) => !found.is_empty(),
            (Segment::Literal(_) | Segment::Any, None) => false,
        });
        fixed && (self.open || segments.next().is_none())
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let name = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        match name {
            Some("**") => Err("has {**} before its end"),
            Some(name)
                if !name.is_empty()
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') =>
            {
                Ok(Self::Any)
            }
            Some(_) => Err("has a {name} that is not made of letters, digits and _"),
            None if text.contains(['{', '}', '*', '?']) => {
                Err("has a wildcard that is not a whole segment: write {name} or {**}")
            }
            None => Ok(Self::Literal(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use countersign_core::decision::{Condition, Requirement};
    use countersign_core::principal::Scheme;
    use http::Method;

    use super::{Match, Pattern, Route, RouteError, RouteTable};
    use crate::upstream::Upstream;

    fn route(name: &str, pattern: &str) -> Route {
        Route {
            name: name.into(),
            pattern: pattern.into(),
            methods: None,
            hosts: None,
            upstream: 0,
            requirement: Requirement::Any(vec![Condition::of(Scheme::ApiKey)]),
            shadow: None,
            forward_credential: false,
            cost: 1,
            upgrade: Vec::new(),
        }
    }

    fn table(routes: Vec<Route>) -> Result<RouteTable, RouteError> {
        let upstream = Upstream::new("one", &"http://127.0.0.1:1".parse().unwrap(), None).unwrap();
        RouteTable::new(routes, vec![Arc::new(upstream)])
    }

    #[track_caller]
    fn check(pattern: &str, path: &str, expected: bool) {
        assert_eq!(Pattern::parse(pattern).unwrap().matches(path), expected, "{pattern} {path}");
    }

    #[test]
    fn a_pattern_matches_whole_segments() {
        for path in ["/orders", "/orders/", "/orders/1", "/orders/1/2/"] {
            check("/orders/{**}", path, true);
            check("/{**}", path, true);
        }
        check("/{**}", "/", true);
        for path in ["/", "/order", "/orders1", "/Orders", "/x/orders"] {
            check("/orders/{**}", path, false);
        }
        for (path, expected) in [("/a/1/b", true), ("/a//b", false), ("/a/1/b/", false), ("/a/1/2/b", false)]
        {
            check("/a/{id}/b", path, expected);
        }
        for (path, expected) in [("/exact", true), ("/exact/", false), ("/exact/x", false), ("/", false)] {
            check("/exact", path, expected);
        }
        check("/", "/", true);
        check("/a/", "/a/", true);
        check("/a/", "/a", false);
    }

    #[test]
    fn a_pattern_that_no_request_could_match_is_refused() {
        for pattern in [
            "",
            "orders",
            "/a//b",
            "/a/../b",
            "/a/{**}/b",
            "/a{**}",
            "/a/*",
            "/a/{b",
            "/a/{}",
            "/a/{b-c}",
            "/a?b",
            "/%61",
            "/a%2fb",
            "/é",
            "/a b",
            "//{**}",
        ] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[track_caller]
    fn found(table: &RouteTable, method: &Method, host: &str, path: &str) -> String {
        match table.find(method, host, path) {
            Match::Route(route) => route.name().to_string(),
            Match::MethodNotAllowed(allowed) => format!("405 {allowed:?}"),
            Match::NotFound => "404".into(),
        }
    }

    #[test]
    fn the_first_match_wins_and_a_method_goes_on_to_the_next() {
        let mut read = route("read", "/orders/{**}");
        read.methods = Some(vec![Method::GET]);
        let mut write = route("write", "/orders/{id}");
        write.methods = Some(vec![Method::PUT, Method::GET]);
        let mut hosted = route("hosted", "/{**}");
        hosted.hosts = Some(vec!["Admin.Example.com.".into()]);
        let table = table(vec![read, write, hosted]).unwrap();
        assert_eq!(found(&table, &Method::GET, "h", "/orders/1"), "read");
        assert_eq!(found(&table, &Method::PUT, "h", "/orders/1"), "write");
        assert_eq!(found(&table, &Method::PUT, "h", "/orders"), "405 [GET]");
        assert_eq!(found(&table, &Method::DELETE, "h", "/orders/1"), "405 [GET, PUT]");
        assert_eq!(found(&table, &Method::GET, "h", "/other"), "404");
        for host in ["admin.example.com", "ADMIN.EXAMPLE.COM:8443", "admin.example.com."] {
            assert_eq!(found(&table, &Method::DELETE, host, "/orders/1"), "hosted", "{host}");
        }
        assert_eq!(found(&table, &Method::GET, "xadmin.example.com", "/other"), "404");
    }

    #[test]
    fn a_table_that_cannot_be_decided_on_is_not_built() {
        let refused = |change: fn(&mut Route)| {
            let mut one = route("r", "/a");
            change(&mut one);
            table(vec![one]).unwrap_err().to_string()
        };
        assert!(refused(|one| one.requirement = Requirement::Any(Vec::new())).contains("anonymous = {}"));
        assert!(refused(|one| one.requirement = Requirement::All(Vec::new())).contains("`require` is empty"));
        assert!(refused(|one| one.upstream = 1).contains("no upstream number 1"));
        assert!(refused(|one| one.methods = Some(Vec::new())).contains("leave it out"));
        assert!(refused(|one| one.hosts = Some(Vec::new())).contains("api.example.com"));
        assert!(refused(|one| one.hosts = Some(vec!["a,b".into()])).contains("`a,b`"));
        assert!(refused(|one| one.pattern = "x".into()).contains("does not begin with /"));
        let twice = || vec![Condition::of(Scheme::ApiKey), Condition::of(Scheme::ApiKey)];
        let mut one = route("r", "/a");
        one.requirement = Requirement::All(twice());
        assert!(table(vec![one]).unwrap_err().to_string().contains("api_key twice"));
        let mut one = route("r", "/a");
        one.requirement = Requirement::Any(twice());
        assert!(table(vec![one]).is_ok());
        assert!(
            refused(|one| one.requirement = Requirement::Any(vec![Condition::of(Scheme::ManagementKey)]))
                .contains("management_key")
        );
        assert!(
            refused(|one| one.requirement = Requirement::All(vec![Condition::of(Scheme::Anonymous)]))
                .contains("under `any`")
        );
        assert!(table(vec![route("r", "/a"), route("r", "/b")]).is_err());
    }
}
