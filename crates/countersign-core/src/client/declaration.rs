//! Declares resources that are stored, beside those of the settings (RFC 8707).

use crate::context::Context;
use crate::decision::Permit;
use crate::effect::{Effect, Outcome};
use crate::exchange::Act;
use crate::lifecycle::new_line;
use crate::question::ResourceOf;
use crate::reach::{Reach, reach};
use crate::record::ResourceRecord;
use crate::refusal::Refusal;

use super::model::Declare;

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
        found: Option<ResourceRecord>,
    ) -> Outcome<ResourceRecord, Refusal> {
        let line = new_line(context, "resource.create", permit, self.resource.id.to_string());
        let refusal = match found {
            // What tokens may be for is everybody's: an operator says it.
            _ if reach(permit.principal()) != Reach::Installation => Some(Refusal::OperatorsAlone),
            Some(_) => Some(Refusal::ResourceExists),
            None => None,
        };
        if let Some(refusal) = refusal {
            return Outcome::refused(refusal.clone(), Vec::new(), line.refused(refusal.code()));
        }
        let record = ResourceRecord { resource: self.resource.clone(), version: 1, created_at: context.now };
        let effects = vec![Effect::Insert(record.clone().into())];
        Outcome::granted(record, effects, line.granted())
    }
}
