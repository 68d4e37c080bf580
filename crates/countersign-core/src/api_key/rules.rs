//! The decisions about API keys.

use std::sync::Arc;

use crate::context::Context;
use crate::credential::Presented;
use crate::decision::{Condition, Permit, Requirement, rehearse};
use crate::effect::{Effect, Outcome, Use};
use crate::exchange::Act;
use crate::few::Few;
use crate::imported_set::Imported;
use crate::key_string::KeyPrefix;
use crate::known::KnownCredential;
use crate::ledger::{Found, FoundCredential, Unavailable};
use crate::lifecycle::{Line, new_line, reaches};
use crate::minting::{Minted, end_of_life, mint, mintable, valid_allowances, valid_blocks, valid_name};
use crate::principal::Principal;
use crate::question::{Creation, FoundCreation, Holder};
use crate::record::{CredentialRecord, MarkRecord, OwnerRecord, TakenOver, Terms};
use crate::refusal::Refusal;
use crate::rejection::Rejection;
use crate::secret::{Pepper, Purpose, SecretHash};
use crate::takeover::not_taken_over;

use super::criteria::KeyCriteria;
use super::kind::KIND;
use super::model::{Create, Import, Verification};

/// A key that is good for what the verify API was asked.
#[derive(Debug)]
pub struct Good {
    /// The key.
    pub known: Arc<KnownCredential>,
    /// Who it proves. It permits nothing: the call that was asked about is not made here.
    pub principal: Principal,
    /// What its use leaves behind, to be settled before the answer counts.
    pub uses: Vec<Use>,
}

/// Answers the verify API: whether a presented key, of which `found` is known, is good for `asked`, as far as `caller`
/// may know.
///
/// # Errors
///
/// The stable code of the first reason. A key that the caller does not reach is `unknown`, whatever else it is.
pub fn verify_key(
    context: &mut Context<'_>,
    caller: &Permit,
    presented: &dyn Presented,
    found: Option<FoundCredential>,
    asked: &Verification,
) -> Result<Result<Good, &'static str>, Unavailable> {
    let within =
        |found: &FoundCredential| reaches(caller, found.known.owner.organisation(), found.known.owner.id());
    let Some(found) = found.filter(within) else {
        return Ok(Err(Rejection::UNKNOWN.code()));
    };
    let known = Arc::clone(&found.known);
    let verified = presented.verify(context, Found::Credential(Some(found)), None)?;
    Ok(verified.map_err(|unproven| unproven.rejection.code()).and_then(|proven| {
        let members = Few::one(proven.principal);
        let own = Requirement::Any(vec![asked.condition()]);
        asked.route.iter().chain([&own]).try_for_each(|one| rehearse(Some(&members), one))?;
        Ok(Good { known, principal: members.first().clone(), uses: proven.uses })
    }))
}

impl Verification {
    fn condition(&self) -> Condition {
        let criteria = KeyCriteria { environment: self.environment, prefix: self.prefix.clone() };
        criteria.condition().holding(self.scopes.clone())
    }
}

impl Act for Create {
    type Question = Creation;
    type By = Permit;
    type Answer = Minted;
    type Reason = Refusal;

    fn question(&self, context: &Context<'_>, _: &Permit) -> Creation {
        let mark = self.idempotency.as_ref().map(|idempotency| idempotency.mark(context));
        let under = |import: &Import| {
            context.peppers.all().map(|pepper| fingerprint(pepper, &import.digest)).collect()
        };
        let digests = self.imported.as_ref().map(under).unwrap_or_default();
        Creation { owner: self.owner, mark, digests }
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: FoundCreation,
    ) -> Outcome<Minted, Refusal> {
        let name: String = self.name.chars().filter(|letter| !letter.is_control()).take(100).collect();
        let line = new_line(context, self.action(), permit, name);
        match self.resolve(context, permit, found) {
            Ok(Resolved::Repeat(record)) => repeat(*record, line),
            Ok(Resolved::Fresh(template, room)) => self.grant(context, *template, room, line),
            Err(refusal) => Outcome::refused(refusal.clone(), Vec::new(), line.refused(refusal.code())),
        }
    }

    fn is_filed(&self, refusal: &Refusal) -> bool {
        // An import that is repeated finds what is here already.
        *refusal != Refusal::TakenOver
    }
}

/// What the findings make of a creation.
enum Resolved {
    /// The same `Idempotency-Key` has made this before.
    Repeat(Box<CredentialRecord>),
    /// A record of which only the id and the key are missing, and what has to hold still when it is committed.
    Fresh(Box<CredentialRecord>, Option<Effect>),
}

impl Create {
    const fn action(&self) -> &'static str {
        if self.imported.is_some() { "api_key.import" } else { KIND.verbs.create }
    }

    fn resolve(
        &self,
        context: &Context<'_>,
        permit: &Permit,
        found: FoundCreation,
    ) -> Result<Resolved, Refusal> {
        let holder = found
            .holder
            .filter(|Holder { owner, .. }| reaches(permit, owner.organisation, owner.id))
            .ok_or(Refusal::OwnerNotFound)?;
        if let Some(mark) = found.earlier {
            return self.repeated(&mark, found.made);
        }
        let record = self.template(context, &holder.owner)?;
        let room = mintable(&KIND, context, permit, &holder, &record)?;
        if let Some(import) = &self.imported {
            not_taken_over(permit, &holder.owner, &wrapped(context, import), &found.taken)?;
        }
        Ok(Resolved::Fresh(Box::new(record), room))
    }

    fn repeated(&self, mark: &MarkRecord, made: Option<CredentialRecord>) -> Result<Resolved, Refusal> {
        if !self.idempotency.as_ref().is_some_and(|now| now.repeats(mark)) {
            return Err(Refusal::IdempotencyMismatch);
        }
        made.map(|made| Resolved::Repeat(Box::new(made))).ok_or(Refusal::NotFound)
    }

    fn template(&self, context: &Context<'_>, owner: &OwnerRecord) -> Result<CredentialRecord, Refusal> {
        let (name, scopes) = (valid_name(&self.name)?, self.scopes.clone());
        let terms = Terms {
            not_before: self.not_before,
            allowances: valid_allowances(&self.allowances)?,
            allow_from: valid_blocks(&self.allow_from)?,
            metadata: self.metadata.clone(),
            ..Terms::new(name, self.resolved_prefix()?, self.environment, scopes)
        };
        let expires_at = end_of_life(context, &KIND, self.expiry, self.not_before)?;
        Ok(CredentialRecord::draft(KIND.id_prefix, owner, expires_at, terms))
    }

    fn resolved_prefix(&self) -> Result<KeyPrefix, Refusal> {
        let own = || (KIND.default_prefix)(self.environment).parse().map_err(|_| Refusal::ReservedPrefix);
        self.prefix.clone().map_or_else(own, Ok)
    }

    fn grant(
        &self,
        context: &mut Context<'_>,
        template: CredentialRecord,
        room: Option<Effect>,
        line: Line,
    ) -> Outcome<Minted, Refusal> {
        let minted = match &self.imported {
            Some(import) => place(context, template, import),
            None => mint(context, template),
        };
        let record = &minted.record;
        let mut effects = Vec::with_capacity(3);
        if let Some(idempotency) = &self.idempotency {
            // First, so that a repeat that races is lost before it adds a second key.
            effects.push(idempotency.first(context, &record.id));
        }
        if let Some(import) = &self.imported {
            effects.push(Effect::TakeOver(TakenOver {
                lookup: record.lookup,
                digest: fingerprint(context.peppers.current(), &import.digest),
                organisation: record.organisation,
                owner: record.owner,
                at: context.now,
            }));
        }
        effects.extend(room);
        effects.push(Effect::Insert(record.clone().into()));
        let audit = line
            .granted()
            .about(record.id.to_string())
            .within(Some(record.organisation))
            .detail("name", record.terms.name.clone())
            .detail("owner", record.owner.to_string())
            .detail("hint", record.terms.hint.clone())
            .detail("scope", record.terms.scopes.to_string());
        Outcome::granted(minted, effects, audit)
    }
}

/// Gives `record` an id and the wrapped hash of a key that was minted elsewhere.
fn place(context: &mut Context<'_>, record: CredentialRecord, import: &Import) -> Minted {
    let mut placed = mint(context, record).record;
    placed.lookup = wrapped(context, import);
    let known = import.hint.clone();
    placed.terms.hint = known.unwrap_or_else(|| format!("{}…", import.set.prefix));
    placed.terms.imported = Some(Box::new(Imported { set: import.set.clone(), upgraded: false }));
    Minted { record: placed, key: None }
}

/// Returns the hash under which an imported key is stored until its first use.
fn wrapped(context: &Context<'_>, import: &Import) -> SecretHash {
    context.peppers.current().hash_bytes(Purpose::Imported, &import.set.bound(&import.digest))
}

/// Returns the hash by which what was taken over is recognised for ever (SAFETY 14: never as it came).
fn fingerprint(pepper: &Pepper, digest: &[u8]) -> SecretHash {
    pepper.hash_bytes(Purpose::TakenOver, digest)
}

fn repeat(record: CredentialRecord, line: Line) -> Outcome<Minted, Refusal> {
    let audit = line
        .granted()
        .about(record.id.to_string())
        .within(Some(record.organisation))
        .detail("repeat", "true");
    Outcome::granted(Minted { record, key: None }, Vec::new(), audit)
}
