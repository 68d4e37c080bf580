//! Who calls the management API, and whether they may.
//!
//! **Invariant.** A [`Permit`] comes from a decision over a verified key or over what the kernel says of a local peer.

use std::sync::Arc;

use countersign_core::access_token;
use countersign_core::audit::AuditEvent;
use countersign_core::authenticators::{MANAGEMENT, USERINFO};
use countersign_core::carried::{Connection, DeclaredSets, RequestHead};
use countersign_core::credential::{Row, Unproven};
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
use crate::received::Caller;
use crate::render::Answer;

/// The action of the audit lines.
const ACTION: &str = "management.decide";

/// Finds out who calls, and whether they may. A refusal is boxed: it is large and rare.
pub(crate) async fn admit(
    app: &App,
    caller: &Caller,
    head: &Parts,
    scopes: ScopeSet,
) -> Result<Permit, Box<Answer>> {
    match caller {
        Caller::Local(peer) => local(app, *peer, scopes),
        Caller::Network(connection) => {
            let requirement = Requirement::Any(vec![required(scopes)]);
            presented(app, head, connection, &Door { rows: MANAGEMENT, action: ACTION, requirement }).await
        }
    }
}

/// Finds out whom a client asks about (OpenID Connect Core 1.0 §5.3), and whether it may.
pub(crate) async fn admit_for_person(
    app: &App,
    connection: &Arc<Connection>,
    head: &Parts,
) -> Result<Permit, Box<Answer>> {
    let requirement = Requirement::Any(vec![access_token::userinfo()]);
    let door = Door { rows: USERINFO, action: "userinfo.decide", requirement };
    presented(app, head, connection, &door).await
}

/// What is asked of whoever presents something.
struct Door {
    rows: &'static [Row],
    action: &'static str,
    requirement: Requirement,
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

async fn presented(
    app: &App,
    head: &Parts,
    connection: &Arc<Connection>,
    Door { rows, action, requirement }: &Door,
) -> Result<Permit, Box<Answer>> {
    let sets: &dyn DeclaredSets = &**app.store.snapshot();
    let presented = RequestHead {
        method: &head.method,
        target: &head.uri,
        headers: &head.headers,
        connection,
        key_fields: &[],
        sets,
        session: None,
    };
    let presentation = recognise(rows, &presented, requirement)
        .map_err(|rejection: Rejection| Box::new(wire_error::from_rejection(rejection, Beside::default())))?;
    let mut entropy = (app.entropy)();
    let policy = app.policy.load_full();
    let mut context = app.context(&policy, entropy.as_mut(), connection.peer);
    let action = Action { name: action, requirement, shadow: None, cost: 1 };
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
