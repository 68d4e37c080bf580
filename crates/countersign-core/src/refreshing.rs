//! Refresh tokens as texts and as state (RFC 6749 §6, RFC 9700 §4.14.2): one row for each family, whichever of its tokens
//! is presented.
//!
//! Any token that was ever handed out is told from a guess ([`crate::tagged`]), and its reuse is seen.
//!
//! **Invariants.** At any time one token of a family counts. The answer to the token before is kept for a short while,
//! sealed under a key that is derived from that token's text (SAFETY 9), and for a client alone that proves itself.

use aws_lc_rs::aead::AES_256_GCM;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use countersign_jose::base64url;
use serde::{Deserialize, Serialize};

use crate::authorized::Authorized;
use crate::context::Context;
use crate::id::CredentialId;
use crate::keyring::{SealedPlace, SealingKey};
use crate::ledger::Unavailable;
use crate::record::ArtifactRecord;
use crate::secret::Secret;
use crate::tagged::{self, TaggedText};
use crate::timestamp::Timestamp;

/// What families are, among artifacts.
pub const KIND: &str = "refresh_token";

/// What every refresh token begins with.
pub const PREFIX: &str = "cs_refresh_";

/// What the sealed answer is for.
const PURPOSE: &str = "refresh-retry";

/// The state of a family, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshState {
    /// The number of the token that counts.
    pub number: u32,
    /// What was decided.
    pub authorized: Authorized,
    /// When the family ends, however often it is refreshed.
    pub ends_at: Timestamp,
    /// The answer to the token before, for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
}

/// An answer that is given again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Until when.
    pub until: Timestamp,
    sealed: String,
}

impl RefreshState {
    /// Reads what is stored.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Corrupt`].
    pub fn read(record: &ArtifactRecord) -> Result<Self, Unavailable> {
        let read = serde_json::from_str(&record.payload);
        read.map_err(|error| Unavailable::Corrupt(format!("the refresh tokens {}: {error}", record.family)))
    }

    /// Writes it as it is stored.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Corrupt`].
    pub(crate) fn to_text(&self) -> Result<String, Unavailable> {
        serde_json::to_string(self).map_err(|error| Unavailable::Corrupt(error.to_string()))
    }

    /// Returns when the family ends if it is not refreshed from `now` on.
    pub(crate) fn end(&self, context: &Context<'_>) -> Timestamp {
        context.now.plus(context.policy.refresh_idle).min(self.ends_at)
    }
}

/// Reads a text; `None`: it has not the form of a refresh token.
#[must_use]
pub fn parse(text: &str) -> Option<TaggedText> {
    TaggedText::parse(PREFIX, text)
}

/// Makes the token of this number.
pub(crate) fn mint(context: &mut Context<'_>, family: CredentialId, number: u32) -> Secret<String> {
    tagged::mint(context, PREFIX, family, number)
}

/// Seals the answer to a token under that token's text.
///
/// # Errors
///
/// [`Unavailable::Corrupt`], which no answer causes.
pub(crate) fn sealed(
    context: &mut Context<'_>,
    presented: &TaggedText,
    answer: &Secret<Vec<u8>>,
) -> Result<Retry, Unavailable> {
    let family = presented.family.to_string();
    let key = key_of(presented.text().expose()).ok_or_else(unsealed)?;
    let sealed = key.seal(&place(&family), answer, context.entropy).map_err(|_| unsealed())?;
    let until = context.now.plus(context.policy.refresh_retry);
    Ok(Retry { until, sealed: base64url::encode(&sealed) })
}

/// Opens the answer to a token; `None`: it is another token's.
pub(crate) fn opened(presented: &TaggedText, retry: &Retry) -> Option<Secret<Vec<u8>>> {
    let family = presented.family.to_string();
    let sealed = base64url::decode(&retry.sealed).ok()?;
    key_of(presented.text().expose())?.open(&place(&family), &sealed)
}

fn place(family: &str) -> SealedPlace<'_> {
    SealedPlace { table: "artifact", row: family, owner: family, purpose: PURPOSE }
}

/// Derives a key from a text of 128 random bits (RFC 5869).
fn key_of(text: &str) -> Option<SealingKey> {
    let pseudorandom = Salt::new(HKDF_SHA256, b"countersign").extract(text.as_bytes());
    let purpose = [PURPOSE.as_bytes()];
    let material = pseudorandom.expand(&purpose, &AES_256_GCM).ok()?;
    Some(SealingKey::derived(material.into()))
}

fn unsealed() -> Unavailable {
    Unavailable::Corrupt("the answer to a refresh token cannot be sealed".to_owned())
}
