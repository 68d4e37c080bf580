//! Recognises what a browser shows, and the session token that stands for it.

use bytes::Bytes;

use crate::carried::{Carried, DeclaredSets, Way};
use crate::context::Context;
use crate::credential::{Recognition, Row, Verified, Verify};
use crate::kind::Kind;
use crate::ledger::{FoundToken, Lookup};
use crate::our_token::{self, Typ};
use crate::rejection::Rejection;
use crate::tagged::TaggedText;
use crate::timestamp::Timestamp;

use super::kind::KIND;

/// The register's row for session tokens: what an edge has made of a cookie.
pub const ROW: Row = Row { kind: &KIND, ways: &[Way::Session], recognise };

/// The `typ` of a session token (RFC 8725 §3.11).
pub const TYPE: &str = "session+jwt";

/// What the texts begin with that browsers keep.
pub(super) const PREFIX: &str = "cs_session_";

/// The longest session token, in bytes: a browser keeps a cookie of 4096 with its name and attributes (RFC 6265bis §5.6).
pub(super) const MAX_TOKEN: usize = 3800;

/// Session tokens, by their `typ`.
pub(super) struct SessionToken;

impl Typ for SessionToken {
    const TYP: &'static str = TYPE;
    const WRONG: Rejection =
        Rejection::new("wrong_type", "the token's `typ` is not session+jwt: it is no session");
    const KIND: &'static Kind = &KIND;
}

/// A signed session token, not yet believed.
pub(super) type SignedToken<'a> = our_token::SignedToken<'a, SessionToken>;

fn recognise<'a>(carried: Carried<'a>, declared: &dyn DeclaredSets) -> Recognition<'a> {
    let Carried::Session(text) = carried else { return None };
    let token = SignedToken::read(text, MAX_TOKEN, declared, |issuer| declared.is_issuer(issuer))?;
    Some(token.map(|token| -> Box<dyn crate::credential::Presented + 'a> { Box::new(token) }))
}

impl Verify for SignedToken<'_> {
    type Answer = FoundToken;

    fn lookup(&self) -> Lookup<'_> {
        our_token::asked(self)
    }

    fn verify(&self, context: &mut Context<'_>, found: FoundToken, _: Option<&Bytes>) -> Verified {
        our_token::verify_signed(context, self, &found)
    }
}

/// What a browser has shown: parsed, not believed.
#[derive(Debug)]
pub struct PresentedSession<'a>(pub(super) Form<'a>);

/// Of which form it is.
#[derive(Debug)]
pub(super) enum Form<'a> {
    /// A session token itself.
    Signed(Box<SignedToken<'a>>),
    /// A text that says nothing.
    Text(TaggedText),
}

/// Reads what a browser has shown; `None`: it is no session of ours.
#[must_use]
pub fn presented<'a>(text: &'a str, declared: &dyn DeclaredSets) -> Option<PresentedSession<'a>> {
    if let Some(text) = TaggedText::parse(PREFIX, text) {
        return Some(PresentedSession(Form::Text(text)));
    }
    let token = SignedToken::read(text, MAX_TOKEN, declared, |issuer| declared.is_issuer(issuer))?.ok()?;
    Some(PresentedSession(Form::Signed(Box::new(token))))
}

impl PresentedSession<'_> {
    /// Names the one question that has to be answered before it is renewed.
    #[must_use]
    pub fn lookup(&self) -> Lookup<'_> {
        match &self.0 {
            Form::Signed(token) => our_token::asked(token),
            Form::Text(_) => Lookup::Nothing,
        }
    }

    /// Tells whether it is a session token that needs no renewal at `now`, for all that can be read off it.
    #[must_use]
    pub fn is_good_at(&self, now: Timestamp) -> bool {
        match &self.0 {
            Form::Signed(token) => now < token.said.claims.expires_at,
            Form::Text(_) => false,
        }
    }
}
