//! Sessions of people at the issuer: who signed in, in which browser, and until when that counts.
//!
//! **Invariants.** A session begins with a proof that is still true when it is committed, and under a name that nobody has
//! seen before (OWASP ASVS 5.0 §7.2.4); the one that it takes the place of has ended. It ends with its person: disabled,
//! reset, deleted, or "everything before". What is stored of it finds nobody (a keyed hash).
//!
//! What it does not do: prove anybody ([`crate::password`], [`crate::federation`]), or set cookies.

mod rules;

pub(crate) use rules::end;
pub use rules::{Begun, KIND, Proof, Session, SessionEnd, SignIn, SignOut, Touch, current, question};

#[cfg(test)]
mod tests;
