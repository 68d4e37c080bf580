//! Recognises a management key by its prefix.

use crate::context::Context;
use crate::credential::{Authenticator, Presented, Rejection};
use crate::effect::Outcome;
use crate::key_string::KeyString;
use crate::ledger::{Found, Lookup};
use crate::principal::Principal;
use crate::scheme::Scheme;
use crate::verification;

use super::kind::{KIND, SCHEME};

/// What every management key begins with.
pub const PREFIX: &str = "cs_mgmt";

/// The register's row for management keys.
#[derive(Debug, Clone, Copy)]
pub struct ManagementKey;

impl Authenticator for ManagementKey {
    fn scheme(&self) -> Scheme {
        SCHEME
    }

    fn recognise(&self, bearer: &str, _: Option<&str>) -> Option<Result<Box<dyn Presented>, Rejection>> {
        let (prefix, _) = bearer.rsplit_once('_')?;
        if prefix != PREFIX {
            return None;
        }
        Some(match KeyString::parse(bearer) {
            Ok(key) => Ok(Box::new(PresentedKey(key))),
            Err(malformed) => Err(Rejection::Malformed(malformed)),
        })
    }
}

struct PresentedKey(KeyString);

impl Presented for PresentedKey {
    fn lookup(&self) -> Lookup<'_> {
        Lookup::Key { kind: KIND.id_prefix, key: &self.0 }
    }

    fn verify(self: Box<Self>, context: &mut Context<'_>, found: Found) -> Outcome<Principal, Rejection> {
        verification::verify(context, &KIND, found)
    }
}
