//! What people do for themselves once they have signed in: end their sessions, take back what they allowed, and make what the
//! settings let them make (`[self_service]`).
//!
//! **Invariants.** A person is proven by a session that counts now. They reach what is theirs and nothing else, and give what the
//! settings name and nothing else: what they make passes through the same acts as what anybody makes.
//!
//! What it does not do: ask whether a sign-in is recent ([`crate::sign_in::Session::is_recent`]), or change a password.

mod making;
mod rules;

pub use making::{AmendApp, AppKind, MintKey, RegisterApp};
pub use rules::{ChangePassword, EndSession, OwnSession, Purpose, Whence, permit};

#[cfg(test)]
mod tests;
