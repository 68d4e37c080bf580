//! JOSE: keys ([`jwk`], RFC 7517, 7638 and 8037), signed ([`jws`], RFC 7515 and 7797) and encrypted
//! ([`jwe`], RFC 7516) messages, and the claims of a token ([`jwt`], RFC 7519). The primitives are AWS-LC's.
//!
//! **Invariants.** A key knows exactly one algorithm. A header's `alg` is compared with it and selects nothing. Keys of
//! signatures, of MACs and of encryption are different types; `none` is a value of no type. What is read is bounded
//! before it is taken apart, and has one reading: strict base64url, no member of an object twice, no claim of a wrong
//! type that counts as absent.
//!
//! What it does not do: look at a clock or a network. Checks that need the time are given it. Randomness is drawn by
//! AWS-LC alone, where a key is generated, a message signed or encrypted, and where the key of an encrypted one may have to be replaced.

pub mod algorithm;
pub mod base64url;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod header;
pub mod json;
pub mod jwe;
pub mod jwk;
pub mod jws;
pub mod jwt;
