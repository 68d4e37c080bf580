//! The grant `refresh_token` (RFC 6749 §6, RFC 9700 §4.14.2): each token counts once, and its reuse ends its family.
//!
//! **Invariants.** Of all that present one token at once, one makes its successor, since the family's row advances from the
//! version that was seen. A token that was used before, or is another client's, ends the family with everything that it has
//! obtained, but for one case: for a short while the client that proves itself again is given the same answer again.

use crate::audit::{Actor, AuditEvent};
use crate::client_authentication::Confidential;
use crate::context::Context;
use crate::delegation::{Delegated, GoingOn, Redeemable, end_family};
use crate::effect::Outcome;
use crate::grant::{Asked, Form, Grant, GrantError, Redeem, Redeemed, TokenRequest};
use crate::issuing::ISSUE;
use crate::ledger::{FoundHandedOut, HandedOutBy, Lookup};
use crate::principal::Principal;
use crate::record::ArtifactRecord;
use crate::refreshing::{self, KIND, RefreshState, opened};
use crate::secret::Secret;
use crate::tagged::TaggedText;

/// The register's row.
pub const ROW: Grant = Grant { grant_type: "refresh_token", parse };

#[derive(Debug)]
struct RefreshRequest {
    token: TaggedText,
    asked: Asked,
}

fn parse(form: &Form) -> Result<Box<dyn TokenRequest>, GrantError> {
    let text = form.required("refresh_token")?;
    // RFC 6749 §5.2: what is no token is an invalid grant, not an invalid request.
    let token = refreshing::parse(text).ok_or(GrantError::InvalidGrant)?;
    Ok(Box::new(RefreshRequest { token, asked: Asked::read(form)? }))
}

/// What is made of a token that was presented.
enum Judged {
    /// It counts, or was answered so a moment ago.
    Good(Box<RefreshState>, Option<Secret<Vec<u8>>>),
    /// It is none, or has ended.
    Unknown,
    /// It was stolen, or its successor was.
    Reused(&'static str),
}

impl Redeem for RefreshRequest {
    type Answer = FoundHandedOut;

    fn grant_type(&self) -> &'static str {
        ROW.grant_type
    }

    fn lookup(&self) -> Lookup<'_> {
        Lookup::HandedOut { kind: KIND, by: HandedOutBy::Family(self.token.family) }
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        client: &Principal,
        found: FoundHandedOut,
    ) -> Outcome<Redeemed, GrantError> {
        let line = AuditEvent::granted(context.now, ISSUE, Actor::of(client)).within(client.organisation());
        let line = line.detail("family", self.token.family.to_string());
        let refuse = |line: AuditEvent, effects, reason| {
            Outcome::refused(GrantError::InvalidGrant, effects, line.turned_down(reason))
        };
        let FoundHandedOut { record: Some(record), subject: Some(person), person: Some(told) } = found else {
            return refuse(line, Vec::new(), "unknown_refresh_token");
        };
        let Some(grant) = record.grant else { return refuse(line, Vec::new(), "unknown_refresh_token") };
        let (state, answer) = match self.judge(context, client, &record) {
            Judged::Good(state, answer) => (state, answer),
            Judged::Unknown => return refuse(line, Vec::new(), "unknown_refresh_token"),
            Judged::Reused(reason) => return refuse(line, end_family(context.now, record.family), reason),
        };
        let delegated = Box::new(Delegated {
            person,
            told,
            grant,
            family: record.family,
            authorized: state.authorized.clone(),
            narrowed: self.asked.scopes.clone(),
            resource: self.asked.audience.clone(),
            nonce: None,
            going_on: GoingOn::From(Box::new(Redeemable {
                record: *record,
                state: *state,
                presented: self.token.again(),
            })),
        });
        match answer {
            None => Outcome::granted(Redeemed::Delegated(delegated), Vec::new(), line),
            Some(answer) => {
                let line = line.detail("repeated", "true");
                Outcome::granted(Redeemed::Again(delegated, answer), Vec::new(), line)
            }
        }
    }
}

impl RefreshRequest {
    fn judge(&self, context: &Context<'_>, client: &Principal, record: &ArtifactRecord) -> Judged {
        let counts = self.token.counts(context.peppers, record);
        if !counts && !self.token.is_ours(context.peppers) {
            return Judged::Unknown;
        }
        // A family that cannot be read issues nothing.
        let Ok(state) = RefreshState::read(record) else { return Judged::Unknown };
        if record.expires_at <= context.now {
            return Judged::Unknown;
        }
        if record.client != client.client() {
            return Judged::Reused("another_clients_refresh_token");
        }
        let answer = if counts { None } else { self.again(context, client, &state) };
        if !counts && answer.is_none() {
            return Judged::Reused("refresh_token_reused");
        }
        Judged::Good(Box::new(state), answer)
    }

    /// Returns the answer that this token was given a moment ago, for the client that proves itself again (SAFETY 9).
    fn again(
        &self,
        context: &Context<'_>,
        client: &Principal,
        state: &RefreshState,
    ) -> Option<Secret<Vec<u8>>> {
        let is_last = self.token.number.checked_add(1) == Some(state.number);
        let retry = state.retry.as_ref().filter(|retry| is_last && context.now < retry.until)?;
        Confidential::of(client)?;
        opened(&self.token, retry)
    }
}
