//! Clients of the authorization server (RFC 6749 §2): who registers, changes and lists them, and the rotation of their
//! secrets; and the resources that they may have tokens for.
//!
//! **Invariants.** A client is an owner, and its first secret is made with it, in one commit. Nobody registers scopes or
//! resources that they may not give, nor takes over a client that has them (SAFETY 13). What is taken from a client is taken from its tokens. A resource goes when
//! nobody is registered for it. What is judged is what a client would be
//! then, never what it was (attack row 40).
//!
//! What it does not do: prove a client ([`crate::client_authentication`]), or enable and disable one, which is an owner's
//! matter ([`crate::owner`]).

mod command_line;
mod declaration;
mod model;
mod rules;
mod terms;
mod web_app;

pub use command_line::{COMMAND_LINE, RegisterCommandLine};
pub use model::{AmendClient, Declare, Register, Registered, Rekey, RotateSecret, SecretRotated, Undeclare};
pub use rules::{asked, visible};
pub use web_app::{AmendWebApp, Disagree, RegisterWebApp, Wanted, WebAppTerms, wanted};

#[cfg(test)]
mod tests;
