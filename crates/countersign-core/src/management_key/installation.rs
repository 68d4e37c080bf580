//! The installation's own key: minted at the first start, shown once, and replaced for whoever has lost it.
//!
//! **Invariants.** Of two replacements that race one is lost: each advances the first organisation, which both have found.
//! What is replaced and what takes its place are one commit.

use crate::audit::{Actor, AuditEvent};
use crate::context::Context;
use crate::decision::Permit;
use crate::effect::{Effect, Outcome};
use crate::exchange::Act;
use crate::lifecycle::{Line, new_line};
use crate::minting::{Minted, mint, mintable};
use crate::question::{FoundInstallation, Installation};
use crate::reach::{ManagementScope, Reach, reach};
use crate::record::{CredentialRecord, OwnerRecord};
use crate::refusal::Refusal;

use super::kind::KIND;
use super::rules::{everything_grantable, terms};

/// What the installation's own key is called.
const NAME: &str = "first management key";

/// Replaces the installation's own key, whose text was shown on the first start alone. What it replaces ends at once:
/// whoever asks has lost it, or fears that somebody found it.
#[derive(Debug, Clone, Copy)]
pub struct Replace;

/// Mints the first management key of an installation, for the operator.
pub fn first_key(context: &mut Context<'_>, owner: &OwnerRecord) -> Outcome<Minted, Refusal> {
    const ACTION: &str = "management_key.first";
    let draft = match draft(owner) {
        Ok(draft) => draft,
        Err(refusal) => {
            let audit = AuditEvent::refused(context.now, ACTION, Actor::SYSTEM, refusal.code());
            return Outcome::refused(refusal, Vec::new(), audit);
        }
    };
    let minted = mint(context, draft);
    let audit = AuditEvent::granted(context.now, ACTION, Actor::SYSTEM)
        .about(minted.record.id.to_string())
        .detail("hint", minted.record.terms.hint.clone());
    let effects = vec![Effect::Insert(minted.record.clone().into())];
    Outcome::granted(minted, effects, audit)
}

impl Act for Replace {
    type Question = Installation;
    type By = Permit;
    type Answer = Minted;
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> Installation {
        Installation
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Option<FoundInstallation>,
    ) -> Outcome<Minted, Refusal> {
        let line = new_line(context, KIND.verbs.rotate, permit, NAME.to_owned());
        match successor(context, permit, found) {
            Ok(Succession { found, draft, room }) => {
                let minted = mint(context, draft);
                replaced(context, found, minted, room, line)
            }
            Err(refusal) => Outcome::refused(refusal.clone(), Vec::new(), line.refused(refusal.code())),
        }
    }
}

/// What is replaced, and by what.
struct Succession {
    found: FoundInstallation,
    draft: CredentialRecord,
    /// What has to hold still when it is committed.
    room: Option<Effect>,
}

fn successor(
    context: &Context<'_>,
    permit: &Permit,
    found: Option<FoundInstallation>,
) -> Result<Succession, Refusal> {
    let found =
        found.filter(|_| reach(permit.principal()) == Reach::Installation).ok_or(Refusal::NotFound)?;
    let draft = draft(&found.holder.owner)?;
    let room = mintable(&KIND, context, permit, &found.holder, &draft)?;
    Ok(Succession { found, draft, room })
}

fn replaced(
    context: &Context<'_>,
    found: FoundInstallation,
    minted: Minted,
    room: Option<Effect>,
    line: Line,
) -> Outcome<Minted, Refusal> {
    let (record, organisation) = (&minted.record, found.holder.owner);
    let mut effects = Vec::from_iter(room);
    effects.push(Effect::Advance(OwnerRecord { version: organisation.version + 1, ..organisation }.into()));
    let mut ids = Vec::new();
    for mut key in own(found.management_keys) {
        ids.push(key.id.to_string());
        key.revoked_at = Some(context.now);
        key.terms.replaced_by = Some(record.id);
        key.version += 1;
        effects.push(Effect::Advance(key.into()));
    }
    effects.push(Effect::Insert(record.clone().into()));
    let audit = line
        .granted()
        .about(record.id.to_string())
        .within(Some(record.organisation))
        .detail("name", record.terms.name.clone())
        .detail("hint", record.terms.hint.clone())
        .detail("replaces", ids.join(" "));
    Outcome::granted(minted, effects, audit)
}

/// The installation's own key, before it is minted.
fn draft(owner: &OwnerRecord) -> Result<CredentialRecord, Refusal> {
    let mut terms = terms(NAME, ManagementScope::everything(), everything_grantable())?;
    terms.of_installation = true;
    Ok(CredentialRecord::draft(KIND.id_prefix, owner, None, terms))
}

/// Returns which keys are the installation's own: those that are stored as such; where there is none, in a database of
/// before, those of the name. The name alone proves nothing, anybody may use it; the scope `operator` is only in an
/// operator's gift.
fn own(keys: Vec<CredentialRecord>) -> Vec<CredentialRecord> {
    let (own, others): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| key.terms.of_installation);
    if own.is_empty() { others.into_iter().filter(is_named).collect() } else { own }
}

fn is_named(key: &CredentialRecord) -> bool {
    key.terms.name == NAME && key.terms.scopes.contains(ManagementScope::Operator.name())
}
