//! The JSON of clients and resources: what comes in, what goes out. Members have the names of RFC 7591 where it has one.

use std::collections::BTreeMap;

use countersign_core::authority::Authority;
use countersign_core::record::{CredentialRecord, OwnerRecord};
use countersign_core::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::schema::{not_null, nullable};

/// Registers a client of the authorization server.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientCreate {
    /// What people call it: 1 to 100 characters.
    pub(crate) name: String,
    /// The organisation that it belongs to. Default: the caller's, for an operator the first one.
    #[serde(default)]
    pub(crate) organisation: Option<String>,
    /// The grants that it may use: `client_credentials`, `authorization_code`, `refresh_token`,
    /// `urn:ietf:params:oauth:grant-type:device_code`.
    pub(crate) grant_types: Vec<String>,
    /// The scopes that it may be given, and is given where it asks for none.
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// The resources that it may have tokens for. Default: the default resource.
    #[serde(default)]
    pub(crate) audiences: Vec<String>,
    /// How it proves itself: `client_secret` (default, in either way), `client_secret_basic`, `client_secret_post`,
    /// `private_key_jwt`, or `none` for a public client.
    #[serde(default)]
    pub(crate) token_endpoint_auth_method: Option<String>,
    /// What its access tokens are: `jwt` (default) or `opaque`.
    #[serde(default)]
    pub(crate) token_format: Option<String>,
    /// The public keys with which it signs assertions, as a JWK Set.
    #[serde(default)]
    pub(crate) jwks: Option<Map<String, Value>>,
    /// Where it publishes them, instead of `jwks`: fetched when an assertion needs them.
    #[serde(default)]
    pub(crate) jwks_uri: Option<String>,
    /// Where resource owners may be sent back to.
    #[serde(default)]
    pub(crate) redirect_uris: Vec<String>,
    /// Where they may be sent once they have signed out.
    #[serde(default)]
    pub(crate) post_logout_redirect_uris: Vec<String>,
    /// Whose scripts may call the issuer (CORS), such as `https://app.example`. Default: the origins of the redirect URIs.
    #[serde(default)]
    pub(crate) origins: Vec<String>,
    /// Whether a code needs PKCE. Default: `true`; `false` is for confidential clients alone.
    #[serde(default = "yes")]
    pub(crate) require_pkce: bool,
    /// With what its ID tokens are signed: `RS256` (default), `PS256`, `ES256` or `EdDSA`.
    #[serde(default)]
    pub(crate) id_token_signed_response_alg: Option<String>,
    /// What its owner writes on it; a resource may make claims of it. At most 4 KiB.
    #[serde(default)]
    pub(crate) metadata: Map<String, Value>,
}

/// Changes a client; what is absent stays, and `null` takes away.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientAmend {
    /// The new name.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) name: Option<String>,
    /// The new grants, all of them.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<String>")]
    pub(crate) grant_types: Option<Vec<String>>,
    /// The new scopes, all of them; `null`: none.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) scopes: Option<Option<Vec<String>>>,
    /// The new resources, all of them; `null`: the default one.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) audiences: Option<Option<Vec<String>>>,
    /// How it proves itself from now on.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) token_endpoint_auth_method: Option<String>,
    /// What its access tokens are from now on.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) token_format: Option<String>,
    /// The new public keys; `null`: none.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) jwks: Option<Option<Map<String, Value>>>,
    /// Where it publishes them from now on, with `"jwks": null`; `null`: nowhere.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) jwks_uri: Option<Option<String>>,
    /// The new places to send resource owners back to, all of them; `null`: none.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) redirect_uris: Option<Option<Vec<String>>>,
    /// The new places to send them to once they have signed out, all of them; `null`: none.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) post_logout_redirect_uris: Option<Option<Vec<String>>>,
    /// Whose scripts may call the issuer, all of them; `null`: those of the redirect URIs.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) origins: Option<Option<Vec<String>>>,
    /// Whether a code needs PKCE from now on.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub(crate) require_pkce: Option<bool>,
    /// With what its ID tokens are signed from now on.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) id_token_signed_response_alg: Option<String>,
    /// The new metadata, all of it; `null`: none.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Option<Map<String, Value>>>,
}

/// Mints a client's next secret.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretRotate {
    /// How long the secrets before go on working, such as `24h`; `0s` revokes them. None lives longer than before.
    #[serde(default, deserialize_with = "not_null", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) overlap: Option<String>,
}

/// A client as it is listed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ClientView {
    /// Its name at the issuer.
    pub(crate) client_id: String,
    /// What people call it.
    pub(crate) name: String,
    /// The organisation that it belongs to.
    pub(crate) organisation: String,
    /// The person who registered it for themselves, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registrant: Option<String>,
    /// The grants that it may use.
    pub(crate) grant_types: Vec<&'static str>,
    /// The scopes that it may be given.
    pub(crate) scopes: Vec<String>,
    /// The resources that it may have tokens for; empty: the default resource.
    pub(crate) audiences: Vec<String>,
    /// How it proves itself.
    pub(crate) token_endpoint_auth_method: &'static str,
    /// What its access tokens are.
    pub(crate) token_format: &'static str,
    /// The public keys with which it signs assertions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) jwks: Option<Map<String, Value>>,
    /// Where it publishes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) jwks_uri: Option<String>,
    /// Where resource owners may be sent back to.
    pub(crate) redirect_uris: Vec<String>,
    /// Where they may be sent once they have signed out.
    pub(crate) post_logout_redirect_uris: Vec<String>,
    /// Whose scripts may call the issuer; empty: those of the redirect URIs.
    pub(crate) origins: Vec<String>,
    /// Whether a code needs PKCE.
    pub(crate) require_pkce: bool,
    /// With what its ID tokens are signed.
    pub(crate) id_token_signed_response_alg: &'static str,
    /// What its owner wrote on it.
    pub(crate) metadata: Map<String, Value>,
    /// When it was registered.
    pub(crate) created_at: String,
    /// When it was switched off, if it is.
    pub(crate) disabled_at: Option<String>,
    /// Whose word that was: `owner`, `organisation` or `operator`; nobody less enables it.
    pub(crate) disabled_by: Option<&'static str>,
}

impl ClientView {
    /// Shows a client. An owner that is none has no terms, and shows those of nobody.
    pub(crate) fn new(record: &OwnerRecord) -> Self {
        let terms = record.client.as_deref().cloned().unwrap_or_default();
        Self {
            client_id: record.id.to_string(),
            name: record.name.clone(),
            organisation: record.organisation.to_string(),
            registrant: record.registrant.map(|person| person.to_string()),
            grant_types: terms.grants.iter().map(|grant| grant.name()).collect(),
            scopes: terms.scopes.iter().map(ToString::to_string).collect(),
            audiences: texts(&terms.audiences),
            token_endpoint_auth_method: terms.auth_method.name(),
            token_format: terms.token_format.name(),
            jwks: terms.jwks.as_ref().and_then(|jwks| serde_json::from_str(jwks.as_str()).ok()),
            jwks_uri: terms.jwks_uri.as_ref().map(ToString::to_string),
            redirect_uris: texts(&terms.redirect_uris),
            post_logout_redirect_uris: texts(&terms.post_logout_redirect_uris),
            origins: texts(&terms.origins),
            require_pkce: terms.require_pkce,
            id_token_signed_response_alg: terms.id_token_signed_response_alg.name(),
            metadata: terms.metadata,
            created_at: record.created_at.to_string(),
            disabled_at: record.disabled_at.map(|time| time.to_string()),
            disabled_by: record.disabled_by.map(Authority::name),
        }
    }
}

fn texts(shown: &[impl ToString]) -> Vec<String> {
    shown.iter().map(ToString::to_string).collect()
}

const fn yes() -> bool {
    true
}

/// A client with its secrets, never their texts.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ClientShown {
    /// The client, as it is listed.
    #[serde(flatten)]
    pub(crate) view: ClientView,
    /// Its secrets that are not revoked, the oldest first.
    pub(crate) secrets: Vec<SecretView>,
}

/// A client that was just registered.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ClientRegistered {
    /// The client, as it is listed.
    #[serde(flatten)]
    pub(crate) view: ClientView,
    /// Its secret, shown this once; `null` where it has none, and when an `Idempotency-Key` is repeated.
    pub(crate) client_secret: Option<String>,
}

/// A secret that was just minted.
#[derive(Serialize, JsonSchema)]
pub(crate) struct SecretMinted {
    /// Whose it is.
    pub(crate) client_id: String,
    /// Its text, shown this once.
    pub(crate) client_secret: Option<String>,
    /// The secret, as it is listed.
    pub(crate) secret: SecretView,
    /// Those that it replaces, as they now are.
    pub(crate) replaces: Vec<SecretView>,
}

/// A secret as it is listed: never its text.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SecretView {
    /// Its name in the API.
    pub(crate) id: String,
    /// Its prefix and the last four characters of its body.
    pub(crate) hint: String,
    /// `live`, `revoked`, `disabled` or `expired`.
    pub(crate) state: &'static str,
    /// When it was minted.
    pub(crate) created_at: String,
    /// When it ends.
    pub(crate) expires_at: Option<String>,
    /// When it was last used; up to a minute behind.
    pub(crate) last_used_at: Option<String>,
}

impl SecretView {
    pub(crate) fn new(record: &CredentialRecord, now: Timestamp) -> Self {
        Self {
            id: record.id.to_string(),
            hint: record.terms.hint.clone(),
            state: record.life().state(now).name(),
            created_at: record.created_at.to_string(),
            expires_at: record.expires_at.map(|time| time.to_string()),
            last_used_at: record.last_used_at.map(|time| time.to_string()),
        }
    }
}

/// What tokens may be for (RFC 8707).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResourceBody {
    /// Its name, the `aud` of its tokens: an absolute URI without a fragment.
    pub(crate) id: String,
    /// What may be done there, each with a description for people. Default: it takes any scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scopes: Option<BTreeMap<String, String>>,
    /// What its access tokens are.
    #[serde(default)]
    pub(crate) access_token: AccessTokenBody,
    /// What its tokens say beside: a text, or `{ "metadata": "name" }` for a member of the client's metadata.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) claims: BTreeMap<String, Value>,
    /// Who may introspect its tokens, beside the clients that are registered for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) introspection: Vec<String>,
    /// A JWK Set with one public key for encryption (`"use": "enc"`): signed tokens are encrypted for it, and only who has
    /// the private key can read them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) jwks: Option<Map<String, Value>>,
}

/// Replaces the key that tokens for a stored resource are encrypted for.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResourceAmend {
    /// The JWK Set with its new key for encryption; `null`: its tokens are not encrypted any more.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) jwks: Option<Map<String, Value>>,
}

/// What access tokens for a resource are.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessTokenBody {
    /// How long one lives: 5m to 1h. Default: 15m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lifetime: Option<String>,
    /// With what it is signed: `ES256` (default), `RS256`, `PS256` or `EdDSA`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signing_alg: Option<String>,
    /// `jwt` or `opaque`. Default: what the client's tokens are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
}

#[cfg(test)]
mod tests {
    use countersign_core::resource::Resource;
    use serde_json::{Value, json};

    use super::ResourceBody;

    #[test]
    fn a_resource_is_described_as_it_is_read() {
        let all = json!({
            "id": "https://api.example.com",
            "scopes": { "orders:read": "See your orders" },
            "access_token": { "lifetime": "5m", "signing_alg": "RS256", "kind": "opaque" },
            "claims": { "role": "service", "team": { "metadata": "team" } },
            "introspection": ["client_0000000000000000000000"],
        });
        let encrypted = json!({ "id": "urn:x:encrypted", "jwks": { "keys": [{ "kty": "OKP", "crv": "X25519",
            "use": "enc", "x": "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo" }] } });
        for written in [all, encrypted, json!({ "id": "urn:x:api" })] {
            let resource: Resource = serde_json::from_value(written.clone()).unwrap();
            let described: ResourceBody =
                serde_json::from_value(serde_json::to_value(&resource).unwrap()).unwrap();
            let again: Value = serde_json::to_value(described).unwrap();
            assert_eq!(serde_json::from_value::<Resource>(again).unwrap(), resource);
            assert!(serde_json::from_value::<ResourceBody>(written).is_ok());
        }
    }
}
