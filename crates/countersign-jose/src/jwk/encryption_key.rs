//! Keys that encrypt.

use std::fmt;

use aws_lc_rs::agreement::{self, Algorithm, UnparsedPublicKey};
use aws_lc_rs::rsa::{OaepPublicEncryptingKey, PublicEncryptingKey, PublicKeyComponents};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::Error;
use super::material::Material;
use super::record::{Purpose, Record, only};
use crate::algorithm::{ContentEncryption, Family, KeyManagement};

/// A public or shared key that encrypts messages with one algorithm.
pub struct EncryptionKey {
    algorithm: KeyManagement,
    content: Option<ContentEncryption>,
    kid: Option<String>,
    recipient: Recipient,
}

/// What seals messages.
pub(crate) enum Recipient {
    /// A public key on a curve
    Agreement(Family, Vec<u8>),
    /// A public RSA key
    Rsa(OaepPublicEncryptingKey),
    /// A key that both sides have
    Shared(Zeroizing<Vec<u8>>),
}

/// A key for one agreement.
pub(crate) struct Ephemeral {
    key: agreement::PrivateKey,
    /// Its public part, as the header's `epk`
    pub(crate) public: Value,
}

const PURPOSE: Purpose =
    Purpose { used: "enc", operations: &["encrypt", "wrapKey", "deriveKey", "deriveBits"] };

impl EncryptionKey {
    /// Reads a JWK; its private part, if it has one, is not looked at. The algorithm is chosen as
    /// [`super::DecryptionKey::from_jwk`] chooses it.
    ///
    /// # Errors
    ///
    /// Each variant of [`Error`] but those of sets.
    pub fn from_jwk(jwk: &Value, allowed: &[KeyManagement]) -> Result<Self, Error> {
        let record = Record::read(jwk, &PURPOSE)?;
        if record.text("kty")?.ok_or(Error::Missing("kty"))? == "oct" {
            let SharedKey { algorithms, content, secret } = shared(record, allowed)?;
            let (algorithm, recipient) = (only(algorithms)?, Recipient::Shared(secret));
            return Ok(Self { algorithm, content, kid: record.kid()?, recipient });
        }
        let family = family(record)?;
        let algorithm = only(record.algorithms(allowed, |algorithm| algorithm.fits(family))?)?;
        let recipient = match Material::read(record, family)? {
            Material::Point(point) => {
                let curve = curve(family).ok_or(Error::Unsupported)?;
                agreement::ParsedPublicKey::try_from(UnparsedPublicKey::new(curve, &point))
                    .map_err(|_| Error::Parameters)?;
                Recipient::Agreement(family, point)
            }
            Material::Rsa { n, e } => {
                let key: Result<PublicEncryptingKey, _> = PublicKeyComponents { n, e }.try_into();
                let key = key.and_then(OaepPublicEncryptingKey::new).map_err(|_| Error::Parameters)?;
                Recipient::Rsa(key)
            }
        };
        Ok(Self { algorithm, content: None, kid: record.kid()?, recipient })
    }

    /// Returns the key's one algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> KeyManagement {
        self.algorithm
    }

    /// Returns the only algorithm of content that the key is for, if it states one.
    #[must_use]
    pub const fn content(&self) -> Option<ContentEncryption> {
        self.content
    }

    /// Returns the key's name.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Returns what seals messages.
    pub(crate) const fn recipient(&self) -> &Recipient {
        &self.recipient
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("EncryptionKey")
            .field("algorithm", &self.algorithm)
            .field("content", &self.content)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl Ephemeral {
    /// Generates a key on a curve.
    pub(crate) fn generate(family: Family) -> Result<Self, Error> {
        let curve = curve(family).ok_or(Error::Unsupported)?;
        let key = agreement::PrivateKey::generate(curve).map_err(|_| Error::Primitive)?;
        let point = key.compute_public_key().map_err(|_| Error::Primitive)?;
        let parameters = Material::Point(point.as_ref().to_vec()).parameters(family)?;
        let public: Map<String, Value> =
            parameters.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect();
        Ok(Self { key, public: Value::Object(public) })
    }

    /// Agrees with a public key on the same curve.
    pub(crate) fn agree(&self, family: Family, point: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        agree(&self.key, family, point)
    }
}

/// Agrees on a secret; none if the point is not on the curve, or gives nothing secret.
pub(crate) fn agree(key: &agreement::PrivateKey, family: Family, point: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let peer = UnparsedPublicKey::new(curve(family)?, point);
    agreement::agree(key, peer, (), |secret| Ok(Zeroizing::new(secret.to_vec()))).ok()
}

/// Reads the public key of an agreement's other side, which must be on the curve of ours.
pub(crate) fn ephemeral_point(epk: &Value, expected: Family) -> Result<Vec<u8>, Error> {
    let record = Record::read(epk, &PURPOSE)?;
    match Material::read(record, family(record)?)? {
        Material::Point(point) if family(record)? == expected => Ok(point),
        Material::Point(_) | Material::Rsa { .. } => Err(Error::Unsupported),
    }
}

/// Returns the family of an asymmetric key.
pub(super) fn family(record: Record<'_>) -> Result<Family, Error> {
    Family::of(record.members()).ok_or(Error::Unsupported)
}

/// What a symmetric key is for, and its bytes.
pub(super) struct SharedKey {
    pub(super) algorithms: Vec<KeyManagement>,
    pub(super) content: Option<ContentEncryption>,
    pub(super) secret: Zeroizing<Vec<u8>>,
}

/// Reads a symmetric key.
pub(super) fn shared(record: Record<'_>, allowed: &[KeyManagement]) -> Result<SharedKey, Error> {
    let secret = Zeroizing::new(record.bytes("k")?);
    // RFC 7517 appendix A.3, RFC 7520 §3.6: a key may say what content it encrypts. It is then for nothing else.
    let content = record.text("alg")?.and_then(|name| name.parse::<ContentEncryption>().ok());
    let algorithms = match content {
        Some(_) if allowed.contains(&KeyManagement::Dir) => vec![KeyManagement::Dir],
        Some(_) => return Err(Error::AlgorithmNotAllowed),
        None => record.algorithms(allowed, |algorithm| algorithm.takes(secret.len()))?,
    };
    if content.is_some_and(|content| content.length() != secret.len()) {
        let expected = "the length of its algorithm's key";
        return Err(Error::Length { member: "k", expected, found: secret.len() });
    }
    Ok(SharedKey { algorithms, content, secret })
}

/// Returns a family's curve of agreements.
pub(super) const fn curve(family: Family) -> Option<&'static Algorithm> {
    match family {
        Family::P256 => Some(&agreement::ECDH_P256),
        Family::P384 => Some(&agreement::ECDH_P384),
        Family::P521 => Some(&agreement::ECDH_P521),
        Family::X25519 => Some(&agreement::X25519),
        Family::Ed25519 | Family::Rsa => None,
    }
}
