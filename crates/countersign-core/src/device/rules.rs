//! The decisions about devices: that one asks, and what a person says.

use std::time::Duration;

use crate::audit::{Actor, AuditEvent};
use crate::authorization::{AUTHORIZE, SignedIn, asked_scopes, consented, ticked_of};
use crate::authorized::Authorized;
use crate::client_terms::GrantType;
use crate::context::Context;
use crate::effect::{Effect, Outcome};
use crate::exchange::Act;
use crate::grant::GrantError;
use crate::id::CredentialId;
use crate::issuing::{registered, target};
use crate::key_string::KeyString;
use crate::principal::Principal;
use crate::question::{ArtifactKey, ArtifactOf};
use crate::record::ArtifactRecord;
use crate::secret::{Peppers, Purpose};
use crate::token::FAMILY;
use crate::token_ending::Nothing;

use super::grant::PREFIX;
use super::model::{
    Begin, Begun, DecideDevice, Decision, DeviceDecision, DeviceState, FoundDevice, KIND, Said, Undecided,
};
use super::user_code::UserCode;

/// The name of the act in the audit.
const BEGIN: &str = "device.begin";

/// How long a code is remembered that was used or has ended, so that who presents it again is told why, and ends what it
/// obtained.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);

/// Asks which device shows this code.
#[must_use]
pub fn asked_by(peppers: &Peppers, user_code: &UserCode) -> ArtifactOf {
    ArtifactOf { kind: KIND, by: ArtifactKey::second_text(peppers, user_code.expose()) }
}

impl std::fmt::Debug for Begin<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Begin").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl Act for Begin<'_> {
    type Question = Nothing;
    type By = Principal;
    type Answer = Begun;
    type Reason = GrantError;

    fn question(&self, _: &Context<'_>, _: &Principal) -> Nothing {
        Nothing
    }

    fn decide(&self, context: &mut Context<'_>, client: &Principal, (): ()) -> Outcome<Begun, GrantError> {
        let line = AuditEvent::granted(context.now, BEGIN, Actor::of(client)).within(client.organisation());
        match self.draft(context, client) {
            Ok((begun, record)) => {
                let line = line.detail("family", record.family.to_string());
                Outcome::granted(begun, vec![Effect::Insert(record.into())], line)
            }
            Err(error) => Outcome::refused(error, Vec::new(), line.turned_down(error.reason())),
        }
    }
}

impl Begin<'_> {
    fn draft(
        &self,
        context: &mut Context<'_>,
        client: &Principal,
    ) -> Result<(Begun, ArtifactRecord), GrantError> {
        let (owner, terms) = registered(client, GrantType::DeviceCode.name())?;
        let resource = target(self.resources, &terms, self.resource)?;
        let scopes = asked_scopes(&terms, &resource, self.scope).ok_or(GrantError::InvalidScope)?;
        let lifetime = context.policy.device_code_lifetime;
        let state = DeviceState {
            audience: resource.id.as_str().into(),
            scopes,
            address: context.address,
            asked_at: context.now,
            good_until: context.now.plus(lifetime),
            said: Said::Nothing,
        };
        // INVARIANT: a prefix of ours is one, and a state can be written.
        let prefix = PREFIX.parse().map_err(|_| GrantError::InvalidRequest)?;
        let payload = serde_json::to_string(&state).map_err(|_| GrantError::InvalidRequest)?;
        let device_code = KeyString::mint(&prefix, context.entropy).into_secret();
        let user_code = UserCode::draw(context.entropy);
        let pepper = context.peppers.current();
        let record = ArtifactRecord {
            kind: KIND,
            lookup: pepper.hash(Purpose::Credential, device_code.expose()),
            second_lookup: Some(pepper.hash(Purpose::Credential, user_code.expose())),
            version: 1,
            family: CredentialId::random(FAMILY, context.entropy),
            grant: None,
            parent: None,
            client: Some(owner.id()),
            subject: None,
            organisation: owner.organisation(),
            expires_at: state.good_until.plus(REMEMBERED),
            payload,
        };
        Ok((Begun { device_code, user_code, lifetime }, record))
    }
}

impl Act for DecideDevice<'_> {
    type Question = DeviceDecision;
    type By = SignedIn;
    type Answer = Decision;
    type Reason = Undecided;

    fn question(&self, _: &Context<'_>, by: &SignedIn) -> DeviceDecision {
        DeviceDecision { family: self.family, client: self.client.id(), subject: by.person.id() }
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        by: &SignedIn,
        found: FoundDevice,
    ) -> Outcome<Decision, Undecided> {
        let line = AuditEvent::granted(context.now, AUTHORIZE, Actor::UNVERIFIED)
            .within(Some(self.client.organisation()))
            .about(by.person.id().to_string())
            .detail("client", self.client.id().to_string())
            .detail("family", self.family.to_string());
        match self.said(context, by, found) {
            Ok((Decision::Deny, effects)) => {
                // Somebody has decided, and that is done: it is the line that says no.
                Outcome::granted(Decision::Deny, effects, line.turned_down("access_denied"))
            }
            Ok((Decision::Allow(scopes), effects)) => {
                let line = line.detail("scope", scopes.to_string());
                Outcome::granted(Decision::Allow(scopes), effects, line)
            }
            Err(why) => Outcome::refused(why, Vec::new(), line.turned_down(why.code())),
        }
    }
}

impl DecideDevice<'_> {
    fn said(
        &self,
        context: &mut Context<'_>,
        by: &SignedIn,
        FoundDevice { record, consent }: FoundDevice,
    ) -> Result<(Decision, Vec<Effect>), Undecided> {
        let record =
            record.filter(|record| record.client == Some(self.client.id())).ok_or(Undecided::Gone)?;
        let state: DeviceState = serde_json::from_str(&record.payload).map_err(|_| Undecided::Gone)?;
        if state.said != Said::Nothing || state.good_until <= context.now {
            return Err(Undecided::Gone);
        }
        if !by.person.is_live() || !self.client.is_live() {
            return Err(Undecided::Disabled);
        }
        let scopes = match &self.decision {
            Decision::Allow(ticked) => ticked_of(&state.scopes, ticked),
            Decision::Deny => None,
        };
        let Some(scopes) = scopes else {
            let denied = super::grant::next(&record, state, Said::No).ok_or(Undecided::Gone)?;
            return Ok((Decision::Deny, vec![denied]));
        };
        let before = (self.client_hash, consent);
        let (grant, kept) = consented(context, self.client, by.person.id(), before, &scopes);
        let authorized = Authorized {
            audience: state.audience.clone(),
            scopes: scopes.clone(),
            auth_time: by.auth_time,
            amr: by.amr.clone(),
            id_token_claims: Vec::new(),
            session: by.session,
            generations: Authorized::generations(self.incarnation, self.client, &by.person),
        };
        let record = ArtifactRecord { grant: Some(grant), subject: Some(by.person.id()), ..record };
        let allowed = super::grant::next(&record, state, Said::Yes(authorized)).ok_or(Undecided::Gone)?;
        Ok((Decision::Allow(scopes), vec![kept, allowed]))
    }
}
