//! What takes GitHub's reports: made from the settings at the start, and anew by each reload.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use arc_swap::ArcSwapOption;
use countersign_egress::address::AddressPolicy;
use countersign_egress::client::{CallLimits, Egress};
use countersign_egress::resolve::System;
use countersign_server::app::App;
use countersign_server::github::{self, Asked, Github};
use tokio::task::JoinSet;

use crate::settings::resolved::Settings;
use crate::tls;

/// The most bytes of what we fetch: a set of keys has a few thousand.
const FETCHED_BYTES: usize = 256 * 1024;

/// What takes reports, and what it never reaches: our own listeners.
#[derive(Debug)]
pub(crate) struct Reports {
    own: Vec<SocketAddr>,
    github: Arc<ArcSwapOption<Github>>,
    /// What fetches keys; one that nobody asks any more ends by itself.
    fetching: JoinSet<()>,
}

impl Reports {
    /// Takes nothing yet.
    pub(crate) fn new(own: Vec<SocketAddr>) -> Self {
        Self { own, github: Arc::default(), fetching: JoinSet::new() }
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
    pub(crate) fn prepare(&self, settings: &Settings) -> Result<Option<(Github, Asked)>> {
        let Some(url) = settings.github_keys.clone() else { return Ok(None) };
        let spec = &settings.egress;
        let reach = AddressPolicy { allow: spec.allow.clone(), own: self.own.clone() };
        let (wait, bytes) = (spec.timeout, FETCHED_BYTES);
        let limits = CallLimits { connect: wait, answer: wait, total: wait, bytes };
        let tls = tls::egress_client(spec.extra_ca.as_deref())?;
        let egress = Egress::new(reach, Arc::new(System), tls, limits);
        Ok(Some(github::github(egress, url, settings.limits.body)))
    }

    /// Takes reports with what was prepared. A report that is being read is answered by what has begun it.
    pub(crate) fn put(&mut self, prepared: Option<(Github, Asked)>, app: &Arc<App>) {
        let (github, asked) = prepared.unzip();
        self.github.store(github.map(Arc::new));
        while self.fetching.try_join_next().is_some() {}
        if let Some(asked) = asked {
            self.fetching.spawn(github::work(Arc::clone(app), asked));
        }
    }
}
