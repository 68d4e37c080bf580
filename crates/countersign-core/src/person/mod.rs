//! Persons: the resource owners of RFC 6749 §1.1. Who enters, changes, resets and deletes them, and what they are in which
//! organisation.
//!
//! **Invariants.** A person is an owner, and both are made in one commit. Nobody else signs in under the same name. Whoever
//! is reset, disabled or deleted has lost everything that was obtained in their name. Only an operator vouches for an address.
//!
//! What it does not do: prove a person ([`crate::password`]), or enable and disable one, which is an owner's matter
//! ([`crate::owner`]).

mod claims;
mod model;
mod rules;

pub use model::{AmendPerson, DeletePerson, Enrol, Enrolled, ResetPerson, SetRoles, Vouched};
pub(crate) use rules::reset;
pub use rules::visible;

#[cfg(test)]
mod tests;
