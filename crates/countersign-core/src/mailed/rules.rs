//! The decisions about mailed links.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::audit::{Actor, AuditEvent};
use crate::context::Context;
use crate::effect::{Effect, Outcome};
use crate::exchange::{Act, System};
use crate::id::{CredentialId, IdPrefix, OwnerId};
use crate::key_string::{KeyPrefix, KeyString};
use crate::password::PasswordHash;
use crate::person::reset;
use crate::person_terms::EmailAddress;
use crate::question::{ArtifactKey, ArtifactOf, FoundLink, FoundPerson, LinkOf, PersonOf};
use crate::record::{ArtifactRecord, OwnerRecord, PersonRecord};
use crate::secret::{Peppers, Secret};

/// What its artifacts are.
const KIND: &str = "email_token";
/// What its names begin with.
const MAIL: IdPrefix = IdPrefix::new("mail");
/// What its texts begin with.
const PREFIX: &str = "cs_mail";

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// To replace a password. Good for 30 minutes: time to find the mail, and no more (OWASP Forgot Password Cheat Sheet).
    Reset,
    /// To confirm an address. Good for a day.
    Verify,
}

impl Link {
    const fn life(self) -> Duration {
        match self {
            Self::Reset => Duration::from_secs(30 * 60),
            Self::Verify => Duration::from_secs(24 * 60 * 60),
        }
    }

    const fn action(self) -> &'static str {
        match self {
            Self::Reset => "user.mail_reset",
            Self::Verify => "user.mail_verification",
        }
    }
}

/// Makes a link for a person.
#[derive(Debug, Clone, Copy)]
pub struct MailLink {
    /// For whom.
    pub person: OwnerId,
    /// For what.
    pub link: Link,
}

/// A link that is to be mailed.
#[derive(Debug)]
pub struct Letter {
    /// To where.
    pub to: EmailAddress,
    /// What the person is called.
    pub name: String,
    /// What the link is for.
    pub link: Link,
    /// Its text.
    pub text: Secret<String>,
}

/// Why there is no link, or nothing happens by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoLink {
    /// The person has no address, is disabled, or is not there.
    Nobody,
    /// It was used, is too old, or is for something or somebody that is no more.
    Stale,
}

impl NoLink {
    /// Returns the stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Nobody => "nobody_to_mail",
            Self::Stale => "stale_link",
        }
    }
}

/// What a link adds to its artifact.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    link: Link,
    email: String,
    /// The person's generation.
    generation: i64,
}

impl Act for MailLink {
    type Question = PersonOf;
    type By = System;
    type Answer = Letter;
    type Reason = NoLink;

    fn question(&self, _: &Context<'_>, _: &System) -> PersonOf {
        PersonOf(self.person)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        _: &System,
        found: Option<FoundPerson>,
    ) -> Outcome<Letter, NoLink> {
        let line = AuditEvent::granted(context.now, self.link.action(), Actor::SYSTEM)
            .about(self.person.to_string());
        let read = found.filter(is_live).and_then(|found| Some((found.person.email.clone()?, found.owner)));
        let Some((to, owner)) = read else {
            return Outcome::refused(NoLink::Nobody, Vec::new(), line.turned_down(NoLink::Nobody.code()));
        };
        let (text, record) = self.record(context, &to, &owner);
        let letter = Letter { to, name: owner.name, link: self.link, text };
        let audit = line.within(Some(owner.organisation));
        Outcome::granted(letter, vec![Effect::Insert(record.into())], audit)
    }
}

impl MailLink {
    fn record(
        &self,
        context: &mut Context<'_>,
        to: &EmailAddress,
        owner: &OwnerRecord,
    ) -> (Secret<String>, ArtifactRecord) {
        let key = KeyString::mint(&KeyPrefix::of_ours(PREFIX), context.entropy);
        let (email, generation) = (to.as_str().to_owned(), owner.generation);
        // INVARIANT: plain members always serialise; what is empty would be no link.
        let payload =
            serde_json::to_string(&Payload { link: self.link, email, generation }).unwrap_or_default();
        let record = ArtifactRecord {
            kind: KIND,
            lookup: key.hash(context.peppers.current()),
            second_lookup: None,
            version: 1,
            family: CredentialId::random(MAIL, context.entropy),
            grant: None,
            parent: None,
            client: None,
            subject: Some(owner.id),
            organisation: owner.organisation,
            expires_at: context.now.plus(self.link.life()),
            payload,
        };
        (key.into_secret(), record)
    }
}

fn is_live(found: &FoundPerson) -> bool {
    [&found.owner, &found.organisation].iter().all(|owner| owner.disabled_at.is_none())
}

/// Asks what is stored of the link whose text somebody has, and of whom it is for.
#[must_use]
pub fn question(peppers: &Peppers, text: &str) -> LinkOf {
    LinkOf(ArtifactOf { kind: KIND, by: ArtifactKey::text(peppers, text) })
}

/// Returns whom a link is for, if it is good now for `asked`.
///
/// # Errors
///
/// [`NoLink::Stale`].
pub fn link(
    context: &Context<'_>,
    asked: Link,
    found: Option<FoundLink>,
) -> Result<(ArtifactRecord, FoundPerson), NoLink> {
    let FoundLink { record, person } = found.ok_or(NoLink::Stale)?;
    let payload: Payload = serde_json::from_str(&record.payload).map_err(|_| NoLink::Stale)?;
    let person = person.filter(is_live).ok_or(NoLink::Stale)?;
    let is_theirs = person.person.email.as_ref().map(EmailAddress::as_str) == Some(&payload.email)
        && record.subject == Some(person.owner.id)
        && payload.generation == person.owner.generation;
    let is_good = payload.link == asked && is_theirs && context.now < record.expires_at;
    if is_good { Ok((record, person)) } else { Err(NoLink::Stale) }
}

/// Replaces the password of whoever has the link: all that was obtained in their name ends, and the address is theirs.
#[derive(Debug)]
pub struct ReplacePassword {
    /// The link's text.
    pub text: Secret<String>,
    /// The new password.
    pub password: PasswordHash,
}

/// Confirms that the address is of whoever has the link.
#[derive(Debug)]
pub struct ConfirmAddress {
    /// The link's text.
    pub text: Secret<String>,
}

impl Act for ReplacePassword {
    type Question = LinkOf;
    type By = System;
    type Answer = OwnerId;
    type Reason = NoLink;

    fn question(&self, context: &Context<'_>, _: &System) -> LinkOf {
        question(context.peppers, self.text.expose())
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        _: &System,
        found: Option<FoundLink>,
    ) -> Outcome<OwnerId, NoLink> {
        followed(context, Link::Reset, found, "user.replace_password", |context, owner, person| {
            let (owner, person) = reset(context, owner, person, Some(self.password.clone()));
            (
                Some(owner),
                PersonRecord { email_verified_at: person.email_verified_at.or(Some(context.now)), ..person },
            )
        })
    }
}

impl Act for ConfirmAddress {
    type Question = LinkOf;
    type By = System;
    type Answer = OwnerId;
    type Reason = NoLink;

    fn question(&self, context: &Context<'_>, _: &System) -> LinkOf {
        question(context.peppers, self.text.expose())
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        _: &System,
        found: Option<FoundLink>,
    ) -> Outcome<OwnerId, NoLink> {
        followed(context, Link::Verify, found, "user.confirm_address", |context, _, person| {
            let (version, email_verified_at) = (person.version + 1, Some(context.now));
            (None, PersonRecord { email_verified_at, version, updated_at: context.now, ..person })
        })
    }
}

/// Follows a link once: of two who do, the second finds the person changed, and then no link.
fn followed(
    context: &Context<'_>,
    asked: Link,
    found: Option<FoundLink>,
    action: &'static str,
    next: impl Fn(&Context<'_>, OwnerRecord, PersonRecord) -> (Option<OwnerRecord>, PersonRecord),
) -> Outcome<OwnerId, NoLink> {
    let line = AuditEvent::granted(context.now, action, Actor::UNVERIFIED);
    let (record, found) = match link(context, asked, found) {
        Ok(found) => found,
        Err(reason) => return Outcome::refused(reason, Vec::new(), line.turned_down(reason.code())),
    };
    let id = found.owner.id;
    let actor = Actor { scheme: "email".into(), credential: Some(record.family), owner: Some(id) };
    let audit = AuditEvent { actor, ..line }.about(id.to_string()).within(Some(found.owner.organisation));
    let (owner, person) = next(context, found.owner, found.person);
    let mut effects = vec![Effect::Discard { kind: KIND, family: record.family }];
    if let Some(owner) = owner {
        // Whoever got in may have left a way in.
        effects.extend([Effect::Advance(owner.into()), Effect::UnlinkAll(id)]);
    }
    effects.push(Effect::Advance(person.into()));
    Outcome::granted(id, effects, audit)
}
