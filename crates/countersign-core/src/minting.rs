//! What holds for every key that is minted, whichever act mints it.

use std::time::Duration;

use crate::cap::room;
use crate::context::Context;
use crate::decision::Permit;
use crate::effect::Effect;
use crate::id::CredentialId;
use crate::key_evidence::grantable;
use crate::key_string::KeyString;
use crate::kind::Kind;
use crate::meter::{Allowance, MAX_ALLOWANCES};
use crate::network::AddressBlock;
use crate::question::Holder;
use crate::record::CredentialRecord;
use crate::refusal::{MAX_BLOCKS, MAX_NAME, Refusal};
use crate::secret::Secret;
use crate::tally::Kept;
use crate::timestamp::Timestamp;

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
    /// Never, where the operator's policy lets keys live for ever.
    Never,
}

/// A key that was minted: its record, and its text to be shown once.
#[derive(Debug)]
pub struct Minted {
    /// What is stored.
    pub record: CredentialRecord,
    /// What is shown; `None` when an `Idempotency-Key` is repeated (SAFETY 9).
    pub key: Option<Secret<String>>,
}

/// What has to hold for every key that is minted or taken over, by creation, import and rotation alike. Returns what
/// of it has to hold still when the key is committed.
///
/// # Errors
///
/// [`Refusal::OwnerDisabled`], [`Refusal::ReservedPrefix`], [`Refusal::Full`], and those of [`granted`].
pub(crate) fn mintable(
    kind: &Kind,
    context: &Context<'_>,
    permit: &Permit,
    holder: &Holder,
    record: &CredentialRecord,
) -> Result<Option<Effect>, Refusal> {
    if holder.owner.disabled_at.is_some()
        || holder.organisation.as_ref().is_some_and(|one| one.disabled_at.is_some())
    {
        return Err(Refusal::OwnerDisabled);
    }
    if is_reserved(kind, record) {
        return Err(Refusal::ReservedPrefix);
    }
    granted(kind, permit, record)?;
    room(context, permit, record.organisation, holder.tally, Kept::Credentials)
}

/// Nobody grants what they do not hold (SAFETY 13): the scopes of `record`, its prefix, and what it may grant itself.
///
/// # Errors
///
/// [`Refusal::ExcessScope`] and [`Refusal::ExcessPrefix`].
pub(crate) fn granted(kind: &Kind, permit: &Permit, record: &CredentialRecord) -> Result<(), Refusal> {
    let (principal, terms) = (permit.principal(), &record.terms);
    let excess = (kind.excess)(principal, terms);
    let excess = excess.or_else(|| grantable(principal).first_excess(terms.grantable.patterns()));
    if let Some(scope) = excess {
        return Err(Refusal::ExcessScope(scope.clone()));
    }
    if is_own(kind, record) || grantable(principal).covers_prefix(&terms.prefix) {
        return Ok(());
    }
    Err(Refusal::ExcessPrefix(terms.prefix.clone()))
}

/// Tells whether the prefix is what keys of this kind and environment come from by default: free to everybody who
/// may mint at all.
fn is_own(kind: &Kind, record: &CredentialRecord) -> bool {
    record.terms.prefix.as_str() == (kind.default_prefix)(record.terms.environment)
}

/// Everything that begins with `cs_` is the product's own, now or later.
fn is_reserved(kind: &Kind, record: &CredentialRecord) -> bool {
    let prefix = record.terms.prefix.as_str();
    !is_own(kind, record) && (prefix.starts_with("cs_") || prefix == "cs")
}

/// Gives `record` a new id and a new key, and leaves the rest as it is.
pub(crate) fn mint(context: &mut Context<'_>, mut record: CredentialRecord) -> Minted {
    let key = KeyString::mint(&record.terms.prefix, context.entropy);
    let pepper = context.peppers.current();
    record.id = CredentialId::random(record.id.prefix(), context.entropy);
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
    kind: &Kind,
    expiry: Expiry,
    not_before: Option<Timestamp>,
) -> Result<Option<Timestamp>, Refusal> {
    let begin = not_before.map_or(context.now, |begin| begin.max(context.now));
    let limit = (kind.longest_life)(context.policy);
    let latest = limit.map(|limit| (limit, context.now.plus(limit)));
    let end = match expiry {
        Expiry::Unspecified => latest.map(|(_, latest)| latest),
        Expiry::At(end) => Some(end),
        Expiry::After(life) => Some(context.now.plus(life)),
        Expiry::Never => None,
    };
    if end.is_some_and(|end| end <= begin) {
        return Err(Refusal::EmptyLife);
    }
    match latest {
        Some((limit, latest)) if end.is_none_or(|end| end > latest) => {
            Err(Refusal::LifetimeExceedsPolicy(limit))
        }
        Some(_) | None => Ok(end),
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
