//! Links that are mailed to people: whoever follows one reads what is written to that address.
//!
//! **Invariants.** A link is for one person, one address and one thing; it works once, for a short time, and not after anything
//! of the person was ended or their address changed. What is stored of it finds nobody (a keyed hash).
//!
//! What it does not do: write mail, or send it.

mod rules;

pub use rules::{ConfirmAddress, Letter, Link, MailLink, NoLink, ReplacePassword, link, question};

#[cfg(test)]
mod tests;
