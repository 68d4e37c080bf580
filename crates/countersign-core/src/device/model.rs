//! What is asked and kept of devices.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::authorized::Authorized;
use crate::id::{CredentialId, OwnerId};
use crate::known::KnownOwner;
use crate::ledger::Question;
use crate::record::{ArtifactRecord, ConsentRecord};
use crate::resource::Resources;
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::timestamp::Timestamp;

use super::user_code::UserCode;

/// What device codes are, among artifacts.
pub const KIND: &str = "device_code";

/// What is stored with a device code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceState {
    /// The resource that tokens would be for.
    pub audience: Box<str>,
    /// What is asked for.
    pub scopes: ScopeSet,
    /// Where it was asked from, which the person is shown (RFC 8628 §5.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// When.
    pub asked_at: Timestamp,
    /// Until when it is good.
    pub good_until: Timestamp,
    /// What was said to it.
    pub said: Said,
}

/// What was said to a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Nothing yet.
    Nothing,
    /// No.
    No,
    /// Yes, to this.
    Yes(Authorized),
    /// Yes, and tokens were issued.
    Used,
}

/// Lets a device ask (RFC 8628 §3.1).
#[derive(Clone, Copy)]
pub struct Begin<'a> {
    /// The `scope`.
    pub scope: Option<&'a str>,
    /// The `resource`.
    pub resource: Option<&'a str>,
    /// What tokens may be for.
    pub resources: &'a Resources,
}

/// What a device is told (RFC 8628 §3.2).
#[derive(Debug)]
pub struct Begun {
    /// What it polls with.
    pub device_code: Secret<String>,
    /// What it shows.
    pub user_code: UserCode,
    /// How long both are good.
    pub lifetime: Duration,
}

/// Lets a person say what a device may do.
#[derive(Debug)]
pub struct DecideDevice<'a> {
    /// What asks.
    pub family: CredentialId,
    /// Whose it is, as verifiers know it.
    pub client: &'a KnownOwner,
    /// What the person was shown of it (SAFETY 23).
    pub client_hash: [u8; 32],
    /// The incarnation of the installation.
    pub incarnation: i64,
    /// What they say.
    pub decision: Decision,
}

/// What a person says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Yes, to these of the scopes.
    Allow(ScopeSet),
    /// No.
    Deny,
}

/// What is stored of a device that asks, and what has this person allowed its client?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceDecision {
    /// What asks.
    pub family: CredentialId,
    /// Whose it is.
    pub client: OwnerId,
    /// Who is asked.
    pub subject: OwnerId,
}

/// The answer.
#[derive(Debug, Clone, Default)]
pub struct FoundDevice {
    /// What asks.
    pub record: Option<ArtifactRecord>,
    /// What is allowed already.
    pub consent: Option<ConsentRecord>,
}

impl Question for DeviceDecision {
    type Answer = FoundDevice;
}

/// Why a person's word counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Undecided {
    /// The person or the client is disabled.
    #[error("the person or the client is disabled")]
    Disabled,
    /// There is none that waits: it has ended, or something was said.
    #[error("no device waits for this decision")]
    Gone,
}

impl Undecided {
    /// Returns the reason in the audit.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Disabled => "access_denied",
            Self::Gone => "no_device_waits",
        }
    }
}
