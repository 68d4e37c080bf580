//! What is asked about API keys.

use crate::decision::Requirement;
use crate::environment::Environment;
use crate::id::OwnerId;
use crate::idempotency::Idempotency;
use crate::imported_set::ImportedSet;
use crate::key_string::KeyPrefix;
use crate::meter::Allowance;
use crate::minting::Expiry;
use crate::network::AddressBlock;
use crate::scope::ScopeSet;
use crate::timestamp::Timestamp;

/// Mints a key.
#[derive(Debug, Clone)]
pub struct Create {
    /// What people call it.
    pub name: String,
    /// Who it acts for; `None`: the caller's owner, for an operator the first organisation.
    pub owner: Option<OwnerId>,
    /// Its prefix; `None`: the environment's own, `cs_live` or `cs_test`.
    pub prefix: Option<KeyPrefix>,
    /// Where it may be used.
    pub environment: Environment,
    /// What it may do.
    pub scopes: ScopeSet,
    /// How much it may be used.
    pub allowances: Vec<Allowance>,
    /// The addresses that it may be used from.
    pub allow_from: Vec<AddressBlock>,
    /// What its owner writes on it.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// The first instant at which it works; `None`: at once.
    pub not_before: Option<Timestamp>,
    /// When it ends.
    pub expiry: Expiry,
    /// The hash that came over, where the key was minted elsewhere.
    pub imported: Option<Import>,
    /// How a repeat is recognised.
    pub idempotency: Option<Idempotency>,
}

/// A key that another system minted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The set that it comes with.
    pub set: ImportedSet,
    /// The hash that came over.
    pub digest: Vec<u8>,
    /// What may be shown of the key for ever, if it is known.
    pub hint: Option<String>,
}

/// What the verify API asks of a key beyond being good.
#[derive(Debug, Clone, Default)]
pub struct Verification {
    /// Scopes that it must hold.
    pub scopes: ScopeSet,
    /// The environment that it must be made for.
    pub environment: Environment,
    /// The prefix that it must have.
    pub prefix: Option<KeyPrefix>,
    /// What the route that is called requires beside, if one was named.
    pub route: Option<Requirement>,
}
