//! Why an act on a key or an owner is refused.

use std::time::Duration;

use thiserror::Error;

use crate::authority::Authority;
use crate::id::OwnerId;
use crate::imported_set::MAX_IMPORTED_SETS;
use crate::key_string::KeyPrefix;
use crate::meter::MAX_ALLOWANCES;
use crate::password::Unfit;
use crate::person_terms::NotAProfile;
use crate::resource::{NotAResource, ResourceId};
use crate::scope::Scope;
use crate::tally::Kept;

/// The longest name; a bound, not a clause.
pub(crate) const MAX_NAME: usize = 100;
/// The most addresses and blocks that a key may be used from; a bound, not a clause.
pub(crate) const MAX_BLOCKS: usize = 64;

/// The most secrets of one client that work at a time: each of two who rotate at once may be followed by one more; a bound,
/// not a clause.
pub(crate) const MAX_SECRETS: usize = 4;

/// Why an act on a key is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Somebody of greater authority has switched it off.
    #[error("it was disabled by an {}: only that authority enables it again", .0.name())]
    DisabledAbove(Authority),
    /// The caller may not mint keys of this set.
    #[error("you cannot grant the key set {0}: you do not hold key_set:{0}")]
    ExcessPrefix(KeyPrefix),
    /// The caller may not register clients for this resource.
    #[error("you cannot register clients for {0}: you do not hold audience:{0}")]
    ExcessAudience(ResourceId),
    /// A resource puts this member of a client's metadata into its tokens, and only an operator writes it.
    #[error("the member {0:?} of the metadata becomes a claim of tokens, and only an operator writes it")]
    ExcessClaim(String),
    /// The caller may not give this scope to others.
    #[error("you cannot grant the scope {0}: you do not hold it")]
    ExcessScope(Scope),
    /// The end lies before now or before the beginning.
    #[error("the key would end before it begins or before now")]
    EmptyLife,
    /// The operator's policy allows no such long life.
    #[error("the key would outlive api_key.max_lifetime, {} s", .0.as_secs())]
    LifetimeExceedsPolicy(Duration),
    /// The list of addresses is too long.
    #[error("expected at most {MAX_BLOCKS} addresses or blocks")]
    Addresses,
    /// There are too many allowances, or two of one name.
    #[error("expected at most {MAX_ALLOWANCES} limits, each with a name of its own")]
    Allowances,
    /// The name is empty, too long or holds control characters.
    #[error("expected a name of 1 to {MAX_NAME} characters without control characters")]
    Name,
    /// There is no such key that the caller may know of.
    #[error("there is no such key")]
    NotFound,
    /// The hash of a foreign key was taken over before, for the same owner.
    #[error("the hash was taken over before")]
    TakenOver,
    /// The hash of a foreign key cannot be taken over; why is not said to another owner.
    #[error("the hash cannot be taken over for this owner")]
    HashRefused,
    /// A set of imported keys is not declared, or holds keys that the caller does not reach.
    #[error(
        "this key set is not declared for you, and only an operator declares one: it decides what every caller's credential is taken for"
    )]
    SetNotDeclared,
    /// There are as many sets of imported keys as are looked through.
    #[error("there are {MAX_IMPORTED_SETS} key sets already: import into one of them")]
    TooManySets,
    /// People may not make this for themselves.
    #[error("people may not make this for themselves: `[self_service]` says what they may")]
    NotOffered,
    /// A person has made as much for themselves as one may.
    #[error("you have {0} already, as many as one person may: delete one that you need no more")]
    TooManyOwn(u64),
    /// The organisation keeps as much as a tenant may.
    #[error(
        "the organisation has {1} {n} already, as many as {s} allows: delete what has ended, or ask the operator",
        n = .0.name(), s = .0.setting()
    )]
    Full(Kept, u64),
    /// There is no such owner that the caller may know of.
    #[error("there is no such owner")]
    OwnerNotFound,
    /// The owner is disabled.
    #[error("the owner is disabled")]
    OwnerDisabled,
    /// A management key that would be ended or switched off can do more than the caller.
    #[error("a management key that this concerns can do more than you: {0}")]
    Outranked(Box<Self>),
    /// The key was revoked, which is for ever.
    #[error("the key was revoked, which is for ever")]
    Revoked,
    /// The prefix belongs to the product.
    #[error("the prefix is reserved: choose one that does not begin with `cs_`")]
    ReservedPrefix,
    /// The key has a successor.
    #[error("the key was rotated: change its successor")]
    Superseded,
    /// Nobody has allowed this, or it is beyond the caller's reach.
    #[error("there is no such grant")]
    GrantNotFound,
    /// There is no such client that the caller may know of.
    #[error("there is no such client")]
    ClientNotFound,
    /// What is registered of a client does not fit together (RFC 7591 §3.2.2).
    #[error("{0}")]
    ClientMetadata(&'static str),
    /// The client proves itself without a secret.
    #[error("the client has no secret: it proves itself by {0}")]
    NoSecret(&'static str),
    /// The client has as many secrets as one may have at a time.
    #[error(
        "the client has {MAX_SECRETS} secrets that work: wait until one has ended, or rotate with an overlap of 0s"
    )]
    TooManySecrets,
    /// There is no such user that the caller may know of.
    #[error("there is no such user")]
    UserNotFound,
    /// Somebody signs in as that.
    #[error("somebody has this username already")]
    UsernameTaken,
    /// The caller says that an address is read by a person.
    #[error("only an operator vouches for an e-mail address; anybody else lets the user verify it by mail")]
    UnprovenEmail,
    /// The text cannot become a password.
    #[error(transparent)]
    Password(#[from] Unfit),
    /// What shall be told of a person cannot be.
    #[error(transparent)]
    Profile(#[from] NotAProfile),
    /// Only who is switched off is deleted.
    #[error("the user is not disabled: only who is disabled is deleted")]
    UserNotDisabled,
    /// A person belongs to their own organisation for as long as they are there.
    #[error("this is the user's own organisation, which is left by deleting the user")]
    HomeOrganisation,
    /// The person is no member.
    #[error("the user is no member of this organisation")]
    NotAMember,
    /// Only an operator may.
    #[error("only an operator declares what tokens may be for")]
    OperatorsAlone,
    /// The settings declare it.
    #[error("the settings declare this resource: change it there, or take it out of the file, and reload")]
    ResourceOfSettings,
    /// Clients are registered for it.
    #[error("{1} {n} registered for this resource, {0} first: take it from each with `client update {0} --audience`", n = if *.1 == 1 { "client is" } else { "clients are" })]
    ResourceInUse(OwnerId, usize),
    /// No such resource is stored.
    #[error("there is no such resource")]
    ResourceNotFound,
    /// The resource would be none.
    #[error(transparent)]
    Resource(#[from] NotAResource),
    /// There is a resource of this name.
    #[error("there is a resource of this name already")]
    ResourceExists,
    /// None of the client's resources takes this scope.
    #[error("none of the client's resources takes the scope {0}")]
    ScopeNotTaken(Scope),
    /// There is no such resource.
    #[error("there is no resource {0}: declare it in the settings or with `resource create`")]
    UnknownAudience(ResourceId),
    /// The same `Idempotency-Key` came with another request.
    #[error("the Idempotency-Key was used for another request")]
    IdempotencyMismatch,
}

impl Refusal {
    /// Returns the stable name.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::DisabledAbove(_) => "disabled_above",
            Self::ExcessPrefix(_) => "excess_key_set",
            Self::ExcessAudience(_) => "excess_audience",
            Self::ExcessClaim(_) => "excess_claim",
            Self::ExcessScope(_) => "excess_scope",
            Self::EmptyLife => "empty_life",
            Self::LifetimeExceedsPolicy(_) => "lifetime_exceeds_policy",
            Self::Addresses => "invalid_addresses",
            Self::Allowances => "invalid_limits",
            Self::Name => "invalid_name",
            Self::NotFound => "not_found",
            Self::TakenOver => "taken_over",
            Self::HashRefused => "hash_refused",
            Self::SetNotDeclared => "key_set_not_declared",
            Self::TooManySets => "too_many_key_sets",
            Self::NotOffered => "not_offered",
            Self::TooManyOwn(_) => "too_many_own",
            Self::Full(..) => "too_many",
            Self::OwnerNotFound => "owner_not_found",
            Self::OwnerDisabled => "owner_disabled",
            Self::Outranked(_) => "outranked",
            Self::Revoked => "revoked",
            Self::ReservedPrefix => "reserved_prefix",
            Self::Superseded => "superseded",
            Self::ClientNotFound => "client_not_found",
            Self::GrantNotFound => "grant_not_found",
            Self::ClientMetadata(_) => "invalid_client_metadata",
            Self::NoSecret(_) => "no_client_secret",
            Self::TooManySecrets => "too_many_client_secrets",
            Self::UserNotFound => "user_not_found",
            Self::UsernameTaken => "username_taken",
            Self::UnprovenEmail => "unproven_email",
            Self::Password(_) => "unfit_password",
            Self::Profile(_) => "invalid_profile",
            Self::UserNotDisabled => "user_not_disabled",
            Self::HomeOrganisation => "home_organisation",
            Self::NotAMember => "not_a_member",
            Self::OperatorsAlone => "operators_alone",
            Self::ResourceOfSettings => "resource_of_settings",
            Self::ResourceInUse(..) => "resource_in_use",
            Self::ResourceNotFound => "resource_not_found",
            Self::Resource(_) => "invalid_resource",
            Self::ResourceExists => "resource_exists",
            Self::ScopeNotTaken(_) => "scope_not_taken",
            Self::UnknownAudience(_) => "unknown_audience",
            Self::IdempotencyMismatch => "idempotency_mismatch",
        }
    }
}
