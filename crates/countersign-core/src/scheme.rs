//! The ways in which a principal is proven: an open set, equal by name.
//!
//! A room brings its own as a constant. Three belong to no room: who presented nothing, who is proven by the operating
//! system, and who has signed in at this browser.

use std::fmt;
use std::hash::{Hash, Hasher};

/// The way in which a principal was proven.
#[derive(Clone, Copy)]
pub struct Scheme {
    name: &'static str,
    challenge: Option<&'static str>,
}

impl Scheme {
    /// No credential was asked for, and none was presented.
    pub const ANONYMOUS: Self = Self::new("anonymous", None);
    /// The operating system's word about the peer of the local socket.
    pub const LOCAL_SOCKET: Self = Self::new("local_socket", None);
    /// The session of a person at the issuer, which counts at their account and is presented nowhere else.
    pub const SIGN_IN: Self = Self::new("sign_in", None);

    /// Names a scheme. `challenge` is the auth-scheme by which a caller is asked for it (RFC 9110 §11.1); `None`: a
    /// caller cannot be asked for it in HTTP.
    #[must_use]
    pub const fn new(name: &'static str, challenge: Option<&'static str>) -> Self {
        Self { name, challenge }
    }

    /// Returns the scheme's name in settings, records, logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Returns the auth-scheme of its challenge (RFC 9110 §11.6.1).
    #[must_use]
    pub const fn challenge(self) -> Option<&'static str> {
        self.challenge
    }
}

impl PartialEq for Scheme {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Scheme {}

impl Hash for Scheme {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Debug for Scheme {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}
