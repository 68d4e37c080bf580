//! How the key of the content reaches its reader (RFC 7518 §4).

use aws_lc_rs::kdf::{SskdfDigestAlgorithmId, get_sskdf_digest_algorithm, sskdf_digest};
use aws_lc_rs::key_wrap::{AES_128, AES_256, AesKek, KeyWrap};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::rsa::OAEP_SHA256_MGF1SHA256;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Agreement, Error, Header};
use crate::algorithm::{ContentEncryption, KeyManagement};
use crate::jwk::{self, DecryptionKey, EncryptionKey, Ephemeral, Recipient, Secret, agree, ephemeral_point};

/// Returns the key of a message's content; where it does not unwrap, a random one that opens nothing.
pub(super) fn open(
    header: &Header,
    key: &DecryptionKey,
    encrypted_key: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let content = header.content;
    if key.content().is_some_and(|only| only != content) {
        return Err(Error::Content(content));
    }
    if header.algorithm.is_direct() && !encrypted_key.is_empty() {
        return Err(Error::EncryptedKey);
    }
    let opened = match key.secret() {
        Secret::Shared(shared) if header.algorithm == KeyManagement::Dir => {
            // The header says openly what length its key has.
            let fits = shared.len() == content.length();
            Some(if fits { shared.clone() } else { return Err(Error::Content(content)) })
        }
        Secret::Shared(shared) => unwrap(shared, encrypted_key),
        Secret::Rsa(private) => {
            let mut plaintext = Zeroizing::new(vec![0; private.min_output_size()]);
            let opened = private.decrypt(&OAEP_SHA256_MGF1SHA256, encrypted_key, &mut plaintext, None);
            opened.ok().map(|opened| Zeroizing::new(opened.to_vec()))
        }
        Secret::Agreement(family, private) => {
            let epk = header.agreement.epk.as_ref().ok_or(Error::Ephemeral)?;
            let point = ephemeral_point(epk, *family).map_err(|_| Error::Ephemeral)?;
            let secret = agree(private, *family, &point).ok_or(Error::Ephemeral)?;
            let derived = derive(header.algorithm, content, &secret, &header.agreement);
            derived.and_then(|key| wrapped(header.algorithm, key, |kek| unwrap(kek, encrypted_key)))
        }
    };
    let random = random(content.length())?;
    Ok(opened.filter(|opened| opened.len() == content.length()).unwrap_or(random))
}

/// A key for the content of a new message, and how its reader is told of it.
pub(super) struct Told {
    /// The key of the content
    pub(super) key: Zeroizing<Vec<u8>>,
    /// The key as its reader can open it
    pub(super) encrypted_key: Vec<u8>,
    /// The header's `epk`
    pub(super) epk: Option<Value>,
}

/// Makes a key for the content of a new message.
pub(super) fn seal(key: &EncryptionKey, content: ContentEncryption) -> Result<Told, Error> {
    let failed = || Error::Key(jwk::Error::Primitive);
    let fresh = random(content.length())?;
    match key.recipient() {
        Recipient::Shared(shared) if key.algorithm() == KeyManagement::Dir => {
            let fits = shared.len() == content.length();
            let key = if fits { shared.clone() } else { return Err(Error::Content(content)) };
            Ok(Told { key, encrypted_key: Vec::new(), epk: None })
        }
        Recipient::Shared(shared) => {
            Ok(Told { encrypted_key: wrap(shared, &fresh).ok_or_else(failed)?, key: fresh, epk: None })
        }
        Recipient::Rsa(public) => {
            let mut ciphertext = vec![0; public.ciphertext_size()];
            public.encrypt(&OAEP_SHA256_MGF1SHA256, &fresh, &mut ciphertext, None).map_err(|_| failed())?;
            Ok(Told { key: fresh, encrypted_key: ciphertext, epk: None })
        }
        Recipient::Agreement(family, point) => {
            let ephemeral = Ephemeral::generate(*family)?;
            let secret = ephemeral.agree(*family, point).ok_or_else(failed)?;
            let derived =
                derive(key.algorithm(), content, &secret, &Agreement::default()).ok_or_else(failed)?;
            let epk = Some(ephemeral.public);
            if key.algorithm() == KeyManagement::EcdhEs {
                return Ok(Told { key: derived, encrypted_key: Vec::new(), epk });
            }
            Ok(Told { encrypted_key: wrap(&derived, &fresh).ok_or_else(failed)?, key: fresh, epk })
        }
    }
}

/// Returns what was agreed on, or what it unwraps.
fn wrapped(
    algorithm: KeyManagement,
    agreed: Zeroizing<Vec<u8>>,
    unwrap: impl FnOnce(&[u8]) -> Option<Zeroizing<Vec<u8>>>,
) -> Option<Zeroizing<Vec<u8>>> {
    if algorithm == KeyManagement::EcdhEs { Some(agreed) } else { unwrap(&agreed) }
}

/// Derives a key from a secret that was agreed on: the Concat KDF (RFC 7518 §4.6.2).
fn derive(
    algorithm: KeyManagement,
    content: ContentEncryption,
    secret: &[u8],
    agreement: &Agreement,
) -> Option<Zeroizing<Vec<u8>>> {
    let (name, length) = match algorithm {
        KeyManagement::EcdhEs => (content.as_str(), content.length()),
        KeyManagement::EcdhEsA128Kw => (algorithm.as_str(), 16),
        KeyManagement::EcdhEsA256Kw => (algorithm.as_str(), 32),
        KeyManagement::RsaOaep256 | KeyManagement::A128Kw | KeyManagement::A256Kw | KeyManagement::Dir => {
            return None;
        }
    };
    let mut info = Vec::new();
    for part in [name.as_bytes(), &agreement.apu, &agreement.apv] {
        info.extend_from_slice(&u32::try_from(part.len()).ok()?.to_be_bytes());
        info.extend_from_slice(part);
    }
    info.extend_from_slice(&u32::try_from(length * 8).ok()?.to_be_bytes());
    let sha256 = get_sskdf_digest_algorithm(SskdfDigestAlgorithmId::Sha256)?;
    let mut derived = Zeroizing::new(vec![0; length]);
    sskdf_digest(sha256, secret, &info, &mut derived).ok()?;
    Some(derived)
}

fn unwrap(kek: &[u8], encrypted_key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut output = Zeroizing::new(vec![0; encrypted_key.len()]);
    let opened = cipher(kek)?.unwrap(encrypted_key, &mut output).ok()?;
    Some(Zeroizing::new(opened.to_vec()))
}

fn wrap(kek: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let mut output = vec![0; key.len() + 8];
    Some(cipher(kek)?.wrap(key, &mut output).ok()?.to_vec())
}

fn cipher(kek: &[u8]) -> Option<AesKek> {
    AesKek::new(if kek.len() == 16 { &AES_128 } else { &AES_256 }, kek).ok()
}

/// Draws a key.
pub(super) fn random(length: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut bytes = Zeroizing::new(vec![0; length]);
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::Key(jwk::Error::Primitive))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Agreement, derive};
    use crate::algorithm::{ContentEncryption, Family, KeyManagement};
    use crate::base64url;
    use crate::jwk::{DecryptionKey, Secret, agree, ephemeral_point};

    #[test]
    fn rfc7518_c_both_sides_derive_one_key() {
        let alice = json!({"kty": "EC", "crv": "P-256", "x": "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0", "y": "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps", "d": "0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo"});
        let bob = json!({"kty": "EC", "crv": "P-256", "x": "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ", "y": "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck", "d": "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw"});
        let agreement = Agreement { epk: None, apu: b"Alice".to_vec(), apv: b"Bob".to_vec() };
        for (ours, theirs) in [(&alice, &bob), (&bob, &alice)] {
            let key = DecryptionKey::from_jwk(ours, &[KeyManagement::EcdhEs]).unwrap();
            let Secret::Agreement(Family::P256, private) = key.secret() else { panic!("{key:?}") };
            let point = ephemeral_point(theirs, Family::P256).unwrap();
            let secret = agree(private, Family::P256, &point).unwrap();
            let derived = derive(KeyManagement::EcdhEs, ContentEncryption::A128Gcm, &secret, &agreement);
            assert_eq!(base64url::encode(&derived.unwrap()), "VqqN6vgjbSBcIijNcacQGg");
        }
    }
}
