//! What tests of several crates share: a clock that stands still, records, and throwaway databases.
//!
//! Never a part of the product.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot be set up is to fail where it stands"
)]

mod clock;
mod fixture;
mod postgres;
mod records;

pub use clock::FixedClock;
pub use fixture::{Fixture, each_database, on_postgres, on_sqlite};
pub use postgres::Postgres;
pub use records::Records;
