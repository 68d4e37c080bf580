//! Recognises an access token of ours by its text: by its prefix, or by its unverified `iss`, which selects nothing else.

use bytes::Bytes;
use countersign_jose::jws::Compact;
use countersign_jose::jwt::Claims;

use crate::carried::{Carried, DeclaredSets, Way};
use crate::context::Context;
use crate::credential::{Presented, Recognition, Row, Verified, Verify};
use crate::id::CredentialId;
use crate::key_string::KeyText;
use crate::ledger::{FoundToken, Lookup, TokenAsked};
use crate::rejection::Rejection;
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
pub(super) struct SignedToken<'a> {
    pub(super) message: Compact<'a>,
    pub(super) claims: AccessClaims,
    pub(super) key: CredentialId,
    pub(super) digest: TokenDigest,
}

struct OpaqueToken<'a>(KeyText<'a>);

fn recognise<'a>(carried: Carried<'a>, declared: &dyn DeclaredSets) -> Recognition<'a> {
    let Carried::Bearer(text) = carried else { return None };
    read(text, declared)
}

/// Reads a token that somebody tells, at introspection and at revocation; `None`: it is none of ours.
pub fn told<'a>(text: &'a str, declared: &dyn DeclaredSets) -> Recognition<'a> {
    read(text, declared)
}

fn read<'a>(text: &'a str, declared: &dyn DeclaredSets) -> Recognition<'a> {
    if text.strip_prefix(OPAQUE_PREFIX).is_some_and(|rest| rest.starts_with('_')) {
        let read = KeyText::parse(text).map_err(Rejection::from);
        return Some(read.map(|key| -> Box<dyn Presented + 'a> { Box::new(OpaqueToken(key)) }));
    }
    let message = Compact::parse(text, MAX_TOKEN).ok()?;
    let claims = message.unverified_claims().ok()?;
    if !claims.issuer.as_deref().is_some_and(|issuer| declared.is_issuer(issuer)) {
        return None;
    }
    let token = SignedToken::read(text, message, claims);
    Some(token.map(|token| -> Box<dyn Presented + 'a> { Box::new(token) }))
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
