//! What server and gateway share at the edge of the process: accept loop, TLS, limits, metrics, wire errors.
//!
//! Bytes come in here and go out here; what is between is the services'. Connections are bounded in number, every
//! wait on a peer is bounded in time, and a panic ends one request, never a listener.
//!
//! **Invariant.** [`wire_error`] is the only place with the status codes, header fields and bodies of refusals, and
//! what it says is safe to be read by anybody: reasons go to the log and the audit.
//!
//! What it does not do: decide who may do what, or read the operating system's clock.

pub mod body;
pub mod browser;
mod chunks;
mod closing;
mod connection;
pub mod cookie;
pub mod descriptors;
pub mod drain;
pub mod endpoint;
pub mod form;
mod frame_guard;
mod frames;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod guard;
mod head;
pub mod host;
mod hpack;
mod http2;
pub mod limits;
pub mod listen;
pub mod metrics;
pub mod rate_limit;
pub mod serve;
pub mod tls;
pub mod unix;
pub mod unknown;
pub mod whence;
pub mod wire_error;
