//! The walk from a request's head to a permit, or to a refusal with its audit line.
//!
//! **Invariants.** Every step can only end the walk, never skip one. Kinds of credential that a route does not list
//! are refused, not ignored (SAFETY 6). A route that asks for a credential is not decided on a snapshot that is too
//! old (SAFETY 4).

use std::sync::Arc;

use bytes::Bytes;
use countersign_core::audit::{Actor, AuditEvent};
use countersign_core::authenticators;
use countersign_core::carried::{Connection, DeclaredSets, RequestHead};
use countersign_core::context::{Context, Entropy};
use countersign_core::exchange::{Action, Admitted, NotAdmitted, Reason, admit};
use countersign_core::good_signatures::Reading;
use countersign_core::imported_set::Source;
use countersign_core::ledger::Unavailable;
use countersign_core::presentation::{Presentation, recognise};
use countersign_core::snapshot::Snapshot;
use countersign_core::timestamp::Timestamp;
use countersign_core::token::TokenDigest;
use countersign_edge::host::{HostRefusal, host};
use countersign_edge::wire_error::{self, Beside, Problem};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, Method, Response};
use http_body_util::Full;

use crate::caller::Caller;
use crate::foreign_issuer::ForeignIssuers;
use crate::ledger::SnapshotLedger;
use crate::path::{NormalPath, PathRefusal};
use crate::route::{CompiledRoute, Match, RouteTable, is_upper_case};
use crate::sources::Sources;

/// The action of the gateway's audit lines.
const ACTION: &str = "gateway.decide";

/// Why a request goes no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    Folded,
    Foreign,
    Forwarded,
    Host(HostRefusal),
    Method,
    MethodNotAllowed(Vec<Method>),
    NotAdmitted { reason: Reason, at: Timestamp },
    NotFound,
    Path(PathRefusal),
    Unavailable(Unavailable),
}

impl Refusal {
    /// Returns the stable name: the reason in audit and metrics.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Folded => "target_folds",
            Self::Foreign => "foreign_site",
            Self::Forwarded => "forwarded",
            Self::Host(HostRefusal::Invalid) => "host_invalid",
            Self::Host(HostRefusal::Foreign) => "host_foreign",
            Self::Method => "method_case",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::NotAdmitted { reason, .. } => reason.code(),
            Self::NotFound => "no_route",
            Self::Path(refusal) => refusal.code(),
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// Returns the answer to the caller, which names the event and not the reason.
    pub(crate) fn response(&self, beside: Beside<'_>) -> Response<Full<Bytes>> {
        let instance = beside.instance;
        match self {
            Self::Folded => wire_error::problem(
                Problem::BadRequest,
                "The path could be read as another one, in other case or without what stands at its end",
                instance,
            ),
            Self::Foreign => wire_error::problem(
                Problem::Forbidden,
                "Another site has started this, or the browser does not say whence it comes: send Countersign-CSRF: 1",
                instance,
            ),
            Self::Forwarded => wire_error::problem(
                Problem::BadRequest,
                "The proxy before the gateway names no address that can be read",
                instance,
            ),
            Self::Host(refusal) => wire_error::from_host(*refusal, instance),
            Self::Method => wire_error::problem(
                Problem::BadRequest,
                "A method is written in upper case: methods are case-sensitive",
                instance,
            ),
            Self::MethodNotAllowed(allowed) => wire_error::method_not_allowed(allowed, instance),
            Self::NotAdmitted { reason, at } => wire_error::from_reason(reason, *at, beside),
            Self::NotFound => wire_error::problem(Problem::NotFound, "", instance),
            Self::Path(_) => wire_error::problem(
                Problem::BadRequest,
                "The request target is not in a form that can be decided on",
                instance,
            ),
            Self::Unavailable(reason) => wire_error::from_unavailable(reason, instance),
        }
    }
}

/// A refusal and its audit line.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) audit: Box<AuditEvent>,
}

impl Refused {
    pub(crate) fn unproven(now: Timestamp, refusal: Refusal) -> Self {
        let audit = Box::new(AuditEvent::refused(now, ACTION, Actor::UNVERIFIED, refusal.code()));
        Self { refusal, audit }
    }

    fn not_admitted(now: Timestamp, reason: Reason) -> Self {
        Self::unproven(now, Refusal::NotAdmitted { reason, at: now })
    }
}

/// What of a request is judged beside its head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received<'a> {
    pub(crate) head: &'a Parts,
    pub(crate) connection: &'a Arc<Connection>,
    pub(crate) caller: &'a Caller,
    /// The header fields that carry imported keys.
    pub(crate) key_fields: &'a [HeaderName],
    /// The session token that stands for what a browser has shown.
    pub(crate) session: Option<&'a str>,
}

/// What a row may know to select by.
struct Selection<'a> {
    snapshot: &'a Snapshot,
    issuers: &'a ForeignIssuers,
}

impl DeclaredSets for Selection<'_> {
    fn claims(&self, source: Source<'_>, text: &str) -> bool {
        self.snapshot.claims(source, text)
    }

    fn is_issuer(&self, issuer: &str) -> bool {
        self.snapshot.is_issuer(issuer)
    }

    fn takes_tokens_of(&self, issuer: &str) -> bool {
        self.issuers.find(issuer).is_some()
    }

    fn read_before(&self, digest: &TokenDigest) -> Option<Reading> {
        self.snapshot.read_before(digest)
    }
}

impl<'a> Received<'a> {
    fn head(&self, sets: &'a Selection<'a>) -> RequestHead<'a> {
        RequestHead {
            method: &self.head.method,
            target: &self.head.uri,
            headers: &self.head.headers,
            connection: self.connection,
            key_fields: self.key_fields,
            sets,
            session: self.session,
        }
    }
}

/// Reads the target and the host, in the one form that is decided on and forwarded.
pub(crate) fn target(head: &Parts) -> Result<PathAndQuery, Refusal> {
    let received = head.uri.path_and_query().ok_or(Refusal::Path(PathRefusal::Form))?;
    let normal = NormalPath::parse(received.as_str()).map_err(Refusal::Path)?;
    // DIVERGES: RFC 9110 §9.1 knows `delete` as a method of its own; the upstream may read it as DELETE.
    if !is_upper_case(&head.method) {
        return Err(Refusal::Method);
    }
    // RFC 9110 §9.3.6, §9.3.8: a tunnel leaves the gateway's sight, and a trace would show the caller the upstream's view.
    if matches!(head.method, Method::CONNECT | Method::TRACE) {
        return Err(Refusal::MethodNotAllowed(Vec::new()));
    }
    host(&head.uri, &head.headers).map_err(Refusal::Host)?;
    if normal.is_as_received() {
        return Ok(received.clone());
    }
    PathAndQuery::try_from(normal.to_target()).map_err(|_| Refusal::Path(PathRefusal::Character))
}

/// Finds the route of a request.
pub(crate) fn route(table: &RouteTable, head: &Parts, path: &str) -> Result<Arc<CompiledRoute>, Refusal> {
    let host = host(&head.uri, &head.headers).map_err(Refusal::Host)?;
    match table.find(&head.method, host, path) {
        Match::Route(route) => Ok(Arc::clone(route)),
        // DIVERGES: RFC 3986 §6.2.2.1 tells these paths apart; the upstream may not.
        Match::Ambiguous(_earlier) => Err(Refusal::Folded),
        Match::MethodNotAllowed(allowed) => Err(Refusal::MethodNotAllowed(allowed)),
        Match::NotFound => Err(Refusal::NotFound),
    }
}

/// Decides whether the request may take `route`.
pub(crate) async fn authorise(
    sources: &Sources,
    entropy: &mut dyn Entropy,
    route: &CompiledRoute,
    received: Received<'_>,
) -> Result<Admitted, Refused> {
    let now = sources.clock.now();
    let requirement = route.requirement();
    let asks = requirement.asks_for_credential();
    if asks && !sources.snapshot.is_fresh(sources.clock.monotonic()) {
        return Err(Refused::unproven(now, Refusal::Unavailable(Unavailable::Stale)));
    }
    // An open route that hands the credential on does not read it: it is the upstream's business.
    let selection = Selection { snapshot: &sources.snapshot, issuers: route.issuers() };
    let presentation = if route.forwards_credential() && !asks {
        Presentation::default()
    } else {
        let head = received.head(&selection);
        recognise(authenticators::GATEWAY, &head, requirement)
            .map_err(|rejection| Refused::not_admitted(now, Reason::Rejected(rejection)))?
    };
    let address = received.caller.address;
    let ledger = SnapshotLedger { sources, issuers: route.issuers(), now, address };
    let (peppers, policy) = (sources.snapshot.peppers(), &*sources.policy);
    let mut context = Context { now, entropy, peppers, policy, address };
    let action = Action { name: ACTION, requirement, shadow: route.shadow(), cost: route.cost() };
    let admission = admit(&ledger, &mut context, &action, &presentation, None)
        .await
        .map_err(|reason| Refused::unproven(now, Refusal::Unavailable(reason)))?;
    if let Some(shadow) = admission.shadow {
        sources.metrics.shadow_decision(route.name(), shadow);
    }
    admission.answer.map_err(|refused| {
        let NotAdmitted { reason, audit } = *refused;
        Refused { refusal: Refusal::NotAdmitted { reason, at: now }, audit: Box::new(audit) }
    })
}
