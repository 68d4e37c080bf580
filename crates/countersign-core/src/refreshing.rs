//! Refresh tokens as texts and as state (RFC 6749 §6, RFC 9700 §4.14.2): one row for each family, whichever of its tokens
//! is presented.
//!
//! A text names its family and its number in it, and carries 128 random bits and a tag that only this installation can
//! make. So any token that was ever handed out is told from a guess, and its reuse is seen, though only the hash of the
//! newest is kept.
//!
//! **Invariants.** At any time one token of a family counts. The answer to the token before is kept for a short while,
//! sealed under a key that is derived from that token's text (SAFETY 9), and for a client alone that proves itself.

use aws_lc_rs::aead::AES_256_GCM;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use countersign_jose::base64url;
use serde::{Deserialize, Serialize};

use crate::authorized::Authorized;
use crate::base62::{self, encode};
use crate::context::Context;
use crate::id::CredentialId;
use crate::keyring::{SealedPlace, SealingKey};
use crate::ledger::Unavailable;
use crate::record::ArtifactRecord;
use crate::secret::{Peppers, Purpose, Secret, constant_time_eq};
use crate::timestamp::Timestamp;
use crate::token::FAMILY;

/// What families are, among artifacts.
pub const KIND: &str = "refresh_token";

/// What every refresh token begins with.
pub const PREFIX: &str = "cs_refresh_";

/// The digits of 128 bits.
const DIGITS: usize = 22;
/// The digits of a number of 32 bits.
const NUMBER: usize = 6;
/// What a text holds behind its prefix and before its tag.
const BODY: usize = DIGITS + NUMBER + DIGITS;

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

/// A refresh token as received: parsed, not believed.
pub struct RefreshText {
    /// The family that it names.
    pub family: CredentialId,
    /// Its number there.
    pub number: u32,
    text: Secret<String>,
}

impl RefreshText {
    /// Reads a text; `None`: it has not the form of a refresh token.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX)?;
        if rest.len() != BODY + DIGITS || !base62::is_base62(rest) {
            return None;
        }
        let (family, rest) = rest.split_at_checked(DIGITS)?;
        let (number, _) = rest.split_at_checked(NUMBER)?;
        let family = format!("{}_{family}", FAMILY.as_str()).parse().ok()?;
        let number = u32::try_from(base62::decode(number)?).ok()?;
        Some(Self { family, number, text: Secret::new(text.to_owned()) })
    }

    /// Returns it once more, for who answers it.
    pub(crate) fn again(&self) -> Self {
        Self { family: self.family, number: self.number, text: Secret::new(self.text.expose().clone()) }
    }

    /// Tells whether it was made here: by its tag, under any pepper.
    #[must_use]
    pub fn is_ours(&self, peppers: &Peppers) -> bool {
        let text = self.text.expose();
        let Some((body, told)) = text.split_at_checked(PREFIX.len() + BODY) else { return false };
        peppers.all().any(|pepper| {
            let tag = tag(pepper.hash(Purpose::RefreshTag, body).as_bytes());
            constant_time_eq(tag.as_str().as_bytes(), told.as_bytes())
        })
    }

    /// Tells whether it is the one that `record` counts.
    #[must_use]
    pub fn counts(&self, peppers: &Peppers, record: &ArtifactRecord) -> bool {
        let hash = |pepper: &crate::secret::Pepper| pepper.hash(Purpose::Credential, self.text.expose());
        peppers.all().any(|pepper| hash(pepper).matches(&record.lookup))
    }
}

impl std::fmt::Debug for RefreshText {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RefreshText").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Makes the token of this number.
pub(crate) fn mint(context: &mut Context<'_>, family: CredentialId, number: u32) -> Secret<String> {
    let name = family.to_string();
    let digits = name.rsplit('_').next().unwrap_or_default();
    let random = base62::random(context.entropy, DIGITS);
    let body = format!("{PREFIX}{digits}{}{random}", encode::<NUMBER>(number.into()).as_str());
    let tag = tag(context.peppers.current().hash(Purpose::RefreshTag, &body).as_bytes());
    Secret::new(format!("{body}{}", tag.as_str()))
}

fn tag(hash: &[u8; 32]) -> base62::Digits<DIGITS> {
    let half = hash.first_chunk().map_or(0, |half: &[u8; 16]| u128::from_be_bytes(*half));
    encode(half)
}

/// Seals the answer to a token under that token's text.
///
/// # Errors
///
/// [`Unavailable::Corrupt`], which no answer causes.
pub(crate) fn sealed(
    context: &mut Context<'_>,
    presented: &RefreshText,
    answer: &Secret<Vec<u8>>,
) -> Result<Retry, Unavailable> {
    let family = presented.family.to_string();
    let key = key_of(presented.text.expose()).ok_or_else(unsealed)?;
    let sealed = key.seal(&place(&family), answer, context.entropy).map_err(|_| unsealed())?;
    let until = context.now.plus(context.policy.refresh_retry);
    Ok(Retry { until, sealed: base64url::encode(&sealed) })
}

/// Opens the answer to a token; `None`: it is another token's.
pub(crate) fn opened(presented: &RefreshText, retry: &Retry) -> Option<Secret<Vec<u8>>> {
    let family = presented.family.to_string();
    let sealed = base64url::decode(&retry.sealed).ok()?;
    key_of(presented.text.expose())?.open(&place(&family), &sealed)
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
