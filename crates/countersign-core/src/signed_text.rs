//! A text that somebody signed, as a room reads it: once, and then by its digest.
//!
//! **Invariant.** Nothing of it is believed: what it says is a function of its bytes, and whether a key has signed it is
//! asked of the key. It is kept as read only when its signature was found good.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use countersign_jose::jwk::PublicKey;
use countersign_jose::jws::Compact;
use countersign_jose::jwt::Claims;

use crate::carried::DeclaredSets;
use crate::effect::Use;
use crate::good_signatures::{Reading, Signed, SignedBy};
use crate::rejection::Rejection;
use crate::timestamp::Timestamp;
use crate::token::TokenDigest;

/// What a room makes of a signed text.
pub(crate) trait Said: Any + Send + Sync + Sized {
    /// Reads what stands beside `iss`, from the text alone.
    ///
    /// # Errors
    ///
    /// Why it is nothing of the room's kind.
    fn read(message: &Compact<'_>, issuer: String, claims: Claims) -> Result<Self, Rejection>;

    /// Returns its `iss`.
    fn issuer(&self) -> &str;
}

/// A text that names an issuer, and what it says.
pub(crate) struct SignedText<'a, T> {
    text: &'a str,
    most: usize,
    /// `None`: it was read before.
    message: Option<Compact<'a>>,
    /// The SHA-256 of the whole text.
    pub(crate) digest: TokenDigest,
    /// What it says.
    pub(crate) said: Arc<T>,
}

impl<T> fmt::Debug for SignedText<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SignedText").finish_non_exhaustive()
    }
}

impl<'a, T: Said> SignedText<'a, T> {
    /// Reads a text of at most `most` bytes; `None`: it names no issuer that `is_meant`.
    pub(crate) fn read(
        text: &'a str,
        most: usize,
        declared: &dyn DeclaredSets,
        is_meant: impl Fn(&str) -> bool,
    ) -> Option<Result<Self, Rejection>> {
        // What has no parts is not worth a digest.
        if text.len() > most || !text.contains('.') {
            return None;
        }
        let digest = TokenDigest::of(text);
        if let Some(before) = declared.read_before(&digest) {
            // What another room has read comes from an issuer of the other's.
            let said = before.get::<T>().filter(|said| is_meant(said.issuer()))?;
            return Some(Ok(Self { text, most, message: None, digest, said }));
        }
        let message = Compact::parse(text, most).ok()?;
        let mut claims = message.unverified_claims().ok()?;
        let issuer = claims.issuer.take().filter(|issuer| is_meant(issuer))?;
        let said = T::read(&message, issuer, claims).map(Arc::new);
        Some(said.map(|said| Self { text, most, message: Some(message), digest, said }))
    }

    /// Tells whether `key` has signed it.
    pub(crate) fn is_signed_by(&self, key: &PublicKey) -> bool {
        match &self.message {
            Some(message) => message.is_signed_by(key).is_ok(),
            None => {
                Compact::parse(self.text, self.most).is_ok_and(|message| message.is_signed_by(key).is_ok())
            }
        }
    }

    /// Asks that its signature be remembered, which was found good now.
    pub(crate) fn good_signature(&self, by: SignedBy, until: Timestamp) -> Use {
        let reading = Reading::of(Arc::clone(&self.said));
        Use::GoodSignature(Box::new(Signed {
            digest: self.digest,
            by,
            until,
            reading,
            length: self.text.len(),
        }))
    }
}
