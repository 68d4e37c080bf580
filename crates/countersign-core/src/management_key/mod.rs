//! Management keys: what guards `/v1`, and how far each caller reaches.
//!
//! **Invariants.** A management key is owner-bound: without the scope `operator` it reaches its own organisation
//! (or, if a client or user owns it, that owner alone). Nobody grants what they do not hold: neither management
//! scopes nor, through `grantable`, scopes of the protected APIs.
//!
//! What it does not do: guard the gateway. A management key presented there is of a kind no route accepts.

mod installation;
mod kind;
mod model;
mod rules;
mod wire;

#[cfg(test)]
mod tests;

pub use installation::{Replace, first_key};
pub use kind::{KIND, SCHEME, required, required_locally};
pub use model::Create;
pub(crate) use rules::not_above;
pub use rules::{LocalPeer, local_operator};
pub use wire::{PREFIX, ROW};
