//! Access tokens of ours: signed ones (RFC 9068), encrypted ones that only their resource can read, and opaque ones,
//! presented as bearer tokens (RFC 6750).
//!
//! **Invariants.** A signed token is believed by the key that its `kid` names and by nothing else; what can change is
//! judged at every use, whether its signature was checked now or before (SAFETY 24). An encrypted or opaque one is known by
//! the digest of its whole text. A token ends with its client, its
//! client's organisation, its signing key, its generation, and by itself.
//!
//! What it does not do: issue them ([`crate::issuing`]), or know resources.

mod criteria;
mod kind;
#[cfg(test)]
mod tests;
mod wire;

pub use crate::our_token::{Good, judge};
pub(crate) use criteria::WRONG_CLAIMS;
pub use criteria::userinfo;
pub use kind::{KIND, OPAQUE_PREFIX, SCHEME};
pub use wire::{ROW, TYPE, Told, told};
