//! Leaked keys: whoever holds a key may end it.
//!
//! **Invariant.** Only the full key ends it (SAFETY 16): [`Held`] is made by finding a credential by its whole text,
//! in no other way, and the only thing it is good for is to end that credential.
//!
//! What it does not do: answer whether there was such a key. Who reports learns nothing; the owner reads the audit.

mod rules;

#[cfg(test)]
mod tests;

pub use rules::{AlreadyEnded, End, Held};
