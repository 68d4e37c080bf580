//! Recognises an API key by its text.

use crate::context::Context;
use crate::credential::{Authenticator, Presented, Rejection};
use crate::effect::Outcome;
use crate::imported::PresentedText;
use crate::key_string::KeyString;
use crate::ledger::{Found, Lookup};
use crate::management_key;
use crate::principal::Principal;
use crate::scheme::Scheme;
use crate::verification;

use super::kind::{KIND, SCHEME};

/// The register's row for API keys.
#[derive(Debug, Clone, Copy)]
pub struct ApiKey;

impl Authenticator for ApiKey {
    fn scheme(&self) -> Scheme {
        SCHEME
    }

    fn recognise(&self, bearer: &str, header: Option<&str>) -> Option<Result<Box<dyn Presented>, Rejection>> {
        // Everything that is not another room's is an API key, be it good or bad, minted here or imported:
        // a key that lost a character is told as malformed, not as an unknown kind.
        if bearer.rsplit_once('_').is_some_and(|(prefix, _)| prefix == management_key::PREFIX) {
            return None;
        }
        Some(match KeyString::parse(bearer) {
            Ok(key) => Ok(Box::new(PresentedKey(key))),
            Err(malformed) => PresentedText::new(&KIND, bearer, header, malformed)
                .map(|text| -> Box<dyn Presented> { Box::new(text) }),
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
