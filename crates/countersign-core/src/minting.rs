//! What holds for every key that is minted, whichever act mints it.

use std::time::Duration;

use crate::context::Context;
use crate::decision::Permit;
use crate::id::{CredentialId, CredentialKind};
use crate::key_string::KeyString;
use crate::meter::{Allowance, MAX_ALLOWANCES};
use crate::network::AddressBlock;
use crate::record::CredentialRecord;
use crate::refusal::{MAX_BLOCKS, MAX_NAME, Refusal};
use crate::scope::ScopeSet;
use crate::secret::Secret;
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
}

/// A key that was minted: its record, and its text to be shown once.
#[derive(Debug)]
pub struct Minted {
    /// What is stored.
    pub record: CredentialRecord,
    /// What is shown; `None` when an `Idempotency-Key` is repeated (SAFETY 9).
    pub key: Option<Secret<String>>,
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

pub(crate) fn within_reach_of_grants(permit: &Permit, record: &CredentialRecord) -> Result<(), Refusal> {
    permit
        .principal()
        .grantable()
        .first_excess(record.terms.grantable.patterns())
        .map_or(Ok(()), |scope| Err(Refusal::ExcessScope(scope.clone())))
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
