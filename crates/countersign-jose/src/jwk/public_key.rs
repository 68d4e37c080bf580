//! Public keys of signatures.

use std::fmt;

use aws_lc_rs::signature::{
    self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
};
use serde_json::{Map, Value};

use super::material::Material;
use super::record::{Purpose, Record, only};
use super::{Error, thumbprint};
use crate::algorithm::{Family, SignatureAlgorithm};

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
