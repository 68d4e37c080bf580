//! What comes next of a request, and what a person's word makes of it.

use std::time::Duration;

use crate::audit::{Actor, AuditEvent};
use crate::authorization_code::{self, CodeState};
use crate::authorized::Authorized;
use crate::client_terms::AuthMethod;
use crate::context::Context;
use crate::effect::{Effect, Outcome};
use crate::exchange::Act;
use crate::id::{CredentialId, OwnerId};
use crate::identity;
use crate::known::KnownOwner;
use crate::question::ConsentTo;
use crate::record::{ArtifactRecord, ConsentRecord};
use crate::scope::ScopeSet;
use crate::secret::{Purpose, Secret, SecretHash};
use crate::timestamp::Timestamp;
use crate::token::{FAMILY, GRANT};

use super::checks::Checked;
use super::model::{AuthorizationError, Prompt, SignedIn};

/// The name of the act in the audit.
pub(crate) const AUTHORIZE: &str = "grant.authorize";

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The person signs in.
    SignIn,
    /// The person is asked, unless they have allowed it before.
    Ask,
    /// Nothing: the client is told.
    Refuse(AuthorizationError),
}

/// Decides what comes next of a request at `now` (OpenID Connect Core 1.0 §3.1.2.3).
#[must_use]
pub fn next(now: Timestamp, checked: &Checked, signed_in: Option<&SignedIn>) -> Next {
    let is_old = |signed_in: &SignedIn| {
        let most = checked.max_age.map(Duration::from_secs);
        most.is_some_and(|most| signed_in.is_undated || now.since(signed_in.auth_time) > most)
    };
    let again = [Prompt::Login, Prompt::SelectAccount].iter().any(|prompt| checked.prompts.contains(prompt));
    let is_enough = |signed_in: &SignedIn| {
        checked.claims.essential.as_ref().is_none_or(|essential| essential.is_met_by(&signed_in.amr))
    };
    let stands =
        |signed_in: &&SignedIn| signed_in.person.is_live() && !is_old(signed_in) && is_enough(signed_in);
    let stands = signed_in.filter(|signed_in| !again && stands(signed_in));
    let is_meant = |signed_in: &SignedIn| {
        checked.meant.as_ref().is_none_or(|meant| *meant == signed_in.person.id().to_string())
    };
    match (stands, checked.prompts.contains(&Prompt::None)) {
        // §3.1.2.1: nobody else than who is meant; whoever is another would sign in for ever.
        (Some(signed_in), _) if !is_meant(signed_in) => Next::Refuse(AuthorizationError::LoginRequired),
        (Some(_), _) => Next::Ask,
        (None, true) => Next::Refuse(AuthorizationError::LoginRequired),
        (None, false) => Next::SignIn,
    }
}

/// What a person has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Nothing yet.
    Nothing,
    /// Yes, to these of the scopes.
    Yes(ScopeSet),
    /// No.
    No,
}

/// Makes a code of what a person allows, now or before.
#[derive(Debug)]
pub struct Authorize<'a> {
    /// What is asked.
    pub checked: &'a Checked,
    /// By whom it was read.
    pub said: Said,
    /// The client, as verifiers know it.
    pub client: &'a KnownOwner,
    /// The incarnation of the installation.
    pub incarnation: i64,
    /// What the person was shown of the client, or would be (SAFETY 23).
    pub client_hash: [u8; 32],
}

/// What a client is sent.
#[derive(Debug)]
pub struct Granted {
    /// The code.
    pub code: Secret<String>,
    /// What was allowed.
    pub scopes: ScopeSet,
}

/// Why there is no code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The person has to be asked.
    Ask,
    /// The client is told.
    Error(AuthorizationError),
}

impl Act for Authorize<'_> {
    type Question = ConsentTo;
    type By = SignedIn;
    type Answer = Granted;
    type Reason = Refused;

    fn question(&self, _: &Context<'_>, by: &SignedIn) -> ConsentTo {
        ConsentTo { client: self.client.id(), subject: by.person.id() }
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        by: &SignedIn,
        found: Option<ConsentRecord>,
    ) -> Outcome<Granted, Refused> {
        let line = AuditEvent::granted(context.now, AUTHORIZE, Actor::UNVERIFIED)
            .within(Some(self.client.organisation()))
            .about(by.person.id().to_string())
            .detail("client", self.client.id().to_string());
        let granted = self.granted(by, found.as_ref()).and_then(|scopes| {
            let (grant, kept) = match found {
                // So that of many tabs that ask at once none is in another's way.
                Some(before) if self.said == Said::Nothing && self.covers(&before, &scopes) => {
                    (before.id, Effect::Stands(before.into()))
                }
                found => {
                    let before = (self.client_hash, found);
                    consented(context, self.client, by.person.id(), before, &scopes)
                }
            };
            let code = self
                .code(context, by, grant, &scopes)
                .ok_or(Refused::Error(AuthorizationError::TemporarilyUnavailable))?;
            Ok((scopes, (grant, kept), code))
        });
        let (scopes, (grant, kept), (text, record)) = match granted {
            Ok(granted) => granted,
            Err(refused) => {
                let reason = match &refused {
                    Refused::Ask => "consent_required",
                    Refused::Error(error) => error.code(),
                };
                return Outcome::refused(refused, Vec::new(), line.turned_down(reason));
            }
        };
        let line = line.detail("grant", grant.to_string()).detail("scope", scopes.to_string());
        // One commit: neither is there without the other.
        let effects = vec![kept, Effect::Insert(record.into())];
        Outcome::granted(Granted { code: text, scopes }, effects, line)
    }

    fn is_filed(&self, reason: &Refused) -> bool {
        // That somebody has to be asked is no refusal.
        *reason != Refused::Ask
    }
}

impl Authorize<'_> {
    /// Decides what is granted: what the person says now, or said before of this very client.
    fn granted(&self, by: &SignedIn, found: Option<&ConsentRecord>) -> Result<ScopeSet, Refused> {
        if !by.person.is_live() || !self.client.is_live() {
            return Err(Refused::Error(AuthorizationError::AccessDenied));
        }
        let asked = &self.checked.scopes;
        match &self.said {
            Said::No => Err(Refused::Error(AuthorizationError::AccessDenied)),
            Said::Yes(ticked) => {
                ticked_of(asked, ticked).ok_or(Refused::Error(AuthorizationError::AccessDenied))
            }
            // It is the installation's own: nobody is asked whether the house may know its guests.
            Said::Nothing if self.is_own() => Ok(asked.clone()),
            Said::Nothing => {
                let covers = found.is_some_and(|before| self.covers(before, asked));
                let silent =
                    covers && !self.checked.prompts.contains(&Prompt::Consent) && !self.is_unassured();
                match (silent, self.checked.prompts.contains(&Prompt::None)) {
                    (true, _) => Ok(asked.clone()),
                    (false, true) => Err(Refused::Error(AuthorizationError::ConsentRequired)),
                    (false, false) => Err(Refused::Ask),
                }
            }
        }
    }

    /// Tells whether the person has allowed so much before, and this very client.
    fn covers(&self, before: &ConsentRecord, asked: &ScopeSet) -> bool {
        before.client_hash.as_bytes() == &self.client_hash && before.scopes.first_missing(asked).is_none()
    }

    /// Tells whether the client is a web app of the installation's own.
    fn is_own(&self) -> bool {
        self.checked.addressed.terms.auth_method == AuthMethod::Gateway
    }

    /// Tells whether anybody may pass for the client: what proves nothing and is not called back at a host of its own (RFC 8252
    /// §8.6, §7.3).
    fn is_unassured(&self) -> bool {
        let addressed = &self.checked.addressed;
        addressed.terms.auth_method == AuthMethod::None && !addressed.redirect_uri.starts_with("https://")
    }

    fn code(
        &self,
        context: &mut Context<'_>,
        by: &SignedIn,
        grant: CredentialId,
        scopes: &ScopeSet,
    ) -> Option<(Secret<String>, ArtifactRecord)> {
        let good_until = authorization_code::good_until(context.now);
        let state = CodeState {
            authorized: Authorized {
                audience: self.checked.resource.id.as_str().into(),
                scopes: scopes.clone(),
                auth_time: by.auth_time,
                amr: by.amr.clone(),
                id_token_claims: self.checked.claims.id_token.iter().cloned().collect(),
                session: by.session,
                generations: Authorized::generations(self.incarnation, self.client, &by.person),
            },
            redirect_uri: self.checked.addressed.redirect_uri.as_str().into(),
            challenge: self.checked.challenge.as_deref().map(Into::into),
            nonce: self.checked.nonce.clone(),
            good_until,
            used_at: None,
        };
        let text = authorization_code::draw(context)?;
        let record = ArtifactRecord {
            kind: authorization_code::KIND,
            lookup: context.peppers.current().hash(Purpose::Credential, text.expose()),
            second_lookup: None,
            version: 1,
            family: CredentialId::random(FAMILY, context.entropy),
            grant: Some(grant),
            // What web apps of the house obtain ends with the session that it began in; what others obtain outlasts it.
            parent: self.is_own().then_some(by.session),
            client: Some(self.client.id()),
            subject: Some(by.person.id()),
            organisation: self.client.organisation(),
            expires_at: authorization_code::remembered_until(good_until),
            payload: serde_json::to_string(&state).ok()?,
        };
        Some((text, record))
    }
}

/// Of what is asked for, what was ticked; `None`: nothing of it, which is no. That somebody signs in is what the page is
/// about: `openid` has no box.
pub(crate) fn ticked_of(asked: &ScopeSet, ticked: &ScopeSet) -> Option<ScopeSet> {
    let granted = asked.filter(|scope| scope.as_str() == identity::OPENID || ticked.contains(scope.as_str()));
    (!granted.is_empty() || asked.is_empty()).then_some(granted)
}

/// Adds to what a person allows a client, whose hash is now `client_hash`; what was shown another client begins anew. Returns its name,
/// and what is to be committed.
pub(crate) fn consented(
    context: &mut Context<'_>,
    client: &KnownOwner,
    subject: OwnerId,
    (client_hash, found): ([u8; 32], Option<ConsentRecord>),
    scopes: &ScopeSet,
) -> (CredentialId, Effect) {
    let client_hash = SecretHash::from_bytes(&client_hash).unwrap_or(SecretHash::UNSET);
    match found {
        Some(before) => {
            let same = before.client_hash == client_hash;
            let scopes = if same { before.scopes.union(scopes) } else { scopes.clone() };
            let version = before.version.saturating_add(1);
            let next = ConsentRecord { scopes, client_hash, version, updated_at: context.now, ..before };
            (next.id, Effect::Advance(next.into()))
        }
        None => {
            let first = ConsentRecord {
                id: CredentialId::random(GRANT, context.entropy),
                client: client.id(),
                subject,
                organisation: client.organisation(),
                scopes: scopes.clone(),
                client_hash,
                version: 1,
                created_at: context.now,
                updated_at: context.now,
            };
            (first.id, Effect::Insert(first.into()))
        }
    }
}
