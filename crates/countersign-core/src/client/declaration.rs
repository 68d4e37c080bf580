//! Declares resources that are stored, beside those of the settings (RFC 8707), replaces their keys, and removes them.
//!
//! **Invariant.** A resource goes when no client is registered for it. Whoever took it from the last one has ended that
//! client's tokens, so that a later resource of the same name inherits neither tokens nor clients.

use crate::context::Context;
use crate::decision::Permit;
use crate::effect::{Effect, Outcome};
use crate::exchange::Act;
use crate::lifecycle::{Line, new_line};
use crate::question::{FoundResource, FoundUse, ResourceOf, UseOf};
use crate::reach::{Reach, reach};
use crate::record::ResourceRecord;
use crate::refusal::Refusal;

use super::model::{Declare, Rekey, Undeclare};

impl Act for Declare {
    type Question = ResourceOf;
    type By = Permit;
    type Answer = ResourceRecord;
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> ResourceOf {
        ResourceOf(self.resource.id.clone())
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: FoundResource,
    ) -> Outcome<ResourceRecord, Refusal> {
        let line = new_line(context, "resource.create", permit, self.resource.id.to_string());
        if !is_operator(permit) {
            return refuse(line, Refusal::OperatorsAlone);
        }
        if found.is_declared || found.record.is_some() {
            return refuse(line, Refusal::ResourceExists);
        }
        let record = ResourceRecord { resource: self.resource.clone(), version: 1, created_at: context.now };
        let effects = vec![Effect::Insert(record.clone().into())];
        Outcome::granted(record, effects, line.granted())
    }
}

impl Act for Rekey {
    type Question = ResourceOf;
    type By = Permit;
    type Answer = ResourceRecord;
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> ResourceOf {
        ResourceOf(self.id.clone())
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: FoundResource,
    ) -> Outcome<ResourceRecord, Refusal> {
        let line = new_line(context, "resource.update", permit, self.id.to_string());
        match self.next(permit, found) {
            Ok(next) => {
                let effects = vec![Effect::Advance(next.clone().into())];
                Outcome::granted(next, effects, line.granted())
            }
            Err(refusal) => refuse(line, refusal),
        }
    }
}

impl Rekey {
    fn next(&self, permit: &Permit, found: FoundResource) -> Result<ResourceRecord, Refusal> {
        if !is_operator(permit) {
            return Err(Refusal::OperatorsAlone);
        }
        if found.is_declared {
            return Err(Refusal::ResourceOfSettings);
        }
        let before = found.record.ok_or(Refusal::ResourceNotFound)?;
        let resource = before.resource.encrypted_for(self.jwks.clone())?;
        Ok(ResourceRecord { resource, version: before.version + 1, ..before })
    }
}

impl Act for Undeclare {
    type Question = UseOf;
    type By = Permit;
    type Answer = ResourceRecord;
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> UseOf {
        UseOf(self.id.clone())
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: FoundUse,
    ) -> Outcome<ResourceRecord, Refusal> {
        let line = new_line(context, "resource.delete", permit, self.id.to_string());
        match removable(permit, found) {
            Ok(record) => {
                let effects = vec![Effect::Undeclare(record.clone())];
                Outcome::granted(record, effects, line.granted())
            }
            Err(refusal) => refuse(line, refusal),
        }
    }
}

fn removable(permit: &Permit, found: FoundUse) -> Result<ResourceRecord, Refusal> {
    if !is_operator(permit) {
        return Err(Refusal::OperatorsAlone);
    }
    let FoundUse { record, is_of_settings, clients } = found;
    let absent = if is_of_settings { Refusal::ResourceOfSettings } else { Refusal::ResourceNotFound };
    let record = record.ok_or(absent)?;
    match clients.first() {
        Some(first) => Err(Refusal::ResourceInUse(*first, clients.len())),
        None => Ok(record),
    }
}

/// What tokens may be for is everybody's: an operator says it.
fn is_operator(permit: &Permit) -> bool {
    reach(permit.principal()) == Reach::Installation
}

fn refuse(line: Line, refusal: Refusal) -> Outcome<ResourceRecord, Refusal> {
    let code = refusal.code();
    Outcome::refused(refusal, Vec::new(), line.refused(code))
}
