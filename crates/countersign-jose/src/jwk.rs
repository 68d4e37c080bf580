//! JSON Web Keys (RFC 7517, with the parameters of RFC 7518 §6 and RFC 8037 §2) and their thumbprints (RFC 7638).
//!
//! **Invariant.** A key knows exactly one algorithm: the one that its record states, or one that whoever reads it
//! allows and that fits its type. A record that fits several is as many keys, told apart by their algorithm.
//!
//! What it does not do: trust. Where a key comes from is for its reader to know.

mod decryption_key;
mod encryption_key;
mod mac_key;
mod material;
mod public_key;
mod record;
mod set;
mod signing_key;
#[cfg(test)]
mod tests;
mod thumbprint;

pub use decryption_key::DecryptionKey;
pub(crate) use decryption_key::Secret;
pub use encryption_key::EncryptionKey;
pub(crate) use encryption_key::{Ephemeral, Recipient, agree, ephemeral_point};
pub use mac_key::MacKey;
pub use public_key::PublicKey;
pub use set::{JwkSet, Key, NotFound, PassedOver};
pub use signing_key::SigningKey;
pub use thumbprint::thumbprint;

use crate::{algorithm, json};

/// Why a key, or a set of keys, is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The record's algorithm is none of those that are supported.
    #[error("the key's `alg`: {0}")]
    Algorithm(algorithm::Error),
    /// The record names no algorithm, and several that are allowed fit it.
    #[error("the key names no algorithm and fits several that are allowed")]
    AlgorithmAmbiguous,
    /// The record's algorithm, or each that fits it, is not allowed by whoever reads it.
    #[error("the key's algorithm is not among those allowed")]
    AlgorithmNotAllowed,
    /// The record's algorithm is for another type of key or another curve.
    #[error("the key's `alg` does not fit its `kty` and `crv`")]
    AlgorithmUnfit,
    /// A parameter is not base64url.
    #[error("the key's `{0}` is not base64url without padding (RFC 7515 §2)")]
    Base64(&'static str),
    /// A symmetric key stands where a public one is asked for.
    #[error("the key is symmetric, and a public key is asked for")]
    Symmetric,
    /// The text is no JSON with one reading.
    #[error("the key is {0}")]
    Json(#[from] json::Error),
    /// A parameter has a length that its key cannot have.
    #[error("expected the key's `{member}` to have {expected}, found {found}")]
    Length {
        /// The parameter
        member: &'static str,
        /// The length that it must have
        expected: &'static str,
        /// Its length in bits or bytes, as expected
        found: usize,
    },
    /// A parameter is missing.
    #[error("the key has no `{0}`")]
    Missing(&'static str),
    /// RFC 7517 §4.3: the record says that it is not for what is asked of it.
    #[error("the key's `key_ops` does not list `{0}`, or lists something twice")]
    Operation(&'static str),
    /// The parameters make no key: a point off its curve, an even exponent, a modulus with a leading zero.
    #[error("the key's parameters make no valid key")]
    Parameters,
    /// The primitives failed.
    #[error("the key could not be made")]
    Primitive,
    /// RFC 7517 §5: a set has a list of keys.
    #[error("a JWK Set is expected: {{\"keys\":[…]}} with at most {} keys", set::KEYS)]
    Set,
    /// A parameter is of a wrong type.
    #[error("expected the key's `{member}` to be {expected}")]
    Type {
        /// The parameter
        member: &'static str,
        /// What it must be
        expected: &'static str,
    },
    /// The record's type or curve is none of those that are supported.
    #[error("the key's `kty` or `crv` is not supported for this")]
    Unsupported,
    /// RFC 7517 §4.2: the record says that it is not for what is asked of it.
    #[error("expected the key's `use` to be `{0}`")]
    Use(&'static str),
    /// CVE-2017-15361: the key can be factored.
    #[error("the key's modulus is of the kind that can be factored (ROCA)")]
    Weak,
}
