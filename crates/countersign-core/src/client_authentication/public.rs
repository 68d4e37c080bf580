//! `none`: a public client says who it is and proves nothing (RFC 6749 §2.1, RFC 7591 §2).

use bytes::Bytes;
use http::header::AUTHORIZATION;

use super::rules::{self, Claimed};
use super::{ClientRequest, Method, Recognition};
use crate::client_terms::AuthMethod;
use crate::context::Context;
use crate::credential::{Verified, Verify};
use crate::ledger::{FoundClient, Lookup};

/// The name alone.
pub(super) const METHOD: Method = Method { name: AuthMethod::None.name(), recognise };

/// What another method brings along.
const OTHERS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

struct Named(Claimed);

fn recognise(request: ClientRequest<'_>) -> Recognition<'_> {
    let client = request.form.get("client_id")?;
    let proves = request.headers.contains_key(AUTHORIZATION)
        || OTHERS.iter().any(|other| request.form.get(other).is_some());
    if proves {
        return None;
    }
    Some(Ok(Box::new(Named(Claimed::read(client)))))
}

impl Verify for Named {
    type Answer = FoundClient;

    fn lookup(&self) -> Lookup<'_> {
        Lookup::Client { client: self.0.id(), secret: None, once: None, key: None }
    }

    fn verify(&self, context: &mut Context<'_>, found: FoundClient, _: Option<&Bytes>) -> Verified {
        rules::by_name(context, AuthMethod::None, &found)
    }
}
