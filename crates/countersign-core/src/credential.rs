//! A credential on its way in: recognised, found, verified.

use http::{HeaderMap, HeaderName};
use thiserror::Error;

use crate::context::Context;
use crate::effect::Outcome;
use crate::key_string::Malformed;
use crate::ledger::{Found, Lookup};
use crate::principal::Principal;
use crate::scheme::Scheme;

/// What of a request authenticators see.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// The header fields as received.
    pub headers: &'a HeaderMap,
    /// Further header fields that carry keys: those of imported sets.
    pub key_headers: &'a [HeaderName],
}

/// A row of a register of authenticators.
pub trait Authenticator: Sync {
    /// Returns the scheme that its principals carry.
    fn scheme(&self) -> Scheme;

    /// Recognises the text of a bearer credential; `None`: it is of another kind. `header` is the field that
    /// carried it, if that was one of an imported set.
    fn recognise(&self, bearer: &str, header: Option<&str>) -> Option<Result<Box<dyn Presented>, Rejection>>;
}

/// A credential as received: parsed, not believed. Verifying consumes it.
pub trait Presented: Send + Sync {
    /// Names the one question that it asks.
    fn lookup(&self) -> Lookup<'_>;

    /// Decides whether it proves a principal.
    fn verify(self: Box<Self>, context: &mut Context<'_>, found: Found) -> Outcome<Principal, Rejection>;
}

/// Why a presented credential proves nothing. Told to operators by name; callers learn the standard's code alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Rejection {
    /// It comes from an address that is not in its list.
    #[error("the credential may not be used from this address")]
    AddressNotAllowed,
    /// Two credentials, or one twice (RFC 6750 §2: not more than one method).
    #[error("more than one credential, or the same header field twice")]
    Ambiguous,
    /// It is switched off.
    #[error("the credential is disabled")]
    Disabled,
    /// It has ended.
    #[error("the credential has expired")]
    Expired,
    /// Its shape or checksum is wrong.
    #[error("the credential is malformed: {0}")]
    Malformed(Malformed),
    /// The route does not ask for this kind.
    #[error("the route accepts no credential of this kind")]
    NotAccepted,
    /// It has not begun.
    #[error("the credential is not valid yet")]
    NotYetValid,
    /// Its owner, or the owner's organisation, is disabled.
    #[error("the owner of the credential is disabled")]
    OwnerDisabled,
    /// It was revoked.
    #[error("the credential was revoked")]
    Revoked,
    /// There is no such credential.
    #[error("there is no such credential")]
    Unknown,
    /// No authenticator knows this kind of credential.
    #[error("no authenticator recognises the credential")]
    Unrecognised,
}

impl Rejection {
    /// Returns the stable name: the `code` of the verify API, the reason in audit and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AddressNotAllowed => "address_not_allowed",
            Self::Ambiguous => "ambiguous",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Malformed(_) => "malformed",
            Self::NotAccepted => "not_accepted",
            Self::NotYetValid => "not_yet_valid",
            Self::OwnerDisabled => "owner_disabled",
            Self::Revoked => "revoked",
            Self::Unknown => "unknown",
            Self::Unrecognised => "unrecognised",
        }
    }
}
