//! The device authorization grant (RFC 8628): a device asks, a person allows it at a browser of theirs, and the device, which
//! has polled meanwhile, is issued tokens.
//!
//! **Invariants.** A device code counts for the client that asked for it, and once; presented again it ends everything that it
//! has obtained. A person decides once, about what they were shown: their word counts for the row that was read, or not at
//! all. Nothing is issued that was not asked for and allowed.
//!
//! What it does not do: pace those who poll ([`pace`]), which every node does for itself, or guard the entry of user codes
//! against guessing (RFC 8628 §5.1), which the edge does by address and person. That clients which registered themselves have
//! no device grant (SAFETY 23) holds as long as nobody registers themselves.

mod grant;
mod model;
pub mod pace;
mod rules;
mod user_code;

pub use grant::{PREFIX, ROW};
pub use model::{
    Begin, Begun, DecideDevice, Decision, DeviceDecision, DeviceState, FoundDevice, KIND, Said, Undecided,
};
pub use rules::asked_by;
pub use user_code::{NotAUserCode, UserCode};
