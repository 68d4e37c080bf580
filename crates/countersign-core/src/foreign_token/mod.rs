//! Tokens of other issuers: JWTs that another authorization server has signed (RFC 7519), presented as bearer tokens.
//!
//! A route says whose tokens it takes, made for whom, and signed by which algorithms; nothing of it is guessed. The keys
//! are the issuer's own, which the ledger finds: by discovery, or where the operator says they are.
//!
//! **Invariants.** What a token says of itself selects whose keys are asked, and nothing else: `iss` before it is
//! verified, `kid` as an opaque name, `alg` compared with the key's. No claim is believed before the signature is good,
//! and every check but that of the signature is made at every use (SAFETY 24).
//!
//! What it does not do: fetch keys, or know our own tokens. Its subjects are nobody's here: no owner answers for them.

mod criteria;
mod kind;
mod model;
mod rules;
mod wire;

#[cfg(test)]
mod tests;

pub use kind::{KIND, SCHEME};
pub use wire::ROW;
