//! Who calls the management API, and whether they may.
//!
//! **Invariant.** A [`Permit`] comes from a decision over a verified key or over what the kernel says of a local peer.

use std::sync::Arc;

use countersign_core::audit::AuditEvent;
use countersign_core::authenticators::MANAGEMENT;
use countersign_core::carried::{Connection, NoSets, RequestHead};
use countersign_core::credential::Unproven;
use countersign_core::decision::{Decision, Permit, Requirement, decide};
use countersign_core::exchange::{self, Action, NotAdmitted, Reason};
use countersign_core::few::Few;
use countersign_core::id::EventId;
use countersign_core::ledger::Ledger as _;
use countersign_core::management_key::{LocalPeer, local_operator, required, required_locally};
use countersign_core::presentation::recognise;
use countersign_core::rejection::Rejection;
use countersign_core::scope::ScopeSet;
use countersign_edge::wire_error::{self, Beside};
use http::request::Parts;

use crate::app::App;
use crate::render::Answer;

/// The action of the audit lines.
const ACTION: &str = "management.decide";

/// How a caller reached the management API.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Over a listener: a management key proves who it is.
    Network(Arc<Connection>),
    /// Over the local socket, or in this process: the operating system says who it is.
    Local(LocalPeer),
}

/// Finds out who calls, and whether they may. A refusal is boxed: it is large and rare.
pub(crate) async fn admit(
    app: &App,
    caller: &Caller,
    head: &Parts,
    scopes: ScopeSet,
) -> Result<Permit, Box<Answer>> {
    match caller {
        Caller::Local(peer) => local(app, *peer, scopes),
        Caller::Network(connection) => by_key(app, head, connection, scopes).await,
    }
}

fn local(app: &App, peer: LocalPeer, scopes: ScopeSet) -> Result<Permit, Box<Answer>> {
    let operator = app.with_context(None, |context| local_operator(context, peer));
    let principal = operator.map_err(|Unproven { rejection, audit, uses: _ }| {
        refusal(app, NotAdmitted { reason: Reason::Rejected(rejection), audit: *audit })
    })?;
    match decide(Some(Few::one(principal)), &Requirement::Any(vec![required_locally(scopes)])) {
        Decision::Permit(permit) => Ok(permit),
        Decision::Challenge(challenge) => {
            Err(Box::new(wire_error::from_challenge(&challenge, Beside::default())))
        }
        Decision::Deny(denial) => Err(Box::new(wire_error::from_denial(&denial, Beside::default()))),
    }
}

async fn by_key(
    app: &App,
    head: &Parts,
    connection: &Arc<Connection>,
    scopes: ScopeSet,
) -> Result<Permit, Box<Answer>> {
    let requirement = Requirement::Any(vec![required(scopes)]);
    let presented = RequestHead {
        method: &head.method,
        target: &head.uri,
        headers: &head.headers,
        connection,
        key_fields: &[],
        sets: &NoSets,
    };
    let presentation = recognise(MANAGEMENT, &presented, &requirement)
        .map_err(|rejection: Rejection| Box::new(wire_error::from_rejection(rejection, Beside::default())))?;
    let mut entropy = (app.entropy)();
    let policy = app.policy.load_full();
    let mut context = app.context(&policy, entropy.as_mut(), connection.peer);
    let action = Action { name: ACTION, requirement: &requirement, shadow: None, cost: 1 };
    match exchange::admit(app.store.as_ref(), &mut context, &action, &presentation, None).await {
        Ok(admission) => match admission.answer {
            Ok(admitted) => Ok(admitted.permit),
            Err(refused) => Err(refusal(app, *refused)),
        },
        Err(unavailable) => Err(Box::new(wire_error::from_unavailable(&unavailable, None))),
    }
}

/// Refuses. Of what was presented and proves nothing a line is left in the audit, which the caller's problem document
/// names.
fn refusal(app: &App, refused: NotAdmitted) -> Box<Answer> {
    let NotAdmitted { reason, audit } = refused;
    let instance = match reason {
        Reason::Rejected(_) => Some(file(app, audit)),
        Reason::Challenge(_) | Reason::Denied(_) | Reason::Exceeded(_) => None,
    };
    Box::new(wire_error::from_reason(&reason, app.now(), Beside { instance, resource_metadata: None }))
}

fn file(app: &App, audit: AuditEvent) -> EventId {
    let instance = EventId::random((app.entropy)().as_mut());
    tracing::info!(%instance, action = %audit.action, reason = audit.reason.as_deref(), "refused");
    app.store.file(audit.detail("instance", instance.to_string()));
    instance
}
