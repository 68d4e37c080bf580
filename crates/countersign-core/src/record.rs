//! The generic rows: credentials, owners, resources, and marks of first use.
//!
//! A record is a value. It says what was stored, not that anything was verified.

use serde::{Deserialize, Serialize};

use crate::authority::Authority;
use crate::client_terms::ClientTerms;
use crate::environment::Environment;
use crate::id::{CredentialId, IdPrefix, OwnerId};
use crate::imported_set::Imported;
use crate::key_string::KeyPrefix;
use crate::meter::Allowance;
use crate::network::AddressBlock;
use crate::password::PasswordHash;
use crate::person_terms::{EmailAddress, Profile, Roles, Username};
use crate::resource::Resource;
use crate::scope::{Grantable, ScopeSet};
use crate::secret::SecretHash;
use crate::signing_key::SigningKeyRecord;
use crate::timestamp::Timestamp;

/// A row of any table. Closed by the tables, which the store has to know one by one anyway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Of the table of credentials.
    Credential(Box<CredentialRecord>),
    /// Of the table of owners.
    Owner(Box<OwnerRecord>),
    /// Of the table of resources.
    Resource(Box<ResourceRecord>),
    /// Of the table of signing keys.
    SigningKey(Box<SigningKeyRecord>),
    /// Of the table of artifacts.
    Artifact(Box<ArtifactRecord>),
    /// Of the table of what people allow.
    Consent(Box<ConsentRecord>),
    /// Of the table of persons.
    Person(Box<PersonRecord>),
    /// Of the table of identities elsewhere.
    Identity(Box<LinkedIdentity>),
    /// Of the table of memberships.
    Membership(Box<Membership>),
    /// Of the table of sealed values.
    Sealed(Box<SealedRecord>),
    /// How often all that was issued has ended: the one row of its table.
    Incarnation(i64),
}

/// Short-lived state of a protocol, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactRecord {
    /// What it is.
    pub kind: &'static str,
    /// The keyed hash by which it is found.
    pub lookup: SecretHash,
    /// Another one, where it has two texts.
    pub second_lookup: Option<SecretHash>,
    /// Counts the changes; a change names the version it saw.
    pub version: i64,
    /// What ends together, and its name among its kind: of an access token, its own id.
    pub family: CredentialId,
    /// The grant that it belongs to, if a person has given one.
    pub grant: Option<CredentialId>,
    /// The session of a browser at the issuer in which it began, and with which it ends.
    pub parent: Option<CredentialId>,
    /// Whom it was issued to, if to a client.
    pub client: Option<OwnerId>,
    /// Whom it acts for; `None`: nobody has said yet.
    pub subject: Option<OwnerId>,
    /// The tenant.
    pub organisation: OwnerId,
    /// When it ends, and may be forgotten.
    pub expires_at: Timestamp,
    /// What its kind adds, JSON text.
    pub payload: String,
}

/// What a person allows a client, as stored: one for each pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentRecord {
    /// Its name, which tokens carry.
    pub id: CredentialId,
    /// The client.
    pub client: OwnerId,
    /// The person.
    pub subject: OwnerId,
    /// The client's tenant.
    pub organisation: OwnerId,
    /// What is allowed.
    pub scopes: ScopeSet,
    /// What the person was shown of the client (SAFETY 23).
    pub client_hash: SecretHash,
    /// Counts the changes.
    pub version: i64,
    /// When it was given first.
    pub created_at: Timestamp,
    /// When it was given last.
    pub updated_at: Timestamp,
}

/// A sealed value, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRecord {
    /// What it is for.
    pub purpose: &'static str,
    /// Whose it is.
    pub owner: String,
    /// What is sealed.
    pub value: Vec<u8>,
}

/// A token that was ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedToken {
    /// Its `jti`.
    pub token: CredentialId,
    /// Until when that has to be remembered.
    pub until: Timestamp,
}

impl From<CredentialRecord> for Record {
    fn from(record: CredentialRecord) -> Self {
        Self::Credential(Box::new(record))
    }
}

impl From<ArtifactRecord> for Record {
    fn from(record: ArtifactRecord) -> Self {
        Self::Artifact(Box::new(record))
    }
}

impl From<ConsentRecord> for Record {
    fn from(record: ConsentRecord) -> Self {
        Self::Consent(Box::new(record))
    }
}

impl From<SigningKeyRecord> for Record {
    fn from(record: SigningKeyRecord) -> Self {
        Self::SigningKey(Box::new(record))
    }
}

impl From<OwnerRecord> for Record {
    fn from(record: OwnerRecord) -> Self {
        Self::Owner(Box::new(record))
    }
}

impl From<PersonRecord> for Record {
    fn from(record: PersonRecord) -> Self {
        Self::Person(Box::new(record))
    }
}

impl From<LinkedIdentity> for Record {
    fn from(record: LinkedIdentity) -> Self {
        Self::Identity(Box::new(record))
    }
}

impl From<Membership> for Record {
    fn from(record: Membership) -> Self {
        Self::Membership(Box::new(record))
    }
}

impl From<ResourceRecord> for Record {
    fn from(record: ResourceRecord) -> Self {
        Self::Resource(Box::new(record))
    }
}

/// A credential as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRecord {
    /// The credential's name; it tells the kind.
    pub id: CredentialId,
    /// The keyed hash by which the credential is found.
    pub lookup: SecretHash,
    /// The version of the pepper that `lookup` was made with.
    pub pepper: u32,
    /// The tenant; nobody sees or grants across it.
    pub organisation: OwnerId,
    /// Who the credential acts for; belongs to `organisation`.
    pub owner: OwnerId,
    /// Counts the changes; a change names the version it saw.
    pub version: i64,
    /// When it was minted.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was switched off, if it is.
    pub disabled_at: Option<Timestamp>,
    /// When it was revoked, if it is. Revoked is for ever.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used; up to a minute behind.
    pub last_used_at: Option<Timestamp>,
    /// What its kind adds.
    pub terms: Terms,
}

/// What a key carries beyond the columns that every credential has. Stored as one JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// What people call it.
    pub name: String,
    /// The prefix of its text, which names the keys that belong together.
    pub prefix: KeyPrefix,
    /// What may be shown of the key for ever.
    pub hint: String,
    /// Where it may be used.
    pub environment: Environment,
    /// What it may do.
    pub scopes: ScopeSet,
    /// What its holder may give to others; empty for an API key.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub grantable: Grantable,
    /// The first instant at which it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Whether it is the installation's own key: minted at the first start, or in the place of that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_installation: bool,
    /// The key that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<CredentialId>,
    /// How much it may be used; empty: without a limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowances: Vec<Allowance>,
    /// Whose meter counts its use, if not its own: a rotation refills nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<CredentialId>,
    /// The addresses that it may be used from; empty: from anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_from: Vec<AddressBlock>,
    /// Where it came from, if it was not minted here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Box<Imported>>,
    /// Whose word has switched it off, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_by: Option<Authority>,
    /// What its owner wrote on it; answered by the verify API.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

impl Terms {
    /// Returns terms that say no more than this: everything else is absent or empty.
    #[must_use]
    pub fn new(name: String, prefix: KeyPrefix, environment: Environment, scopes: ScopeSet) -> Self {
        Self {
            name,
            prefix,
            hint: String::new(),
            environment,
            scopes,
            grantable: Grantable::default(),
            not_before: None,
            of_installation: false,
            replaced_by: None,
            allowances: Vec::new(),
            meter: None,
            allow_from: Vec::new(),
            imported: None,
            disabled_by: None,
            metadata: serde_json::Map::new(),
        }
    }
}

fn is_empty(grantable: &Grantable) -> bool {
    grantable.patterns().is_empty()
}

/// The state of a credential at an instant, the strongest reason first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It may be used.
    Live,
    /// It was revoked.
    Revoked,
    /// It is switched off.
    Disabled,
    /// It has ended.
    Expired,
    /// It has not begun.
    NotYetValid,
}

impl State {
    /// Returns the state's name in lists.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Revoked => "revoked",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
        }
    }
}

/// The span and the switches of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// The first instant at which it works.
    pub not_before: Option<Timestamp>,
    /// The first instant at which it no longer works.
    pub expires_at: Option<Timestamp>,
    /// Whether it is switched off.
    pub disabled: bool,
    /// Whether it was revoked.
    pub revoked: bool,
}

impl Life {
    /// Returns the state at `now`.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> State {
        if self.revoked {
            return State::Revoked;
        }
        if self.disabled {
            return State::Disabled;
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            return State::Expired;
        }
        if self.not_before.is_some_and(|begin| now < begin) {
            return State::NotYetValid;
        }
        State::Live
    }
}

impl CredentialRecord {
    /// Starts a record that lacks its key and its id's random part; minting completes it.
    pub(crate) fn draft(
        kind: IdPrefix,
        owner: &OwnerRecord,
        expires_at: Option<Timestamp>,
        terms: Terms,
    ) -> Self {
        Self {
            id: CredentialId::unset(kind),
            lookup: SecretHash::UNSET,
            pepper: 0,
            organisation: owner.organisation,
            owner: owner.id,
            version: 0,
            created_at: owner.created_at,
            expires_at,
            disabled_at: None,
            revoked_at: None,
            last_used_at: None,
            terms,
        }
    }

    /// Returns whose meter counts its use.
    #[must_use]
    pub fn meter(&self) -> CredentialId {
        self.terms.meter.unwrap_or(self.id)
    }

    /// Returns the span and the switches.
    #[must_use]
    pub fn life(&self) -> Life {
        Life {
            not_before: self.terms.not_before,
            expires_at: self.expires_at,
            disabled: self.disabled_at.is_some(),
            revoked: self.revoked_at.is_some(),
        }
    }
}

/// An owner as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerRecord {
    /// The owner's name; it tells the kind.
    pub id: OwnerId,
    /// The organisation it belongs to; itself if it is one.
    pub organisation: OwnerId,
    /// What people call it.
    pub name: String,
    /// Counts the changes.
    pub version: i64,
    /// When it was entered.
    pub created_at: Timestamp,
    /// When it was switched off, if it is: all of its credentials are refused.
    pub disabled_at: Option<Timestamp>,
    /// Whose word that was.
    pub disabled_by: Option<Authority>,
    /// Counts how often everything that was issued to it until then was ended (SAFETY 17).
    pub generation: i64,
    /// What is registered of it as a client of the authorization server, if anything is.
    pub client: Option<Box<ClientTerms>>,
    /// The person who registered it for themselves, if one did.
    pub registrant: Option<OwnerId>,
}

impl OwnerRecord {
    /// Returns an owner that is entered now and of which nothing else is said.
    #[must_use]
    pub const fn new(id: OwnerId, organisation: OwnerId, name: String, now: Timestamp) -> Self {
        Self {
            id,
            organisation,
            name,
            version: 1,
            created_at: now,
            disabled_at: None,
            disabled_by: None,
            generation: 0,
            client: None,
            registrant: None,
        }
    }
}

/// What is registered of an owner that is a person, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonRecord {
    /// Which owner.
    pub id: OwnerId,
    /// What they sign in as; nobody else does.
    pub username: Username,
    /// Where they are written to.
    pub email: Option<EmailAddress>,
    /// Since when it is known that they read what is written there.
    pub email_verified_at: Option<Timestamp>,
    /// What is stored of their password; `None`: they sign in with none.
    pub password: Option<PasswordHash>,
    /// When it was set.
    pub password_at: Option<Timestamp>,
    /// Counts the changes.
    pub version: i64,
    /// When anything of this was changed last.
    pub updated_at: Timestamp,
    /// What is told of them.
    pub profile: Profile,
}

/// That a person belongs to an organisation, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The person.
    pub person: OwnerId,
    /// The organisation.
    pub organisation: OwnerId,
    /// What they are there.
    pub roles: Roles,
    /// Counts the changes.
    pub version: i64,
    /// Since when.
    pub created_at: Timestamp,
}

/// What an identity at another provider is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdentityName {
    /// The provider's issuer.
    pub issuer: String,
    /// The provider's name for whoever it is, which never becomes somebody else's.
    pub subject: String,
}

/// An identity at another provider that is a person's here, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedIdentity {
    /// What it is known by.
    pub name: IdentityName,
    /// Whose it is.
    pub person: OwnerId,
    /// What people recognise it by: a name or an address there, as it was then.
    pub shown: String,
    /// Since when.
    pub created_at: Timestamp,
}

/// A person, and what belongs to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPerson {
    /// The owner.
    pub owner: OwnerRecord,
    /// The owner's organisation.
    pub organisation: OwnerRecord,
    /// The person.
    pub person: PersonRecord,
    /// Where they belong, in the order of the organisations' ids; without those that are disabled.
    pub memberships: Vec<Membership>,
}

/// A resource as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRecord {
    /// What it is.
    pub resource: Resource,
    /// Counts the changes.
    pub version: i64,
    /// When it was declared.
    pub created_at: Timestamp,
}

/// A mark of first use: of an `Idempotency-Key` here, of a `jti` or nonce elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkRecord {
    /// The keyed hash of the value and of whoever used it.
    pub lookup: SecretHash,
    /// What the first use made.
    pub made: String,
    /// When the mark may be forgotten.
    pub until: Timestamp,
}

/// A hash of a foreign key that was taken over once: the hash that came over, and after its first use the key's own.
/// It outlives the key: a secret lives once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOver {
    /// The keyed hash under which the key was found until its first use; it is bound to the key's set.
    pub lookup: SecretHash,
    /// The keyed hash of the same hash, whichever set it came with.
    pub digest: SecretHash,
    /// The tenant for whom it was taken over.
    pub organisation: OwnerId,
    /// The owner for whom it was taken over.
    pub owner: OwnerId,
    /// When.
    pub at: Timestamp,
}
