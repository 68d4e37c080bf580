//! `client_secret_basic` and `client_secret_post` (RFC 6749 §2.3.1).
//!
//! A secret is looked up whatever it looks like: one that cannot be ours costs the same work as a wrong one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::kind::KIND;
use super::rules::{self, Claimed};
use super::{ClientRequest, Method, Recognition};
use crate::client_terms::AuthMethod;
use crate::context::Context;
use crate::credential::{Presented, Verified, Verify};
use crate::ledger::{FoundClient, Lookup};
use crate::rejection::Rejection;
use crate::secret::Secret;

/// The secret in the `Authorization` field.
pub(super) const BASIC: Method = Method { name: AuthMethod::ClientSecretBasic.name(), recognise: basic };
/// The secret in the body.
pub(super) const POST: Method = Method { name: AuthMethod::ClientSecretPost.name(), recognise: post };

/// The longest credentials that are decoded, and the longest secret; a bound, not a clause: ours need some 120.
const MOST: usize = 1024;

const MALFORMED: Rejection = Rejection::malformed(
    "expected `Basic` with the base64 of client_id:client_secret, each form-encoded (RFC 6749 §2.3.1)",
);

struct WithSecret {
    method: AuthMethod,
    client: Claimed,
    secret: Secret<String>,
}

fn basic(request: ClientRequest<'_>) -> Recognition<'_> {
    let credentials = match credentials(request.headers)? {
        Ok(credentials) => credentials,
        Err(rejection) => return Some(Err(rejection)),
    };
    Some(decoded(credentials).ok_or(MALFORMED).and_then(|(client, secret)| {
        // RFC 6749 §3.2.1: a client may name itself in the body too, but nobody else.
        if request.form.get("client_id").is_some_and(|other| other != client) {
            return Err(Rejection::AMBIGUOUS);
        }
        Ok(WithSecret::boxed(AuthMethod::ClientSecretBasic, &client, secret))
    }))
}

fn post(request: ClientRequest<'_>) -> Recognition<'_> {
    let secret = request.form.get("client_secret")?;
    let Some(client) = request.form.get("client_id").filter(|_| secret.len() <= MOST) else {
        let why = "expected client_id with client_secret, which has at most 1024 characters";
        return Some(Err(Rejection::malformed(why)));
    };
    let secret = Secret::new(secret.to_owned());
    Some(Ok(WithSecret::boxed(AuthMethod::ClientSecretPost, client, secret)))
}

impl WithSecret {
    fn boxed(method: AuthMethod, client: &str, secret: Secret<String>) -> Box<dyn Presented> {
        Box::new(Self { method, client: Claimed::read(client), secret })
    }
}

/// Returns what follows `Basic`; `None`: the field is not there, or says another scheme.
fn credentials(headers: &HeaderMap) -> Option<Result<&str, Rejection>> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let (field, more) = (fields.next()?, fields.next());
    if more.is_some() {
        return Some(Err(Rejection::AMBIGUOUS));
    }
    let Ok(text) = field.to_str() else { return Some(Err(MALFORMED)) };
    let (scheme, credentials) = text.split_once(' ').unwrap_or((text, ""));
    // RFC 9110 §11.1: the scheme in any case.
    scheme.eq_ignore_ascii_case("Basic").then_some(Ok(credentials))
}

/// Decodes strictly (RFC 7617 §2, RFC 4648 §4): base64 with its padding and no stray bits, and then each part from its form
/// encoding, once.
fn decoded(credentials: &str) -> Option<(String, Secret<String>)> {
    let bounded = Some(credentials).filter(|text| text.len() <= MOST)?;
    let bytes = Secret::new(STANDARD.decode(bounded).ok()?);
    let (client, secret) = str::from_utf8(bytes.expose()).ok()?.split_once(':')?;
    Some((from_form(client)?, Secret::new(from_form(secret)?)))
}

/// Decodes one value of `application/x-www-form-urlencoded`; a `%` without two digits is an error.
fn from_form(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => digit(rest.next()?)? << 4 | digit(rest.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

impl Verify for WithSecret {
    type Answer = FoundClient;

    fn lookup(&self) -> Lookup<'_> {
        let secret = Some((KIND.id_prefix, self.secret.expose().as_str()));
        Lookup::Client { client: self.client.id(), secret, once: None, key: None }
    }

    fn verify(&self, context: &mut Context<'_>, found: FoundClient, _: Option<&Bytes>) -> Verified {
        rules::by_secret(context, self.method, &found)
    }
}
