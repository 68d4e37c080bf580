//! The grant `urn:ietf:params:oauth:grant-type:device_code` (RFC 8628 §3.4).

use crate::audit::{Actor, AuditEvent};
use crate::authorized::Authorized;
use crate::client_terms::GrantType;
use crate::context::Context;
use crate::delegation::{Delegated, GoingOn, end_family};
use crate::effect::{Effect, Outcome};
use crate::grant::{Asked, Form, Grant, GrantError, Redeem, Redeemed, TokenRequest};
use crate::issuing::ISSUE;
use crate::key_string::KeyText;
use crate::ledger::{FoundHandedOut, HandedOutBy, Lookup};
use crate::principal::Principal;
use crate::record::ArtifactRecord;

use super::model::{DeviceState, KIND, Said};

/// The register's row.
pub const ROW: Grant = Grant { grant_type: GrantType::DeviceCode.name(), parse };

/// What every device code begins with.
pub const PREFIX: &str = "cs_device";

struct DeviceRequest {
    device_code: String,
    asked: Asked,
}

fn parse(form: &Form) -> Result<Box<dyn TokenRequest>, GrantError> {
    let device_code = form.required("device_code")?.to_owned();
    // Attack 16: the texts of other artifacts are no device codes.
    if !KeyText::parse(&device_code).is_ok_and(|text| text.prefix() == PREFIX) {
        return Err(GrantError::InvalidGrant);
    }
    Ok(Box::new(DeviceRequest { device_code, asked: Asked::read(form)? }))
}

/// What a code is worth.
enum Judged {
    /// What a person has allowed.
    Good(Authorized),
    /// Nothing now, and why: what the client is told, and what the audit.
    Not(GrantError, &'static str),
    /// Nothing any more: somebody has it who should not.
    Burnt(&'static str),
    /// It was redeemed before.
    Reused,
}

impl Redeem for DeviceRequest {
    type Answer = FoundHandedOut;

    fn grant_type(&self) -> &'static str {
        ROW.grant_type
    }

    fn lookup(&self) -> Lookup<'_> {
        Lookup::HandedOut { kind: KIND, by: HandedOutBy::Text(&self.device_code) }
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        client: &Principal,
        found: FoundHandedOut,
    ) -> Outcome<Redeemed, GrantError> {
        let line = AuditEvent::granted(context.now, ISSUE, Actor::of(client)).within(client.organisation());
        let refuse = |line: AuditEvent, effects, error, reason| {
            Outcome::refused(error, effects, line.turned_down(reason))
        };
        let FoundHandedOut { record: Some(record), subject, person: told } = found else {
            return refuse(line, Vec::new(), GrantError::InvalidGrant, "unknown_device_code");
        };
        let line = line.detail("family", record.family.to_string());
        let Ok(state) = serde_json::from_str::<DeviceState>(&record.payload) else {
            return refuse(line, Vec::new(), GrantError::InvalidGrant, "unknown_device_code");
        };
        let authorized = match judge(context, client, &record, &state) {
            Judged::Good(authorized) => authorized,
            Judged::Not(error, reason) => return refuse(line, Vec::new(), error, reason),
            Judged::Burnt(reason) => {
                let effects = Vec::from_iter(next(&record, state, Said::No));
                return refuse(line, effects, GrantError::InvalidGrant, reason);
            }
            Judged::Reused => {
                let effects = end_family(context.now, record.family);
                return refuse(line, effects, GrantError::InvalidGrant, "device_code_reused");
            }
        };
        let used = next(&record, state, Said::Used);
        let (Some(person), Some(told), Some(grant), Some(used)) = (subject, told, record.grant, used) else {
            return refuse(line, Vec::new(), GrantError::InvalidGrant, "unknown_device_code");
        };
        // Attack 45: whose account was taken away meanwhile has not allowed it any more. The code counts as used.
        if !person.is_live() {
            return refuse(line, vec![used], GrantError::AccessDenied, "person_disabled");
        }
        let delegated = Delegated {
            person,
            told,
            grant,
            family: record.family,
            authorized,
            narrowed: self.asked.scopes.clone(),
            resource: self.asked.audience.clone(),
            nonce: None,
            going_on: GoingOn::Begins,
        };
        Outcome::granted(Redeemed::Delegated(Box::new(delegated)), vec![used], line)
    }
}

/// Judges in the order in which less is told to whom it does not concern.
fn judge(context: &Context<'_>, client: &Principal, record: &ArtifactRecord, state: &DeviceState) -> Judged {
    if record.client != client.client() {
        return Judged::Burnt("another_clients_device_code");
    }
    if state.said == Said::Used {
        return Judged::Reused;
    }
    if state.good_until <= context.now {
        return Judged::Not(GrantError::ExpiredToken, "device_code_expired");
    }
    match &state.said {
        Said::Nothing => Judged::Not(GrantError::AuthorizationPending, "authorization_pending"),
        Said::No => Judged::Not(GrantError::AccessDenied, "access_denied"),
        Said::Yes(authorized) => Judged::Good(authorized.clone()),
        Said::Used => Judged::Reused,
    }
}

/// Keeps what was said; `None`: it cannot be written, which does not happen.
pub(super) fn next(record: &ArtifactRecord, state: DeviceState, said: Said) -> Option<Effect> {
    let payload = serde_json::to_string(&DeviceState { said, ..state }).ok()?;
    let version = record.version.saturating_add(1);
    Some(Effect::Advance(ArtifactRecord { version, payload, ..record.clone() }.into()))
}
