//! Recognises a foreign token by the issuer that it names.

use bytes::Bytes;
use countersign_jose::algorithm::JwsAlgorithm;
use countersign_jose::jws::Compact;
use countersign_jose::jwt::Claims;

use crate::assertion;
use crate::carried::{Carried, DeclaredSets, Way};
use crate::context::Context;
use crate::credential::{Presented, Recognition, Row, Verified, Verify};
use crate::ledger::{FoundKey, KeyAsked, Lookup};
use crate::rejection::Rejection;
use crate::signed_text::{Said, SignedText};

use super::criteria::WRONG_TYPE;
use super::kind::KIND;
use super::model::ForeignEvidence;
use super::rules;

/// The register's row for tokens of other issuers.
pub const ROW: Row = Row { kind: &KIND, ways: &[Way::Bearer], recognise };

/// The longest token that is looked at, in bytes: some hundred groups of a directory. A bound, not a clause.
const MOST: usize = 16 * 1024;

pub(super) const WRONG_ALGORITHM: Rejection =
    Rejection::new("wrong_algorithm", "the token is signed by an algorithm that is not taken");

/// A token as received. Nothing of it is believed.
pub(super) type ForeignToken<'a> = SignedText<'a, ForeignEvidence>;

/// A token is foreign if it names an issuer that a route takes. What cannot be read names none.
fn recognise<'a>(carried: Carried<'a>, sets: &dyn DeclaredSets) -> Recognition<'a> {
    let (text, source) = carried.key()?;
    if sets.claims(source, text) {
        return None;
    }
    let foreign = |issuer: &str| sets.takes_tokens_of(issuer) && !sets.is_issuer(issuer);
    let token = ForeignToken::read(text, MOST, sets, foreign)?;
    Some(token.map(|token| -> Box<dyn Presented + 'a> { Box::new(token) }))
}

impl Said for ForeignEvidence {
    fn read(message: &Compact<'_>, issuer: String, claims: Claims) -> Result<Self, Rejection> {
        let header = message.header();
        if header.is_typ(assertion::TYPE) {
            return Err(WRONG_TYPE);
        }
        // RFC 7797 §7: a JWT does not use `b64`.
        if !header.is_payload_encoded() {
            return Err(Rejection::malformed("expected the token's payload in base64url"));
        }
        match header.algorithm() {
            JwsAlgorithm::Signature(algorithm) => {
                Ok(Self { header: header.clone(), algorithm, issuer, claims })
            }
            JwsAlgorithm::Mac(_) => Err(WRONG_ALGORITHM),
        }
    }

    fn issuer(&self) -> &str {
        &self.issuer
    }
}

impl Verify for ForeignToken<'_> {
    type Answer = FoundKey;

    fn lookup(&self) -> Lookup<'_> {
        let ForeignEvidence { header, algorithm, issuer, .. } = &*self.said;
        let (kid, algorithm, digest) = (header.kid(), *algorithm, &self.digest);
        Lookup::ForeignKey(KeyAsked { issuer, kid, algorithm, digest })
    }

    fn verify(&self, context: &mut Context<'_>, found: FoundKey, _: Option<&Bytes>) -> Verified {
        rules::verify(context, self, &found)
    }
}
