//! Why an act on a key or an owner is refused.

use std::time::Duration;

use thiserror::Error;

use crate::authority::Authority;
use crate::imported_set::MAX_IMPORTED_SETS;
use crate::key_string::KeyPrefix;
use crate::meter::MAX_ALLOWANCES;
use crate::scope::Scope;
use crate::tally::Kept;

/// The longest name; a bound, not a clause.
pub(crate) const MAX_NAME: usize = 100;
/// The most addresses and blocks that a key may be used from; a bound, not a clause.
pub(crate) const MAX_BLOCKS: usize = 64;

/// Why an act on a key is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Somebody of greater authority has switched it off.
    #[error("it was disabled by an {}: only that authority enables it again", .0.name())]
    DisabledAbove(Authority),
    /// The caller may not mint keys of this set.
    #[error("you cannot grant the key set {0}: you do not hold key_set:{0}")]
    ExcessPrefix(KeyPrefix),
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
            Self::Full(..) => "too_many",
            Self::OwnerNotFound => "owner_not_found",
            Self::OwnerDisabled => "owner_disabled",
            Self::Outranked(_) => "outranked",
            Self::Revoked => "revoked",
            Self::ReservedPrefix => "reserved_prefix",
            Self::Superseded => "superseded",
            Self::IdempotencyMismatch => "idempotency_mismatch",
        }
    }
}
