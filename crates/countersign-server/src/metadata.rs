//! What the issuer says of itself: its keys (RFC 7517 §5) and its metadata (RFC 8414, OpenID Connect Discovery 1.0),
//! printed from the registers.

use std::time::Duration;

use countersign_core::authentication_context::CONTEXTS;
use countersign_core::authorization::{Prompt, ResponseMode};
use countersign_core::client_authentication::CLIENT_AUTHENTICATION;
use countersign_core::grants::GRANTS;
use countersign_core::identity;
use countersign_core::person_terms::PROFILE_CLAIMS;
use countersign_core::resource::SigningAlgorithm;
use countersign_core::signing_key::KeyPurpose;
use countersign_edge::endpoint::ListenerName;
use countersign_jose::algorithm::SignatureAlgorithm;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::app::App;
use crate::endpoint::Desk;
use crate::failure::Failure;
use crate::pages::language;
use crate::reply::Reply;

/// How long a JWK Set may be kept. It has to be much less than a key is published before it signs.
const KEYS_AGE: Duration = Duration::from_secs(5 * 60);
/// How long metadata may be kept.
const METADATA_AGE: Duration = Duration::from_secs(60 * 60);

/// A JWK Set (RFC 7517 §5).
#[derive(Serialize, JsonSchema)]
pub(crate) struct KeySet {
    /// Public keys.
    keys: Vec<Map<String, Value>>,
}

/// Metadata of an authorization server (RFC 8414 §2), which is that of an OpenID provider too.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ServerMetadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: String,
    end_session_endpoint: String,
    device_authorization_endpoint: String,
    jwks_uri: String,
    introspection_endpoint: String,
    revocation_endpoint: String,
    grant_types_supported: Vec<&'static str>,
    response_types_supported: Vec<&'static str>,
    response_modes_supported: Vec<&'static str>,
    /// RFC 7636: `S256` alone.
    code_challenge_methods_supported: Vec<&'static str>,
    /// RFC 9207 §3.
    authorization_response_iss_parameter_supported: bool,
    acr_values_supported: Vec<&'static str>,
    prompt_values_supported: Vec<&'static str>,
    subject_types_supported: Vec<&'static str>,
    id_token_signing_alg_values_supported: Vec<&'static str>,
    claims_supported: Vec<&'static str>,
    claims_parameter_supported: bool,
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
    ui_locales_supported: Vec<&'static str>,
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    introspection_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    revocation_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    /// The scopes of the declared resources, and those of OpenID Connect Core 1.0 §5.4.
    scopes_supported: Vec<String>,
    /// The resources that tokens may be for (RFC 9728 §4).
    protected_resources: Vec<String>,
}

/// Publishes the keys by which tokens are verified.
pub(crate) async fn keys(app: &App) -> Result<Reply, Failure> {
    let now = app.now();
    let known = app.store.snapshot().signing_keys();
    let published = known
        .iter()
        .filter(|key| key.record.slot.purpose == KeyPurpose::AccessToken && key.state(now).is_trusted());
    let keys = published.filter_map(|key| key.public.to_jwk().as_object().cloned()).collect();
    Ok(Reply::ok(&KeySet { keys })?.cached(KEYS_AGE))
}

/// Returns what may be told of people and of ID tokens.
fn claims() -> Vec<&'static str> {
    let own = ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash"];
    let of_people = ["name", "preferred_username", "updated_at", "organisations", "email", "email_verified"];
    own.into_iter().chain(of_people).chain(PROFILE_CLAIMS).collect()
}

/// Publishes what the issuer can do.
pub(crate) async fn server(desk: &Desk) -> Result<Reply, Failure> {
    let app = &desk.app;
    let at = |id: &str| {
        let row =
            desk.table.iter().find(|row| row.id == id && row.place.listeners.contains(&ListenerName::Issuer));
        row.map_or_else(String::new, |row| {
            format!("{}{}", app.issuer_url.trim_end_matches('/'), row.place.path)
        })
    };
    let resources = app.store.snapshot().resources().all();
    let mut scopes: Vec<String> = resources
        .iter()
        .flat_map(|resource| resource.scopes.iter().flat_map(|scopes| scopes.keys()))
        .map(ToString::to_string)
        .collect();
    scopes.extend(identity::SCOPES.map(str::to_owned));
    scopes.sort_unstable();
    scopes.dedup();
    let methods: Vec<_> = CLIENT_AUTHENTICATION.iter().map(|method| method.name).collect();
    let algorithms: Vec<_> = SignatureAlgorithm::ALL.iter().map(|one| one.as_str()).collect();
    let confidential: Vec<_> = methods.iter().copied().filter(|method| *method != "none").collect();
    Ok(Reply::ok(&ServerMetadata {
        issuer: app.issuer_url.clone(),
        authorization_endpoint: at("authorize"),
        token_endpoint: at("issueToken"),
        userinfo_endpoint: at("readUserInfo"),
        end_session_endpoint: at("signOut"),
        device_authorization_endpoint: at("authorizeDevice"),
        jwks_uri: at("readSigningKeys"),
        introspection_endpoint: at("introspectToken"),
        revocation_endpoint: at("revokeToken"),
        grant_types_supported: GRANTS.iter().map(|grant| grant.grant_type).collect(),
        response_types_supported: vec!["code"],
        response_modes_supported: ResponseMode::ALL.iter().map(|mode| mode.name()).collect(),
        code_challenge_methods_supported: vec!["S256"],
        authorization_response_iss_parameter_supported: true,
        acr_values_supported: CONTEXTS.iter().map(|context| context.acr).collect(),
        prompt_values_supported: Prompt::ALL.iter().map(|prompt| prompt.name()).collect(),
        subject_types_supported: vec!["public"],
        id_token_signing_alg_values_supported: SigningAlgorithm::ALL.iter().map(|one| one.name()).collect(),
        claims_supported: claims(),
        claims_parameter_supported: true,
        request_parameter_supported: false,
        request_uri_parameter_supported: false,
        ui_locales_supported: language::tags().collect(),
        // RFC 8414 §2: they must be said wherever `private_key_jwt` is.
        token_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
        introspection_endpoint_auth_methods_supported: confidential,
        introspection_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
        revocation_endpoint_auth_methods_supported: methods.clone(),
        revocation_endpoint_auth_signing_alg_values_supported: algorithms,
        token_endpoint_auth_methods_supported: methods,
        scopes_supported: scopes,
        protected_resources: resources.iter().map(|resource| resource.id.as_str().to_owned()).collect(),
    })?
    .cached(METADATA_AGE))
}
