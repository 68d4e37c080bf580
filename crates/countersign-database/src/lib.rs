//! The two drivers and their narrow waist: [`database`] is what the store sees, SQLite and PostgreSQL lie beneath.
//!
//! One SQL text serves both ([`statement`]), in the portable subset; its values are [`value::Value`]s. What truly
//! differs between the engines is in their two folders and nowhere else: how a transaction is begun, what an error
//! means, how a schema is locked while it is brought up to date, how a peer is woken.
//!
//! **Invariants.** What a COMMIT acknowledges is durable (SAFETY 3): SQLite runs with `synchronous=FULL`, a server
//! that promises less is refused. A password is in no message. A foreign or newer database is left as it was found.
//!
//! What it does not do: know what the statements mean.

pub mod database;
pub mod fault;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod open_error;
pub mod place;
mod postgres;
mod schema;
mod sqlite;
pub mod statement;
pub mod value;
