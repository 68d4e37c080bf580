//! Imported keys: keys that another system minted, of which only a hash came over.
//!
//! A set of them is declared once: by what its keys begin with or which header field carries them, and how their
//! hashes were made. They are exempt from our shape and checksum. What is stored is our own keyed hash of theirs
//! ([`Purpose::Imported`]), so that a hash is never at rest as it came (SAFETY 14); when the key itself is first
//! presented, its own keyed hash takes the place of that, and from then on it is a key like any other.
//!
//! **Invariants.** A text that no set claims is compared with nothing. Nothing that begins with `cs_` is ever claimed.
//! A set is declared by an operator alone, since it decides what every caller's header fields are taken for; and into
//! it imports only who reaches all of its keys, since whoever imports a hash speaks for the caller who presents the
//! key. A hash that was taken over once is not taken over again, whatever became of the key.
//!
//! What it does not do: mint, or keep a set apart from its keys. The sets are known from the keys that name them.
//!
//! [`Purpose::Imported`]: crate::secret::Purpose::Imported

mod rules;
mod sets;
mod wire;

#[cfg(test)]
mod tests;

pub use rules::{AlreadyUpgraded, Declaration, may_take_over};
pub(crate) use sets::Imports;
pub(crate) use wire::PreparedSet;
pub use wire::{DIGEST_TEXT, NotADigest, ROW, read_digest};
