//! What is registered of a client (RFC 6749 §2), beside what every owner has.
//!
//! A client is an owner of kind [`OwnerKind::Client`]; these terms make it one of the authorization server.
//!
//! [`OwnerKind::Client`]: crate::id::OwnerKind

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;

use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::json;
use countersign_jose::jwk::JwkSet;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::registered::{NotRegistered, holds_secrets, names, text};
use crate::resource::{ResourceId, TokenFormat};
use crate::scope::ScopeSet;
use crate::uri::{is_absolute, is_web};

/// The longest JWK Set that is registered inline: some twenty keys of RSA; a bound, not a clause.
const MAX_JWKS: usize = 16 * 1024;

/// What is registered of a client. Stored as one JSON text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What its owner wrote on it; a resource may put members of it into tokens.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

names! {
    /// A grant, by its registered `grant_type` (RFC 7591 §2).
    GrantType, "authorization_code or client_credentials" {
        /// RFC 6749 §4.1.
        AuthorizationCode = "authorization_code",
        /// RFC 6749 §4.4.
        ClientCredentials = "client_credentials",
    }
}

names! {
    /// How a client proves itself, by the registered `token_endpoint_auth_method` (RFC 7591 §2, OpenID Connect Core §9);
    /// `client_secret` is ours.
    AuthMethod, "client_secret, client_secret_basic, client_secret_post, private_key_jwt or none" {
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
            Self::PrivateKeyJwt | Self::None => false,
        }
    }

    /// Tells whether whoever proves itself so can keep a secret (RFC 6749 §2.1).
    #[must_use]
    pub const fn is_confidential(self) -> bool {
        match self {
            Self::ClientSecret | Self::ClientSecretBasic | Self::ClientSecretPost | Self::PrivateKeyJwt => {
                true
            }
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
text!(
    /// Where a resource owner may be sent back to. Compared byte for byte; never a pattern.
    RedirectUri,
    is_redirect,
    "an https URI, http on this machine, or a scheme of the application's own such as com.example.app:, without userinfo, fragment and the parameters of an answer"
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

/// What an authorization response is made of: a redirect URI that brings it along would answer for us.
const ANSWER: [&str; 5] = ["code", "state", "iss", "error", "response"];

fn is_redirect(text: &str) -> bool {
    let own_scheme = text.split_once(':').is_some_and(|(scheme, _)| {
        // RFC 8252 §7.1: a private-use scheme is a reversed domain name.
        scheme.contains('.')
    });
    let answers = text.split_once('?').is_some_and(|(_, query)| {
        query.split('&').any(|pair| ANSWER.contains(&pair.split('=').next().unwrap_or_default()))
    });
    (is_web(text) || own_scheme && is_absolute(text)) && !text.contains('@') && !answers
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::{AuthMethod, ClientJwks, ClientTerms, GrantType, RedirectUri, WebUri};
    use crate::resource::TokenFormat;

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
            metadata: serde_json::from_str(r#"{"role":"service"}"#).unwrap(),
        };
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

    #[test]
    fn attack_rows_2_3_5_6_a_redirect_that_confuses_is_not_registered() {
        for (text, may) in [
            ("https://app.example/cb", true),
            ("https://app.example/cb?tenant=1", true),
            ("http://127.0.0.1/cb", true),
            ("com.example.app:/cb", true),
            ("http://localhost.evil.test/cb", false),
            ("https://app.example@evil.test/cb", false),
            ("https://a@b@c/cb", false),
            ("com.example.app://a@b/cb", false),
            ("https://app.example/cb?code=x", false),
            ("https://app.example/cb?a=1&state=x", false),
            ("https://app.example/cb?iss", false),
            ("https://app.example/cb#", false),
            ("javascript:alert(1)", false),
            ("data:text/html,x", false),
            ("http://app.example/cb", false),
        ] {
            assert_eq!(reads::<RedirectUri>(text), may, "{text}");
        }
        assert!(reads::<WebUri>("https://app.example/jwks") && !reads::<WebUri>("com.example.app:/jwks"));
    }
}
