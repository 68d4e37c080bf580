//! The life of a key after it was minted: amend, rotate, revoke, forget. The same acts for every kind of key.
//!
//! **Invariants.** A record of another tenant is not found, never forbidden. Revoked is for ever. A rotation may
//! only shorten the life of the key it replaces. A change is conditional on the version that was seen.

use std::time::Duration;

use thiserror::Error;

use crate::audit::{Actor, AuditEvent};
use crate::context::Context;
use crate::decision::Permit;
use crate::effect::{Effect, Outcome};
use crate::exchange::Act;
use crate::id::{CredentialId, CredentialKind, OwnerId};
use crate::key_set::MAX_KEY_SETS;
use crate::key_string::KeyString;
use crate::ledger::{Found, Lookup};
use crate::meter::{Allowance, MAX_ALLOWANCES};
use crate::network::AddressBlock;
use crate::reach::reach;
use crate::record::CredentialRecord;
use crate::scope::{Scope, ScopeSet};
use crate::secret::Secret;
use crate::timestamp::Timestamp;

/// The longest name; a bound, not a clause.
const MAX_NAME: usize = 100;
/// The most addresses and blocks that a key may be used from; a bound, not a clause.
const MAX_BLOCKS: usize = 64;

/// When a key shall end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Expiry {
    /// As the operator's policy says: at the maximum lifetime, or never.
    #[default]
    Unspecified,
    /// At an instant.
    At(Timestamp),
    /// So long after now.
    After(Duration),
}

/// Why an act on a key is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
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
    /// A set of imported keys is to be declared by somebody who is no operator.
    #[error(
        "this key set is not declared yet, and only an operator declares one: it decides what every caller's credential is taken for"
    )]
    KeySetNotDeclared,
    /// There are as many sets of imported keys as are looked through.
    #[error("there are {MAX_KEY_SETS} key sets already: import into one of them")]
    TooManyKeySets,
    /// There is no such owner that the caller may know of.
    #[error("there is no such owner")]
    OwnerNotFound,
    /// The owner is disabled.
    #[error("the owner is disabled")]
    OwnerDisabled,
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
            Self::ExcessScope(_) => "excess_scope",
            Self::EmptyLife => "empty_life",
            Self::LifetimeExceedsPolicy(_) => "lifetime_exceeds_policy",
            Self::Addresses => "invalid_addresses",
            Self::Allowances => "invalid_limits",
            Self::Name => "invalid_name",
            Self::NotFound => "not_found",
            Self::KeySetNotDeclared => "key_set_not_declared",
            Self::TooManyKeySets => "too_many_key_sets",
            Self::OwnerNotFound => "owner_not_found",
            Self::OwnerDisabled => "owner_disabled",
            Self::Revoked => "revoked",
            Self::ReservedPrefix => "reserved_prefix",
            Self::Superseded => "superseded",
            Self::IdempotencyMismatch => "idempotency_mismatch",
        }
    }
}

/// A key that was minted: its record, and its text to be shown once.
#[derive(Debug)]
pub struct Minted {
    /// What is stored.
    pub record: CredentialRecord,
    /// What is shown; `None` when an `Idempotency-Key` is repeated (SAFETY 9).
    pub key: Option<Secret<String>>,
}

/// Changes what a key's owner may change. What is `None` stays.
#[derive(Debug, Clone)]
pub struct Amend {
    /// Which key.
    pub id: CredentialId,
    /// The new name.
    pub name: Option<String>,
    /// The new scopes, all of them.
    pub scopes: Option<ScopeSet>,
    /// The new metadata, all of it.
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
    /// The new allowances, all of them.
    pub allowances: Option<Vec<Allowance>>,
    /// The new addresses that it may be used from, all of them.
    pub allow_from: Option<Vec<AddressBlock>>,
    /// The new end.
    pub expiry: Expiry,
    /// Whether it may be used.
    pub switch: Option<Switch>,
}

/// Whether a key may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// It may.
    Enabled,
    /// It may not, until it is enabled again.
    Disabled,
}

/// Mints a successor with the same terms; the old key goes on working for the overlap, never longer than before.
#[derive(Debug, Clone)]
pub struct Rotate {
    /// Which key.
    pub id: CredentialId,
    /// How long the old key goes on working; `None`: the operator's default.
    pub overlap: Option<Duration>,
    /// When the successor ends; unspecified: when the old key would have ended.
    pub expiry: Expiry,
}

/// A successor, and what became of the key it replaces.
#[derive(Debug)]
pub struct Rotated {
    /// The successor.
    pub minted: Minted,
    /// The key that was rotated, as it now is.
    pub replaced: CredentialRecord,
}

/// Ends a key for ever. Repeating it is no error.
#[derive(Debug, Clone, Copy)]
pub struct Revoke {
    /// Which key.
    pub id: CredentialId,
}

/// Ends a key for ever and removes its row.
#[derive(Debug, Clone, Copy)]
pub struct Forget {
    /// Which key.
    pub id: CredentialId,
}

impl Act for Amend {
    type Answer = CredentialRecord;
    type Refusal = Refusal;

    fn lookup<'a>(&'a self, _: &Context<'_>) -> Lookup<'a> {
        Lookup::Record(self.id)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Found,
    ) -> Outcome<Self::Answer, Refusal> {
        let audit = line(context, "amend", permit, self.id);
        match self.next(context, permit, found) {
            Ok(next) => {
                let audit =
                    audit.granted().within(Some(next.organisation)).detail("name", next.terms.name.clone());
                let effect = Effect::AdvanceCredential { next: Box::new(next.clone()) };
                Outcome::granted(next, vec![effect], audit)
            }
            Err(refusal) => Outcome::refused(refusal.clone(), audit.refused(refusal.code())),
        }
    }
}

impl Amend {
    fn next(
        &self,
        context: &Context<'_>,
        permit: &Permit,
        found: Found,
    ) -> Result<CredentialRecord, Refusal> {
        let mut next = living(permit, found)?;
        if self.expiry != Expiry::Unspecified || self.switch == Some(Switch::Enabled) {
            // Prolonging is granting once more.
            within_grant(permit, next.id.kind(), &next.terms.scopes)?;
            not_superseded(&next)?;
        }
        next.version += 1;
        if let Some(name) = &self.name {
            next.terms.name = valid_name(name)?;
        }
        if let Some(scopes) = &self.scopes {
            within_grant(permit, next.id.kind(), scopes)?;
            next.terms.scopes = scopes.clone();
        }
        if let Some(metadata) = &self.metadata {
            next.terms.metadata = metadata.clone();
        }
        if let Some(allowances) = &self.allowances {
            next.terms.allowances = valid_allowances(allowances)?;
        }
        if let Some(blocks) = &self.allow_from {
            next.terms.allow_from = valid_blocks(blocks)?;
        }
        if self.expiry != Expiry::Unspecified {
            next.expires_at = end_of_life(context, next.id.kind(), self.expiry, next.terms.not_before)?;
        }
        match self.switch {
            Some(Switch::Disabled) => next.disabled_at = next.disabled_at.or(Some(context.now)),
            Some(Switch::Enabled) => next.disabled_at = None,
            None => {}
        }
        Ok(next)
    }
}

impl Act for Rotate {
    type Answer = Rotated;
    type Refusal = Refusal;

    fn lookup<'a>(&'a self, _: &Context<'_>) -> Lookup<'a> {
        Lookup::Record(self.id)
    }

    fn decide(&self, context: &mut Context<'_>, permit: &Permit, found: Found) -> Outcome<Rotated, Refusal> {
        let audit = line(context, "rotate", permit, self.id);
        let replaced = match living(permit, found).and_then(|old| self.may_rotate(context, permit, old)) {
            Ok(replaced) => replaced,
            Err(refusal) => return Outcome::refused(refusal.clone(), audit.refused(refusal.code())),
        };
        let (old, expires_at) = replaced;
        let (minted, replaced) = self.replace(context, old, expires_at);
        let audit = audit
            .granted()
            .within(Some(replaced.organisation))
            .detail("successor", minted.record.id.to_string())
            .detail("hint", minted.record.terms.hint.clone());
        let effects = vec![
            Effect::AdvanceCredential { next: Box::new(replaced.clone()) },
            Effect::InsertCredential(Box::new(minted.record.clone())),
        ];
        Outcome::granted(Rotated { minted, replaced }, effects, audit)
    }
}

impl Rotate {
    /// Checks that the caller could make the successor today, and returns when that ends.
    fn may_rotate(
        &self,
        context: &Context<'_>,
        permit: &Permit,
        old: CredentialRecord,
    ) -> Result<(CredentialRecord, Option<Timestamp>), Refusal> {
        within_grant(permit, old.id.kind(), &old.terms.scopes)?;
        within_reach_of_grants(permit, &old)?;
        not_superseded(&old)?;
        let expires_at = match self.expiry {
            Expiry::Unspecified => old.expires_at,
            Expiry::At(_) | Expiry::After(_) => {
                end_of_life(context, old.id.kind(), self.expiry, old.terms.not_before)?
            }
        };
        if expires_at.is_some_and(|end| end <= context.now) {
            return Err(Refusal::EmptyLife);
        }
        Ok((old, expires_at))
    }

    fn replace(
        &self,
        context: &mut Context<'_>,
        mut old: CredentialRecord,
        expires_at: Option<Timestamp>,
    ) -> (Minted, CredentialRecord) {
        let mut successor = old.clone();
        successor.expires_at = expires_at;
        successor.terms.replaced_by = None;
        // The successor of an imported key is minted here.
        successor.terms.imported = None;
        // One meter for the whole line: whoever rotates a key does not refill its quota.
        successor.terms.meter = Some(old.meter());
        let mut minted = mint(context, successor);
        // What is switched off stays so: a rotation must not switch it on.
        minted.record.disabled_at = old.disabled_at;
        let overlap_ends = context.now.plus(self.overlap.unwrap_or(context.policy.rotation_overlap));
        // The old key's end may only come nearer: an overlap never extends a life.
        old.expires_at = Some(old.expires_at.map_or(overlap_ends, |end| end.min(overlap_ends)));
        old.terms.replaced_by = Some(minted.record.id);
        old.version += 1;
        (minted, old)
    }
}

impl Act for Revoke {
    type Answer = CredentialRecord;
    type Refusal = Refusal;

    fn lookup<'a>(&'a self, _: &Context<'_>) -> Lookup<'a> {
        Lookup::Record(self.id)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Found,
    ) -> Outcome<Self::Answer, Refusal> {
        let audit = line(context, "revoke", permit, self.id);
        match endable(permit, found) {
            Ok(mut record) => {
                let at = record.revoked_at.unwrap_or(context.now);
                record.revoked_at = Some(at);
                let audit = audit
                    .granted()
                    .within(Some(record.organisation))
                    .detail("hint", record.terms.hint.clone());
                Outcome::granted(record, vec![Effect::Revoke { credential: self.id, at }], audit)
            }
            Err(refusal) => Outcome::refused(refusal.clone(), audit.refused(refusal.code())),
        }
    }
}

impl Act for Forget {
    type Answer = ();
    type Refusal = Refusal;

    fn lookup<'a>(&'a self, _: &Context<'_>) -> Lookup<'a> {
        Lookup::Record(self.id)
    }

    fn decide(&self, context: &mut Context<'_>, permit: &Permit, found: Found) -> Outcome<(), Refusal> {
        let audit = line(context, "forget", permit, self.id);
        match endable(permit, found) {
            Ok(record) => {
                let audit =
                    audit.granted().within(Some(record.organisation)).detail("hint", record.terms.hint);
                Outcome::granted((), vec![Effect::Forget { credential: self.id }], audit)
            }
            Err(refusal) => Outcome::refused(refusal.clone(), audit.refused(refusal.code())),
        }
    }
}

/// Returns the record if the caller may know of it.
///
/// # Errors
///
/// [`Refusal::NotFound`], also where the record is another tenant's.
pub fn visible(permit: &Permit, found: Found) -> Result<CredentialRecord, Refusal> {
    let Found::Record(Some(record)) = found else {
        return Err(Refusal::NotFound);
    };
    if reach(permit.principal()).includes(record.organisation, record.owner) {
        Ok(*record)
    } else {
        Err(Refusal::NotFound)
    }
}

/// Returns the record if the caller may end it: any API key within reach, but no management key that can do more
/// than the caller, or a tenant could lock the operator out.
fn endable(permit: &Permit, found: Found) -> Result<CredentialRecord, Refusal> {
    let record = visible(permit, found)?;
    match record.id.kind() {
        CredentialKind::ApiKey => {}
        CredentialKind::ManagementKey => {
            within_grant(permit, record.id.kind(), &record.terms.scopes)?;
            within_reach_of_grants(permit, &record)?;
        }
    }
    Ok(record)
}

fn living(permit: &Permit, found: Found) -> Result<CredentialRecord, Refusal> {
    let record = visible(permit, found)?;
    if record.revoked_at.is_some() { Err(Refusal::Revoked) } else { Ok(record) }
}

/// A key that has a successor only runs out: neither a second successor nor a longer life.
const fn not_superseded(record: &CredentialRecord) -> Result<(), Refusal> {
    if record.terms.replaced_by.is_some() { Err(Refusal::Superseded) } else { Ok(()) }
}

/// Gives `record` a new id and a new key, and leaves the rest as it is.
pub(crate) fn mint(context: &mut Context<'_>, mut record: CredentialRecord) -> Minted {
    let key = KeyString::mint(&record.terms.prefix, context.entropy);
    let pepper = context.peppers.current();
    record.id = CredentialId::random(record.id.kind(), context.entropy);
    record.lookup = key.hash(pepper);
    record.pepper = pepper.version();
    record.terms.hint = key.hint();
    record.version = 1;
    record.created_at = context.now;
    record.disabled_at = None;
    record.revoked_at = None;
    record.last_used_at = None;
    Minted { record, key: Some(key.into_secret()) }
}

/// Returns when a key ends that begins at `not_before`.
///
/// # Errors
///
/// [`Refusal::EmptyLife`] and [`Refusal::LifetimeExceedsPolicy`].
pub(crate) fn end_of_life(
    context: &Context<'_>,
    kind: CredentialKind,
    expiry: Expiry,
    not_before: Option<Timestamp>,
) -> Result<Option<Timestamp>, Refusal> {
    let begin = not_before.map_or(context.now, |begin| begin.max(context.now));
    let limit = match kind {
        CredentialKind::ApiKey => context.policy.api_key_max_lifetime,
        CredentialKind::ManagementKey => None,
    };
    let latest = limit.map(|limit| (limit, context.now.plus(limit)));
    let end = match expiry {
        Expiry::Unspecified => latest.map(|(_, latest)| latest),
        Expiry::At(end) => Some(end),
        Expiry::After(life) => Some(context.now.plus(life)),
    };
    if end.is_some_and(|end| end <= begin) {
        return Err(Refusal::EmptyLife);
    }
    match (end, latest) {
        (Some(end), Some((limit, latest))) if end > latest => Err(Refusal::LifetimeExceedsPolicy(limit)),
        _ => Ok(end),
    }
}

/// Checks a name.
///
/// # Errors
///
/// [`Refusal::Name`].
pub(crate) fn valid_name(name: &str) -> Result<String, Refusal> {
    let length = name.chars().count();
    if length == 0 || length > MAX_NAME || name.chars().any(is_deceptive) {
        return Err(Refusal::Name);
    }
    Ok(name.to_owned())
}

/// Returns `allowances` if each has a name of its own and there are not too many.
///
/// # Errors
///
/// [`Refusal::Allowances`].
pub(crate) fn valid_allowances(allowances: &[Allowance]) -> Result<Vec<Allowance>, Refusal> {
    let repeated = allowances
        .iter()
        .enumerate()
        .any(|(index, one)| allowances.iter().take(index).any(|earlier| earlier.name == one.name));
    if repeated || allowances.len() > MAX_ALLOWANCES {
        Err(Refusal::Allowances)
    } else {
        Ok(allowances.to_vec())
    }
}

/// Returns `blocks` if there are not too many.
///
/// # Errors
///
/// [`Refusal::Addresses`].
pub(crate) fn valid_blocks(blocks: &[AddressBlock]) -> Result<Vec<AddressBlock>, Refusal> {
    if blocks.len() > MAX_BLOCKS { Err(Refusal::Addresses) } else { Ok(blocks.to_vec()) }
}

/// Tells whether a character breaks a line or turns the direction of text, so that a list could lie.
fn is_deceptive(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}')
}

/// Nobody grants what they do not hold (SAFETY 13).
///
/// # Errors
///
/// [`Refusal::ExcessScope`].
pub(crate) fn within_grant(permit: &Permit, kind: CredentialKind, scopes: &ScopeSet) -> Result<(), Refusal> {
    let principal = permit.principal();
    let excess = match kind {
        CredentialKind::ApiKey => principal.grantable().first_excess(scopes),
        CredentialKind::ManagementKey => principal.scopes().first_missing(scopes),
    };
    excess.map_or(Ok(()), |scope| Err(Refusal::ExcessScope(scope.clone())))
}

fn within_reach_of_grants(permit: &Permit, record: &CredentialRecord) -> Result<(), Refusal> {
    permit
        .principal()
        .grantable()
        .first_excess(record.terms.grantable.patterns())
        .map_or(Ok(()), |scope| Err(Refusal::ExcessScope(scope.clone())))
}

/// Tells whether `permit` reaches an owner; `organisation` is the owner's.
pub(crate) fn reaches(permit: &Permit, organisation: OwnerId, owner: OwnerId) -> bool {
    reach(permit.principal()).includes(organisation, owner)
}

/// An audit line whose ending is not known yet.
pub(crate) struct Line {
    at: Timestamp,
    action: &'static str,
    actor: Actor,
    organisation: Option<OwnerId>,
    subject: String,
}

impl Line {
    pub(crate) fn granted(self) -> AuditEvent {
        AuditEvent::granted(self.at, self.action, self.actor).about(self.subject)
    }

    /// A refusal is the caller's own business: it is filed under the caller's organisation.
    pub(crate) fn refused(self, reason: &'static str) -> AuditEvent {
        AuditEvent::refused(self.at, self.action, self.actor, reason)
            .within(self.organisation)
            .about(self.subject)
    }
}

fn line(context: &Context<'_>, verb: &'static str, permit: &Permit, id: CredentialId) -> Line {
    let action = match (id.kind(), verb) {
        (CredentialKind::ApiKey, "amend") => "api_key.amend",
        (CredentialKind::ApiKey, "rotate") => "api_key.rotate",
        (CredentialKind::ApiKey, "revoke") => "api_key.revoke",
        (CredentialKind::ApiKey, _) => "api_key.forget",
        (CredentialKind::ManagementKey, "amend") => "management_key.amend",
        (CredentialKind::ManagementKey, "rotate") => "management_key.rotate",
        (CredentialKind::ManagementKey, "revoke") => "management_key.revoke",
        (CredentialKind::ManagementKey, _) => "management_key.forget",
    };
    new_line(context, action, permit, id.to_string())
}

pub(crate) fn new_line(
    context: &Context<'_>,
    action: &'static str,
    permit: &Permit,
    subject: String,
) -> Line {
    let principal = permit.principal();
    Line {
        at: context.now,
        action,
        actor: Actor::of(principal),
        organisation: principal.organisation(),
        subject,
    }
}
