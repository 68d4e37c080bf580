//! The client by which people sign in on the command line: registered once in a store's life, under a name that everybody
//! knows (`countersign login`). What becomes of it is an operator's matter: it may be changed and disabled like any other.

use crate::audit::{Actor, AuditEvent};
use crate::client_terms::{AuthMethod, ClientTerms, GrantType};
use crate::context::Context;
use crate::effect::{Effect, Outcome};
use crate::exchange::{Act, System};
use crate::id::{NotAnId, OwnerId};
use crate::question::{Holder, HolderOf};
use crate::record::OwnerRecord;
use crate::refusal::Refusal;

/// Its id, the same in every installation.
pub const COMMAND_LINE: &str = "client_00000000CountersignCLI";

/// Registers it with the first organisation.
#[derive(Debug, Clone, Copy)]
pub struct RegisterCommandLine(OwnerId);

impl RegisterCommandLine {
    /// Begins a registration.
    ///
    /// # Errors
    ///
    /// None: the id is one.
    pub fn new() -> Result<Self, NotAnId> {
        COMMAND_LINE.parse().map(Self)
    }

    /// Asks whether it is there.
    #[must_use]
    pub const fn question(&self) -> HolderOf {
        HolderOf(Some(self.0))
    }
}

impl Act for RegisterCommandLine {
    type Question = HolderOf;
    type By = System;
    type Answer = OwnerRecord;
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &System) -> HolderOf {
        HolderOf(None)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        _: &System,
        found: Option<Holder>,
    ) -> Outcome<OwnerRecord, Refusal> {
        let line = AuditEvent::granted(context.now, "client.create", Actor::SYSTEM).about(self.0.to_string());
        let Some(first) = found else {
            return Outcome::refused(Refusal::OwnerNotFound, Vec::new(), line.turned_down("owner_not_found"));
        };
        let terms = ClientTerms {
            grants: [GrantType::DeviceCode, GrantType::RefreshToken].into(),
            auth_method: AuthMethod::None,
            ..ClientTerms::default()
        };
        let name = "Countersign command line".to_owned();
        let bare = OwnerRecord::new(self.0, first.owner.id, name, context.now);
        let record = OwnerRecord { client: Some(Box::new(terms)), ..bare };
        let effects = vec![Effect::Insert(record.clone().into())];
        Outcome::granted(record, effects, line.within(Some(first.owner.id)))
    }
}
