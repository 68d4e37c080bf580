//! What is registered of a client (RFC 6749 §2), beside what every owner has.
//!
//! A client is an owner of kind [`OwnerKind::Client`]; these terms make it one of the authorization server.
//!
//! [`OwnerKind::Client`]: crate::id::OwnerKind

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::digest;
use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::json;
use countersign_jose::jwk::JwkSet;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::redirect_uri::{Origin, RedirectUri};
use crate::registered::{NotRegistered, holds_secrets, names, text};
use crate::resource::{ResourceId, SigningAlgorithm, TokenFormat};
use crate::scope::ScopeSet;
use crate::uri::is_web;

/// The longest JWK Set that is registered inline: some twenty keys of RSA; a bound, not a clause.
const MAX_JWKS: usize = 16 * 1024;

/// What is registered of a client. Stored as one JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientTerms {
    /// The grants that it may use.
    pub grants: BTreeSet<GrantType>,
    /// The scopes that it may be given; those it gets where it asks for none.
    #[serde(default, skip_serializing_if = "ScopeSet::is_empty")]
    pub scopes: ScopeSet,
    /// The resources that it may have tokens for; empty: the default resource alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<ResourceId>,
    /// How it proves itself.
    pub auth_method: AuthMethod,
    /// What its access tokens are.
    pub token_format: TokenFormat,
    /// The public keys with which it signs assertions, if they are registered here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<ClientJwks>,
    /// Where it publishes them, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<WebUri>,
    /// Where resource owners may be sent back to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<RedirectUri>,
    /// Where they may be sent once they have signed out (OpenID Connect RP-Initiated Logout 1.0 §3.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// Whose scripts may call the authorization server; empty: those of the redirect URIs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<Origin>,
    /// Whether it has to prove who asked for a code (RFC 7636); only a confidential client may not.
    #[serde(default = "required", skip_serializing_if = "is_required")]
    pub require_pkce: bool,
    /// With what its ID tokens are signed (OpenID Connect Dynamic Client Registration 1.0 §2).
    #[serde(default = "id_token_algorithm", skip_serializing_if = "is_usual_algorithm")]
    pub id_token_signed_response_alg: SigningAlgorithm,
    /// What its owner wrote on it; a resource may put members of it into tokens.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

impl Default for ClientTerms {
    fn default() -> Self {
        Self {
            grants: BTreeSet::new(),
            scopes: ScopeSet::default(),
            audiences: Vec::new(),
            auth_method: AuthMethod::default(),
            token_format: TokenFormat::default(),
            jwks: None,
            jwks_uri: None,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            origins: Vec::new(),
            require_pkce: required(),
            id_token_signed_response_alg: ID_TOKEN_ALGORITHM,
            metadata: Map::new(),
        }
    }
}

impl ClientTerms {
    /// Returns whose scripts may call the authorization server, each once: those that are registered, or those of the
    /// redirect URIs.
    #[must_use]
    pub fn allowed_origins(&self) -> BTreeSet<Origin> {
        if self.origins.is_empty() {
            return self.redirect_uris.iter().filter_map(RedirectUri::origin).collect();
        }
        self.origins.iter().cloned().collect()
    }

    /// Digests what a person is shown of the client, and where they may be sent: what they agree to. If it is another one
    /// now, they are asked again (SAFETY 23). The order of the redirect URIs says nothing.
    #[must_use]
    pub fn consent_hash(&self, name: &str) -> [u8; 32] {
        let uris: BTreeSet<_> = self.redirect_uris.iter().map(RedirectUri::as_str).collect();
        let mut context = digest::Context::new(&digest::SHA256);
        for part in std::iter::once(name).chain(uris) {
            // With its length, so that no two divisions are the same bytes.
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        hash
    }
}

const fn required() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
const fn is_required(required: &bool) -> bool {
    *required
}

/// With what ID tokens are signed where nothing is said (OpenID Connect Dynamic Client Registration 1.0 §2).
pub const ID_TOKEN_ALGORITHM: SigningAlgorithm = SigningAlgorithm::Rs256;

const fn id_token_algorithm() -> SigningAlgorithm {
    ID_TOKEN_ALGORITHM
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_usual_algorithm(algorithm: &SigningAlgorithm) -> bool {
    *algorithm == ID_TOKEN_ALGORITHM
}

names! {
    /// A grant, by its registered `grant_type` (RFC 7591 §2, RFC 8628 §3.4).
    GrantType, "authorization_code, client_credentials, refresh_token or urn:ietf:params:oauth:grant-type:device_code" {
        /// RFC 6749 §4.1.
        AuthorizationCode = "authorization_code",
        /// RFC 6749 §4.4.
        ClientCredentials = "client_credentials",
        /// RFC 6749 §6.
        RefreshToken = "refresh_token",
        /// RFC 8628 §3.4.
        DeviceCode = "urn:ietf:params:oauth:grant-type:device_code",
    }
}

names! {
    /// How a client proves itself, by the registered `token_endpoint_auth_method` (RFC 7591 §2, OpenID Connect Core §9);
    /// `client_secret` is ours.
    AuthMethod, "client_secret, client_secret_basic, client_secret_post, private_key_jwt or none" {
        /// By no request: the gateway redeems what it is given, in this process ([`crate::web_app`]). Nobody registers it.
        Gateway = "gateway",
        /// By a secret, in either way.
        ClientSecret = "client_secret",
        /// By a secret in the `Authorization` field.
        ClientSecretBasic = "client_secret_basic",
        /// By a secret in the body.
        ClientSecretPost = "client_secret_post",
        /// By an assertion that it has signed (RFC 7523).
        PrivateKeyJwt = "private_key_jwt",
        /// Not at all: a public client (RFC 6749 §2.1).
        None = "none",
    }
}

#[expect(clippy::derivable_impls, reason = "the macro of names has no place for it")]
impl Default for AuthMethod {
    fn default() -> Self {
        Self::ClientSecret
    }
}

impl AuthMethod {
    /// Tells whether a client that proves itself so has secrets.
    #[must_use]
    pub const fn has_secret(self) -> bool {
        match self {
            Self::ClientSecret | Self::ClientSecretBasic | Self::ClientSecretPost => true,
            Self::Gateway | Self::PrivateKeyJwt | Self::None => false,
        }
    }

    /// Tells whether whoever proves itself so can keep a secret (RFC 6749 §2.1).
    #[must_use]
    pub const fn is_confidential(self) -> bool {
        match self {
            Self::Gateway
            | Self::ClientSecret
            | Self::ClientSecretBasic
            | Self::ClientSecretPost
            | Self::PrivateKeyJwt => true,
            Self::None => false,
        }
    }
}

/// A JWK Set of public keys, as it is registered, and its keys, which are read once.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientJwks {
    text: Box<str>,
    keys: Arc<JwkSet>,
}

impl ClientJwks {
    /// Returns the text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns its keys.
    #[must_use]
    pub fn keys(&self) -> &JwkSet {
        &self.keys
    }
}

impl FromStr for ClientJwks {
    type Err = NotRegistered;

    fn from_str(text: &str) -> Result<Self, NotRegistered> {
        const EXPECTED: NotRegistered = NotRegistered(
            "expected a JWK Set of at most 16 KiB with at least one key that signs, and public keys alone",
        );
        let keys = keys(text).ok_or(EXPECTED)?;
        Ok(Self { text: text.into(), keys: Arc::new(keys) })
    }
}

impl TryFrom<String> for ClientJwks {
    type Error = NotRegistered;

    fn try_from(text: String) -> Result<Self, NotRegistered> {
        text.parse()
    }
}

impl From<ClientJwks> for String {
    fn from(jwks: ClientJwks) -> Self {
        jwks.text.into()
    }
}

impl PartialEq for ClientJwks {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for ClientJwks {}

text!(
    /// Something that is fetched: `https`, or `http` on this machine.
    WebUri,
    is_web,
    "an https URL of at most 512 characters, without userinfo and fragment"
);
/// Reads the keys of a set that may be registered.
fn keys(text: &str) -> Option<JwkSet> {
    let bounded = Some(text).filter(|text| text.len() <= MAX_JWKS)?;
    let set = json::value(bounded.as_bytes()).ok()?;
    let records = set.get("keys")?.as_array()?;
    if records.iter().any(holds_secrets) {
        return None;
    }
    // A key that signs with none of our algorithms may be there for something else.
    let keys = JwkSet::from_value(&set, SignatureAlgorithm::ALL).ok()?;
    (!keys.keys().is_empty()).then_some(keys)
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::{AuthMethod, ClientJwks, ClientTerms, GrantType};
    use crate::redirect_uri::Origin;
    use crate::resource::{SigningAlgorithm, TokenFormat};

    /// RFC 8037 appendix A.2.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn reads<T: FromStr>(text: &str) -> bool {
        text.parse::<T>().is_ok()
    }

    #[test]
    fn names_read_back_and_nothing_else_is_read() {
        for &grant in GrantType::ALL {
            assert_eq!(grant.name().parse(), Ok(grant));
        }
        for &method in AuthMethod::ALL {
            assert_eq!(method.name().parse(), Ok(method));
        }
        for &format in TokenFormat::ALL {
            assert_eq!(format.name().parse(), Ok(format));
        }
        for text in ["", "implicit", "password", "Client_Credentials", "client_credentials "] {
            assert!(!reads::<GrantType>(text), "{text}");
        }
        assert!(!reads::<AuthMethod>("client_secret_jwt"));
    }

    #[test]
    fn terms_read_back_and_a_member_that_is_not_known_is_not_passed_over() {
        let terms = ClientTerms {
            grants: [GrantType::ClientCredentials].into(),
            scopes: "orders:read".parse().unwrap(),
            audiences: vec!["https://api.example.com".parse().unwrap()],
            auth_method: AuthMethod::PrivateKeyJwt,
            token_format: TokenFormat::Opaque,
            jwks: Some(r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#.parse().unwrap()),
            jwks_uri: None,
            redirect_uris: vec!["https://app.example/cb".parse().unwrap()],
            post_logout_redirect_uris: vec!["https://app.example/bye".parse().unwrap()],
            origins: vec!["https://spa.example".parse().unwrap()],
            require_pkce: false,
            id_token_signed_response_alg: SigningAlgorithm::EdDsa,
            metadata: serde_json::from_str(r#"{"role":"service"}"#).unwrap(),
        };
        let earlier = r#"{"grants":[],"auth_method":"none","token_format":"jwt"}"#;
        let earlier: ClientTerms = serde_json::from_str(earlier).unwrap();
        assert_eq!(earlier, ClientTerms { auth_method: AuthMethod::None, ..ClientTerms::default() });
        for terms in [terms, ClientTerms::default()] {
            let text = serde_json::to_string(&terms).unwrap();
            assert_eq!(serde_json::from_str::<ClientTerms>(&text).unwrap(), terms);
            let more = text.replacen('{', r#"{"trusted":true,"#, 1);
            assert!(serde_json::from_str::<ClientTerms>(&more).is_err());
        }
    }

    #[test]
    fn a_key_set_that_is_registered_holds_public_keys_alone() {
        let set =
            |members: &str| format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{X}"{members}}}]}}"#);
        for (text, may) in [
            (set(""), true),
            (set(r#","kid":"one","alg":"EdDSA","use":"sig""#), true),
            (set(r#","use":"enc""#), false),
            (set(r#","d":"x""#), false),
            (set(r#"},{"kty":"EC""#), true),
            (set(r#"},{"kty":"oct","k":"x""#), false),
            (set(r#"},{"kty":"RSA","p":"x""#), false),
            (set(r#","x":"""#), false),
            (r#"{"keys":[{"kty":"EC"}]}"#.into(), false),
            (r#"{"keys":[]}"#.into(), false),
            (r#"{"keys":[1]}"#.into(), false),
            (r#"{"keys":{}}"#.into(), false),
            (r#"[{"kty":"EC"}]"#.into(), false),
            (String::new(), false),
        ] {
            assert_eq!(reads::<ClientJwks>(&text), may, "{text}");
        }
        let long = set(&format!(r#","kid":"{}""#, "x".repeat(16 * 1024)));
        assert!(!reads::<ClientJwks>(&long));
    }

    fn sent_to(uris: &[&str]) -> ClientTerms {
        let redirect_uris = uris.iter().map(|uri| uri.parse().unwrap()).collect();
        ClientTerms { redirect_uris, ..ClientTerms::default() }
    }

    #[test]
    fn safety_23_a_consent_is_to_what_was_shown_and_where_it_leads() {
        let agreed = sent_to(&["https://a.example/", "https://b.example/"]).consent_hash("app");
        for (name, uris, same) in [
            ("app", &["https://a.example/", "https://b.example/"][..], true),
            ("app", &["https://b.example/", "https://a.example/"], true),
            ("App", &["https://a.example/", "https://b.example/"], false),
            ("app", &["https://a.example/"], false),
            ("app", &["https://a.example/", "https://b.example/c"], false),
            ("app", &["https://a.example/", "https://b.example/", "https://c.example/"], false),
            ("apphttps://a.example/", &["https://b.example/"], false),
        ] {
            assert_eq!(sent_to(uris).consent_hash(name) == agreed, same, "{name} {uris:?}");
        }
        let scripts = ClientTerms { origins: vec!["https://c.example".parse().unwrap()], ..sent_to(&[]) };
        assert_eq!(scripts.consent_hash("app"), sent_to(&[]).consent_hash("app"), "not shown");
    }

    #[test]
    fn scripts_come_from_where_a_client_says_or_else_from_where_it_is_sent_back_to() {
        let uris = ["https://App.example:443/cb", "https://app.example/two", "com.example.app:/cb"];
        let origins = |terms: &ClientTerms| -> Vec<_> {
            terms.allowed_origins().iter().map(ToString::to_string).collect()
        };
        let derived = sent_to(&uris);
        assert_eq!(origins(&derived), ["https://app.example"]);
        let spa: Origin = "http://localhost:5173".parse().unwrap();
        assert_eq!(origins(&ClientTerms { origins: vec![spa], ..derived }), ["http://localhost:5173"]);
    }
}
