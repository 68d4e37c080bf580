//! Texts that name a family and are told from guesses: refresh tokens, and what browsers keep of sessions.
//!
//! A text names its family and its number in it, and carries 128 random bits and a tag that only this installation can
//! make. So any text that was ever handed out is told from a guess without asking a store, and its reuse is seen, though
//! only the hash of the newest is kept.

use crate::base62::{self, encode};
use crate::context::Context;
use crate::id::CredentialId;
use crate::record::ArtifactRecord;
use crate::secret::{Pepper, Peppers, Purpose, Secret, constant_time_eq};
use crate::token::FAMILY;

/// The digits of 128 bits.
const DIGITS: usize = 22;
/// The digits of a number of 32 bits.
const NUMBER: usize = 6;
/// What a text holds behind its prefix and before its tag.
const BODY: usize = DIGITS + NUMBER + DIGITS;

/// A text as received: parsed, not believed.
pub struct TaggedText {
    /// The family that it names.
    pub family: CredentialId,
    /// Its number there.
    pub number: u32,
    text: Secret<String>,
}

impl TaggedText {
    /// Reads a text that begins with `prefix`; `None`: it has not the form of one.
    #[must_use]
    pub fn parse(prefix: &str, text: &str) -> Option<Self> {
        let rest = text.strip_prefix(prefix)?;
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

    /// Returns the whole of it.
    pub(crate) const fn text(&self) -> &Secret<String> {
        &self.text
    }

    /// Tells whether it was made here: by its tag, under any pepper.
    #[must_use]
    pub fn is_ours(&self, peppers: &Peppers) -> bool {
        let text = self.text.expose();
        let before = text.len().saturating_sub(DIGITS);
        let Some((body, told)) = text.split_at_checked(before) else { return false };
        peppers.all().any(|pepper| {
            let tag = tag(pepper.hash(Purpose::RefreshTag, body).as_bytes());
            constant_time_eq(tag.as_str().as_bytes(), told.as_bytes())
        })
    }

    /// Tells whether it is the one that `record` counts.
    #[must_use]
    pub fn counts(&self, peppers: &Peppers, record: &ArtifactRecord) -> bool {
        let hash = |pepper: &Pepper| pepper.hash(Purpose::Credential, self.text.expose());
        peppers.all().any(|pepper| hash(pepper).matches(&record.lookup))
    }
}

impl std::fmt::Debug for TaggedText {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TaggedText").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Makes the text of this number.
pub(crate) fn mint(
    context: &mut Context<'_>,
    prefix: &str,
    family: CredentialId,
    number: u32,
) -> Secret<String> {
    let name = family.to_string();
    let digits = name.rsplit('_').next().unwrap_or_default();
    let random = base62::random(context.entropy, DIGITS);
    let body = format!("{prefix}{digits}{}{random}", encode::<NUMBER>(number.into()).as_str());
    let tag = tag(context.peppers.current().hash(Purpose::RefreshTag, &body).as_bytes());
    Secret::new(format!("{body}{}", tag.as_str()))
}

fn tag(hash: &[u8; 32]) -> base62::Digits<DIGITS> {
    let half = hash.first_chunk().map_or(0, |half: &[u8; 16]| u128::from_be_bytes(*half));
    encode(half)
}
