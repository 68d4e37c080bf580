//! `gateway`: a web app of the installation's own, for which the gateway acts in this process.
//!
//! It is no row of the register of methods: there is no request that it recognises.

use bytes::Bytes;

use super::rules;
use crate::client_terms::AuthMethod;
use crate::context::Context;
use crate::credential::{Verified, Verify};
use crate::ledger::{FoundClient, Lookup};
use crate::web_app::WebAppName;

/// The gateway, on behalf of a web app.
#[derive(Debug)]
pub struct OnBehalfOf<'a>(pub &'a WebAppName);

impl Verify for OnBehalfOf<'_> {
    type Answer = FoundClient;

    fn lookup(&self) -> Lookup<'_> {
        Lookup::Client { client: Some(self.0.client()), secret: None, once: None, key: None }
    }

    fn verify(&self, context: &mut Context<'_>, found: FoundClient, _: Option<&Bytes>) -> Verified {
        rules::by_name(context, AuthMethod::Gateway, &found)
    }
}
