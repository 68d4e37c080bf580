//! Meters: how much a credential may be used, and how much it was.
//!
//! An [`Allowance`] is a rate limit (so many within each window of seconds, minutes or hours) or a quota (so many
//! within each day or month, or ever). All allowances of a credential are charged together or not at all. Windows
//! are aligned to Unix time, so that every node counts the same ones. A key and its rotated successors share one
//! [`Meter`]: rotating refills nothing.
//!
//! Answers tell the caller in the terms of draft-ietf-httpapi-ratelimit-headers-10.
//!
//! **Invariants.** On one node a charge is exact: of parallel requests exactly as many pass as the allowance holds.
//! What other nodes have spent is known up to their last report; what is not known is never taken for free room
//! because the store is silent, since without the store nothing is decided at all (SAFETY 4).
//!
//! What it does not do: carry counts between nodes. The store does, from [`Meters::touched`] to [`Meters::absorb`].

mod allowance;
mod gauge;
mod register;

#[cfg(test)]
mod tests;

pub use allowance::{Allowance, AllowanceName, Every, MAX_ALLOWANCES, NotAPeriod, NotAnAllowanceName};
pub use gauge::{Charge, Exceeded, LimitLevel, Meter};
pub use register::{Metered, Meters, Spent};
