//! Private keys of signatures.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair,
};
use zeroize::Zeroizing;

use super::material::Material;
use super::{Error, PublicKey};
use crate::algorithm::SignatureAlgorithm;

/// A private key that makes signatures of one algorithm, parsed once. Its name is its thumbprint.
pub struct SigningKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
}

/// What makes and reads the pairs of an algorithm.
enum Primitive {
    Ecdsa(&'static EcdsaSigningAlgorithm),
    Ed25519,
    Rsa(&'static dyn RsaEncoding),
}

impl SigningKey {
    /// Generates a key: RSA with 2048 bits (NIST SP 800-57: good until 2030), or on the algorithm's curve.
    ///
    /// # Errors
    ///
    /// [`Error::Primitive`] if AWS-LC draws no key.
    pub fn generate(algorithm: SignatureAlgorithm) -> Result<Self, Error> {
        let pair = match primitive(algorithm) {
            Primitive::Ecdsa(curve) => EcdsaKeyPair::generate(curve).map(Pair::Ecdsa),
            Primitive::Ed25519 => Ed25519KeyPair::generate().map(Pair::Ed25519),
            Primitive::Rsa(encoding) => {
                RsaKeyPair::generate(KeySize::Rsa2048).map(|pair| Pair::Rsa(pair, encoding))
            }
        };
        Self::new(algorithm, pair.map_err(|_| Error::Primitive)?)
    }

    /// Reads a key of PKCS #8.
    ///
    /// # Errors
    ///
    /// [`Error::Parameters`] if the text is no key for the algorithm, [`Error::Length`] if its modulus is too short.
    pub fn from_pkcs8(algorithm: SignatureAlgorithm, der: &[u8]) -> Result<Self, Error> {
        let pair = match primitive(algorithm) {
            Primitive::Ecdsa(curve) => EcdsaKeyPair::from_pkcs8(curve, der).map(Pair::Ecdsa),
            Primitive::Ed25519 => Ed25519KeyPair::from_pkcs8(der).map(Pair::Ed25519),
            Primitive::Rsa(encoding) => RsaKeyPair::from_pkcs8(der).map(|pair| Pair::Rsa(pair, encoding)),
        };
        Self::new(algorithm, pair.map_err(|_| Error::Parameters)?)
    }

    fn new(algorithm: SignatureAlgorithm, pair: Pair) -> Result<Self, Error> {
        let material = match &pair {
            Pair::Ecdsa(pair) => Material::Point(pair.public_key().as_ref().to_vec()),
            Pair::Ed25519(pair) => Material::Point(pair.public_key().as_ref().to_vec()),
            Pair::Rsa(pair, _) => {
                let public = pair.public_key();
                let (n, e) = (public.modulus(), public.exponent());
                let bytes =
                    |number: aws_lc_rs::io::Positive<'_>| number.big_endian_without_leading_zero().to_vec();
                Material::rsa(bytes(n), bytes(e))?
            }
        };
        let public = PublicKey::new(algorithm, None, &material)?;
        let kid = public.thumbprint();
        Ok(Self { pair, public: public.named(kid) })
    }

    /// Writes the key as PKCS #8.
    ///
    /// # Errors
    ///
    /// [`Error::Primitive`] if AWS-LC cannot.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let der = match &self.pair {
            Pair::Ecdsa(pair) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            Pair::Ed25519(pair) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            Pair::Rsa(pair, _) => AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map(|der| der.as_ref().to_vec()),
        };
        der.map(Zeroizing::new).map_err(|_| Error::Primitive)
    }

    /// Names the key.
    #[must_use]
    pub fn named(self, kid: String) -> Self {
        Self { public: self.public.named(kid), ..self }
    }

    /// Returns the key's one algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> SignatureAlgorithm {
        self.public.algorithm()
    }

    /// Returns the key's name: its thumbprint (RFC 7638).
    #[must_use]
    pub fn kid(&self) -> &str {
        self.public.kid().unwrap_or_default()
    }

    /// Returns the public part.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(&random, message).map(|signature| signature.as_ref().to_vec()),
            Pair::Ed25519(pair) => pair.try_sign(message).map(|signature| signature.as_ref().to_vec()),
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature).map(|()| signature)
            }
        };
        signature.map_err(|_| Error::Primitive)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

const fn primitive(algorithm: SignatureAlgorithm) -> Primitive {
    match algorithm {
        SignatureAlgorithm::Rs256 => Primitive::Rsa(&signature::RSA_PKCS1_SHA256),
        SignatureAlgorithm::Rs384 => Primitive::Rsa(&signature::RSA_PKCS1_SHA384),
        SignatureAlgorithm::Rs512 => Primitive::Rsa(&signature::RSA_PKCS1_SHA512),
        SignatureAlgorithm::Ps256 => Primitive::Rsa(&signature::RSA_PSS_SHA256),
        SignatureAlgorithm::Ps384 => Primitive::Rsa(&signature::RSA_PSS_SHA384),
        SignatureAlgorithm::Ps512 => Primitive::Rsa(&signature::RSA_PSS_SHA512),
        SignatureAlgorithm::Es256 => Primitive::Ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        SignatureAlgorithm::Es384 => Primitive::Ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
        SignatureAlgorithm::Es512 => Primitive::Ecdsa(&signature::ECDSA_P521_SHA512_FIXED_SIGNING),
        SignatureAlgorithm::EdDsa => Primitive::Ed25519,
    }
}
