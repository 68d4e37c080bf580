//! Recognises an API key by its text.

use crate::context::Context;
use crate::credential::{Authenticator, Presented, Rejection};
use crate::effect::Outcome;
use crate::id::CredentialKind;
use crate::imported::PresentedText;
use crate::key_string::{KeyString, MANAGEMENT_PREFIX};
use crate::ledger::{Found, Lookup};
use crate::principal::{Principal, Scheme};
use crate::verification;

/// The register's row for API keys.
#[derive(Debug, Clone, Copy)]
pub struct ApiKey;

impl Authenticator for ApiKey {
    fn scheme(&self) -> Scheme {
        Scheme::ApiKey
    }

    fn recognise(&self, bearer: &str, header: Option<&str>) -> Option<Result<Box<dyn Presented>, Rejection>> {
        // Everything that is not another room's is an API key, be it good or bad, minted here or imported:
        // a key that lost a character is told as malformed, not as an unknown kind.
        if bearer.rsplit_once('_').is_some_and(|(prefix, _)| prefix == MANAGEMENT_PREFIX) {
            return None;
        }
        Some(match KeyString::parse(bearer) {
            Ok(key) => Ok(Box::new(PresentedKey(key))),
            Err(malformed) => PresentedText::new(bearer, header, malformed)
                .map(|text| -> Box<dyn Presented> { Box::new(text) }),
        })
    }
}

struct PresentedKey(KeyString);

impl Presented for PresentedKey {
    fn lookup(&self) -> Lookup<'_> {
        Lookup::Key { kind: CredentialKind::ApiKey, key: &self.0 }
    }

    fn verify(self: Box<Self>, context: &mut Context<'_>, found: Found) -> Outcome<Principal, Rejection> {
        verification::verify(context, Scheme::ApiKey, "api_key.verify", found)
    }
}
