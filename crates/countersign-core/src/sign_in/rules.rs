//! The decisions about sessions.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::audit::{Actor, AuditEvent};
use crate::context::Context;
use crate::delegation::end_session;
use crate::effect::{Effect, Outcome};
use crate::exchange::{Act, System};
use crate::federation::{ProviderName, Recognised};
use crate::id::{CredentialId, OwnerId};
use crate::key_string::{KeyPrefix, KeyString};
use crate::known::KnownOwner;
use crate::password::ProvenPassword;
use crate::question::{ArtifactKey, ArtifactOf, FoundPerson, FoundProven, ProvenPerson};
use crate::record::ArtifactRecord;
use crate::secret::{Peppers, Secret};
use crate::seen_browser::SeenBrowser;
use crate::timestamp::Timestamp;
use crate::token::{PersonGenerations, SESSION};

/// What its artifacts are.
pub const KIND: &str = "sign_in";
/// How many sessions one remembers that it took the place of; more often nobody signs in again within one session's life.
const MOST_BEFORE: usize = 16;
/// What its texts begin with.
const PREFIX: &str = "cs_signin";
/// How a password was asked for (RFC 8176 §2).
const PASSWORD: &str = "pwd";
/// How often a session that is in use says so: no page buys a commit each time that it is looked at.
const TOUCHES: u32 = 10;

/// How a person has proven who they are.
#[derive(Debug, Clone)]
pub enum Proof {
    /// Another provider knows them, by an identity that is theirs.
    Identity(Box<Recognised>),
    /// They know their password.
    Password(ProvenPassword),
}

impl Proof {
    /// Returns whom it proves.
    #[must_use]
    pub const fn person(&self) -> OwnerId {
        match self {
            Self::Identity(recognised) => recognised.person(),
            Self::Password(proven) => proven.person(),
        }
    }

    /// Tells whether it is true of what is stored now.
    fn stands(&self, person: &FoundPerson, holder: Option<OwnerId>) -> bool {
        match self {
            Self::Identity(recognised) => holder == Some(recognised.person()),
            Self::Password(proven) => proven.is(person.person.password.as_ref()),
        }
    }

    /// Returns how it was proven here (RFC 8176). What another provider has asked for is its own word, and none of ours.
    fn amr(&self) -> Vec<String> {
        match self {
            Self::Identity(_) => Vec::new(),
            Self::Password(_) => vec![PASSWORD.to_owned()],
        }
    }

    /// Returns when it was proven, if that is said.
    fn at(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Identity(recognised) => recognised.identity().auth_time(),
            Self::Password(_) => Some(now),
        }
    }

    fn provider(&self) -> Option<ProviderName> {
        match self {
            Self::Identity(recognised) => Some(recognised.identity().provider().name.clone()),
            Self::Password(_) => None,
        }
    }
}

/// Signs a person in.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// Who they are.
    pub proof: Proof,
    /// How often everything that was issued has ended.
    pub incarnation: i64,
    /// The session that this browser had, which ends.
    pub replaces: Option<Session>,
    /// The browser.
    pub browser: SeenBrowser,
}

/// A session that began.
#[derive(Debug)]
pub struct Begun {
    /// What is known of it.
    pub session: Session,
    /// Its text: what the browser keeps.
    pub text: Secret<String>,
}

/// A person's session at the issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its name, which may be shown.
    pub id: CredentialId,
    /// Who signed in.
    pub person: OwnerId,
    /// When they proved themselves: `auth_time`.
    pub auth_time: Timestamp,
    /// Whether that is when they came back from a provider that does not say when it was.
    pub is_undated: bool,
    /// The provider that knows them, if they did not prove themselves here.
    pub provider: Option<ProviderName>,
    /// How: `amr` (RFC 8176).
    pub amr: Vec<String>,
    /// What is stored.
    pub(super) record: ArtifactRecord,
    /// When it was in use last, as far as that was said.
    pub seen_at: Timestamp,
    /// The browser.
    pub browser: SeenBrowser,
    pub(super) before: Vec<CredentialId>,
}

/// Why nobody is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// The person is disabled or gone, or all that was before has ended.
    Ended,
    /// It has lived for as long as a session may.
    Expired,
    /// It was not used for as long as a session waits.
    Idle,
    /// The proof is true no more: the password was changed, the identity taken away, or the person disabled, meanwhile.
    Unproven,
}

impl SessionEnd {
    /// Returns the stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ended => "session_ended",
            Self::Expired => "session_expired",
            Self::Idle => "session_idle",
            Self::Unproven => "unproven",
        }
    }
}

/// What a session adds to its artifact.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    auth_time: Timestamp,
    amr: Vec<String>,
    seen_at: Timestamp,
    incarnation: i64,
    organisation: i64,
    person: i64,
    #[serde(default)]
    browser: SeenBrowser,
    /// When the session began, where another provider has asked them before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_undated: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<ProviderName>,
    /// The sessions of the same person that it took the place of, the latest first: what began in them ends with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    before: Vec<CredentialId>,
}

impl Act for SignIn {
    type Question = ProvenPerson;
    type By = System;
    type Answer = Begun;
    type Reason = SessionEnd;

    fn question(&self, _: &Context<'_>, _: &System) -> ProvenPerson {
        let identity = match &self.proof {
            Proof::Identity(recognised) => Some(recognised.identity().name().clone()),
            Proof::Password(_) => None,
        };
        ProvenPerson { person: self.proof.person(), identity }
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        _: &System,
        FoundProven { person, holder }: FoundProven,
    ) -> Outcome<Begun, SessionEnd> {
        let is_proven = |found: &FoundPerson| {
            let live = [&found.owner, &found.organisation].iter().all(|owner| owner.disabled_at.is_none());
            live && self.proof.stands(found, holder)
        };
        let Some(found) = person.filter(is_proven) else {
            let line =
                AuditEvent::refused(context.now, ACTION, Actor::UNVERIFIED, SessionEnd::Unproven.code());
            let audit = line.about(self.proof.person().to_string());
            return Outcome::refused(SessionEnd::Unproven, Vec::new(), audit);
        };
        let (signed_in, record) = self.begin(context, &found);
        let ended = self.replaces.iter().flat_map(|before| self.replaced(context.now, before));
        let effects = ended.chain([Effect::Insert(record.into())]).collect();
        let audit = AuditEvent::granted(context.now, ACTION, by(&signed_in.session))
            .about(signed_in.session.id.to_string())
            .within(Some(found.owner.organisation));
        let audit = match &signed_in.session.provider {
            Some(provider) => audit.detail("provider", provider.to_string()),
            None => audit,
        };
        Outcome::granted(signed_in, effects, audit)
    }
}

impl SignIn {
    /// Ends the session before. Whoever signs in once more stays signed in at web apps; somebody else does not find them open.
    fn replaced(&self, now: Timestamp, before: &Session) -> Vec<Effect> {
        match before.person == self.proof.person() {
            true => vec![Effect::Discard { kind: KIND, family: before.id }],
            false => ended(now, before.id, &before.before),
        }
    }

    fn begin(&self, context: &mut Context<'_>, found: &FoundPerson) -> (Begun, ArtifactRecord) {
        let now = context.now;
        let same = self.replaces.as_ref().filter(|before| before.person == found.owner.id);
        let before = same.map(|one| std::iter::once(one.id).chain(one.before.iter().copied()));
        let before = before.into_iter().flatten().take(MOST_BEFORE).collect();
        let proven_at = self.proof.at(now);
        let payload = Payload {
            auth_time: proven_at.unwrap_or(now),
            amr: self.proof.amr(),
            seen_at: now,
            began_at: proven_at.filter(|at| *at != now).map(|_| now),
            is_undated: proven_at.is_none(),
            provider: self.proof.provider(),
            incarnation: self.incarnation,
            organisation: found.organisation.generation,
            person: found.owner.generation,
            browser: self.browser.clone(),
            before,
        };
        let key = KeyString::mint(&KeyPrefix::of_ours(PREFIX), context.entropy);
        let record = ArtifactRecord {
            kind: KIND,
            lookup: key.hash(context.peppers.current()),
            second_lookup: None,
            version: 1,
            family: CredentialId::random(SESSION, context.entropy),
            grant: None,
            parent: None,
            client: None,
            subject: Some(found.owner.id),
            organisation: found.owner.organisation,
            expires_at: now.plus(context.policy.people.session_lifetime),
            payload: written(&payload),
        };
        let session = payload.session(found.owner.id, record.clone());
        (Begun { session, text: key.into_secret() }, record)
    }
}

impl Payload {
    fn session(self, person: OwnerId, record: ArtifactRecord) -> Session {
        Session {
            id: record.family,
            person,
            auth_time: self.auth_time,
            is_undated: self.is_undated,
            provider: self.provider,
            amr: self.amr,
            seen_at: self.seen_at,
            browser: self.browser,
            before: self.before,
            record,
        }
    }
}

/// Ends the session that is stored so.
pub(crate) fn end(now: Timestamp, record: &ArtifactRecord) -> Vec<Effect> {
    let payload = serde_json::from_str(&record.payload);
    let before = payload.map(|Payload { before, .. }| before).unwrap_or_default();
    ended(now, record.family, &before)
}

/// Ends a session, and what began in it or in those that it took the place of.
fn ended(now: Timestamp, session: CredentialId, before: &[CredentialId]) -> Vec<Effect> {
    let discarded = Effect::Discard { kind: KIND, family: session };
    let names = std::iter::once(session).chain(before.iter().copied());
    std::iter::once(discarded).chain(names.flat_map(|name| end_session(now, name))).collect()
}

fn written(payload: &Payload) -> String {
    // INVARIANT: plain members always serialise; what is empty would be no session.
    serde_json::to_string(payload).unwrap_or_default()
}

fn by(session: &Session) -> Actor {
    let scheme = if session.provider.is_some() { FEDERATION_SCHEME } else { PASSWORD_SCHEME };
    Actor { scheme: scheme.into(), credential: Some(session.id), owner: Some(session.person) }
}

/// Asks what is stored of the session whose text a browser has sent.
#[must_use]
pub fn question(peppers: &Peppers, text: &str) -> ArtifactOf {
    ArtifactOf { kind: KIND, by: ArtifactKey::text(peppers, text) }
}

/// Returns the session if it counts now. `person`: what is known of an owner; `incarnation`: of the installation.
///
/// # Errors
///
/// [`SessionEnd`], but for [`SessionEnd::Unproven`].
pub fn current(
    context: &Context<'_>,
    record: ArtifactRecord,
    person: Option<&KnownOwner>,
    incarnation: i64,
) -> Result<Session, SessionEnd> {
    let payload: Payload = serde_json::from_str(&record.payload).map_err(|_| SessionEnd::Ended)?;
    let person = person.filter(|owner| owner.is_live() && record.subject == Some(owner.id()));
    let person = person.ok_or(SessionEnd::Ended)?;
    let then = PersonGenerations { organisation: payload.organisation, person: payload.person };
    if payload.incarnation < incarnation || !then.stands_in(PersonGenerations::now(person)) {
        return Err(SessionEnd::Ended);
    }
    let policy = &context.policy.people;
    // Both as the settings are now: who shortens them means the sessions that there are.
    if context.now
        >= record.expires_at.min(payload.began_at.unwrap_or(payload.auth_time).plus(policy.session_lifetime))
    {
        return Err(SessionEnd::Expired);
    }
    if context.now >= payload.seen_at.plus(policy.session_idle) {
        return Err(SessionEnd::Idle);
    }
    Ok(payload.session(person.id(), record))
}

/// Says that a session is in use.
#[derive(Debug, Clone)]
pub struct Touch(ArtifactRecord);

impl Session {
    /// Tells whether somebody has proven themselves within `age`: what matters most asks for more than a session.
    #[must_use]
    pub fn is_recent(&self, now: Timestamp, age: Duration) -> bool {
        now < self.auth_time.plus(age)
    }

    /// Returns what to perform because the session is in use; `None`: that was said not long ago.
    #[must_use]
    pub fn touch(&self, context: &Context<'_>) -> Option<Touch> {
        let after = context.policy.people.session_idle / TOUCHES;
        (context.now >= self.seen_at.plus(after)).then(|| Touch(self.record.clone()))
    }
}

impl Touch {
    /// Returns the effect; lossy: whoever is lost to another is in use all the same.
    #[must_use]
    pub fn effect(self, now: Timestamp) -> Option<Effect> {
        let Self(record) = self;
        let payload: Payload = serde_json::from_str(&record.payload).ok()?;
        let payload = written(&Payload { seen_at: now, ..payload });
        Some(Effect::Advance(ArtifactRecord { payload, version: record.version + 1, ..record }.into()))
    }
}

/// Signs a person out.
#[derive(Debug, Clone)]
pub struct SignOut(pub Session);

impl Act for SignOut {
    type Question = ArtifactOf;
    type By = System;
    type Answer = ();
    type Reason = SessionEnd;

    fn question(&self, _: &Context<'_>, _: &System) -> ArtifactOf {
        ArtifactOf { kind: KIND, by: ArtifactKey::Family(self.0.id) }
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        _: &System,
        found: Option<ArtifactRecord>,
    ) -> Outcome<(), SessionEnd> {
        let Self(session) = self;
        let line = AuditEvent::granted(context.now, "user.sign_out", by(session))
            .about(session.id.to_string())
            .within(Some(session.record.organisation));
        match found {
            Some(_) => Outcome::granted((), ended(context.now, session.id, &session.before), line),
            None => {
                Outcome::refused(SessionEnd::Ended, Vec::new(), line.turned_down(SessionEnd::Ended.code()))
            }
        }
    }
}

/// What signing in is called in the audit.
const ACTION: &str = "user.sign_in";
/// How who signed in was proven, in the audit.
const PASSWORD_SCHEME: &str = "password";
const FEDERATION_SCHEME: &str = "federation";
