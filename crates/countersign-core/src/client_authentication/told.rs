//! Recognises a client secret that somebody tells: in a report of leaked keys.

use bytes::Bytes;

use crate::carried::{Carried, DeclaredSets, Way};
use crate::context::Context;
use crate::credential::{Recognition, Row, Verified, Verify};
use crate::key_string::KeyText;
use crate::ledger::{FoundCredential, Lookup};
use crate::verification;

use super::kind::KIND;

/// What every client secret begins with.
pub const PREFIX: &str = "cs_secret";

/// The register's row for client secrets.
pub const ROW: Row = Row { kind: &KIND, ways: &[Way::Told], recognise };

struct ToldSecret<'a>(KeyText<'a>);

fn recognise<'a>(carried: Carried<'a>, _: &dyn DeclaredSets) -> Recognition<'a> {
    let (text, _) = carried.key()?;
    let (prefix, _) = text.rsplit_once('_')?;
    if prefix != PREFIX {
        return None;
    }
    Some(match KeyText::parse(text) {
        Ok(key) => Ok(Box::new(ToldSecret(key))),
        Err(malformed) => Err(malformed.into()),
    })
}

impl Verify for ToldSecret<'_> {
    type Answer = Option<FoundCredential>;

    fn lookup(&self) -> Lookup<'_> {
        Lookup::Credential { kind: KIND.id_prefix, secret: self.0.text(), once: None }
    }

    fn verify(&self, context: &mut Context<'_>, found: Self::Answer, _: Option<&Bytes>) -> Verified {
        verification::verify(&KIND, context, found.as_ref())
    }
}
