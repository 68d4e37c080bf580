//! What Countersign itself calls, and never reaches: its own listeners (SAFETY 15).

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use countersign_core::network::AddressBlock;
use countersign_egress::address::{AddressPolicy, Purpose};
use countersign_egress::client::{CallLimits, Egress};
use countersign_egress::resolve::System;

use crate::settings::resolved::EgressSpec;
use crate::tls;

/// The most bytes of what we fetch: a set of keys has a few thousand.
const FETCHED_BYTES: usize = 256 * 1024;

/// Makes clients for what is fetched.
#[derive(Debug, Clone)]
pub(crate) struct Calling {
    own: Vec<SocketAddr>,
}

impl Calling {
    /// Never calls `own`.
    pub(crate) const fn new(own: Vec<SocketAddr>) -> Self {
        Self { own }
    }

    /// Makes a client for one purpose, which may call what `allowed` names beside what may be called for all.
    ///
    /// # Errors
    ///
    /// A text that names the setting that cannot be used.
    pub(crate) fn client(
        &self,
        purpose: Purpose,
        spec: &EgressSpec,
        allowed: &[AddressBlock],
    ) -> Result<Egress> {
        let allow = [spec.allow.as_slice(), allowed].concat();
        let reach = AddressPolicy { purpose, allow, own: self.own.clone() };
        let (wait, bytes) = (spec.timeout, FETCHED_BYTES);
        let limits = CallLimits { connect: wait, answer: wait, total: wait, bytes };
        let tls = tls::egress_client(spec.extra_ca.as_deref())?;
        Ok(Egress::new(reach, Arc::new(System), tls, limits))
    }
}
