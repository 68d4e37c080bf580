//! A grant: what a client asserts of itself, once. Who asserts it again loses the credential that it came with.
//!
//! The text is `<once>.<tag>`; the tag is made under the pepper, from the first part and the client.

use crate::audit::{Actor, AuditEvent};
use crate::context::Context;
use crate::effect::{Effect, Outcome};
use crate::grant::{Asked, Form, Grant, GrantError, Granting, Issue, Redeem, Redeemed, TokenRequest};
use crate::id::OwnerId;
use crate::ledger::{Lookup, Unavailable, Used};
use crate::principal::Principal;
use crate::record::MarkRecord;
use crate::scope::ScopeSet;
use crate::secret::{Peppers, Purpose};

pub(super) const ROW: Grant = Grant { grant_type: "toy_assertion", parse };

const ACTION: &str = "toy_assertion.redeem";

/// What `client` asserts, as somebody would who knows the pepper.
pub(super) fn assertion(peppers: &Peppers, once: &str, client: OwnerId) -> String {
    let tag = peppers.current().hash(Purpose::Credential, &format!("{once} {client}"));
    format!("{once}.{}", super::thumbprint(tag.as_bytes()))
}

struct Assertion {
    text: String,
    once: String,
    scopes: ScopeSet,
}

fn parse(form: &Form) -> Result<Box<dyn TokenRequest>, GrantError> {
    let text = form.required("assertion")?;
    let (once, _) = text.split_once('.').ok_or(GrantError::InvalidRequest)?;
    let scopes = form.get("scope").unwrap_or_default().parse().map_err(|_| GrantError::InvalidScope)?;
    Ok(Box::new(Assertion { text: text.to_owned(), once: once.to_owned(), scopes }))
}

impl Redeem for Assertion {
    type Answer = Used;

    fn grant_type(&self) -> &'static str {
        ROW.grant_type
    }

    fn lookup(&self) -> Lookup<'_> {
        Lookup::Once(&self.once)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        client: &Principal,
        used: Used,
    ) -> Outcome<Redeemed, GrantError> {
        let refuse = |error: GrantError, effects| {
            let audit = AuditEvent::refused(context.now, ACTION, Actor::of(client), error.code());
            Outcome::refused(error, effects, audit.within(client.organisation()))
        };
        let (Some(subject), Some(credential)) = (client.client(), client.credential()) else {
            return refuse(GrantError::UnauthorizedClient, Vec::new());
        };
        if self.text != assertion(context.peppers, &self.once, subject) {
            return refuse(GrantError::InvalidGrant, Vec::new());
        }
        if used == Used::Before {
            let effects = vec![Effect::Revoke { credential, at: context.now }];
            return refuse(GrantError::InvalidGrant, effects);
        }
        if client.scopes().first_missing(&self.scopes).is_some() {
            return refuse(GrantError::InvalidScope, Vec::new());
        }
        let mark = MarkRecord {
            lookup: context.peppers.current().hash(Purpose::FirstUse, &self.once),
            made: String::new(),
            until: context.now.plus(super::REMEMBERED),
        };
        let audit = AuditEvent::granted(context.now, ACTION, Actor::of(client)).within(client.organisation());
        let asked = Asked { scopes: Some(self.scopes.clone()), audience: None };
        Outcome::granted(Redeemed::Own(asked), vec![Effect::Mark(mark)], audit)
    }
}

/// Issues whatever is asked for: its scopes.
pub(super) struct Anything;

impl Issue for Anything {
    type Issued = ScopeSet;

    fn issue(
        &self,
        _: &mut Context<'_>,
        _: &Principal,
        redeemed: &Redeemed,
        grant: Granting,
    ) -> Result<Outcome<ScopeSet, GrantError>, Unavailable> {
        let Redeemed::Own(Asked { scopes, .. }) = redeemed else { panic!("nobody else is asked") };
        let scopes = scopes.clone().unwrap_or_default();
        Ok(Outcome::granted(scopes, Vec::new(), grant.audit))
    }
}
