//! What a provider publishes of itself (OpenID Connect Discovery 1.0 §3).

use countersign_egress::client::Egress;
use countersign_egress::published::{Fetched, Fetching, Source};
use countersign_egress::published_keys::accepting;
use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::json;
use http::HeaderValue;
use serde_json::{Map, Value};
use url::{Host, Url};

/// A provider's metadata, as far as we need them.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) authorization: Url,
    pub(super) token: Url,
    pub(super) userinfo: Option<Url>,
    pub(super) keys: Url,
    /// By which it may sign ID tokens, of those that we take.
    pub(super) algorithms: Vec<SignatureAlgorithm>,
    pub(super) authentication: Authentication,
    /// Whether its answers name it (RFC 9207 §3).
    pub(super) says_iss: bool,
}

/// How we prove ourselves at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Authentication {
    /// In a header field.
    Basic,
    /// In the form.
    Post,
}

/// Where a provider publishes them.
pub(super) struct Discovery {
    issuer: String,
    url: Url,
}

impl Discovery {
    pub(super) fn new(issuer: &str) -> Result<Self, url::ParseError> {
        // Discovery 1.0 §4: after the issuer's path.
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')).parse()?;
        Ok(Self { issuer: issuer.to_owned(), url })
    }

    async fn get(&self, egress: &Egress) -> Fetched<Metadata> {
        let answer = egress.get(&self.url, accepting(None)).await;
        match Fetched::of(&answer, |text| json::object(text).ok()) {
            Fetched::New(object, _) => match Metadata::read(&self.issuer, &object) {
                Ok(metadata) => Fetched::New(metadata, None),
                Err(reason) => Fetched::Failed(reason),
            },
            Fetched::Unchanged => Fetched::Failed("nothing was there before".to_owned()),
            Fetched::Failed(reason) => Fetched::Failed(reason),
        }
    }
}

impl Source<Metadata> for Discovery {
    fn place(&self) -> &str {
        self.url.as_str()
    }

    fn fetch<'a>(&'a self, egress: &'a Egress, _: Option<HeaderValue>) -> Fetching<'a, Metadata> {
        Box::pin(self.get(egress))
    }
}

impl Metadata {
    fn read(issuer: &str, object: &Map<String, Value>) -> Result<Self, String> {
        // Discovery 1.0 §4.3: it "MUST exactly match".
        if object.get("issuer").and_then(Value::as_str) != Some(issuer) {
            return Err("its `issuer` is another than the settings name".to_owned());
        }
        let needed = |name: &str| endpoint(object, name)?.ok_or_else(|| format!("it has no `{name}`"));
        let algorithms = algorithms(object);
        if algorithms.is_empty() {
            return Err("it signs ID tokens by no algorithm that is taken".to_owned());
        }
        Ok(Self {
            authorization: needed("authorization_endpoint")?,
            token: needed("token_endpoint")?,
            userinfo: endpoint(object, "userinfo_endpoint")?,
            keys: needed("jwks_uri")?,
            algorithms,
            authentication: authentication(object)?,
            says_iss: object.get("authorization_response_iss_parameter_supported")
                == Some(&Value::Bool(true)),
        })
    }
}

/// Reads an endpoint: https, or plain HTTP on this machine.
fn endpoint(object: &Map<String, Value>, name: &str) -> Result<Option<Url>, String> {
    let Some(value) = object.get(name) else { return Ok(None) };
    let url: Option<Url> = value.as_str().and_then(|text| text.parse().ok());
    let url = url.filter(|url| is_safe(url) && url.username().is_empty() && url.password().is_none());
    url.map(Some).ok_or_else(|| format!("its `{name}` is no https URL"))
}

/// Tells whether nobody on the way reads what is sent there.
pub(super) fn is_safe(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" && url.host().is_some() || url.scheme() == "http" && is_here
}

fn algorithms(object: &Map<String, Value>) -> Vec<SignatureAlgorithm> {
    // Discovery 1.0 §3: RS256 "MUST be included"; who says nothing signs with it.
    let said = texts(object, "id_token_signing_alg_values_supported").unwrap_or_else(|| vec!["RS256"]);
    said.into_iter().filter_map(|name| name.parse().ok()).collect()
}

fn authentication(object: &Map<String, Value>) -> Result<Authentication, String> {
    // Discovery 1.0 §3: client_secret_basic, if it says nothing.
    let said =
        texts(object, "token_endpoint_auth_methods_supported").unwrap_or_else(|| vec!["client_secret_basic"]);
    if said.contains(&"client_secret_basic") {
        return Ok(Authentication::Basic);
    }
    let post = said.contains(&"client_secret_post").then_some(Authentication::Post);
    post.ok_or_else(|| {
        "its token endpoint takes neither client_secret_basic nor client_secret_post".to_owned()
    })
}

fn texts<'a>(object: &'a Map<String, Value>, name: &str) -> Option<Vec<&'a str>> {
    Some(object.get(name)?.as_array()?.iter().filter_map(Value::as_str).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Authentication, Metadata};

    const ISSUER: &str = "https://idp.example";

    fn read(changes: &Value) -> Result<Metadata, String> {
        let mut object = json!({
            "issuer": ISSUER, "authorization_endpoint": "https://idp.example/a", "token_endpoint": "https://idp.example/t",
            "jwks_uri": "https://idp.example/k", "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        });
        for (name, value) in changes.as_object().unwrap() {
            object[name] = value.clone();
        }
        object.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        Metadata::read(ISSUER, object.as_object().unwrap())
    }

    #[test]
    fn discovery_4_3_metadata_are_the_issuers_own_and_lead_to_safe_places() {
        assert!(read(&json!({})).is_ok());
        for changes in [
            json!({ "issuer": "https://idp.example/" }),
            json!({ "issuer": "https://evil.example" }),
            json!({ "issuer": null }),
            json!({ "authorization_endpoint": null }),
            json!({ "token_endpoint": null }),
            json!({ "jwks_uri": null }),
            json!({ "token_endpoint": "http://idp.example/t" }),
            json!({ "authorization_endpoint": "http://idp.example/a" }),
            json!({ "authorization_endpoint": "javascript:alert(1)" }),
            json!({ "jwks_uri": "file:///etc/passwd" }),
            json!({ "userinfo_endpoint": "http://idp.example/u" }),
            json!({ "token_endpoint": "https://user:password@idp.example/t" }),
            json!({ "token_endpoint": 1 }),
            json!({ "id_token_signing_alg_values_supported": ["HS256", "none"] }),
            json!({ "token_endpoint_auth_methods_supported": ["private_key_jwt"] }),
        ] {
            assert!(read(&changes).is_err(), "{changes}");
        }
        assert!(read(&json!({ "token_endpoint": "http://127.0.0.1:1/t" })).is_ok());
    }

    #[test]
    fn discovery_3_what_is_not_said_has_the_standards_default() {
        let silent = read(&json!({ "id_token_signing_alg_values_supported": null })).unwrap();
        assert_eq!(silent.algorithms.iter().map(|one| one.as_str()).collect::<Vec<_>>(), ["RS256"]);
        assert_eq!((silent.authentication, silent.says_iss), (Authentication::Basic, false));
        let post = read(&json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] })).unwrap();
        assert_eq!(post.authentication, Authentication::Post);
    }
}
