//! Who calls the management API, and whether they may.
//!
//! **Invariant.** A [`Permit`] comes from a decision over a verified key or over what the kernel says of a local peer.

use std::net::IpAddr;

use countersign_core::audit::AuditEvent;
use countersign_core::authenticators::{MANAGEMENT, recognise};
use countersign_core::credential::{Rejection, RequestHead};
use countersign_core::decision::{Condition, Decision, Permit, Requirement, decide};
use countersign_core::id::EventId;
use countersign_core::ledger::{Ledger as _, Unavailable};
use countersign_core::management_key;
use countersign_core::management_key::{LocalPeer, local_operator};
use countersign_core::principal::Principal;
use countersign_core::scheme::Scheme;
use countersign_core::scope::ScopeSet;
use countersign_edge::wire_error;
use http::HeaderMap;

use crate::app::App;
use crate::render::Answer;

/// How a caller reached the management API.
#[derive(Debug, Clone, Copy)]
pub enum Caller {
    /// Over a listener, from this address: a management key proves who it is.
    Network(Option<IpAddr>),
    /// Over the local socket, or in this process: the operating system says who it is.
    Local(LocalPeer),
}

/// Finds out who calls, and whether they may. A refusal is boxed: it is large and rare.
pub(crate) async fn admit(
    app: &App,
    caller: Caller,
    headers: &HeaderMap,
    scopes: ScopeSet,
) -> Result<Permit, Box<Answer>> {
    let (principal, scheme) = match caller {
        Caller::Local(peer) => (Some(local(app, peer)?), Scheme::LOCAL_SOCKET),
        Caller::Network(address) => (by_key(app, headers, address).await?, management_key::SCHEME),
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
