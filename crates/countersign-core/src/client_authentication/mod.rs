//! How a client proves itself at the issuer's endpoints (RFC 6749 §2.3): a register of methods, in the same figure as
//! authenticators; and the secrets that two of them know, which are a kind of credential.
//!
//! A secret holds 256 random bits, so that a keyed hash is stored of it and no password hash. It has the life of every stored
//! credential: it ends, leaks and is rotated like a key, and a client may have several.
//!
//! **Invariants.** A request uses one method: two are refused, whichever of them is good. The method that has verified is the
//! one that is registered. An unknown client and a wrong secret are one answer, found by the same work. Who proves nothing
//! (a public client) is no [`Confidential`].
//!
//! What it does not do: decide what the client may have.

mod decoy;
mod gateway;
mod kind;
mod private_key_jwt;
mod public;
mod rules;
mod secret;
mod told;

#[cfg(test)]
mod tests;

use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::credential::Presented;
use crate::grant::Form;
use crate::rejection::Rejection;

pub use gateway::OnBehalfOf;
pub use kind::KIND;
#[cfg(test)]
pub(crate) use rules::proof;
pub use rules::{Confidential, MISSING};
pub use told::{PREFIX, ROW};

/// Every method. A new one is one line here.
pub static CLIENT_AUTHENTICATION: &[Method] =
    &[secret::BASIC, secret::POST, private_key_jwt::METHOD, public::METHOD];

/// What a request brings along by which its client may be proven.
#[derive(Clone, Copy)]
pub struct ClientRequest<'a> {
    /// The header fields as received.
    pub headers: &'a HeaderMap,
    /// The parameters of the body.
    pub form: &'a Form,
    /// The issuer's URL: whom an assertion has to be made for.
    pub issuer: &'a str,
}

impl fmt::Debug for ClientRequest<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ClientRequest").field("form", self.form).finish_non_exhaustive()
    }
}

/// What a method makes of a request; `None`: it is not used.
type Recognition<'a> = Option<Result<Box<dyn Presented + 'a>, Rejection>>;

/// A row of the register.
pub struct Method {
    /// Its registered name (RFC 7591 §2, OpenID Connect Core §9).
    pub name: &'static str,
    /// Recognises its use.
    recognise: for<'a> fn(ClientRequest<'a>) -> Recognition<'a>,
}

impl fmt::Debug for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Method({})", self.name)
    }
}

/// Finds the one method by which a request proves its client.
///
/// # Errors
///
/// [`Rejection::AMBIGUOUS`] for two methods (RFC 6749 §2.3: not more than one), [`MISSING`] for none, or the method's own
/// reason.
pub fn recognise<'a>(request: ClientRequest<'a>) -> Result<Box<dyn Presented + 'a>, Rejection> {
    let mut used = CLIENT_AUTHENTICATION.iter().filter_map(|method| (method.recognise)(request));
    match (used.next(), used.next()) {
        (Some(one), None) => one,
        (Some(_), Some(_)) => Err(Rejection::AMBIGUOUS),
        (None, _) if request.headers.contains_key(AUTHORIZATION) => Err(Rejection::UNRECOGNISED),
        (None, _) => Err(MISSING),
    }
}
