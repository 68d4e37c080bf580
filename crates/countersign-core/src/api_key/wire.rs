//! Recognises an API key by its text.

use bytes::Bytes;

use crate::carried::{Carried, DeclaredSets, Way};
use crate::context::Context;
use crate::credential::Verified;
use crate::credential::{Recognition, Row, Verify};
use crate::key_string::{KeyText, RESERVED};
use crate::ledger::{FoundCredential, Lookup};
use crate::verification;

use super::kind::{KIND, OWN_PREFIXES};

/// The register's row for API keys that were minted here.
pub const ROW: Row = Row { kind: &KIND, ways: &[Way::Bearer, Way::KeyField, Way::Told], recognise };

struct PresentedKey<'a>(KeyText<'a>);

/// Every key of our shape is one, but for those of prefixes that the product keeps for other kinds. A text that begins
/// like one of ours, or like nothing that is known here, is a bad one: a key that lost a character is told as
/// malformed, not as an unknown kind.
fn recognise<'a>(carried: Carried<'a>, sets: &dyn DeclaredSets) -> Recognition<'a> {
    let (text, source) = carried.key()?;
    let ours =
        OWN_PREFIXES.iter().any(|prefix| text.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('_')));
    if text.starts_with(RESERVED) && !ours {
        return None;
    }
    match KeyText::parse(text) {
        Ok(key) => Some(Ok(Box::new(PresentedKey(key)))),
        // Of another kind: an imported key, or a token in three parts (RFC 7515 §7.1).
        Err(_) if !ours && (sets.claims(source, text) || text.contains('.')) => None,
        Err(malformed) => Some(Err(malformed.into())),
    }
}

impl Verify for PresentedKey<'_> {
    type Answer = Option<FoundCredential>;

    fn lookup(&self) -> Lookup<'_> {
        Lookup::Credential { kind: KIND.id_prefix, secret: self.0.text(), once: None }
    }

    fn verify(&self, context: &mut Context<'_>, found: Self::Answer, _: Option<&Bytes>) -> Verified {
        verification::verify(&KIND, context, found.as_ref())
    }
}
