//! Access tokens of ours as values (RFC 9068 §2.2): what they say, in a JWT or in a stored row.
//!
//! **Invariant.** A token names the generations of the installation, of its client's organisation and of its client as
//! they were when it was issued: to end everything before is to raise one, and compares no second-grained `iat` (SAFETY 17).

use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use countersign_jose::jwt::{Claims, NumericDate};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::id::{CredentialId, IdPrefix, OwnerId, OwnerKind};
use crate::known::KnownOwner;
use crate::own::Own;
use crate::scope::ScopeSet;
use crate::timestamp::Timestamp;

/// What the ids of tokens begin with: their `jti`.
pub const TOKEN: IdPrefix = IdPrefix::new("tok");

/// What the names of grants begin with that people have given.
pub const GRANT: IdPrefix = IdPrefix::new("grt");

/// What the names begin with of all that one authorization has obtained.
pub const FAMILY: IdPrefix = IdPrefix::new("fam");

/// What the names of sessions begin with in which people sign in.
pub const SESSION: IdPrefix = IdPrefix::new("session");

/// How far the clocks of issuer and verifier may differ, in seconds: RFC 7519 §4.1.4 lets a verifier have "some small
/// leeway, usually no more than a few minutes".
pub const LEEWAY: Duration = Duration::from_secs(60);

/// The SHA-256 of a whole token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenDigest([u8; 32]);

impl Hash for TokenDigest {
    /// Its first bytes are as good as all of them.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.first_chunk::<8>().hash(state);
    }
}

impl TokenDigest {
    /// Takes it.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }
}

/// How many times "everything before" was said of whatever a token hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generations {
    /// Of the whole installation: its incarnation.
    pub incarnation: i64,
    /// Of the client's organisation.
    pub organisation: i64,
    /// Of the client.
    pub client: i64,
}

/// What a token hangs on that acts for a person: it ends with any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delegation {
    /// What the person allows the client: `grant_id`.
    pub grant: CredentialId,
    /// What was obtained together with it: `family`.
    pub family: CredentialId,
    /// The session of a browser at the issuer with which it ends: `sid`. `None`: it outlasts that.
    pub session: Option<CredentialId>,
    /// The generations of the person, as they were.
    pub generations: PersonGenerations,
}

/// How many times "everything before" was said of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonGenerations {
    /// Of the person's organisation.
    pub organisation: i64,
    /// Of the person.
    pub person: i64,
}

impl PersonGenerations {
    /// Returns them as they are now.
    #[must_use]
    pub fn now(person: &KnownOwner) -> Self {
        Self { organisation: person.organisation_generation(), person: person.generation() }
    }

    /// Tells whether none of them was raised since.
    #[must_use]
    pub const fn stands_in(self, now: Self) -> bool {
        self.organisation >= now.organisation && self.person >= now.person
    }
}

impl Generations {
    /// Returns them as they are now.
    #[must_use]
    pub fn now(incarnation: i64, client: &KnownOwner) -> Self {
        let (organisation, client) = (client.organisation_generation(), client.generation());
        Self { incarnation, organisation, client }
    }

    /// Tells whether none of them was raised since. What is ahead of what is known here comes from a node that knows more.
    #[must_use]
    pub const fn stands_in(self, now: Self) -> bool {
        self.incarnation >= now.incarnation
            && self.organisation >= now.organisation
            && self.client >= now.client
    }
}

/// What an access token says.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessClaims {
    /// Its `jti`.
    pub id: CredentialId,
    /// Whom it was issued to: `client_id`.
    pub client: OwnerId,
    /// Whom it acts for: `sub`; the client itself where no resource owner is involved.
    pub subject: OwnerId,
    /// The one resource that it is for: `aud`.
    pub audience: Arc<str>,
    /// What it may do there: `scope`.
    pub scopes: Arc<ScopeSet>,
    /// When it was issued, to the second: `iat`.
    pub issued_at: Timestamp,
    /// When it ends, to the second: `exp`.
    pub expires_at: Timestamp,
    /// What ends it before.
    pub generations: Generations,
    /// What else does, where it acts for a person.
    pub delegation: Option<Delegation>,
    /// What the resource asked to be told beside.
    pub further: Map<String, Value>,
}

impl Own for AccessClaims {}

/// A token that verifiers know by its digest: an opaque one, or one that only its resource can read.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredClaims {
    /// What it says.
    pub claims: Arc<AccessClaims>,
    /// The key that signed it, if one did.
    pub signed_by: Option<CredentialId>,
}

/// How it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    claims: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
}

impl StoredClaims {
    /// Writes it as it is stored.
    ///
    /// # Errors
    ///
    /// Why JSON cannot hold it.
    pub fn to_text(&self, issuer: &str) -> Result<String, serde_json::Error> {
        let signed_by = self.signed_by.map(|key| key.to_string());
        serde_json::to_string(&Payload { claims: self.claims.to_json(issuer), signed_by })
    }

    /// Reads what [`Self::to_text`] wrote.
    ///
    /// # Errors
    ///
    /// [`NotOurs`].
    pub fn parse(text: &str) -> Result<Self, NotOurs> {
        let Payload { claims, signed_by } = serde_json::from_str(text).map_err(|_| NotOurs)?;
        let claims = AccessClaims::read(Claims::from_members(claims).map_err(|_| NotOurs)?)?;
        let signed_by = signed_by.map(|key| key.parse().map_err(|_| NotOurs)).transpose()?;
        Ok(Self { claims: Arc::new(claims), signed_by })
    }
}

/// What a token of ours never lacks: it was not made here, or by another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotOurs;

impl AccessClaims {
    /// Writes the claims of RFC 9068 §2.2 for `issuer`. What the resource asked for goes first: it replaces none.
    #[must_use]
    pub fn to_json(&self, issuer: &str) -> Map<String, Value> {
        let Generations { incarnation, organisation, client } = self.generations;
        let mut generations = vec![incarnation, organisation, client];
        let mut claims = self.further.clone();
        let own = [
            ("iss", json!(issuer)),
            ("sub", json!(self.subject.to_string())),
            ("aud", json!(&*self.audience)),
            ("exp", json!(seconds(self.expires_at))),
            ("iat", json!(seconds(self.issued_at))),
            ("jti", json!(self.id.to_string())),
            ("client_id", json!(self.client.to_string())),
        ];
        claims.extend(own.map(|(name, value)| (name.to_owned(), value)));
        if let Some(Delegation { grant, family, session, generations: of_person }) = &self.delegation {
            generations.extend([of_person.organisation, of_person.person]);
            claims.insert("grant_id".to_owned(), json!(grant.to_string()));
            claims.insert("family".to_owned(), json!(family.to_string()));
            claims.extend(session.map(|session| ("sid".to_owned(), json!(session.to_string()))));
        }
        claims.insert("gen".to_owned(), json!(generations));
        if !self.scopes.is_empty() {
            claims.insert("scope".to_owned(), json!(self.scopes.to_string()));
        }
        claims
    }

    /// Returns what of `wanted` it does not say: this value, or a list that holds it.
    pub(crate) fn lacking<'w>(
        &self,
        wanted: &'w Map<String, Value>,
    ) -> impl Iterator<Item = (&'w String, &'w Value)> {
        let holds = |name: &String, wanted: &Value| match self.further.get(name) {
            Some(Value::Array(list)) if !wanted.is_array() => list.contains(wanted),
            Some(held) => held == wanted,
            None => false,
        };
        wanted.iter().filter(move |(name, wanted)| !holds(name, wanted))
    }

    /// Reads what [`Self::to_json`] wrote; `iss` is the caller's to compare.
    ///
    /// # Errors
    ///
    /// [`NotOurs`].
    pub fn read(claims: Claims) -> Result<Self, NotOurs> {
        let Claims { subject, audience, expires_at, issued_at, id, mut other, .. } = claims;
        let [audience] = <[String; 1]>::try_from(audience.unwrap_or_default()).map_err(|_| NotOurs)?;
        // A wrong type is an error, never an absence (CVE-2026-25537).
        let mut text = |name: &str| match other.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(NotOurs),
        };
        let (client, scopes) = (text("client_id")?, text("scope")?.unwrap_or_default());
        let (grant, family) = (text("grant_id")?, text("family")?);
        let session = text("sid")?;
        let (generations, of_person) =
            other.remove("gen").as_ref().and_then(generations_of).ok_or(NotOurs)?;
        let delegation = delegation((grant, family, session), of_person)?;
        let id: CredentialId = parsed(id)?;
        if id.prefix() != TOKEN {
            return Err(NotOurs);
        }
        Ok(Self {
            id,
            client: parsed(client)?,
            subject: subject_of(subject, delegation.as_ref())?,
            audience: audience.into(),
            scopes: Arc::new(scopes.parse().map_err(|_| NotOurs)?),
            issued_at: instant(issued_at)?,
            expires_at: instant(expires_at)?,
            generations,
            delegation,
            further: other,
        })
    }
}

fn parsed<T: FromStr>(text: Option<String>) -> Result<T, NotOurs> {
    text.and_then(|text| text.parse().ok()).ok_or(NotOurs)
}

/// Reads whom a token acts for: a person, where and only where one has given a grant.
fn subject_of(text: Option<String>, delegation: Option<&Delegation>) -> Result<OwnerId, NotOurs> {
    let subject: OwnerId = parsed(text)?;
    if (subject.kind() == OwnerKind::User) == delegation.is_some() { Ok(subject) } else { Err(NotOurs) }
}

fn delegation(
    (grant, family, session): (Option<String>, Option<String>, Option<String>),
    generations: Option<PersonGenerations>,
) -> Result<Option<Delegation>, NotOurs> {
    let Some(generations) = generations else {
        let is_plain = grant.is_none() && family.is_none() && session.is_none();
        return if is_plain { Ok(None) } else { Err(NotOurs) };
    };
    let named = |text, prefix| {
        let id: CredentialId = parsed(text)?;
        if id.prefix() == prefix { Ok(id) } else { Err(NotOurs) }
    };
    let session = session.map(|session| named(Some(session), SESSION)).transpose()?;
    Ok(Some(Delegation { grant: named(grant, GRANT)?, family: named(family, FAMILY)?, session, generations }))
}

fn generations_of(value: &Value) -> Option<(Generations, Option<PersonGenerations>)> {
    let numbers: Option<Vec<i64>> = value.as_array()?.iter().map(Value::as_i64).collect();
    let (of_client, of_person) = match *numbers? {
        [incarnation, organisation, client] => ([incarnation, organisation, client], None),
        [incarnation, organisation, client, of_person, person] => {
            let of_person = PersonGenerations { organisation: of_person, person };
            ([incarnation, organisation, client], Some(of_person))
        }
        _ => return None,
    };
    let [incarnation, organisation, client] = of_client;
    Some((Generations { incarnation, organisation, client }, of_person))
}

const fn seconds(at: Timestamp) -> i64 {
    at.millis().div_euclid(1000)
}

fn instant(date: Option<NumericDate>) -> Result<Timestamp, NotOurs> {
    let since_epoch = date.ok_or(NotOurs)?.since_epoch();
    Ok(Timestamp::from_millis(0).plus(since_epoch))
}
