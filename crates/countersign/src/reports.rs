//! What calls out for the issuer: what takes GitHub's reports, and what fetches the keys of clients, and what asks at identity
//! providers. Made from the settings at the start, and anew by each reload.

use std::fmt;
use std::sync::Arc;

use anyhow::Result;
use arc_swap::ArcSwapOption;
use countersign_core::context::Clock;
use countersign_egress::address::Purpose;
use countersign_egress::client::Egress;
use countersign_server::github::Github;
use countersign_server::identity_provider::{Provider, Providers};

use crate::calling::Calling;
use crate::settings::resolved::Settings;

/// What takes reports, and calls out for it.
pub(crate) struct Reports {
    calling: Calling,
    clock: Arc<dyn Clock>,
    github: Arc<ArcSwapOption<Github>>,
}

impl fmt::Debug for Reports {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Reports").field("calling", &self.calling).finish_non_exhaustive()
    }
}

impl Reports {
    /// Takes nothing yet.
    pub(crate) fn new(calling: Calling, clock: Arc<dyn Clock>) -> Self {
        Self { calling, clock, github: Arc::default() }
    }

    /// Returns where what takes GitHub's reports is found.
    pub(crate) fn github(&self) -> Arc<ArcSwapOption<Github>> {
        Arc::clone(&self.github)
    }

    /// Makes what takes GitHub's reports, if the operator asks for it.
    ///
    /// # Errors
    ///
    /// A text that names the setting that cannot be used.
    pub(crate) fn prepare(&self, settings: &Settings) -> Result<Option<Github>> {
        let Some(url) = settings.github_keys.clone() else { return Ok(None) };
        let spec = &settings.egress;
        let egress = self.calling.client(Purpose::LEAKS, spec, &spec.leaks)?;
        Ok(Some(Github::new(egress, url, Arc::clone(&self.clock), settings.limits.body)))
    }

    /// Makes what fetches the keys that clients publish.
    ///
    /// # Errors
    ///
    /// A text that names the setting that cannot be used.
    pub(crate) fn for_client_keys(&self, settings: &Settings) -> Result<Egress> {
        let spec = &settings.egress;
        self.calling.client(Purpose::CLIENT_KEYS, spec, &spec.client_keys)
    }

    /// Makes what asks at the identity providers of the settings. Nothing is known of them yet.
    ///
    /// # Errors
    ///
    /// A text that names the setting that cannot be used.
    pub(crate) fn for_identity_providers(&self, settings: &Settings) -> Result<Providers> {
        let spec = &settings.egress;
        let egress = self.calling.client(Purpose::IDENTITY_PROVIDERS, spec, &spec.identity_providers)?;
        let one = |spec| Ok(Provider::new(spec, egress.clone(), Arc::clone(&self.clock))?);
        Ok(Providers(settings.identity_providers.iter().map(one).collect::<Result<_>>()?))
    }

    /// Takes reports with what was prepared. A report that is being read is answered by what has begun it.
    pub(crate) fn put(&self, prepared: Option<Github>) {
        self.github.store(prepared.map(Arc::new));
    }
}
