//! The connection itself: the certificate that the peer was verified by at the handshake.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::carried::{Carried, DeclaredSets, Way};
use crate::context::Context;
use crate::credential::Verified;
use crate::credential::{Recognition, Row, Verify};
use crate::decision::{Asked, Judge, OwnCriteria, OwnDenial};
use crate::id::IdPrefix;
use crate::kind::{Kind, NotACondition, Setting, read, verbs};
use crate::ledger::{FoundCredential, Lookup};
use crate::own::Own;
use crate::scheme::Scheme;
use crate::verification;

pub(super) const ROW: Row = Row { kind: &KIND, ways: &[Way::Certificate], recognise };

/// How a caller with a certificate is proven; nobody is challenged for one in HTTP.
pub(crate) const SCHEME: Scheme = Scheme::new("toy_connection", None);

pub(super) static KIND: Kind = Kind {
    scheme: SCHEME,
    id_prefix: IdPrefix::new("crt"),
    verbs: verbs!("toy_connection"),
    settings: &[Setting {
        name: "named",
        holds: "name",
        default: "any",
        meaning: "What the certificate must be called.",
    }],
    criteria,
    own: |terms| Arc::new(Named(String::from(terms.prefix.clone()).replace('_', " "))),
    default_prefix: |_| "crt",
    longest_life: |_| None,
    excess: |_, _| None,
    due: |_| None,
    may_end: |_, _| Ok(()),
};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Named(String);

impl Own for Named {}

#[derive(Debug, PartialEq)]
struct NameCriteria(Option<String>);

impl Judge for NameCriteria {
    type Own = Named;

    fn meets(&self, own: &Named) -> Result<(), OwnDenial> {
        if self.0.as_ref().is_none_or(|name| *name == own.0) {
            return Ok(());
        }
        Err(OwnDenial { code: "wrong_name", why: "the certificate is called otherwise", nearness: 0 })
    }
}

fn criteria(settings: &Map<String, Value>) -> Result<Asked, NotACondition> {
    let name = read(settings, "named").map_err(|why| KIND.not("named", why))?;
    Ok(OwnCriteria::new(NameCriteria(name)).into())
}

struct PresentedConnection(String);

fn recognise<'a>(carried: Carried<'a>, _: &dyn DeclaredSets) -> Recognition<'a> {
    let Carried::Certificate(_, certificate) = carried else { return None };
    Some(Ok(Box::new(PresentedConnection(super::thumbprint(&certificate.thumbprint)))))
}

impl Verify for PresentedConnection {
    type Answer = Option<FoundCredential>;

    fn lookup(&self) -> Lookup<'_> {
        Lookup::Credential { kind: KIND.id_prefix, secret: &self.0, once: None }
    }

    fn verify(&self, context: &mut Context<'_>, found: Self::Answer, _: Option<&Bytes>) -> Verified {
        verification::verify(&KIND, context, found.as_ref())
    }
}
