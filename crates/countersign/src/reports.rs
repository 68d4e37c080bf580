//! What takes GitHub's reports: made from the settings at the start, and anew by each reload.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use arc_swap::ArcSwapOption;
use countersign_core::context::Clock;
use countersign_egress::address::{AddressPolicy, Purpose};
use countersign_egress::client::{CallLimits, Egress};
use countersign_egress::resolve::System;
use countersign_server::github::Github;

use crate::settings::resolved::Settings;
use crate::tls;

/// The most bytes of what we fetch: a set of keys has a few thousand.
const FETCHED_BYTES: usize = 256 * 1024;

/// What takes reports, and what it never reaches: our own listeners.
pub(crate) struct Reports {
    own: Vec<SocketAddr>,
    clock: Arc<dyn Clock>,
    github: Arc<ArcSwapOption<Github>>,
}

impl fmt::Debug for Reports {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Reports").field("own", &self.own).finish_non_exhaustive()
    }
}

impl Reports {
    /// Takes nothing yet.
    pub(crate) fn new(own: Vec<SocketAddr>, clock: Arc<dyn Clock>) -> Self {
        Self { own, clock, github: Arc::default() }
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
        let purpose = Purpose::LEAKS;
        let allow = [spec.allow.as_slice(), &spec.leaks].concat();
        let reach = AddressPolicy { purpose, allow, own: self.own.clone() };
        let (wait, bytes) = (spec.timeout, FETCHED_BYTES);
        let limits = CallLimits { connect: wait, answer: wait, total: wait, bytes };
        let tls = tls::egress_client(spec.extra_ca.as_deref())?;
        let egress = Egress::new(reach, Arc::new(System), tls, limits);
        Ok(Some(Github::new(egress, url, Arc::clone(&self.clock), settings.limits.body)))
    }

    /// Takes reports with what was prepared. A report that is being read is answered by what has begun it.
    pub(crate) fn put(&self, prepared: Option<Github>) {
        self.github.store(prepared.map(Arc::new));
    }
}
