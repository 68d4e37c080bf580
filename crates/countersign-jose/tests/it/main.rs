//! The crate as others use it, on the examples of the standards.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail where they stand"
)]

mod cookbook;
mod reading;
mod standards;
