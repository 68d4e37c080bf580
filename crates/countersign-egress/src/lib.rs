//! The one client for what the product itself fetches.
//!
//! **Invariant.** A connection is made to a [`Checked`](address::Checked) address and to nothing else: every address
//! that a name stands for is judged after it was resolved, and the one that was judged is the one that is connected to
//! (SAFETY 15). No redirect is followed, and no proxy of the environment is used.
//!
//! What is fetched again and again is [`Published`](published::Published): kept for a while, and asked for at most once in
//! a while.
//!
//! What it does not do: keep connections, or decide what to fetch.

pub mod address;
pub mod client;
pub mod published;
pub mod published_keys;
pub mod resolve;
