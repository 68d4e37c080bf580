//! The product as its users run it: the real binary, real sockets, real upstreams, both databases.

#![expect(
    clippy::disallowed_methods,
    reason = "tests wait for real processes and read their own environment"
)]

mod harness;

mod command_line;
mod crash;
mod faults;
mod keys;
mod readme;
mod secrets;
mod tenants;
mod up;
