//! PostgreSQL: one writing connection, a small pool of reading ones, and what a server must satisfy.
//!
//! **Invariant.** Only a primary is spoken to, with `synchronous_commit` at least `on`; a password never leaves
//! this machine in clear unless the operator said `danger`.

mod listen;
mod readers;
mod server;
mod session;
mod tls;
pub(crate) mod url;

pub(crate) use listen::listen;
pub(crate) use readers::Readers;
pub(crate) use server::Server;
pub(crate) use session::Session;
