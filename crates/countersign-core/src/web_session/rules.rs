//! The decisions about sessions at web apps.

use serde::{Deserialize, Serialize};

use crate::audit::{Actor, AuditEvent};
use crate::authorized::Authorized;
use crate::context::Context;
use crate::delegation::{Delegated, GoingOn, WEB_SESSION, end_family, end_session};
use crate::effect::{Effect, Outcome};
use crate::exchange::{Act, System};
use crate::grant::{GrantError, Granting, Issue, Redeem, Redeemed};
use crate::id::{CredentialId, OwnerId};
use crate::issuing::{Draft, Due, Issuer, unwritten};
use crate::known::KnownOwner;
use crate::ledger::{Answer as _, Found, FoundHandedOut, FoundToken, HandedOutBy, Lookup, Unavailable};
use crate::our_token::prove_signed;
use crate::principal::Principal;
use crate::question::{ArtifactKey, ArtifactOf};
use crate::record::{ArtifactRecord, Record};
use crate::rejection::Rejection;
use crate::secret::{Purpose, Secret};
use crate::seen_browser::SeenBrowser;
use crate::sign_in;
use crate::signing_key::{KeyPurpose, Slot};
use crate::tagged::{self, TaggedText};
use crate::timestamp::Timestamp;
use crate::token::{AccessClaims, Delegation};

use super::wire::{Form, MAX_TOKEN, PREFIX, PresentedSession, TYPE};

/// How often a session that is in use says so: no request buys a commit each time.
const TOUCHES: u32 = 10;

/// What is kept of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionState {
    authorized: Authorized,
    began_at: Timestamp,
    seen_at: Timestamp,
    #[serde(default)]
    browser: SeenBrowser,
}

/// A session that goes on.
#[derive(Debug)]
pub struct WebSession {
    /// What its token says.
    pub claims: AccessClaims,
    /// The session token.
    pub token: Secret<String>,
    /// The text that says nothing; only when it begins.
    pub text: Option<Secret<String>>,
    /// When it ends at the latest.
    pub ends_at: Timestamp,
}

/// What is made of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Regard {
    /// It begins.
    Begins {
        /// The session that this browser had, which ends.
        replaces: Option<CredentialId>,
        /// The browser.
        browser: SeenBrowser,
    },
    /// It is in use.
    Used,
    /// It is looked at, which is no use of it.
    Looked,
}

/// Issues sessions: what is decided of an access token is decided of a session token.
#[derive(Debug, Clone)]
pub struct SessionIssuer<'a> {
    /// Who issues.
    pub issuer: Issuer<'a>,
    /// What is made of it.
    pub regard: Regard,
}

impl Issue for SessionIssuer<'_> {
    type Issued = WebSession;

    fn issue(
        &self,
        context: &mut Context<'_>,
        client: &Principal,
        redeemed: &Redeemed,
        grant: Granting,
    ) -> Result<Outcome<WebSession, GrantError>, Unavailable> {
        let line = AuditEvent { action: ACTION.into(), ..grant.audit };
        let refuse = |line: AuditEvent, error: GrantError, reason| {
            Ok(Outcome::refused(error, Vec::new(), line.turned_down(reason)))
        };
        let Redeemed::Delegated(delegated) = redeemed else {
            return refuse(line, GrantError::UnauthorizedClient, "no_person");
        };
        let due = match self.issuer.delegated(context, client, delegated, grant.grant_type) {
            Ok(due) => due,
            Err((error, reason)) => return refuse(line, error, reason),
        };
        let line = due.told(line).detail("family", delegated.family.to_string());
        match (&delegated.going_on, &self.regard) {
            (GoingOn::Begins, Regard::Begins { replaces, browser }) => {
                let begun = self.begin(context, client, (due, delegated), (*replaces, browser))?;
                Ok(Outcome::granted(begun.0, begun.1, line))
            }
            (GoingOn::Session(kept), Regard::Used | Regard::Looked) => {
                let renewed = self.renew(context, due, kept)?;
                Ok(Outcome::granted(renewed.0, renewed.1, line))
            }
            (GoingOn::Begins | GoingOn::Session(_) | GoingOn::From(_), _) => {
                refuse(line, GrantError::InvalidGrant, "no_session")
            }
        }
    }
}

impl SessionIssuer<'_> {
    fn begin(
        &self,
        context: &mut Context<'_>,
        client: &Principal,
        (due, delegated): (Due, &Delegated),
        (replaces, browser): (Option<CredentialId>, &SeenBrowser),
    ) -> Result<(WebSession, Vec<Effect>), Unavailable> {
        let now = context.now;
        let text = tagged::mint(context, PREFIX, delegated.family, 0);
        let (authorized, browser) = (delegated.authorized.clone(), browser.clone());
        let state = SessionState { authorized, began_at: now, seen_at: now, browser };
        let record = ArtifactRecord {
            kind: WEB_SESSION,
            lookup: context.peppers.current().hash(Purpose::Credential, text.expose()),
            second_lookup: None,
            version: 1,
            family: delegated.family,
            grant: Some(delegated.grant),
            parent: Some(state.authorized.session),
            client: Some(due.claims.client),
            subject: Some(due.claims.subject),
            organisation: client.organisation().ok_or_else(unwritten)?,
            expires_at: now.plus(context.policy.web_sessions.lifetime),
            payload: written(&state)?,
        };
        let session = self.signed(context, due, (state.authorized.session, record.expires_at))?;
        let ended = replaces.into_iter().flat_map(|family| end_family(now, family));
        let effects = ended.chain([Effect::Insert(Record::Artifact(Box::new(record)))]).collect();
        Ok((WebSession { text: Some(text), ..session }, effects))
    }

    fn renew(
        &self,
        context: &mut Context<'_>,
        due: Due,
        kept: &ArtifactRecord,
    ) -> Result<(WebSession, Vec<Effect>), Unavailable> {
        let state: SessionState = serde_json::from_str(&kept.payload).map_err(|_| unwritten())?;
        let session = self.signed(context, due, (state.authorized.session, kept.expires_at))?;
        let after = context.policy.web_sessions.idle / TOUCHES;
        let mut effects = Vec::new();
        if self.regard == Regard::Used && context.now >= state.seen_at.plus(after) {
            let payload = written(&SessionState { seen_at: context.now, ..state })?;
            let version = kept.version.saturating_add(1);
            effects.push(Effect::Advance(ArtifactRecord { version, payload, ..kept.clone() }.into()));
        }
        Ok((session, effects))
    }

    /// Signs the token of a session that ends at `ends_at`, for as long as one is good. It ends with the session at the issuer
    /// in which it began.
    fn signed(
        &self,
        context: &Context<'_>,
        due: Due,
        (began_in, ends_at): (CredentialId, Timestamp),
    ) -> Result<WebSession, Unavailable> {
        let Due { resource, claims, .. } = due;
        let expires_at = claims.issued_at.plus(context.policy.web_sessions.token_lifetime).min(ends_at);
        let delegation = claims.delegation.map(|one| Delegation { session: Some(began_in), ..one });
        let claims = AccessClaims { expires_at, delegation, ..claims };
        let slot = Slot { purpose: KeyPurpose::AccessToken, algorithm: resource.algorithm.into() };
        let draft = Draft { slot, typ: TYPE, claims: claims.to_json(self.issuer.url), reader: None };
        let token = (self.issuer.writer)(&draft)?.text;
        if token.expose().len() > MAX_TOKEN {
            return Err(Unavailable::Corrupt(format!(
                "the session token {} is too long for a cookie",
                claims.id
            )));
        }
        Ok(WebSession { claims, token, text: None, ends_at })
    }
}

fn written(state: &SessionState) -> Result<String, Unavailable> {
    serde_json::to_string(state).map_err(|_| unwritten())
}

/// Asks for a session's next token: proven to be a session of ours, not yet found.
#[derive(Debug)]
pub struct Renewal {
    family: CredentialId,
    /// What the browser keeps, unless that was proven by its signature.
    text: Option<TaggedText>,
}

/// Proves what a browser has shown, as far as nobody has to be asked who knows sessions: guesses cost nothing.
///
/// # Errors
///
/// Why it is no session of ours.
pub fn renewal(
    context: &Context<'_>,
    presented: PresentedSession<'_>,
    found: Found,
) -> Result<Result<Renewal, Rejection>, Unavailable> {
    match presented.0 {
        Form::Text(text) if text.is_ours(context.peppers) => {
            Ok(Ok(Renewal { family: text.family, text: Some(text) }))
        }
        Form::Text(_) => Ok(Err(Rejection::UNKNOWN)),
        Form::Signed(token) => {
            let found = FoundToken::of(found)?;
            let proven = prove_signed(context.now, &token, &found);
            let family = token.said.claims.delegation.as_ref().map(|one| one.family);
            Ok(proven.and_then(|_| {
                let family = family.filter(|_| !found.is_ended).ok_or(Rejection::REVOKED)?;
                Ok(Renewal { family, text: None })
            }))
        }
    }
}

impl Renewal {
    /// Returns the session that is meant.
    #[must_use]
    pub const fn family(&self) -> CredentialId {
        self.family
    }

    fn judge(
        &self,
        context: &Context<'_>,
        client: &Principal,
        record: &ArtifactRecord,
    ) -> Result<SessionState, &'static str> {
        if self.text.as_ref().is_some_and(|text| !text.counts(context.peppers, record)) {
            return Err("unknown_session");
        }
        if record.client != client.client() {
            return Err("another_clients_session");
        }
        standing(context, record)
    }
}

impl Redeem for Renewal {
    type Answer = FoundHandedOut;

    fn grant_type(&self) -> &'static str {
        crate::refresh_token::ROW.grant_type
    }

    fn lookup(&self) -> Lookup<'_> {
        Lookup::HandedOut { kind: WEB_SESSION, by: HandedOutBy::Family(self.family) }
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        client: &Principal,
        found: FoundHandedOut,
    ) -> Outcome<Redeemed, GrantError> {
        let line = AuditEvent::granted(context.now, ACTION, Actor::of(client))
            .within(client.organisation())
            .detail("family", self.family.to_string());
        let refuse = |line: AuditEvent, reason| {
            Outcome::refused(GrantError::InvalidGrant, Vec::new(), line.turned_down(reason))
        };
        let FoundHandedOut { record: Some(record), subject: Some(person), person: Some(told) } = found else {
            return refuse(line, "unknown_session");
        };
        let Some(grant) = record.grant else { return refuse(line, "unknown_session") };
        let state = match self.judge(context, client, &record) {
            Ok(state) => state,
            Err(reason) => return refuse(line, reason),
        };
        let delegated = Delegated {
            person,
            told,
            grant,
            family: record.family,
            authorized: state.authorized,
            narrowed: None,
            resource: None,
            nonce: None,
            going_on: GoingOn::Session(record),
        };
        Outcome::granted(Redeemed::Delegated(Box::new(delegated)), Vec::new(), line)
    }
}

/// A session at a web app, as its person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownSession {
    /// Its name.
    pub id: CredentialId,
    /// The web app.
    pub client: OwnerId,
    /// When it began.
    pub began_at: Timestamp,
    /// When it was in use last, as far as that was said.
    pub seen_at: Timestamp,
    /// The browser.
    pub browser: SeenBrowser,
}

/// Returns how a session is shown, if it counts now. `client`, `person`: what is known of them; `incarnation`: of the
/// installation.
#[must_use]
pub fn shown(
    context: &Context<'_>,
    record: &ArtifactRecord,
    (client, person): (&KnownOwner, &KnownOwner),
    incarnation: i64,
) -> Option<ShownSession> {
    let state = standing(context, record).ok()?;
    let now = Authorized::generations(incarnation, client, person);
    let counts = client.is_live() && person.is_live() && state.authorized.stands_in(now);
    counts.then(|| ShownSession {
        id: record.family,
        client: client.id(),
        began_at: state.began_at,
        seen_at: state.seen_at,
        browser: state.browser,
    })
}

/// Reads what is kept of a session, as long as its times allow.
fn standing(context: &Context<'_>, record: &ArtifactRecord) -> Result<SessionState, &'static str> {
    let state: SessionState = serde_json::from_str(&record.payload).map_err(|_| "unknown_session")?;
    let policy = &context.policy.web_sessions;
    // Both as the settings are now: who shortens them means the sessions that there are.
    if context.now >= record.expires_at.min(state.began_at.plus(policy.lifetime)) {
        return Err("session_expired");
    }
    if context.now >= state.seen_at.plus(policy.idle) {
        return Err("session_idle");
    }
    Ok(state)
}

/// Signs a person out of a web app, and out of the issuer where they had signed in for it.
#[derive(Debug)]
pub struct EndSession(pub Renewal);

impl Act for EndSession {
    type Question = ArtifactOf;
    type By = System;
    type Answer = ();
    type Reason = Rejection;

    fn question(&self, _: &Context<'_>, _: &System) -> ArtifactOf {
        ArtifactOf { kind: WEB_SESSION, by: ArtifactKey::Family(self.0.family) }
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        _: &System,
        found: Option<ArtifactRecord>,
    ) -> Outcome<(), Rejection> {
        let Self(Renewal { family, text }) = self;
        let line =
            AuditEvent::granted(context.now, "session.end", Actor::UNVERIFIED).about(family.to_string());
        let counts =
            |record: &ArtifactRecord| text.as_ref().is_none_or(|text| text.counts(context.peppers, record));
        let Some(record) = found.filter(counts) else {
            return Outcome::refused(
                Rejection::UNKNOWN,
                Vec::new(),
                line.turned_down(Rejection::UNKNOWN.code()),
            );
        };
        let begun: Option<SessionState> = serde_json::from_str(&record.payload).ok();
        let signed_in = begun.into_iter().flat_map(|SessionState { authorized, .. }| {
            let discarded = Effect::Discard { kind: sign_in::KIND, family: authorized.session };
            std::iter::once(discarded).chain(end_session(context.now, authorized.session))
        });
        let effects = end_family(context.now, *family).into_iter().chain(signed_in).collect();
        Outcome::granted((), effects, line.within(Some(record.organisation)))
    }
}

/// The name of the act in the audit.
const ACTION: &str = "session.issue";
