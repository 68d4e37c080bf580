//! Enforcement: the reverse proxy in front of a protected API.
//!
//! Each request walks one way: head → path → route → recognise → find → verify → decide → [`Permit`] → forward. One
//! single-threaded runtime per core accepts from the shared sockets, with its own connections to the upstreams and
//! its own journal; between them there is nothing but snapshots that are read without a lock.
//!
//! **Invariants.** Nothing is forwarded without a [`Permit`]. What was decided on is what is forwarded. A credential
//! that was presented and failed ends the request. When it is not known whether a credential is good, the answer is
//! 503, never "allow".
//!
//! What it does not do: ask the store, issue anything, or commit anything.
//!
//! [`Permit`]: countersign_core::decision::Permit

pub mod address;
mod answer;
pub mod assertions;
mod browse;
pub mod caller;
mod connection;
mod enforce;
pub mod field_names;
mod fold;
pub mod foreign_issuer;
mod forward;
mod forward_error;
mod forwarded;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod gateway;
pub mod headers;
mod health;
mod intermediary;
pub mod journal;
mod keeper;
mod ledger;
mod lent;
mod names;
pub mod origin;
mod outgoing;
pub mod pace;
pub mod path;
mod pattern;
mod pool;
mod redirect;
pub mod report;
pub mod resolve;
pub mod resource;
pub mod route;
pub mod sources;
mod tether;
mod transport;
pub mod upstream;
pub mod web;
mod websocket;
mod worker;
