//! Why a presented credential proves nothing: data, so that a kind brings its own.

use std::fmt;

/// Why a presented credential proves nothing. Told to operators by name; callers learn the standard's code alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    code: &'static str,
    why: &'static str,
}

impl Rejection {
    /// It comes from an address that is not in its list.
    pub const ADDRESS_NOT_ALLOWED: Self =
        Self::new("address_not_allowed", "the credential may not be used from this address");
    /// Two credentials, or one twice (RFC 6750 §2: not more than one method). The one rejection that is a mistake in
    /// the request and not in the credential.
    pub const AMBIGUOUS: Self =
        Self::new("ambiguous", "more than one credential, or the same header field twice");
    /// It is switched off.
    pub const DISABLED: Self = Self::new("disabled", "the credential is disabled");
    /// It has ended.
    pub const EXPIRED: Self = Self::new("expired", "the credential has expired");
    /// The route does not ask for this kind.
    pub const NOT_ACCEPTED: Self = Self::new("not_accepted", "the route accepts no credential of this kind");
    /// It has not begun.
    pub const NOT_YET_VALID: Self = Self::new("not_yet_valid", "the credential is not valid yet");
    /// Its owner, or the owner's organisation, is disabled.
    pub const OWNER_DISABLED: Self = Self::new("owner_disabled", "the owner of the credential is disabled");
    /// It was revoked.
    pub const REVOKED: Self = Self::new("revoked", "the credential was revoked");
    /// There is no such credential.
    pub const UNKNOWN: Self = Self::new("unknown", "there is no such credential");
    /// No authenticator knows this kind of credential.
    pub const UNRECOGNISED: Self = Self::new("unrecognised", "no authenticator recognises the credential");

    /// States a reason. `code` is its stable name, `why` is for operators.
    #[must_use]
    pub const fn new(code: &'static str, why: &'static str) -> Self {
        Self { code, why }
    }

    /// Its shape or checksum is wrong; `why` says what was expected.
    #[must_use]
    pub const fn malformed(why: &'static str) -> Self {
        Self::new("malformed", why)
    }

    /// Returns the stable name: the `code` of the verify API, the reason in audit and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.code
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.why)
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Rejection({})", self.code)
    }
}
