//! What an OpenID provider says of a person to a client: the scopes that ask for it, and ID tokens (OpenID Connect
//! Core 1.0 §2, §5.4).
//!
//! **Invariant.** An ID token is for its client alone (`aud`), and no access token: its `typ` is another.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::base64url;
use serde_json::{Map, Value, json};

use crate::authentication_context::acr;
use crate::delegation::Delegated;
use crate::id::OwnerId;
use crate::scope::{Scope, ScopeSet};
use crate::timestamp::Timestamp;

/// The `typ` of an ID token.
pub const ID_TOKEN: &str = "JWT";

/// Asks for an ID token (§3.1.2.1).
pub const OPENID: &str = "openid";
/// Asks for a refresh token (§11).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// The scopes that every client may ask for that acts for people (§5.4, §11).
pub const SCOPES: [&str; 4] = [OPENID, "profile", "email", OFFLINE_ACCESS];

/// How long an ID token is good: it is read at once, where it arrives; as long as a client may take for that when clocks
/// differ.
const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// Tells whether a scope is one of [`SCOPES`]: no resource need know it.
#[must_use]
pub fn is_identity(scope: &Scope) -> bool {
    SCOPES.contains(&scope.as_str())
}

/// What an ID token is about.
#[derive(Debug)]
pub(crate) struct Told<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) client: OwnerId,
    pub(crate) delegated: &'a Delegated,
    pub(crate) scopes: &'a ScopeSet,
    pub(crate) access_token: &'a str,
    pub(crate) algorithm: SignatureAlgorithm,
}

/// Tells whether an ID token goes with an access token of these scopes.
pub(crate) fn is_asked_for(scopes: &ScopeSet) -> bool {
    scopes.contains(OPENID)
}

/// Writes the claims of an ID token (§2) that is issued at `now`.
pub(crate) fn claims(now: Timestamp, told: &Told<'_>) -> Map<String, Value> {
    let Told { issuer, client, delegated, scopes, access_token, algorithm } = told;
    let authorized = &delegated.authorized;
    let own = [
        ("iss", json!(issuer)),
        ("sub", json!(delegated.person.id().to_string())),
        ("aud", json!(client.to_string())),
        ("iat", json!(seconds(now))),
        ("exp", json!(seconds(now.plus(LIFETIME)))),
        ("auth_time", json!(seconds(authorized.auth_time))),
        ("at_hash", json!(at_hash(*algorithm, access_token))),
        ("sid", json!(authorized.session.to_string())),
    ];
    let mut claims = Map::from_iter(own.map(|(name, value)| (name.to_owned(), value)));
    claims.extend(delegated.nonce.as_ref().map(|nonce| ("nonce".to_owned(), json!(nonce))));
    let told = delegated.told.claims(scopes);
    let asked = authorized.id_token_claims.iter();
    claims.extend(asked.filter_map(|name| Some((name.clone(), told.get(name)?.clone()))));
    claims.extend(acr(&authorized.amr).map(|acr| ("acr".to_owned(), json!(acr))));
    if !authorized.amr.is_empty() {
        claims.insert("amr".to_owned(), json!(authorized.amr));
    }
    claims
}

/// Returns the left half of the access token's hash by the hash function of the signature (§3.1.3.6).
fn at_hash(algorithm: SignatureAlgorithm, access_token: &str) -> String {
    // RFC 8032 §5.1: Ed25519 hashes with SHA-512.
    let hash = if algorithm == SignatureAlgorithm::EdDsa { &SHA512 } else { &SHA256 };
    let hash = digest(hash, access_token.as_bytes());
    let (left, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    base64url::encode(left)
}

const fn seconds(at: Timestamp) -> i64 {
    at.millis().div_euclid(1000)
}
