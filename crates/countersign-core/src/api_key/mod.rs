//! API keys: what a program presents to a protected API.
//!
//! Presented as a bearer token (RFC 6750 §2.1) or in `X-API-Key`; never in the query. The text is described in
//! [`crate::key_string`].
//!
//! **Invariant.** A key is stored only as HMAC-SHA-256 under a pepper that the store does not hold, beside its
//! prefix and the last four characters of its body. Its text is shown once, by the act that mints it.
//!
//! What it does not do: management keys (they have their own room and prefix), count what is spent (meter), or
//! recognise what another system minted (imported).

mod criteria;
mod expiry;
mod kind;
mod model;
mod rules;
mod wire;

#[cfg(test)]
mod tests;

pub use criteria::KeyCriteria;
pub use expiry::{EXPIRY_WARNING, NotDue, WarnOfExpiry};
pub use kind::{KIND, SCHEME};
pub use model::{Create, Import, Verification};
pub use rules::{Good, verify_key};
pub use wire::ROW;
