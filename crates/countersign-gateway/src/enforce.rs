//! The walk from a request's head to a permit, or to a refusal with its audit line.
//!
//! **Invariants.** Every step can only end the walk, never skip one. Kinds of credential that a route does not list
//! are refused, not ignored (SAFETY 6). A route that asks for a credential is not decided on a snapshot that is too
//! old (SAFETY 4).

use std::sync::Arc;

use bytes::Bytes;
use countersign_core::audit::{Actor, AuditEvent};
use countersign_core::authenticators::{self, Recognised, recognise};
use countersign_core::context::{Clock, Context, Entropy, Policy};
use countersign_core::credential::{Rejection, RequestHead};
use countersign_core::decision::{Decision, Denial, Permit, Requirement, decide};
use countersign_core::exchange;
use countersign_core::id::EventId;
use countersign_core::imported_set::Upgrade;
use countersign_core::known::KnownCredential;
use countersign_core::ledger::Unavailable;
use countersign_core::meter::{Charge, Exceeded};
use countersign_core::principal::Principal;
use countersign_core::scheme::Scheme;
use countersign_core::scope::ScopeSet;
use countersign_core::snapshot::Snapshot;
use countersign_core::timestamp::Timestamp;
use countersign_edge::host::{HostRefusal, host};
use countersign_edge::metrics::Metrics;
use countersign_edge::wire_error::{self, Problem};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method, Response};
use http_body_util::Full;

use crate::caller::Caller;
use crate::ledger::{Refresh, SnapshotLedger};
use crate::path::{NormalPath, PathRefusal};
use crate::route::{CompiledRoute, Match, RouteTable, is_upper_case};

/// The action of the gateway's audit lines.
const ACTION: &str = "gateway.decide";

/// Why a request goes no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    Challenge,
    Denied { denial: Denial, necessary: ScopeSet },
    Exceeded { exceeded: Exceeded, at: Timestamp },
    Folded,
    Forwarded,
    Host(HostRefusal),
    Method,
    MethodNotAllowed(Vec<Method>),
    NotFound,
    Path(PathRefusal),
    Rejected(Rejection),
    Unavailable(Unavailable),
}

impl Refusal {
    /// Returns the stable name: the reason in audit and metrics.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Challenge => "credential_required",
            Self::Denied { denial, .. } => denial.code(),
            Self::Exceeded { exceeded, .. } => exceeded.code(),
            Self::Folded => "target_folds",
            Self::Forwarded => "forwarded",
            Self::Host(HostRefusal::Invalid) => "host_invalid",
            Self::Host(HostRefusal::Foreign) => "host_foreign",
            Self::Method => "method_case",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::NotFound => "no_route",
            Self::Path(refusal) => refusal.code(),
            Self::Rejected(rejection) => rejection.code(),
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// Returns the answer to the caller, which names the event and not the reason.
    pub(crate) fn response(&self, event: EventId) -> Response<Full<Bytes>> {
        let instance = Some(event);
        match self {
            Self::Challenge => wire_error::challenge(instance),
            Self::Denied { denial, necessary } => wire_error::from_denial(denial, necessary, instance),
            Self::Exceeded { exceeded, at } => wire_error::from_exceeded(exceeded, *at, instance),
            Self::Folded => wire_error::problem(
                Problem::BadRequest,
                "The path could be read as another one, in other case or without what stands at its end",
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
            Self::NotFound => wire_error::problem(Problem::NotFound, "", instance),
            Self::Path(_) => wire_error::problem(
                Problem::BadRequest,
                "The request target is not in a form that can be decided on",
                instance,
            ),
            Self::Rejected(rejection) => wire_error::from_rejection(*rejection, instance),
            Self::Unavailable(reason) => wire_error::from_unavailable(reason, instance),
        }
    }
}

/// What every decision of a node reads.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) feed: Arc<dyn Refresh>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) metrics: Arc<Metrics>,
}

/// A refusal and its audit line.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) audit: Box<AuditEvent>,
}

impl Refused {
    pub(crate) fn unproven(now: Timestamp, refusal: Refusal) -> Self {
        Self::by(now, Actor::UNVERIFIED, refusal)
    }

    fn by(now: Timestamp, actor: Actor, refusal: Refusal) -> Self {
        let audit = Box::new(AuditEvent::refused(now, ACTION, actor, refusal.code()));
        Self { refusal, audit }
    }
}

/// What of a request is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReceivedHead<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) caller: &'a Caller,
    /// The header fields that carry imported keys.
    pub(crate) key_headers: &'a [HeaderName],
}

/// The right to forward one request.
#[derive(Debug)]
pub(crate) struct Passage {
    pub(crate) permit: Permit,
    pub(crate) known: Option<Arc<KnownCredential>>,
    /// How the credential's limits stand; `None`: it has none.
    pub(crate) charge: Option<Charge>,
    /// What the first use of an imported key asks for.
    pub(crate) upgrade: Option<Upgrade>,
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
    received: ReceivedHead<'_>,
) -> Result<Passage, Refused> {
    let ReceivedHead { headers, caller, key_headers } = received;
    let now = sources.clock.now();
    let requirement = route.requirement();
    let asks = requirement.asks_for_credential();
    if asks && !sources.snapshot.is_fresh(sources.clock.monotonic()) {
        return Err(Refused::unproven(now, Refusal::Unavailable(Unavailable::Stale)));
    }
    // An open route that hands the credential on does not read it: it is the upstream's business.
    let recognised = if route.forwards_credential() && !asks {
        None
    } else {
        recognise(authenticators::GATEWAY, &RequestHead { headers, key_headers })
            .map_err(|rejection| Refused::unproven(now, Refusal::Rejected(rejection)))?
    };
    let Some(recognised) = recognised else {
        route.rehearse(None, &sources.metrics);
        return conclude(now, None, requirement, None).map(unmetered);
    };
    if !requirement.accepts(recognised.scheme) {
        return Err(Refused::unproven(now, Refusal::Rejected(Rejection::NotAccepted)));
    }
    let (principal, (known, upgrade)) = prove(sources, entropy, now, recognised, caller).await?;
    route.rehearse(Some(&principal), &sources.metrics);
    let (actor, organisation) = (Actor::of(&principal), principal.organisation());
    let (permit, known) = conclude(now, Some(principal), requirement, known)?;
    // Last: a call that is refused for any other reason costs nothing.
    match charge(sources, now, known.as_deref(), route.cost()) {
        Ok(charge) => Ok(Passage { permit, known, charge, upgrade }),
        Err(exceeded) => {
            let mut refused = Refused::by(now, actor, Refusal::Exceeded { exceeded, at: now });
            refused.audit.organisation = organisation;
            Err(refused)
        }
    }
}

fn charge(
    sources: &Sources,
    now: Timestamp,
    known: Option<&KnownCredential>,
    cost: u32,
) -> Result<Option<Charge>, Exceeded> {
    let metered = known.and_then(|known| known.metered.as_deref());
    metered.map(|metered| sources.snapshot.meters().charge(metered, now, cost)).transpose()
}

fn unmetered((permit, known): Granted) -> Passage {
    Passage { permit, known, charge: None, upgrade: None }
}

/// The credential that was found, and what its first use asks for.
type Proven = (Option<Arc<KnownCredential>>, Option<Upgrade>);

/// A permit, and the credential that it was given for.
type Granted = (Permit, Option<Arc<KnownCredential>>);

/// Finds and verifies a credential.
async fn prove(
    sources: &Sources,
    entropy: &mut dyn Entropy,
    now: Timestamp,
    recognised: Recognised,
    caller: &Caller,
) -> Result<(Principal, Proven), Refused> {
    let ledger = SnapshotLedger::new(&sources.snapshot, sources.feed.as_ref(), now, caller.address);
    let peppers = sources.snapshot.peppers();
    let mut context = Context { now, entropy, peppers, policy: &sources.policy, address: caller.address };
    let outcome = exchange::verify(&ledger, &mut context, recognised.presented)
        .await
        .map_err(|reason| Refused::unproven(now, Refusal::Unavailable(reason)))?;
    match outcome.answer {
        Ok(principal) => Ok((principal, ledger.into_found())),
        Err(rejection) => {
            Err(Refused { refusal: Refusal::Rejected(rejection), audit: Box::new(outcome.audit) })
        }
    }
}

fn conclude(
    now: Timestamp,
    principal: Option<Principal>,
    requirement: &Requirement,
    known: Option<Arc<KnownCredential>>,
) -> Result<Granted, Refused> {
    let actor = principal.as_ref().map_or(Actor::UNVERIFIED, Actor::of);
    let organisation = principal.as_ref().and_then(Principal::organisation);
    let scheme = principal.as_ref().map(Principal::scheme);
    let refusal = match decide(principal, requirement) {
        Decision::Permit(permit) => return Ok((permit, known)),
        Decision::Challenge => Refusal::Challenge,
        Decision::Deny(denial) => {
            let necessary = necessary(requirement, scheme, &denial);
            Refusal::Denied { denial, necessary }
        }
    };
    let mut refused = Refused::by(now, actor, refusal);
    refused.audit.organisation = organisation;
    Err(refused)
}

/// Returns the scopes of the condition that the caller came nearest to.
fn necessary(requirement: &Requirement, scheme: Option<Scheme>, denial: &Denial) -> ScopeSet {
    let Denial::InsufficientScope(missing) = denial else {
        return ScopeSet::default();
    };
    requirement
        .conditions()
        .find(|condition| Some(condition.scheme) == scheme && condition.scopes.contains(missing.as_str()))
        .map(|condition| condition.scopes.clone())
        .unwrap_or_default()
}
