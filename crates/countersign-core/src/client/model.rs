//! What is asked about clients and resources.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::client_terms::{AuthMethod, ClientJwks, ClientTerms, GrantType, WebUri};
use crate::id::OwnerId;
use crate::idempotency::Idempotency;
use crate::record::{CredentialRecord, OwnerRecord};
use crate::redirect_uri::{Origin, RedirectUri};
use crate::resource::{Resource, ResourceId, SigningAlgorithm, TokenFormat};
use crate::resource_jwks::ResourceJwks;
use crate::scope::ScopeSet;
use crate::secret::Secret;

/// Registers a client.
#[derive(Debug, Clone)]
pub struct Register {
    /// What people call it.
    pub name: String,
    /// Whose it is; `None`: the first organisation's.
    pub organisation: Option<OwnerId>,
    /// What is registered of it.
    pub terms: ClientTerms,
    /// How a repeat is recognised.
    pub idempotency: Option<Idempotency>,
}

/// A client that was registered.
#[derive(Debug)]
pub struct Registered {
    /// What is stored.
    pub client: OwnerRecord,
    /// Its first secret, to be shown once; `None`: it has none, or an `Idempotency-Key` is repeated (SAFETY 9).
    pub secret: Option<Secret<String>>,
}

/// Changes a client; what is `None` stays.
#[derive(Debug, Clone)]
pub struct AmendClient {
    /// Which one.
    pub id: OwnerId,
    /// The new name.
    pub name: Option<String>,
    /// The new grants, all of them.
    pub grants: Option<BTreeSet<GrantType>>,
    /// The new scopes, all of them.
    pub scopes: Option<ScopeSet>,
    /// The new resources, all of them.
    pub audiences: Option<Vec<ResourceId>>,
    /// How it proves itself from now on.
    pub auth_method: Option<AuthMethod>,
    /// What its access tokens are from now on.
    pub token_format: Option<TokenFormat>,
    /// The new public keys, or none.
    pub jwks: Option<Option<ClientJwks>>,
    /// Where it publishes them from now on, if it does.
    pub jwks_uri: Option<Option<WebUri>>,
    /// The new places to send resource owners back to, all of them.
    pub redirect_uris: Option<Vec<RedirectUri>>,
    /// The new places to send them to once they have signed out, all of them.
    pub post_logout_redirect_uris: Option<Vec<RedirectUri>>,
    /// Whose scripts may call from now on, all of them.
    pub origins: Option<Vec<Origin>>,
    /// Whether it has to prove who asked for a code.
    pub require_pkce: Option<bool>,
    /// With what its ID tokens are signed from now on.
    pub id_token_signed_response_alg: Option<SigningAlgorithm>,
    /// The new metadata, all of it.
    pub metadata: Option<Map<String, Value>>,
}

impl AmendClient {
    /// Changes nothing.
    pub(crate) const fn nothing(id: OwnerId) -> Self {
        Self {
            id,
            name: None,
            grants: None,
            scopes: None,
            audiences: None,
            auth_method: None,
            token_format: None,
            jwks: None,
            jwks_uri: None,
            redirect_uris: None,
            post_logout_redirect_uris: None,
            origins: None,
            require_pkce: None,
            id_token_signed_response_alg: None,
            metadata: None,
        }
    }
}

/// Mints a client's next secret; those before go on working for the overlap, never longer than before.
#[derive(Debug, Clone, Copy)]
pub struct RotateSecret {
    /// Whose.
    pub id: OwnerId,
    /// How long those before go on working; `None`: the operator's default.
    pub overlap: Option<Duration>,
}

/// The next secret, and what became of those before.
#[derive(Debug)]
pub struct SecretRotated {
    /// Whose.
    pub client: OwnerRecord,
    /// What is stored of it.
    pub record: CredentialRecord,
    /// Its text, to be shown once.
    pub secret: Option<Secret<String>>,
    /// Those that it replaces, as they now are.
    pub replaced: Vec<CredentialRecord>,
}

/// Removes a resource that is stored.
#[derive(Debug, Clone)]
pub struct Undeclare {
    /// Which one.
    pub id: ResourceId,
}

/// Replaces the key that tokens for a stored resource are encrypted for: what is issued from then on.
#[derive(Debug, Clone)]
pub struct Rekey {
    /// Which resource.
    pub id: ResourceId,
    /// Its key; `None`: its tokens are not encrypted.
    pub jwks: Option<ResourceJwks>,
}

/// Declares a resource that is stored.
#[derive(Debug, Clone)]
pub struct Declare {
    /// What it is.
    pub resource: Resource,
}
