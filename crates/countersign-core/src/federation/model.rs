//! What is known of an identity provider, what is asked of one, and what it has proven.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::attempt::{self, Attempt};
use crate::base62;
use crate::context::Context;
use crate::id::{CredentialId, OwnerId};
use crate::person_terms::{EmailAddress, Username};
use crate::record::IdentityName;
use crate::registered::text;
use crate::timestamp::Timestamp;
use crate::token::LEEWAY;

text!(
    /// The name of an identity provider, as settings and addresses write it.
    ProviderName,
    is_name,
    "1 to 32 small letters, digits and dashes, beginning with no dash"
);

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('-')
}

/// The longest name that a provider has for somebody (OpenID Connect Core 1.0 §2: `sub`).
const MOST_SUBJECT: usize = 255;
/// The longest name of a person that is taken over, in characters, as everywhere.
const MOST_NAME: usize = crate::refusal::MAX_NAME;
/// The digits of a nonce: 128 bits.
const NONCE: usize = 22;

/// An identity provider, and what the operator believes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityProvider {
    /// What it is called here.
    pub name: ProviderName,
    /// Its issuer: with its name for somebody, what an identity is known by.
    pub issuer: String,
    /// What we are called there.
    pub client_id: String,
    /// Whether its word that an address is verified counts.
    pub trust_email: bool,
    /// Whether whoever is nobody's here becomes a person.
    pub create_people: bool,
}

/// Why the answer of a provider proves nobody. The log says it, and the audit by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unfit {
    /// It is signed in a way that is not taken, or not at all.
    #[error("the ID token is signed by an algorithm that is not taken, or by none")]
    Algorithm,
    /// It is for somebody else (Core §3.1.3.7).
    #[error("the ID token's `aud` or `azp` is not our client_id")]
    Audience,
    /// It has ended.
    #[error("the ID token has expired")]
    Expired,
    /// It, or a part of it, is not what the standard says.
    #[error("expected {0}")]
    Form(&'static str),
    /// Somebody else has issued it.
    #[error("the ID token's `iss` is another issuer than the settings name")]
    Issuer,
    /// No key of the provider has signed it.
    #[error("no published key of the provider is the one that the ID token names")]
    Key,
    /// It belongs to another attempt.
    #[error("the ID token's `nonce` is not this attempt's")]
    Nonce,
    /// It is from the future.
    #[error("the ID token is not valid yet: `nbf` or `iat` lies ahead")]
    NotYetValid,
    /// The signature is wrong.
    #[error("the ID token's signature is wrong")]
    Signature,
    /// It was not proven as lately as the application wants.
    #[error(
        "the provider does not say that somebody has signed in there as lately as was asked (`auth_time`)"
    )]
    Stale,
    /// The userinfo is about somebody else (Core §5.3.2).
    #[error("the `sub` of the userinfo is not the ID token's")]
    Subject,
    /// It is of another type.
    #[error("the ID token's `typ` is another")]
    Type,
}

impl Unfit {
    /// Returns the stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Algorithm => "wrong_algorithm",
            Self::Audience => "wrong_audience",
            Self::Expired => "expired",
            Self::Form(_) => "malformed",
            Self::Issuer => "wrong_issuer",
            Self::Key => "unknown_key",
            Self::Nonce => "wrong_nonce",
            Self::NotYetValid => "not_yet_valid",
            Self::Signature => "wrong_signature",
            Self::Stale => "not_fresh",
            Self::Subject => "wrong_subject",
            Self::Type => "wrong_type",
        }
    }
}

/// How lately somebody has to have signed in at the provider (OpenID Connect Core 1.0 §3.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// Whenever.
    Any,
    /// Since the attempt began.
    Anew,
    /// At most these seconds ago.
    Within(u64),
}

/// What somebody is sent to a provider for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To sign in, and to go on with a request.
    SignIn(String),
    /// To make an identity theirs, in the session that has begun this.
    Link(CredentialId),
}

/// What an attempt to sign in at a provider is for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    /// The provider.
    pub provider: ProviderName,
    /// What the ID token has to repeat (Core §3.1.2.1 `nonce`).
    pub nonce: String,
    /// What for.
    pub purpose: Purpose,
    /// How lately somebody has to have signed in there.
    pub freshness: Freshness,
}

impl attempt::Goal for Begun {
    const PURPOSE: &'static str = "federation";
}

impl Begun {
    /// Begins an attempt.
    #[must_use]
    pub fn attempt(
        context: &mut Context<'_>,
        provider: ProviderName,
        purpose: Purpose,
        freshness: Freshness,
    ) -> Attempt<Self> {
        let nonce = base62::random(context.entropy, NONCE);
        Attempt::begin(context, Self { provider, nonce, purpose, freshness })
    }
}

/// What a provider tells of somebody beside who they are. It is believed as far as [`IdentityProvider`] says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// An address that the provider says it has verified.
    pub(super) email: Option<EmailAddress>,
    /// What they sign in as there.
    pub(super) username: Option<Username>,
    /// What people call them.
    pub(super) name: Option<String>,
}

impl Told {
    /// Reads the standard claims (Core §5.1). What is not of their form is not told.
    pub(super) fn of(claims: &Map<String, Value>) -> Self {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        // Nothing but `true` is true: a provider that says "true" in quotes is not asked what it means.
        let verified = claims.get("email_verified") == Some(&Value::Bool(true));
        let is_name = |name: &&str| (1..=MOST_NAME).contains(&name.chars().count());
        Self {
            email: text("email").filter(|_| verified).and_then(|email| email.parse().ok()),
            username: text("preferred_username").and_then(|name| name.parse().ok()),
            name: text("name").map(str::trim).filter(is_name).map(str::to_owned),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            email: self.email.or(other.email),
            username: self.username.or(other.username),
            name: self.name.or(other.name),
        }
    }
}

/// Somebody whom a provider has proven to us, in an answer that was judged.
#[derive(Debug, Clone)]
pub struct ProvenIdentity {
    provider: Arc<IdentityProvider>,
    name: IdentityName,
    auth_time: Option<Timestamp>,
    told: Told,
}

impl ProvenIdentity {
    /// What has judged an answer says so.
    ///
    /// # Errors
    ///
    /// [`Unfit::Form`]: the provider's name for them is none.
    pub(super) fn assertion(
        provider: &Arc<IdentityProvider>,
        subject: &str,
        auth_time: Option<Timestamp>,
        told: Told,
    ) -> Result<Self, Unfit> {
        let sound = (1..=MOST_SUBJECT).contains(&subject.len()) && subject.bytes().all(|byte| byte >= b' ');
        if !sound {
            return Err(Unfit::Form("a `sub` of 1 to 255 characters (OpenID Connect Core 1.0 §2)"));
        }
        let name = IdentityName { issuer: provider.issuer.clone(), subject: subject.to_owned() };
        Ok(Self { provider: Arc::clone(provider), name, auth_time, told })
    }

    /// Returns the provider.
    #[must_use]
    pub fn provider(&self) -> &IdentityProvider {
        &self.provider
    }

    /// Returns what the identity is known by.
    #[must_use]
    pub const fn name(&self) -> &IdentityName {
        &self.name
    }

    /// Returns when somebody has signed in at the provider, if it says so.
    #[must_use]
    pub const fn auth_time(&self) -> Option<Timestamp> {
        self.auth_time
    }

    /// Returns the address that the provider says is verified, if its word counts.
    pub(super) fn trusted_email(&self) -> Option<&EmailAddress> {
        self.told.email.as_ref().filter(|_| self.provider.trust_email)
    }

    /// Returns what people recognise the identity by.
    pub(super) fn shown(&self) -> String {
        let username = self.told.username.as_ref().map(Username::as_str);
        let email = self.told.email.as_ref().map(EmailAddress::as_str);
        email.or(username).unwrap_or(&self.name.subject).to_owned()
    }

    pub(super) const fn told(&self) -> &Told {
        &self.told
    }

    /// Adds what the provider's userinfo tells.
    ///
    /// # Errors
    ///
    /// [`Unfit::Subject`].
    pub fn with_userinfo(self, claims: &Map<String, Value>) -> Result<Self, Unfit> {
        // Core §5.3.2: "The sub Claim in the UserInfo Response MUST be verified to exactly match the sub Claim in the ID Token".
        if claims.get("sub").and_then(Value::as_str) != Some(&self.name.subject) {
            return Err(Unfit::Subject);
        }
        Ok(Self { told: self.told.or(Told::of(claims)), ..self })
    }

    /// Demands that somebody has signed in there as lately as `wanted`, in an attempt that ends at `until`.
    ///
    /// # Errors
    ///
    /// [`Unfit::Stale`], also where the provider does not say when.
    pub fn fresh(self, now: Timestamp, wanted: Freshness, until: Timestamp) -> Result<Self, Unfit> {
        let age = match wanted {
            Freshness::Any => return Ok(self),
            Freshness::Anew => attempt::LIFETIME.saturating_sub(until.since(now)),
            Freshness::Within(seconds) => Duration::from_secs(seconds),
        };
        let at = self.auth_time.ok_or(Unfit::Stale)?;
        if now.since(at) > age.saturating_add(LEEWAY) { Err(Unfit::Stale) } else { Ok(self) }
    }
}

/// An identity that was proven and is a person's.
#[derive(Debug, Clone)]
pub struct Recognised {
    identity: ProvenIdentity,
    person: OwnerId,
}

impl Recognised {
    pub(super) const fn assertion(identity: ProvenIdentity, person: OwnerId) -> Self {
        Self { identity, person }
    }

    /// Returns whose it is.
    #[must_use]
    pub const fn person(&self) -> OwnerId {
        self.person
    }

    /// Returns the identity.
    #[must_use]
    pub const fn identity(&self) -> &ProvenIdentity {
        &self.identity
    }
}
