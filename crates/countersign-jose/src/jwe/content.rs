//! How the content is encrypted and authenticated (RFC 7518 §5).

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    self, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroizing;

use super::{Content, Error};
use crate::algorithm::ContentEncryption;
use crate::jwk;

/// What encrypts a content.
enum Cipher {
    /// One primitive for both (§5.3)
    Gcm(&'static aead::Algorithm),
    /// AES in CBC mode, then a MAC over what came out (§5.2)
    CbcHmac(&'static cipher::Algorithm, hmac::Algorithm),
}

/// Decrypts a content that is authentic. What is wrong with one that is not is never told.
pub(super) fn open(
    algorithm: ContentEncryption,
    key: &[u8],
    content: &Content<'_>,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    match cipher(algorithm) {
        Cipher::Gcm(gcm) => open_gcm(gcm, key, content),
        Cipher::CbcHmac(aes, hmac) => open_cbc(aes, hmac, key, content),
    }
    .ok_or(Error::Decryption)
}

fn open_gcm(gcm: &'static aead::Algorithm, key: &[u8], content: &Content<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let Content { aad, iv, ciphertext, tag } = content;
    // RFC 7518 §5.3: 96 bits of IV, and a tag of no less than 128.
    if tag.len() != gcm.tag_len() {
        return None;
    }
    let nonce = Nonce::try_assume_unique_for_key(iv).ok()?;
    let mut plaintext = Zeroizing::new(vec![0; ciphertext.len()]);
    let key = LessSafeKey::new(UnboundKey::new(gcm, key).ok()?);
    key.open_separate_gather(nonce, Aad::from(aad), ciphertext, tag, &mut plaintext).ok()?;
    Some(plaintext)
}

fn open_cbc(
    aes: &'static cipher::Algorithm,
    hmac: hmac::Algorithm,
    key: &[u8],
    content: &Content<'_>,
) -> Option<Zeroizing<Vec<u8>>> {
    let (mac_key, key) = key.split_at_checked(key.len() / 2)?;
    // RFC 7518 §5.2.2.2: nothing is decrypted that is not authentic; its padding then tells nobody anything.
    verify_slices_are_equal(&mac(hmac, mac_key, content)?, &content.tag).ok()?;
    let iv = FixedLength::try_from(content.iv.as_slice()).ok()?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(aes, key).ok()?).ok()?;
    let mut plaintext = Zeroizing::new(content.ciphertext.clone());
    let length = key.decrypt(&mut plaintext, DecryptionContext::Iv128(iv)).ok()?.len();
    plaintext.truncate(length);
    Some(plaintext)
}

/// Encrypts a content with a key that encrypts nothing else.
pub(super) fn seal<'a>(
    algorithm: ContentEncryption,
    key: &[u8],
    iv: &[u8],
    aad: &'a [u8],
    plaintext: &[u8],
) -> Result<Content<'a>, Error> {
    let mut content =
        Content { aad: aad.into(), iv: iv.to_vec(), ciphertext: plaintext.to_vec(), tag: Vec::new() };
    let tag = match cipher(algorithm) {
        Cipher::Gcm(gcm) => seal_gcm(gcm, key, &mut content),
        Cipher::CbcHmac(aes, hmac) => seal_cbc(aes, hmac, key, &mut content),
    };
    content.tag = tag.ok_or(Error::Key(jwk::Error::Primitive))?;
    Ok(content)
}

fn seal_gcm(gcm: &'static aead::Algorithm, key: &[u8], content: &mut Content<'_>) -> Option<Vec<u8>> {
    let nonce = Nonce::try_assume_unique_for_key(&content.iv).ok()?;
    let key = LessSafeKey::new(UnboundKey::new(gcm, key).ok()?);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(&content.aad), &mut content.ciphertext).ok()?;
    Some(tag.as_ref().to_vec())
}

fn seal_cbc(
    aes: &'static cipher::Algorithm,
    hmac: hmac::Algorithm,
    key: &[u8],
    content: &mut Content<'_>,
) -> Option<Vec<u8>> {
    let (mac_key, key) = key.split_at_checked(key.len() / 2)?;
    let iv = FixedLength::try_from(content.iv.as_slice()).ok()?;
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(aes, key).ok()?).ok()?;
    key.less_safe_encrypt(&mut content.ciphertext, EncryptionContext::Iv128(iv)).ok()?;
    mac(hmac, mac_key, content)
}

/// Returns the tag of RFC 7518 §5.2.2.1: the first half of a MAC.
fn mac(hmac: hmac::Algorithm, key: &[u8], content: &Content<'_>) -> Option<Vec<u8>> {
    let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac, key));
    for part in [&content.aad, content.iv.as_slice(), &content.ciphertext] {
        mac.update(part);
    }
    mac.update(&u64::try_from(content.aad.len()).ok()?.checked_mul(8)?.to_be_bytes());
    let tag = mac.sign();
    let (half, _) = tag.as_ref().split_at_checked(tag.as_ref().len() / 2)?;
    Some(half.to_vec())
}

/// Returns the length of an algorithm's initialization vector in bytes.
pub(super) const fn iv_length(algorithm: ContentEncryption) -> usize {
    match cipher(algorithm) {
        Cipher::Gcm(_) => aead::NONCE_LEN,
        Cipher::CbcHmac(..) => cipher::AES_CBC_IV_LEN,
    }
}

const fn cipher(algorithm: ContentEncryption) -> Cipher {
    match algorithm {
        ContentEncryption::A128CbcHs256 => Cipher::CbcHmac(&cipher::AES_128, hmac::HMAC_SHA256),
        ContentEncryption::A192CbcHs384 => Cipher::CbcHmac(&cipher::AES_192, hmac::HMAC_SHA384),
        ContentEncryption::A256CbcHs512 => Cipher::CbcHmac(&cipher::AES_256, hmac::HMAC_SHA512),
        ContentEncryption::A128Gcm => Cipher::Gcm(&aead::AES_128_GCM),
        ContentEncryption::A192Gcm => Cipher::Gcm(&aead::AES_192_GCM),
        ContentEncryption::A256Gcm => Cipher::Gcm(&aead::AES_256_GCM),
    }
}
