//! What this node remembers of devices: how often they poll, and how often somebody asks for them or types a code.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use countersign_core::device::pace::Pace;
use countersign_core::grant::GrantError;
use countersign_core::timestamp::Monotonic;

use crate::throttle::Throttle;

/// What this node remembers of devices, and of those who type codes.
pub struct Devices {
    pace: Pace,
    /// How many devices of an address may ask.
    asking: Throttle,
}

impl Default for Devices {
    fn default() -> Self {
        Self { pace: Pace::default(), asking: Throttle::new(ASKING, ASKING_REFILL) }
    }
}

impl fmt::Debug for Devices {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Devices").finish_non_exhaustive()
    }
}

impl Devices {
    /// Lets a device of an address ask; else returns how long to wait.
    pub(crate) fn may_ask(&self, address: IpAddr, now: Monotonic) -> Result<(), Duration> {
        self.asking.admit(address, now)
    }

    /// Says instead that a device polls too often, where it does (RFC 8628 §3.5).
    pub(crate) fn paced(&self, device_code: &str, now: Monotonic, error: GrantError) -> GrantError {
        let waits = error == GrantError::AuthorizationPending;
        let is_early = waits && self.pace.is_early(device_code, now);
        if is_early { GrantError::SlowDown } else { error }
    }
}

/// A classroom of televisions at once, and twelve more a minute.
const ASKING: u32 = 60;
const ASKING_REFILL: Duration = Duration::from_secs(5);
