//! `token.decrypt`: what was encrypted for a key of a set.

use std::rc::Rc;

use anyhow::{Context, Result};
use countersign_jose::algorithm::KeyManagement;
use countersign_jose::jwe::{self, Compact};
use countersign_jose::jwk::{DecryptionKey, JwkSet};
use serde::Deserialize;
use serde_json::Value;

use super::MOST;
use super::keys::{Lately, find, text};

/// An encrypted message.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decrypt {
    /// The set of the keys that it may be encrypted for
    pub(crate) jwks: Value,
    /// The message: text, or an object of the JSON serializations
    pub(crate) token: Value,
}

/// The keys of a set that decrypt.
#[derive(Debug)]
pub(crate) struct Private(JwkSet<DecryptionKey>);

impl Decrypt {
    /// Reads the keys.
    ///
    /// # Errors
    ///
    /// What is wrong with the set.
    pub(crate) fn keys(&self, kept: &mut Lately<Private>) -> Result<Rc<Private>> {
        let read =
            |jwks: &Value, _: Option<&[String]>| Ok(Private(JwkSet::from_value(jwks, KeyManagement::ALL)?));
        kept.read(&self.jwks, None, read)
    }

    /// Decrypts the message for the first of its recipients whose key the set has.
    ///
    /// # Errors
    ///
    /// Why it cannot be decrypted.
    pub(crate) fn decrypt(&self, kept: &mut Lately<Private>) -> Result<Vec<u8>> {
        let (keys, text, mut stranger) = (self.keys(kept)?, text(&self.token)?, None);
        for message in recipients(&text)? {
            match find(&keys.0, message.header().kid(), message.header().algorithm()) {
                Ok(key) => return Ok(message.decrypt(key)?.plaintext().to_vec()),
                Err(reason) => stranger = stranger.or(Some(reason)),
            }
        }
        Err(stranger.context("the message has no recipient")?)
    }
}

/// Reads a message in one of its three serializations.
fn recipients(text: &str) -> Result<Vec<Compact<'_>>> {
    let text = text.trim_start();
    if text.starts_with('{') {
        return Ok(jwe::parse_json(text, MOST)?);
    }
    Ok(vec![Compact::parse(text, MOST)?])
}
