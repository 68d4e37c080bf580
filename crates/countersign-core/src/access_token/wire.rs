//! Recognises an access token of ours by its text: by its prefix, or by its unverified `iss`, which selects nothing else.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use countersign_jose::jwe;
use serde_json::Value;

use crate::carried::{Carried, DeclaredSets, Way};
use crate::context::Context;
use crate::credential::{Presented, Recognition, Row, Verified, Verify};
use crate::effect::Use;
use crate::key_string::KeyText;
use crate::kind::Kind;
use crate::ledger::{FoundToken, Lookup, TokenAsked};
use crate::our_token::{self, Typ};
use crate::rejection::Rejection;
use crate::timestamp::Timestamp;
use crate::token::AccessClaims;

use super::kind::{KIND, OPAQUE_PREFIX};

/// The register's row for access tokens of ours.
pub const ROW: Row = Row { kind: &KIND, ways: &[Way::Bearer], recognise };

/// RFC 9068 §2.1: the `typ` of an access token.
pub const TYPE: &str = "at+jwt";

/// The longest signed token, in bytes: it has to fit into a header field, of which servers take 8 KiB; a bound, not a
/// clause.
const MAX_TOKEN: usize = 8 * 1024;

/// The longest encrypted one: what is signed grows by a third, and its header comes beside; a bound, not a clause.
const MAX_ENCRYPTED: usize = 12 * 1024;

/// Access tokens, by their `typ`.
struct AccessToken;

impl Typ for AccessToken {
    const TYP: &'static str = TYPE;
    const WRONG: Rejection =
        Rejection::new("wrong_type", "the token's `typ` is not at+jwt: it is no access token (RFC 9068 §4)");
    const KIND: &'static Kind = &KIND;
}

/// A signed token, not yet believed.
type SignedToken<'a> = our_token::SignedToken<'a, AccessToken>;

/// A token that is known by the digest of its text.
struct StoredToken<'a>(&'a str);

/// Says of which form, never what.
impl fmt::Debug for StoredToken<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("StoredToken")
    }
}

/// A token that somebody tells, at introspection and at revocation: parsed, not believed.
#[derive(Debug)]
pub struct Told<'a>(Form<'a>);

#[derive(Debug)]
enum Form<'a> {
    Signed(Box<SignedToken<'a>>),
    Stored(StoredToken<'a>),
}

fn recognise<'a>(carried: Carried<'a>, declared: &dyn DeclaredSets) -> Recognition<'a> {
    let Carried::Bearer(text) = carried else { return None };
    Some(told(text, declared)?.map(|told| -> Box<dyn Presented + 'a> {
        match told.0 {
            Form::Signed(token) => token,
            Form::Stored(token) => Box::new(token),
        }
    }))
}

/// Reads a token; `None`: it is none of ours.
pub fn told<'a>(text: &'a str, declared: &dyn DeclaredSets) -> Option<Result<Told<'a>, Rejection>> {
    if text.strip_prefix(OPAQUE_PREFIX).is_some_and(|rest| rest.starts_with('_')) {
        let key = KeyText::parse(text).map_err(Rejection::from);
        return Some(key.map(|_| Told(Form::Stored(StoredToken(text)))));
    }
    if is_encrypted_here(text, declared) {
        return Some(Ok(Told(Form::Stored(StoredToken(text)))));
    }
    let token = SignedToken::read(text, MAX_TOKEN, declared, |issuer| declared.is_issuer(issuer))?;
    Some(token.map(|token| Told(Form::Signed(Box::new(token)))))
}

/// Tells whether a text is an encrypted token that says outside that it is ours (RFC 7519 §5.3).
fn is_encrypted_here(text: &str, declared: &dyn DeclaredSets) -> bool {
    let Ok(message) = jwe::Compact::parse(text, MAX_ENCRYPTED) else { return false };
    let issuer = message.header().other().get("iss").and_then(Value::as_str);
    issuer.is_some_and(|issuer| declared.is_issuer(issuer))
}

impl Told<'_> {
    /// Names the one question that it asks.
    #[must_use]
    pub fn lookup(&self) -> Lookup<'_> {
        match &self.0 {
            Form::Signed(token) => Verify::lookup(&**token),
            Form::Stored(token) => Verify::lookup(token),
        }
    }

    /// Returns what it says, if it is one that was issued here, and what that leaves behind. Whether it is good now is not
    /// judged.
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub fn proven(
        &self,
        now: Timestamp,
        found: &FoundToken,
    ) -> Result<(Arc<AccessClaims>, Option<Use>), Rejection> {
        match &self.0 {
            Form::Signed(token) => {
                let is_good = our_token::prove_signed(now, token, found)?;
                let noted = (!is_good).then(|| our_token::good_signature(token));
                Ok((Arc::clone(&token.said.claims), noted))
            }
            Form::Stored(_) => Ok((Arc::clone(&our_token::prove_stored(now, found)?.claims), None)),
        }
    }
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

impl Verify for StoredToken<'_> {
    type Answer = FoundToken;

    fn lookup(&self) -> Lookup<'_> {
        Lookup::Token(TokenAsked::Stored(self.0))
    }

    fn verify(&self, context: &mut Context<'_>, found: FoundToken, _: Option<&Bytes>) -> Verified {
        our_token::verify_stored(context, &KIND, &found)
    }
}
