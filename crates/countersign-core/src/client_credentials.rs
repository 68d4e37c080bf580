//! The grant `client_credentials` (RFC 6749 §4.4): a client acts for itself.
//!
//! **Invariant.** The client that is proven is the subject; nothing in the request names one.

use crate::audit::{Actor, AuditEvent};
use crate::context::Context;
use crate::effect::Outcome;
use crate::grant::{Asked, Form, Grant, GrantError, Redeem, Redeemed, TokenRequest};
use crate::issuing::ISSUE;
use crate::ledger::Lookup;
use crate::principal::Principal;

/// The register's row.
pub const ROW: Grant = Grant { grant_type: "client_credentials", parse };

#[derive(Debug)]
struct ClientCredentials(Asked);

fn parse(form: &Form) -> Result<Box<dyn TokenRequest>, GrantError> {
    Ok(Box::new(ClientCredentials(Asked::read(form)?)))
}

impl Redeem for ClientCredentials {
    type Answer = ();

    fn grant_type(&self) -> &'static str {
        ROW.grant_type
    }

    fn lookup(&self) -> Lookup<'_> {
        Lookup::Nothing
    }

    fn decide(&self, context: &mut Context<'_>, client: &Principal, (): ()) -> Outcome<Redeemed, GrantError> {
        let line = AuditEvent::granted(context.now, ISSUE, Actor::of(client)).within(client.organisation());
        if client.client().is_some() {
            return Outcome::granted(Redeemed::Own(self.0.clone()), Vec::new(), line);
        }
        let error = GrantError::UnauthorizedClient;
        Outcome::refused(error, Vec::new(), line.turned_down(error.code()))
    }
}
