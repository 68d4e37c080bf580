//! What this node remembers of devices: how often they poll, and how often somebody asks for them or types a code.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use countersign_core::device::pace::Pace;
use countersign_core::grant::GrantError;
use countersign_core::id::OwnerId;
use countersign_core::timestamp::Monotonic;

use crate::throttle::Throttle;

/// What this node remembers of devices, and of those who type codes.
pub struct Devices {
    pace: Pace,
    /// How many devices of an address may ask.
    asking: Throttle,
    /// How often codes are tried from an address.
    address: Throttle,
    /// How often a person tries codes.
    person: Throttle<OwnerId>,
}

impl Default for Devices {
    fn default() -> Self {
        Self {
            pace: Pace::default(),
            asking: Throttle::new(ASKING, ASKING_REFILL),
            address: Throttle::new(ADDRESS, REFILL),
            person: Throttle::new(PERSON, REFILL),
        }
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

    /// Takes an attempt at a code, of an address and a person (RFC 8628 §5.1); false if there were too many.
    pub(crate) fn may_try(&self, address: Option<IpAddr>, person: OwnerId, now: Monotonic) -> bool {
        let here = address.is_none_or(|address| self.address.admit(address, now).is_ok());
        here && self.person.take(person, now).is_ok()
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

/// RFC 8628 §5.1: so few that, of 20^8 codes, one that waits is not found within its ten minutes: thirty attempts of an
/// address, ten of a person, which is some typing errors.
const ADDRESS: u32 = 30;
const PERSON: u32 = 10;
const REFILL: Duration = Duration::from_secs(30);
