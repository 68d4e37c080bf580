//! Certificates as values (RFC 5280): no socket, no clock, no store.
//!
//! So far: a certification authority of our own that signs the server certificates of our own listeners.
//! What it does not do yet: client certificates, certification requests, paths and certificate lists.

pub mod authority;
