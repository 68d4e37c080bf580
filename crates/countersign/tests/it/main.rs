//! The product as its users run it: the real binary, real sockets, real upstreams, both databases.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests wait for real processes, and fail where they stand"
)]

mod harness;

mod account;
mod any_number;
mod apache;
mod assertions;
mod attacks;
mod browser;
mod bulk;
mod client_keys;
mod clients;
mod clocks;
mod command_line;
mod cors;
mod crash;
mod description;
mod devices;
mod discovery;
mod encrypted_tokens;
mod fairness;
mod faults;
mod federation;
mod github;
mod grants;
mod imports;
mod keys;
mod leaks;
mod limits;
mod linking;
mod login;
mod mails;
mod master_key;
mod members;
mod oauth;
mod pages;
mod people;
mod readme;
mod real_clients;
mod reload;
mod restoring;
mod secrets;
mod shadow;
mod sign_ins;
mod signing_keys;
mod tenants;
mod tokens;
mod up;
mod users;
mod visitor;
mod web_sessions;
mod whole;
