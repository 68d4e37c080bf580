//! What acts ask: each question with the type of its answer. Named after what is stored, never after a kind of
//! credential.
//!
//! **Invariant.** A question owns its data, so that it may be asked from anywhere, and has one type of answer: that
//! another question was answered cannot be written.
//!
//! What it does not do: ask what a presented credential asks. That is only known when it is there: see
//! [`crate::ledger::Lookup`].

use crate::id::{CredentialId, OwnerId};
use crate::kind::Kind;
use crate::ledger::Question;
use crate::person_terms::{EmailAddress, Username};
pub use crate::record::FoundPerson;
use crate::record::{
    ArtifactRecord, ConsentRecord, CredentialRecord, IdentityName, LinkedIdentity, MarkRecord, Membership,
    OwnerRecord, ResourceRecord, TakenOver,
};
use crate::resource::{Offered, ResourceId};
use crate::secret::{Peppers, Purpose, SecretHash};
use crate::signing_key::{SigningKeyRecord, Slot};
use crate::tally::Tally;
use crate::token_cap::KeptTokens;
use crate::typed_name::TypedName;

/// What is stored of a credential?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordOf(pub CredentialId);

impl Question for RecordOf {
    type Answer = Option<CredentialRecord>;
}

/// What is stored of a mark that stands?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkOf(pub SecretHash);

impl Question for MarkOf {
    type Answer = Option<MarkRecord>;
}

/// How many artifacts of a client, and of its organisation, are kept?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokensOf {
    /// The client.
    pub client: Option<OwnerId>,
    /// Its organisation.
    pub organisation: Option<OwnerId>,
}

impl Question for TokensOf {
    type Answer = KeptTokens;
}

/// What is stored of a resource, and who is registered for it?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UseOf(pub ResourceId);

impl Question for UseOf {
    type Answer = FoundUse;
}

/// The answer to [`UseOf`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundUse {
    /// What is stored.
    pub record: Option<ResourceRecord>,
    /// Whether the settings declare it, as the default one or by its name.
    pub is_of_settings: bool,
    /// The clients that are registered for it, in the order of their ids.
    pub clients: Vec<OwnerId>,
}

/// What is stored of a resource?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceOf(pub ResourceId);

impl Question for ResourceOf {
    type Answer = FoundResource;
}

/// The answer to [`ResourceOf`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundResource {
    /// What is stored.
    pub record: Option<ResourceRecord>,
    /// Whether the settings declare it.
    pub is_declared: bool,
}

/// For whom may something be made? `None`: for the first organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HolderOf(pub Option<OwnerId>);

impl Question for HolderOf {
    type Answer = Option<Holder>;
}

/// Whom a key acts for, and what the making of one more has to know of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The owner.
    pub owner: OwnerRecord,
    /// The owner's organisation, if the owner is not one itself.
    pub organisation: Option<OwnerRecord>,
    /// What the organisation holds.
    pub tally: Tally,
}

/// Two questions at once.
impl<A: Question, B: Question> Question for (A, B) {
    type Answer = (A::Answer, B::Answer);
}

/// How much has this person made for themselves?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MadeBy {
    /// Credentials of a kind of theirs, those that have ended among them.
    Credentials {
        /// Whose; `None`: nobody's.
        owner: Option<OwnerId>,
        /// Which kind.
        kind: &'static Kind,
    },
    /// Clients that they registered.
    Clients(Option<OwnerId>),
}

impl Question for MadeBy {
    type Answer = u64;
}

/// What does the making of a credential need?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creation {
    /// Who shall own it; `None`: the first organisation.
    pub owner: Option<OwnerId>,
    /// The mark of an `Idempotency-Key`.
    pub mark: Option<SecretHash>,
    /// The hash of a foreign key, under every pepper; empty for a key that is minted here.
    pub digests: Vec<SecretHash>,
}

impl Question for Creation {
    type Answer = FoundCreation;
}

/// The answer to [`Creation`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundCreation {
    /// The owner, if there is one of that name.
    pub holder: Option<Holder>,
    /// The mark's record, if the `Idempotency-Key` was used before.
    pub earlier: Option<MarkRecord>,
    /// What the earlier use made, if it still exists.
    pub made: Option<CredentialRecord>,
    /// For whom the hash of a foreign key was taken over before.
    pub taken: Vec<TakenOver>,
}

/// What does the registration of a client need?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Whose client it shall be; `None`: the first organisation's.
    pub organisation: Option<OwnerId>,
    /// The mark of an `Idempotency-Key`.
    pub mark: Option<SecretHash>,
}

impl Question for Registration {
    type Answer = FoundRegistration;
}

/// The answer to [`Registration`].
#[derive(Debug, Clone, Default)]
pub struct FoundRegistration {
    /// The organisation, if there is one of that name.
    pub holder: Option<Holder>,
    /// The mark's record, if the `Idempotency-Key` was used before.
    pub earlier: Option<MarkRecord>,
    /// The client that the earlier use made, if it is stored.
    pub made: Option<OwnerRecord>,
    /// What tokens may be for.
    pub resources: Offered,
}

/// What is stored of this client and of its secrets?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAndSecrets {
    /// Which client.
    pub client: OwnerId,
    /// The kind of its secrets.
    pub kind: &'static Kind,
}

impl Question for ClientAndSecrets {
    type Answer = Option<FoundRegistered>;
}

/// The answer to [`ClientAndSecrets`].
#[derive(Debug, Clone)]
pub struct FoundRegistered {
    /// The client; asked for before its secrets, so that who advances it has seen every one.
    pub holder: Holder,
    /// Its secrets, those that have ended among them.
    pub secrets: Vec<CredentialRecord>,
    /// What tokens may be for.
    pub resources: Offered,
}

/// What does the making of a successor of this credential need?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation(pub CredentialId);

impl Question for Rotation {
    type Answer = Option<FoundRotation>;
}

/// The answer to [`Rotation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRotation {
    /// What is stored of the credential.
    pub record: CredentialRecord,
    /// Whom it acts for.
    pub holder: Holder,
}

/// What is stored of this owner, and of the management keys that act for it or its members?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnerAndKeys(pub OwnerId);

impl Question for OwnerAndKeys {
    type Answer = Option<FoundOwner>;
}

/// The answer to [`OwnerAndKeys`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundOwner {
    /// What is stored.
    pub owner: OwnerRecord,
    /// The management keys that are not revoked.
    pub management_keys: Vec<CredentialRecord>,
}

/// What is stored of the first organisation, and of the management keys that act for it or its members?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installation;

impl Question for Installation {
    type Answer = Option<FoundInstallation>;
}

/// The answer to [`Installation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundInstallation {
    /// The first organisation; asked for before its keys, so that who advances it has seen every key.
    pub holder: Holder,
    /// The management keys that are not revoked.
    pub management_keys: Vec<CredentialRecord>,
}

/// What is stored of an imported key, and what is remembered of its own hash?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstUse {
    /// Which key.
    pub credential: CredentialId,
    /// Its own hash, under every pepper.
    pub own: Vec<SecretHash>,
}

impl Question for FirstUse {
    type Answer = FoundFirstUse;
}

/// The answer to [`FirstUse`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundFirstUse {
    /// For whom the own hash was taken over before; asked for before the record, so that it is not what another node has
    /// just remembered of this very key.
    pub taken: Vec<TakenOver>,
    /// What is stored of the key.
    pub record: Option<CredentialRecord>,
}

/// Which keys of this slot are stored?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeysOf(pub Slot);

impl Question for KeysOf {
    type Answer = Vec<SigningKeyRecord>;
}

/// Which artifact of this kind is it?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactOf {
    /// What it is.
    pub kind: &'static str,
    /// By what it is found.
    pub by: ArtifactKey,
}

/// By what an artifact is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArtifactKey {
    /// By the hash of its text, under every pepper.
    Text(Vec<SecretHash>),
    /// By the hash of its other text, under every pepper.
    SecondText(Vec<SecretHash>),
    /// By its name.
    Family(CredentialId),
}

impl ArtifactKey {
    /// Hashes a text under every pepper.
    #[must_use]
    pub fn text(peppers: &Peppers, text: &str) -> Self {
        Self::Text(hashes(peppers, text))
    }

    /// Hashes another text likewise.
    #[must_use]
    pub fn second_text(peppers: &Peppers, text: &str) -> Self {
        Self::SecondText(hashes(peppers, text))
    }
}

fn hashes(peppers: &Peppers, text: &str) -> Vec<SecretHash> {
    peppers.all().map(|pepper| pepper.hash(Purpose::Credential, text)).collect()
}

impl Question for ArtifactOf {
    type Answer = Option<ArtifactRecord>;
}

/// What is this family renewed by, and for whom?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FamilyOf(pub CredentialId);

/// What a family is renewed by: a refresh token, or a session at a web app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFamily {
    /// What is kept of it.
    pub record: ArtifactRecord,
    /// For whom it acts.
    pub person: Option<FoundPerson>,
}

impl Question for FamilyOf {
    type Answer = Option<FoundFamily>;
}

/// What has this person allowed this client?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsentTo {
    /// The client.
    pub client: OwnerId,
    /// The person.
    pub subject: OwnerId,
}

impl Question for ConsentTo {
    type Answer = Option<ConsentRecord>;
}

/// What is stored under this name, which somebody has allowed?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsentOf(pub CredentialId);

impl Question for ConsentOf {
    type Answer = Option<ConsentRecord>;
}

/// How often has everything that was issued ended?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IncarnationOf;

impl Question for IncarnationOf {
    type Answer = i64;
}

/// What is stored of the person who is this owner?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonOf(pub OwnerId);

impl Question for PersonOf {
    type Answer = Option<FoundPerson>;
}

/// What is stored of the person whom somebody means by what they have typed?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonNamed(pub TypedName);

impl Question for PersonNamed {
    type Answer = Option<FoundPerson>;
}

/// What does the making of a person need?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// Where they shall belong; `None`: to the first organisation.
    pub organisation: Option<OwnerId>,
    /// What they shall sign in as.
    pub username: Username,
}

impl Question for Enrolment {
    type Answer = FoundEnrolment;
}

/// The answer to [`Enrolment`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundEnrolment {
    /// The organisation, if there is one of that name.
    pub holder: Option<Holder>,
    /// Whether somebody signs in as that, by username or by an address that they have proven.
    pub is_taken: bool,
}

/// What is stored of a person, of an organisation, and of the one in the other?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MembershipOf {
    /// The person.
    pub person: OwnerId,
    /// The organisation.
    pub organisation: OwnerId,
}

impl Question for MembershipOf {
    type Answer = FoundMembership;
}

/// The answer to [`MembershipOf`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundMembership {
    /// The person.
    pub person: Option<OwnerRecord>,
    /// The organisation.
    pub organisation: Option<OwnerRecord>,
    /// What the one is in the other.
    pub membership: Option<Membership>,
}

/// What is stored of this link, and of the person whom it was mailed to?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkOf(pub ArtifactOf);

impl Question for LinkOf {
    type Answer = Option<FoundLink>;
}

/// The answer to [`LinkOf`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLink {
    /// The link; asked for before the person, so that who advances the person that was found has seen it.
    pub record: ArtifactRecord,
    /// The person, if they are there.
    pub person: Option<FoundPerson>,
}

/// What is stored of a person, and whose is the identity that proves them?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenPerson {
    /// The person.
    pub person: OwnerId,
    /// The identity elsewhere, if it is one that proves them.
    pub identity: Option<IdentityName>,
}

impl Question for ProvenPerson {
    type Answer = FoundProven;
}

/// The answer to [`ProvenPerson`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundProven {
    /// The person.
    pub person: Option<FoundPerson>,
    /// Whose the identity is.
    pub holder: Option<OwnerId>,
}

/// Whose is an identity elsewhere, and whose could it become?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityOf {
    /// The identity.
    pub identity: IdentityName,
    /// An address that is proven to be of whoever has it.
    pub email: Option<EmailAddress>,
    /// What a person that is made for it would sign in as.
    pub username: Option<Username>,
}

impl Question for IdentityOf {
    type Answer = FoundIdentity;
}

/// The answer to [`IdentityOf`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundIdentity {
    /// Whose it is.
    pub holder: Option<OwnerId>,
    /// Who has proven the address, in any case of letters: at most two of them.
    pub by_email: Vec<FoundPerson>,
    /// What the making of a person in the first organisation needs.
    pub enrolment: FoundEnrolment,
}

/// Which identities elsewhere has this person, and whose is one of them?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentitiesOf {
    /// The person.
    pub person: OwnerId,
    /// The one.
    pub identity: IdentityName,
}

impl Question for IdentitiesOf {
    type Answer = FoundIdentities;
}

/// The answer to [`IdentitiesOf`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundIdentities {
    /// The person; asked for first, so that who advances them has seen every identity of theirs.
    pub person: Option<FoundPerson>,
    /// Theirs, the oldest first.
    pub theirs: Vec<LinkedIdentity>,
    /// Whose the one is.
    pub holder: Option<OwnerId>,
}
