//! The foreign issuers whose tokens routes take: made from the settings, and kept over a reload as long as nothing of
//! them changes.

use std::fmt;
use std::sync::Arc;

use anyhow::{Context, Result};
use countersign_core::context::Clock;
use countersign_core::decision::ForeignIssuer;
use countersign_egress::address::Purpose;
use countersign_gateway::foreign_issuer::{ForeignIssuers, ForeignKeys};

use crate::calling::Calling;
use crate::settings::resolved::{EgressSpec, Settings};

/// What finds the keys of foreign issuers.
pub(crate) struct Issuers {
    calling: Calling,
    clock: Arc<dyn Clock>,
    /// Those that are in force, and how they call out.
    known: Option<(EgressSpec, ForeignIssuers)>,
}

impl fmt::Debug for Issuers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Issuers").field("known", &self.known).finish_non_exhaustive()
    }
}

impl Issuers {
    /// Knows none yet.
    pub(crate) const fn new(calling: Calling, clock: Arc<dyn Clock>) -> Self {
        Self { calling, clock, known: None }
    }

    /// Makes those that `settings` name. Whatever stays as it is keeps its keys.
    ///
    /// # Errors
    ///
    /// A text that names the setting that cannot be used.
    pub(crate) fn prepare(&self, settings: &Settings) -> Result<ForeignIssuers> {
        // What a file of certificates holds may have changed though its name has not.
        let same = |spec: &EgressSpec| *spec == settings.egress && spec.extra_ca.is_none();
        let known = self.known.as_ref().filter(|(spec, _)| same(spec));
        if settings.foreign_issuers.is_empty() {
            return Ok(ForeignIssuers::default());
        }
        let egress = self.calling.client(Purpose::JWT, &settings.egress, &settings.egress.jwt)?;
        let one = |issuer: &ForeignIssuer| {
            if let Some(keys) = known.and_then(|(_, known)| known.iter().find(|one| one.issuer() == issuer)) {
                return Ok(Arc::clone(keys));
            }
            let keys = ForeignKeys::new(issuer.clone(), egress.clone(), Arc::clone(&self.clock));
            keys.map(Arc::new).with_context(|| format!("jwt.issuer: `{}`", issuer.issuer))
        };
        Ok(ForeignIssuers::new(settings.foreign_issuers.iter().map(one).collect::<Result<_>>()?))
    }

    /// Remembers what was put in force.
    pub(crate) fn put(&mut self, settings: &EgressSpec, issuers: ForeignIssuers) {
        self.known = Some((settings.clone(), issuers));
    }
}
