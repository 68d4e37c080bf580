//! Work that is due at a time. A commit tells of it, whoever has leased it does it, and that it was done is part of what it
//! commits.
//!
//! **Invariant.** It is done once: [`Effect::Done`](crate::effect::Effect::Done) is lost where it was done before, or is
//! due at another time by now.

use crate::timestamp::Timestamp;

/// One piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// What is to be done: the name of the work.
    pub kind: &'static str,
    /// For what: an id. Of one kind, a subject has one piece of work at a time.
    pub subject: String,
    /// When.
    pub at: Timestamp,
}
