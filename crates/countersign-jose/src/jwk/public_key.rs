//! Public keys of signatures.

use std::fmt;

use aws_lc_rs::signature::{
    self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
};
use serde_json::{Map, Value};

use super::record::{Purpose, Record, only};
use super::{Error, thumbprint};
use crate::algorithm::{Family, SignatureAlgorithm};
use crate::base64url;

/// A public key that verifies signatures of one algorithm, parsed once.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: SignatureAlgorithm,
    kid: Option<String>,
    parameters: Box<[(&'static str, String)]>,
    parsed: ParsedPublicKey,
}

const PURPOSE: Purpose = Purpose { used: "sig", operations: &["verify"] };

impl PublicKey {
    /// Reads a JWK; its private part, if it has one, is not looked at.
    ///
    /// The algorithm is the one that the JWK states, which must be `allowed`; if it states none, the only one of
    /// `allowed` that fits its type and curve.
    ///
    /// # Errors
    ///
    /// Each variant of [`Error`] but those of sets.
    pub fn from_jwk(jwk: &Value, allowed: &[SignatureAlgorithm]) -> Result<Self, Error> {
        only(Self::each_from_jwk(jwk, allowed)?)
    }

    /// Reads a JWK as one key for each algorithm that it may be used with.
    pub(super) fn each_from_jwk(jwk: &Value, allowed: &[SignatureAlgorithm]) -> Result<Vec<Self>, Error> {
        let record = Record::read(jwk, &PURPOSE)?;
        if record.text("kty")?.ok_or(Error::Missing("kty"))? == "oct" {
            return Err(Error::Symmetric);
        }
        let family = Family::of(record.members()).ok_or(Error::Unsupported)?;
        let algorithms = record.algorithms(allowed, |algorithm| algorithm.family() == family)?;
        let (material, kid) = (Material::read(record, family)?, record.kid()?);
        algorithms.into_iter().map(|algorithm| Self::new(algorithm, kid.clone(), &material)).collect()
    }

    /// Makes a key of parameters that may still make none.
    pub(super) fn new(
        algorithm: SignatureAlgorithm,
        kid: Option<String>,
        material: &Material,
    ) -> Result<Self, Error> {
        let parsed = match material {
            Material::Point(point) => ParsedPublicKey::new(elliptic(algorithm)?, point),
            Material::Rsa { n, e } => RsaPublicKeyComponents { n, e }
                .to_parsed_public_key(rsa(algorithm).ok_or(Error::AlgorithmUnfit)?),
        };
        let parsed = parsed.map_err(|_| Error::Parameters)?;
        Ok(Self { algorithm, kid, parameters: material.parameters(algorithm.family())?, parsed })
    }

    /// Returns the key's one algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// Returns the key's name.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Names the key.
    #[must_use]
    pub fn named(self, kid: String) -> Self {
        Self { kid: Some(kid), ..self }
    }

    /// Returns the JWK: the key, what it is for, and its algorithm.
    #[must_use]
    pub fn to_jwk(&self) -> Value {
        let mut jwk: Map<String, Value> =
            self.parameters.iter().map(|(name, text)| ((*name).to_owned(), text.as_str().into())).collect();
        jwk.insert("alg".to_owned(), self.algorithm.as_str().into());
        jwk.insert("use".to_owned(), PURPOSE.used.into());
        if let Some(kid) = &self.kid {
            jwk.insert("kid".to_owned(), kid.as_str().into());
        }
        Value::Object(jwk)
    }

    /// Returns the thumbprint (RFC 7638 §3): base64url of SHA-256 over the parameters that make the key.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        thumbprint::of(self.parameters.iter().map(|(name, text)| (*name, text.as_str())))
    }

    /// Tells whether `signature` is this key's over `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PublicKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        (self.algorithm, &self.kid, &self.parameters) == (other.algorithm, &other.kid, &other.parameters)
    }
}

impl Eq for PublicKey {}

/// The bytes that make a public key.
pub(super) enum Material {
    /// A point as AWS-LC reads it: uncompressed on the curves of NIST, as it is on the others
    Point(Vec<u8>),
    /// Modulus and exponent
    Rsa {
        /// The modulus
        n: Vec<u8>,
        /// The exponent
        e: Vec<u8>,
    },
}

impl Material {
    /// Reads the parameters of a public key of `family`.
    pub(super) fn read(record: Record<'_>, family: Family) -> Result<Self, Error> {
        match family {
            Family::Rsa => Self::rsa(record.bytes("n")?, record.bytes("e")?),
            Family::P256 | Family::P384 | Family::P521 => {
                // RFC 7518 §6.2.1.2: a coordinate has the length of its field, leading zeros and all.
                let (length, x, y) = (coordinate(family), record.bytes("x")?, record.bytes("y")?);
                for (member, bytes) in [("x", &x), ("y", &y)] {
                    exact(member, bytes, length)?;
                }
                Ok(Self::Point([&[UNCOMPRESSED], x.as_slice(), y.as_slice()].concat()))
            }
            Family::Ed25519 | Family::X25519 => {
                let x = record.bytes("x")?;
                exact("x", &x, coordinate(family))?;
                Ok(Self::Point(x))
            }
        }
    }

    /// Takes a modulus of 2048 to 8192 bits (RFC 7518 §3.3, and what AWS-LC verifies with) and an exponent that is odd,
    /// at least 3 and at most 33 bits long, both without leading zeros (RFC 7518 §2, Base64urlUInt).
    pub(super) fn rsa(n: Vec<u8>, e: Vec<u8>) -> Result<Self, Error> {
        let (Some(first), Some(most), Some(last)) = (n.first(), e.first(), e.last()) else {
            return Err(Error::Parameters);
        };
        let bits = (n.len() * 8).saturating_sub(usize::try_from(first.leading_zeros()).unwrap_or(8));
        if !(2048..=8192).contains(&bits) {
            return Err(Error::Length { member: "n", expected: "2048 to 8192 bits", found: bits });
        }
        let sane = *first != 0 && *most != 0 && last % 2 == 1 && e.len() <= 5 && e != [1];
        if sane { Ok(Self::Rsa { n, e }) } else { Err(Error::Parameters) }
    }

    /// Returns the parameters that make the key, in the order of their names (RFC 7638 §3.2).
    fn parameters(&self, family: Family) -> Result<Box<[(&'static str, String)]>, Error> {
        let encoded = |bytes: &[u8]| base64url::encode(bytes);
        Ok(match self {
            Self::Rsa { n, e } => Box::new([("e", encoded(e)), ("kty", "RSA".to_owned()), ("n", encoded(n))]),
            Self::Point(point) if family == Family::Ed25519 => {
                Box::new([("crv", "Ed25519".to_owned()), ("kty", "OKP".to_owned()), ("x", encoded(point))])
            }
            Self::Point(point) => {
                let (x, y) = point
                    .strip_prefix(&[UNCOMPRESSED])
                    .and_then(|rest| rest.split_at_checked(coordinate(family)))
                    .ok_or(Error::Parameters)?;
                Box::new([
                    ("crv", curve(family).to_owned()),
                    ("kty", "EC".to_owned()),
                    ("x", encoded(x)),
                    ("y", encoded(y)),
                ])
            }
        })
    }
}

/// SEC 1 §2.3.3: both coordinates follow.
const UNCOMPRESSED: u8 = 4;

fn exact(member: &'static str, bytes: &[u8], length: usize) -> Result<(), Error> {
    let expected = "the length of its curve's field";
    if bytes.len() == length { Ok(()) } else { Err(Error::Length { member, expected, found: bytes.len() }) }
}

/// Returns the length of a coordinate in bytes.
const fn coordinate(family: Family) -> usize {
    match family {
        Family::P384 => 48,
        Family::P521 => 66,
        Family::Ed25519 | Family::P256 | Family::Rsa | Family::X25519 => 32,
    }
}

const fn curve(family: Family) -> &'static str {
    match family {
        Family::P256 => "P-256",
        Family::P384 => "P-384",
        Family::P521 => "P-521",
        Family::Ed25519 => "Ed25519",
        Family::X25519 => "X25519",
        Family::Rsa => "",
    }
}

fn elliptic(algorithm: SignatureAlgorithm) -> Result<&'static dyn VerificationAlgorithm, Error> {
    match algorithm {
        SignatureAlgorithm::Es256 => Ok(&signature::ECDSA_P256_SHA256_FIXED),
        SignatureAlgorithm::Es384 => Ok(&signature::ECDSA_P384_SHA384_FIXED),
        SignatureAlgorithm::Es512 => Ok(&signature::ECDSA_P521_SHA512_FIXED),
        SignatureAlgorithm::EdDsa => Ok(&signature::ED25519),
        SignatureAlgorithm::Rs256
        | SignatureAlgorithm::Rs384
        | SignatureAlgorithm::Rs512
        | SignatureAlgorithm::Ps256
        | SignatureAlgorithm::Ps384
        | SignatureAlgorithm::Ps512 => Err(Error::AlgorithmUnfit),
    }
}

const fn rsa(algorithm: SignatureAlgorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        SignatureAlgorithm::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        SignatureAlgorithm::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        SignatureAlgorithm::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        SignatureAlgorithm::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        SignatureAlgorithm::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        SignatureAlgorithm::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        SignatureAlgorithm::Es256
        | SignatureAlgorithm::Es384
        | SignatureAlgorithm::Es512
        | SignatureAlgorithm::EdDsa => None,
    }
}
