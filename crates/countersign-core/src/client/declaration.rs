//! Declares resources that are stored, beside those of the settings (RFC 8707).

use crate::context::Context;
use crate::decision::Permit;
use crate::effect::{Effect, Outcome};
use crate::exchange::Act;
use crate::lifecycle::{Line, new_line};
use crate::question::{FoundResource, ResourceOf};
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
        found: FoundResource,
    ) -> Outcome<ResourceRecord, Refusal> {
        let line = new_line(context, "resource.create", permit, self.resource.id.to_string());
        let refuse = |line: Line, refusal: Refusal| {
            let code = refusal.code();
            Outcome::refused(refusal, Vec::new(), line.refused(code))
        };
        // What tokens may be for is everybody's: an operator says it.
        if reach(permit.principal()) != Reach::Installation {
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
