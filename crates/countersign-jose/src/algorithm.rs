//! The algorithms, by the names of RFC 7518 and RFC 8037: those of signatures, of MACs, of key management and of content.
//!
//! **Invariant.** `none` is no value of any of them, and a MAC is no signature: a key of one kind cannot be asked for
//! the other. What is known and not supported is refused by its name.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

/// Why a name is no algorithm here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// RFC 7518 §3.6: nothing is signed.
    #[error("the algorithm `none` signs nothing and is never accepted")]
    None,
    /// It is registered, and not supported on purpose.
    #[error("the algorithm {0} is not supported")]
    NotSupported(&'static str),
    /// It is no name of an algorithm for this purpose.
    #[error("the algorithm is unknown or serves another purpose")]
    Unknown,
}

/// Names that are registered (RFC 7518, 8812, 9864) and refused on purpose: weak, open to denial of service, or unused.
const NOT_SUPPORTED: [&str; 15] = [
    "A128GCMKW",
    "A192GCMKW",
    "A192KW",
    "A256GCMKW",
    "ECDH-ES+A192KW",
    "ES256K",
    "Ed448",
    "PBES2-HS256+A128KW",
    "PBES2-HS384+A192KW",
    "PBES2-HS512+A256KW",
    "RSA-OAEP",
    "RSA-OAEP-384",
    "RSA-OAEP-512",
    "RSA1_5",
    "X448",
];

impl Error {
    /// Says why `name` names no algorithm of the kind that was asked for.
    fn of(name: &str) -> Self {
        if name.eq_ignore_ascii_case("none") {
            return Self::None;
        }
        NOT_SUPPORTED
            .iter()
            .find(|known| **known == name)
            .map_or(Self::Unknown, |known| Self::NotSupported(known))
    }
}

macro_rules! algorithms {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal $(| $other:literal)?,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Returns the registered name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(name: &str) -> Result<Self, Error> {
                match name {
                    $($text $(| $other)? => Ok(Self::$variant),)+
                    other => Err(Error::of(other)),
                }
            }
        }
    };
}

algorithms! {
    /// An algorithm of signatures: a private key signs, a public key verifies (RFC 7518 §3.3 to §3.5, RFC 8037 §3.1).
    SignatureAlgorithm {
        /// RSASSA-PKCS1-v1_5 with SHA-256
        Rs256 = "RS256",
        /// RSASSA-PKCS1-v1_5 with SHA-384
        Rs384 = "RS384",
        /// RSASSA-PKCS1-v1_5 with SHA-512
        Rs512 = "RS512",
        /// RSASSA-PSS with SHA-256
        Ps256 = "PS256",
        /// RSASSA-PSS with SHA-384
        Ps384 = "PS384",
        /// RSASSA-PSS with SHA-512
        Ps512 = "PS512",
        /// ECDSA on P-256 with SHA-256
        Es256 = "ES256",
        /// ECDSA on P-384 with SHA-384
        Es384 = "ES384",
        /// ECDSA on P-521 with SHA-512
        Es512 = "ES512",
        /// Ed25519, under its older name; the newer one (RFC 9864 §2.2) is read as this
        EdDsa = "EdDSA" | "Ed25519",
    }
}

algorithms! {
    /// An algorithm of MACs: one secret key makes and verifies them (RFC 7518 §3.2).
    MacAlgorithm {
        /// HMAC with SHA-256
        Hs256 = "HS256",
        /// HMAC with SHA-384
        Hs384 = "HS384",
        /// HMAC with SHA-512
        Hs512 = "HS512",
    }
}

algorithms! {
    /// How the key of an encrypted message is told to its reader (RFC 7518 §4).
    KeyManagement {
        /// RSAES-OAEP with SHA-256
        RsaOaep256 = "RSA-OAEP-256",
        /// An agreement on the content's key itself
        EcdhEs = "ECDH-ES",
        /// An agreement on a key that wraps it
        EcdhEsA128Kw = "ECDH-ES+A128KW",
        /// An agreement on a key that wraps it
        EcdhEsA256Kw = "ECDH-ES+A256KW",
        /// AES key wrap with a shared key
        A128Kw = "A128KW",
        /// AES key wrap with a shared key
        A256Kw = "A256KW",
        /// The shared key is the content's key
        Dir = "dir",
    }
}

algorithms! {
    /// How the content of an encrypted message is encrypted and authenticated (RFC 7518 §5).
    ContentEncryption {
        /// AES-128 in CBC mode with HMAC-SHA-256
        A128CbcHs256 = "A128CBC-HS256",
        /// AES-192 in CBC mode with HMAC-SHA-384
        A192CbcHs384 = "A192CBC-HS384",
        /// AES-256 in CBC mode with HMAC-SHA-512
        A256CbcHs512 = "A256CBC-HS512",
        /// AES-128 in Galois/Counter mode
        A128Gcm = "A128GCM",
        /// AES-192 in Galois/Counter mode
        A192Gcm = "A192GCM",
        /// AES-256 in Galois/Counter mode
        A256Gcm = "A256GCM",
    }
}

impl SignatureAlgorithm {
    /// Returns the keys that the algorithm works with.
    pub(crate) const fn family(self) -> Family {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => Family::Rsa,
            Self::Es256 => Family::P256,
            Self::Es384 => Family::P384,
            Self::Es512 => Family::P521,
            Self::EdDsa => Family::Ed25519,
        }
    }
}

impl MacAlgorithm {
    /// Returns the length of the hash in bytes, which a key must at least have (RFC 7518 §3.2).
    pub(crate) const fn length(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Hs384 => 48,
            Self::Hs512 => 64,
        }
    }
}

impl KeyManagement {
    /// Tells whether asymmetric keys of `family` work with the algorithm.
    pub(crate) const fn fits(self, family: Family) -> bool {
        match self {
            Self::RsaOaep256 => matches!(family, Family::Rsa),
            Self::EcdhEs | Self::EcdhEsA128Kw | Self::EcdhEsA256Kw => {
                matches!(family, Family::P256 | Family::P384 | Family::P521 | Family::X25519)
            }
            Self::A128Kw | Self::A256Kw | Self::Dir => false,
        }
    }

    /// Tells whether a shared key of `length` bytes works with the algorithm.
    pub(crate) fn takes(self, length: usize) -> bool {
        match self {
            Self::A128Kw => length == 16,
            Self::A256Kw => length == 32,
            Self::Dir => ContentEncryption::ALL.iter().any(|encryption| encryption.length() == length),
            Self::RsaOaep256 | Self::EcdhEs | Self::EcdhEsA128Kw | Self::EcdhEsA256Kw => false,
        }
    }

    /// Tells whether each message has exactly one reader, because its key is agreed on and not wrapped.
    pub(crate) const fn is_direct(self) -> bool {
        matches!(self, Self::EcdhEs | Self::Dir)
    }
}

impl ContentEncryption {
    /// Returns the length of the content's key in bytes (RFC 7518 §5.2 and §5.3).
    pub(crate) const fn length(self) -> usize {
        match self {
            Self::A128Gcm => 16,
            Self::A192Gcm => 24,
            Self::A256Gcm | Self::A128CbcHs256 => 32,
            Self::A192CbcHs384 => 48,
            Self::A256CbcHs512 => 64,
        }
    }
}

/// The algorithm that the header of a signed message names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JwsAlgorithm {
    /// A MAC
    Mac(MacAlgorithm),
    /// A signature
    Signature(SignatureAlgorithm),
}

impl fmt::Display for JwsAlgorithm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mac(algorithm) => algorithm.fmt(out),
            Self::Signature(algorithm) => algorithm.fmt(out),
        }
    }
}

impl FromStr for JwsAlgorithm {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        name.parse().map(Self::Signature).or_else(|_| name.parse().map(Self::Mac))
    }
}

/// What kind of asymmetric key a JWK is: its `kty`, with the curve where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// `kty` OKP, `crv` Ed25519
    Ed25519,
    /// `kty` EC, `crv` P-256
    P256,
    /// `kty` EC, `crv` P-384
    P384,
    /// `kty` EC, `crv` P-521
    P521,
    /// `kty` RSA
    Rsa,
    /// `kty` OKP, `crv` X25519
    X25519,
}

impl Family {
    /// Returns the family of a JWK, if it is one of ours.
    pub(crate) fn of(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        match (text("kty")?, text("crv")) {
            ("RSA", None) => Some(Self::Rsa),
            ("EC", Some("P-256")) => Some(Self::P256),
            ("EC", Some("P-384")) => Some(Self::P384),
            ("EC", Some("P-521")) => Some(Self::P521),
            ("OKP", Some("Ed25519")) => Some(Self::Ed25519),
            ("OKP", Some("X25519")) => Some(Self::X25519),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ContentEncryption, Error, JwsAlgorithm, KeyManagement, MacAlgorithm, SignatureAlgorithm};

    #[track_caller]
    fn check(name: &str, expected: Error) {
        assert_eq!(name.parse::<JwsAlgorithm>(), Err(expected), "{name}");
        assert_eq!(name.parse::<KeyManagement>(), Err(expected), "{name}");
        assert_eq!(name.parse::<ContentEncryption>(), Err(expected), "{name}");
    }

    #[test]
    fn cve_2015_2951_none_is_a_value_of_nothing() {
        for name in ["none", "None", "NONE", "nOnE"] {
            check(name, Error::None);
        }
    }

    #[test]
    fn what_is_not_supported_is_refused_by_its_name() {
        for name in ["RSA1_5", "RSA-OAEP", "PBES2-HS256+A128KW", "A128GCMKW", "A192KW", "ES256K", "Ed448"] {
            check(name, Error::NotSupported(name));
        }
        for name in ["", "es256", "ES256 ", "HS256\0", "RS1"] {
            check(name, Error::Unknown);
        }
    }

    #[test]
    fn rfc7518_3_1_a_name_is_one_algorithm_of_one_kind() {
        for algorithm in SignatureAlgorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(*algorithm));
            assert!(algorithm.as_str().parse::<MacAlgorithm>().is_err());
        }
        for algorithm in MacAlgorithm::ALL {
            assert_eq!(algorithm.as_str().parse(), Ok(*algorithm));
            assert!(algorithm.as_str().parse::<SignatureAlgorithm>().is_err());
        }
        assert_eq!("HS512".parse(), Ok(JwsAlgorithm::Mac(MacAlgorithm::Hs512)));
    }

    #[test]
    fn rfc9864_2_2_ed25519_is_eddsa() {
        assert_eq!("Ed25519".parse(), Ok(SignatureAlgorithm::EdDsa));
        assert_eq!(SignatureAlgorithm::EdDsa.as_str(), "EdDSA");
    }
}
