//! The store, on both databases.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that finds something else is to fail where it stands"
)]

mod acts;
mod artifacts;
mod client_races;
mod clients;
mod commits;
mod due;
mod endings;
mod feed;
mod key_races;
mod nodes;
mod opening;
mod pages;
mod persons;
mod proxy;
mod pruning;
mod raw;
mod reports;
mod safety;
mod token_caps;
