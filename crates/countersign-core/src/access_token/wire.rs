//! Recognises an access token of ours by its text: by its prefix, or by its unverified `iss`, which selects nothing else.

use std::fmt;

use bytes::Bytes;
use countersign_jose::jws::Compact;
use countersign_jose::jwt::Claims;

use crate::carried::{Carried, DeclaredSets, Way};
use crate::context::Context;
use crate::credential::{Presented, Recognition, Row, Verified, Verify};
use crate::effect::Use;
use crate::id::CredentialId;
use crate::key_string::KeyText;
use crate::ledger::{FoundToken, Lookup, TokenAsked};
use crate::rejection::Rejection;
use crate::timestamp::Timestamp;
use crate::token::{AccessClaims, TokenDigest};

use super::kind::{KIND, OPAQUE_PREFIX};
use super::rules;

/// The register's row for access tokens of ours.
pub const ROW: Row = Row { kind: &KIND, ways: &[Way::Bearer], recognise };

/// RFC 9068 §2.1: the `typ` of an access token.
pub const TYPE: &str = "at+jwt";

/// The longest signed token, in bytes: it has to fit into a header field, of which servers take 8 KiB; a bound, not a
/// clause.
const MAX_TOKEN: usize = 8 * 1024;

/// A signed token, not yet believed.
pub struct SignedToken<'a> {
    pub(super) message: Compact<'a>,
    pub(super) claims: AccessClaims,
    pub(super) key: CredentialId,
    pub(super) digest: TokenDigest,
}

impl fmt::Debug for SignedToken<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SignedToken").field("id", &self.claims.id).finish_non_exhaustive()
    }
}

struct OpaqueToken<'a>(KeyText<'a>);

/// A token that somebody tells, at introspection and at revocation: parsed, not believed.
pub enum Told<'a> {
    /// A signed one.
    Signed(Box<SignedToken<'a>>),
    /// An opaque one.
    Opaque(KeyText<'a>),
}

fn recognise<'a>(carried: Carried<'a>, declared: &dyn DeclaredSets) -> Recognition<'a> {
    let Carried::Bearer(text) = carried else { return None };
    Some(told(text, declared)?.map(|told| -> Box<dyn Presented + 'a> {
        match told {
            Told::Signed(token) => token,
            Told::Opaque(key) => Box::new(OpaqueToken(key)),
        }
    }))
}

/// Reads a token; `None`: it is none of ours.
pub fn told<'a>(text: &'a str, declared: &dyn DeclaredSets) -> Option<Result<Told<'a>, Rejection>> {
    if text.strip_prefix(OPAQUE_PREFIX).is_some_and(|rest| rest.starts_with('_')) {
        return Some(KeyText::parse(text).map(Told::Opaque).map_err(Rejection::from));
    }
    let message = Compact::parse(text, MAX_TOKEN).ok()?;
    let claims = message.unverified_claims().ok()?;
    if !claims.issuer.as_deref().is_some_and(|issuer| declared.is_issuer(issuer)) {
        return None;
    }
    Some(SignedToken::read(text, message, claims).map(|token| Told::Signed(Box::new(token))))
}

impl Told<'_> {
    /// Names the one question that it asks.
    #[must_use]
    pub fn lookup(&self) -> Lookup<'_> {
        match self {
            Self::Signed(token) => Verify::lookup(&**token),
            Self::Opaque(key) => Lookup::Token(TokenAsked::Opaque(key.text())),
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
    ) -> Result<(AccessClaims, Option<Use>), Rejection> {
        match self {
            Self::Signed(token) => {
                let (key, is_good) = rules::prove_signed(now, token, found)?;
                Ok((token.claims.clone(), rules::remembered(token, key, is_good)))
            }
            Self::Opaque(_) => Ok((rules::prove_opaque(found)?.clone(), None)),
        }
    }
}

impl fmt::Debug for Told<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Signed(_) => "Signed",
            Self::Opaque(_) => "Opaque",
        })
    }
}

impl<'a> SignedToken<'a> {
    fn read(text: &str, message: Compact<'a>, claims: Claims) -> Result<Self, Rejection> {
        // RFC 9068 §4: `at+jwt` or `application/at+jwt`; any other value is refused, so that no ID token passes here.
        if !message.header().is_typ(TYPE) {
            return Err(rules::WRONG_TYPE);
        }
        let key = message.header().kid().and_then(|kid| kid.parse().ok()).ok_or(rules::UNKNOWN_KEY)?;
        let claims = AccessClaims::read(claims).map_err(|_| rules::CLAIMS)?;
        Ok(Self { message, claims, key, digest: TokenDigest::of(text) })
    }
}

impl Verify for SignedToken<'_> {
    type Answer = FoundToken;

    fn lookup(&self) -> Lookup<'_> {
        let AccessClaims { id: token, client, .. } = self.claims;
        Lookup::Token(TokenAsked::Signed { key: self.key, token, client, digest: &self.digest })
    }

    fn verify(&self, context: &mut Context<'_>, found: FoundToken, _: Option<&Bytes>) -> Verified {
        rules::verify_signed(context, self, &found)
    }
}

impl Verify for OpaqueToken<'_> {
    type Answer = FoundToken;

    fn lookup(&self) -> Lookup<'_> {
        Lookup::Token(TokenAsked::Opaque(self.0.text()))
    }

    fn verify(&self, context: &mut Context<'_>, found: FoundToken, _: Option<&Bytes>) -> Verified {
        rules::verify_opaque(context, &found)
    }
}
