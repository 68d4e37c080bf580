//! Resources: what tokens are for (RFC 8707), and what a token for one says.
//!
//! **Invariant.** An id names one resource: it is declared in the settings or stored, never both.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use countersign_jose::algorithm::SignatureAlgorithm;
use papaya::HashMap;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::duration::{format_duration, parse_duration};
use crate::id::OwnerId;
use crate::registered::{names, text};
use crate::resource_jwks::ResourceJwks;
use crate::scope::Scope;
use crate::uri::is_absolute;

/// How long an access token lives where nothing is said.
pub const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// The shortest life of an access token: shorter ones are asked for more often than used.
const SHORTEST: Duration = Duration::from_secs(5 * 60);
/// The longest one: whoever has stolen it has it until then where revocation is not asked for.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// The most scopes of a resource, as many as one scope parameter may name; a bound, not a clause.
const MAX_SCOPES: usize = 64;
/// The longest description of a scope; a bound, not a clause.
const MAX_DESCRIPTION: usize = 200;
/// The most claims that are mapped; a bound, not a clause.
const MAX_CLAIMS: usize = 16;
/// The longest name or text of a claim that is mapped; a bound, not a clause.
const MAX_CLAIM: usize = 256;
/// The most who may introspect; a bound, not a clause.
const MAX_INTROSPECTING: usize = 64;

/// The claims that only the authorization server may make (RFC 7519 §4.1, RFC 9068 §2.2, RFC 7800, RFC 8693), and ours.
const OWN_CLAIMS: [&str; 18] = [
    "act",
    "acr",
    "amr",
    "aud",
    "auth_time",
    "client_id",
    "cnf",
    "exp",
    "family",
    "gen",
    "grant_id",
    "iat",
    "iss",
    "jti",
    "may_act",
    "nbf",
    "scope",
    "sid",
];

text!(
    /// Names a resource: an absolute URI without a fragment, compared byte for byte (RFC 8707 §2).
    ResourceId,
    is_absolute,
    "an absolute URI of at most 512 characters without a fragment"
);

impl Borrow<str> for ResourceId {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

names! {
    /// With what access tokens for a resource are signed, by the registered name (RFC 7518 §3.1, RFC 8037).
    SigningAlgorithm, "ES256, RS256, PS256 or EdDSA" {
        /// ECDSA on P-256 with SHA-256.
        Es256 = "ES256",
        /// RSASSA-PKCS1-v1_5 with SHA-256.
        Rs256 = "RS256",
        /// RSASSA-PSS with SHA-256.
        Ps256 = "PS256",
        /// Ed25519.
        EdDsa = "EdDSA",
    }
}

names! {
    /// What access tokens are.
    TokenFormat, "jwt or opaque" {
        /// Signed, and verified without a question (RFC 9068).
        Jwt = "jwt",
        /// A random text that only the authorization server understands.
        Opaque = "opaque",
    }
}

#[expect(clippy::derivable_impls, reason = "the macro of names has no place for it")]
impl Default for TokenFormat {
    fn default() -> Self {
        Self::Jwt
    }
}

impl From<SigningAlgorithm> for SignatureAlgorithm {
    fn from(algorithm: SigningAlgorithm) -> Self {
        match algorithm {
            SigningAlgorithm::Es256 => Self::Es256,
            SigningAlgorithm::Rs256 => Self::Rs256,
            SigningAlgorithm::Ps256 => Self::Ps256,
            SigningAlgorithm::EdDsa => Self::EdDsa,
        }
    }
}

/// What tokens may be for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Resource {
    /// Its name: the `aud` of its tokens.
    pub id: ResourceId,
    /// What may be done there, each with a description for people; `None`: it takes any scope.
    pub scopes: Option<BTreeMap<Scope, String>>,
    /// How long an access token lives.
    pub lifetime: Duration,
    /// With what it is signed.
    pub algorithm: SigningAlgorithm,
    /// What it is, whatever the client's are; `None`: what the client's are.
    pub format: Option<TokenFormat>,
    /// What its tokens say beside.
    pub claims: BTreeMap<String, ClaimSource>,
    /// Who may introspect its tokens, beside the clients that are registered for it.
    pub introspection: Vec<OwnerId>,
    /// For which key its signed tokens are encrypted; `None`: they are not.
    pub jwks: Option<ResourceJwks>,
}

/// Where a mapped claim comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum ClaimSource {
    /// It is this text.
    Text(String),
    /// It is a member of the client's metadata, and absent where that has none.
    Metadata {
        /// Which one.
        metadata: String,
    },
}

impl Resource {
    /// Describes a resource that takes any scope, with what holds where nothing is said.
    #[must_use]
    pub const fn any(id: ResourceId, algorithm: SigningAlgorithm) -> Self {
        Self {
            id,
            scopes: None,
            lifetime: LIFETIME,
            algorithm,
            format: None,
            claims: BTreeMap::new(),
            introspection: Vec::new(),
            jwks: None,
        }
    }

    /// Returns the resource with another key that its tokens are encrypted for, or none.
    ///
    /// # Errors
    ///
    /// [`NotAResource::Encryption`].
    pub fn encrypted_for(self, jwks: Option<ResourceJwks>) -> Result<Self, NotAResource> {
        if jwks.is_some() && self.format == Some(TokenFormat::Opaque) {
            return Err(NotAResource::Encryption);
        }
        Ok(Self { jwks, ..self })
    }

    /// Tells whether tokens for it may hold `scope`.
    #[must_use]
    pub fn takes(&self, scope: &Scope) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| scopes.contains_key(scope))
    }
}

/// Why a resource cannot be declared.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotAResource {
    /// A claim that is none to map.
    #[error(
        "claims: expected at most {MAX_CLAIMS}, each a text or {{ metadata = \"name\" }} of at most {MAX_CLAIM} characters, none of the server's own such as aud"
    )]
    Claims,
    /// Tokens that hold nothing, and a key to encrypt it for.
    #[error(
        "jwks: opaque tokens say nothing that could be encrypted: expected access_token.kind to be jwt, or none"
    )]
    Encryption,
    /// Too many who may introspect.
    #[error("introspection: expected at most {MAX_INTROSPECTING} owners")]
    Introspection,
    /// A life that is too short, too long, or none.
    #[error("access_token.lifetime: expected {} to {}", format_duration(SHORTEST), format_duration(LONGEST))]
    Lifetime,
    /// Scopes that are too many, or badly described.
    #[error(
        "scopes: expected 1 to {MAX_SCOPES}, each described for people in 1 to {MAX_DESCRIPTION} plain characters"
    )]
    Scopes,
}

/// A resource as people write it: in the settings, in requests, and in what is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: ResourceId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scopes: Option<BTreeMap<Scope, String>>,
    #[serde(default)]
    access_token: WrittenToken,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    claims: BTreeMap<String, ClaimSource>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    introspection: Vec<OwnerId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jwks: Option<ResourceJwks>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenToken {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lifetime: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signing_alg: Option<SigningAlgorithm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<TokenFormat>,
}

impl TryFrom<Written> for Resource {
    type Error = NotAResource;

    fn try_from(written: Written) -> Result<Self, NotAResource> {
        let Written { id, scopes, access_token: token, claims, introspection, jwks } = written;
        let lifetime = token.lifetime.as_deref().map_or(Ok(LIFETIME), parse_duration);
        let lifetime = lifetime.ok().filter(|life| (SHORTEST..=LONGEST).contains(life));
        let claim = |(name, source): (&String, &ClaimSource)| is_mapped(name, source);
        if claims.len() > MAX_CLAIMS || !claims.iter().all(claim) {
            return Err(NotAResource::Claims);
        }
        if introspection.len() > MAX_INTROSPECTING {
            return Err(NotAResource::Introspection);
        }
        if scopes.as_ref().is_some_and(|scopes| !are_described(scopes)) {
            return Err(NotAResource::Scopes);
        }
        let resource = Self {
            id,
            scopes,
            lifetime: lifetime.ok_or(NotAResource::Lifetime)?,
            algorithm: token.signing_alg.unwrap_or(SigningAlgorithm::Es256),
            format: token.kind,
            claims,
            introspection,
            jwks: None,
        };
        resource.encrypted_for(jwks)
    }
}

impl From<Resource> for Written {
    fn from(resource: Resource) -> Self {
        let Resource { id, scopes, lifetime, algorithm, format, claims, introspection, jwks } = resource;
        let access_token = WrittenToken {
            lifetime: Some(format_duration(lifetime)),
            signing_alg: Some(algorithm),
            kind: format,
        };
        Self { id, scopes, access_token, claims, introspection, jwks }
    }
}

fn are_described(scopes: &BTreeMap<Scope, String>) -> bool {
    let plain = |text: &String| {
        let length = text.chars().count();
        (1..=MAX_DESCRIPTION).contains(&length) && !text.chars().any(char::is_control)
    };
    (1..=MAX_SCOPES).contains(&scopes.len()) && scopes.values().all(plain)
}

fn is_mapped(name: &str, source: &ClaimSource) -> bool {
    let (ClaimSource::Text(text) | ClaimSource::Metadata { metadata: text }) = source;
    let bounded = |text: &str| (1..=MAX_CLAIM).contains(&text.len());
    bounded(name) && bounded(text) && name != "sub" && !OWN_CLAIMS.contains(&name)
}

/// The resources that are declared in the settings; replaced as a whole by a reload.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// What a token is for where nothing else is said.
    pub default: Option<Arc<Resource>>,
    /// Those of the file.
    pub named: Vec<Arc<Resource>>,
}

impl Declared {
    fn find(&self, id: &str) -> Option<&Arc<Resource>> {
        self.named.iter().find(|one| one.id.as_str() == id)
    }
}

/// What tokens may be for, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Offered {
    /// What they are for where nothing else is said.
    pub default: Option<Arc<Resource>>,
    /// Every one.
    pub all: Vec<Arc<Resource>>,
}

impl Offered {
    /// Returns what a client of these audiences may have tokens for; the default alone where none is named.
    ///
    /// # Errors
    ///
    /// The first that there is not.
    pub fn named<'a>(&self, audiences: &'a [ResourceId]) -> Result<Vec<Arc<Resource>>, &'a ResourceId> {
        if audiences.is_empty() {
            return Ok(self.default.iter().cloned().collect());
        }
        let find = |id: &'a ResourceId| self.all.iter().find(|one| one.id == *id).cloned().ok_or(id);
        audiences.iter().map(find).collect()
    }
}

/// The resource is declared twice: in the settings, and by what is stored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the resource {0} is both in the file and stored (`resource create`): take it out of the file, or `resource delete` it"
)]
pub struct DeclaredTwice(pub ResourceId);

/// Every resource: those of the settings and those that are stored.
#[derive(Debug)]
pub struct Resources {
    declared: ArcSwap<Declared>,
    stored: HashMap<ResourceId, Stored>,
}

/// A stored resource, and in which of the loads it was last seen.
#[derive(Debug)]
struct Stored {
    resource: Arc<Resource>,
    seen: u8,
}

impl Default for Resources {
    fn default() -> Self {
        Self { declared: ArcSwap::default(), stored: HashMap::new() }
    }
}

impl Resources {
    /// Finds a resource by its id. What the file says of it precedes what is stored.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Arc<Resource>> {
        let declared = self.declared.load();
        let stored = || self.stored.pin().get(id).map(|one| Arc::clone(&one.resource));
        let default = || declared.default.as_ref().filter(|one| one.id.as_str() == id).cloned();
        declared.find(id).cloned().or_else(stored).or_else(default)
    }

    /// Returns what tokens are for where nothing else is said; `None`: the settings are not there yet.
    #[must_use]
    pub fn default_resource(&self) -> Option<Arc<Resource>> {
        let default = self.declared.load().default.clone()?;
        self.find(default.id.as_str())
    }

    /// Returns every resource, each once, in the order of their ids.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Resource>> {
        let declared = self.declared.load();
        let mut all: BTreeMap<ResourceId, Arc<Resource>> = BTreeMap::new();
        let stored = self.stored.pin();
        let stored = stored.values().map(|one| &one.resource);
        for one in declared.default.iter().chain(stored).chain(&declared.named) {
            all.insert(one.id.clone(), Arc::clone(one));
        }
        all.into_values().collect()
    }

    /// Returns what tokens may be for now.
    #[must_use]
    pub fn offered(&self) -> Offered {
        Offered { default: self.default_resource(), all: self.all() }
    }

    /// Tells whether the file declares it.
    #[must_use]
    pub fn is_declared(&self, id: &str) -> bool {
        self.declared.load().find(id).is_some()
    }

    /// Tells whether the settings declare it, as the default one or by its name.
    #[must_use]
    pub fn is_of_settings(&self, id: &str) -> bool {
        let declared = self.declared.load();
        declared.find(id).is_some() || declared.default.as_ref().is_some_and(|one| one.id.as_str() == id)
    }

    /// Tells whether `declared` can take the place of what the settings said before.
    ///
    /// # Errors
    ///
    /// [`DeclaredTwice`].
    pub fn admits(&self, declared: &Declared) -> Result<(), DeclaredTwice> {
        let stored = self.stored.pin();
        let twice = declared.named.iter().find(|one| stored.contains_key(&one.id));
        twice.map_or(Ok(()), |one| Err(DeclaredTwice(one.id.clone())))
    }

    /// Replaces what the settings say.
    pub fn declare(&self, declared: Declared) {
        self.declared.store(Arc::new(declared));
    }

    /// Learns what is stored; `None`: it cannot be read here, and there is no such resource.
    pub(crate) fn learn(&self, id: &ResourceId, resource: Option<&Resource>, load: u8) {
        let stored = self.stored.pin();
        match resource {
            Some(resource) => {
                stored.insert(id.clone(), Stored { resource: Arc::new(resource.clone()), seen: load });
            }
            None => drop(stored.remove(id)),
        }
    }

    /// Forgets what was not seen in a load.
    pub(crate) fn keep_seen(&self, load: u8) {
        self.stored.pin().retain(|_, one| one.seen == load);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::{Declared, Resource, Resources, SigningAlgorithm};

    const ID: &str = "https://api.example.com";

    #[track_caller]
    fn check(written: Value, expected: Result<(), &str>) {
        let text = written.to_string();
        let read = serde_json::from_value::<Resource>(written);
        match (&read, expected) {
            (Ok(resource), Ok(())) => {
                let text = serde_json::to_string(resource).unwrap();
                assert_eq!(serde_json::from_str::<Resource>(&text).unwrap(), *resource, "it reads back");
            }
            (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{text}: {error}"),
            (read, expected) => panic!("{text}: {read:?} for {expected:?}"),
        }
    }

    #[test]
    fn a_resource_is_read_as_people_write_it() {
        let token = |token: Value| json!({ "id": ID, "access_token": token });
        let claims = |claims: Value| json!({ "id": ID, "claims": claims });
        check(json!({ "id": ID }), Ok(()));
        check(json!({ "id": ID, "scopes": { "orders:read": "See your orders" } }), Ok(()));
        check(token(json!({ "lifetime": "5m", "signing_alg": "RS256", "kind": "opaque" })), Ok(()));
        check(claims(json!({ "role": "service", "team": { "metadata": "team" } })), Ok(()));
        check(json!({ "id": "api" }), Err("absolute URI"));
        check(json!({ "id": format!("{ID}#x") }), Err("absolute URI"));
        check(json!({ "id": ID, "scope": {} }), Err("scope"));
        check(json!({ "id": ID, "scopes": {} }), Err("scopes: expected"));
        check(json!({ "id": ID, "scopes": { "a b": "x" } }), Err("scope-token"));
        check(json!({ "id": ID, "scopes": { "a": "" } }), Err("scopes: expected"));
        check(json!({ "id": ID, "scopes": { "a": "x\ny" } }), Err("scopes: expected"));
        for lifetime in ["4m59s", "299s", "3601s", "61m", "", "0s"] {
            check(token(json!({ "lifetime": lifetime })), Err("access_token.lifetime: expected 5m to 1h"));
        }
        check(token(json!({ "signing_alg": "none" })), Err("expected ES256"));
        check(token(json!({ "signing_alg": "HS256" })), Err("expected ES256"));
        check(token(json!({ "kind": "cookie" })), Err("jwt or opaque"));
        for own in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "gen", "sid", "cnf", ""] {
            check(claims(json!({ own: "x" })), Err("claims: expected"));
        }
        check(claims(json!({ "role": { "meta": "x" } })), Err("did not match"));
        let key = json!({ "kty": "OKP", "crv": "X25519", "use": "enc",
            "x": "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo" });
        check(json!({ "id": ID, "jwks": { "keys": [key] } }), Ok(()));
        check(json!({ "id": ID, "jwks": { "keys": [] } }), Err("jwks: expected a key for encryption"));
        let opaque = json!({ "id": ID, "access_token": { "kind": "opaque" }, "jwks": { "keys": [key] } });
        check(opaque, Err("opaque tokens say nothing"));
    }

    #[test]
    fn an_access_token_lives_fifteen_minutes_and_is_signed_with_es256_where_nothing_is_said() {
        let resource: Resource = serde_json::from_value(json!({ "id": ID })).unwrap();
        assert_eq!(
            (resource.lifetime, resource.algorithm),
            (Duration::from_secs(900), SigningAlgorithm::Es256)
        );
        assert!(resource.takes(&"anything".parse().unwrap()));
        let resource: Resource = serde_json::from_value(json!({ "id": ID, "scopes": { "a": "x" } })).unwrap();
        assert!(resource.takes(&"a".parse().unwrap()) && !resource.takes(&"b".parse().unwrap()));
    }

    fn resource(id: &str, algorithm: SigningAlgorithm) -> Resource {
        Resource::any(id.parse().unwrap(), algorithm)
    }

    #[test]
    fn the_file_precedes_what_is_stored_and_that_precedes_the_default() {
        use SigningAlgorithm::{EdDsa, Es256, Ps256, Rs256};
        let (resources, one) = (Resources::default(), "https://one.example");
        assert!(resources.default_resource().is_none() && resources.find(ID).is_none());
        let declare = |named: &[Resource]| Declared {
            default: Some(Arc::new(resource(ID, Es256))),
            named: named.iter().cloned().map(Arc::new).collect(),
        };
        resources.declare(declare(&[]));
        let algorithm = |id| resources.find(id).map(|found| found.algorithm);
        assert_eq!((algorithm(ID), algorithm(one)), (Some(Es256), None));
        resources.learn(&ID.parse().unwrap(), Some(&resource(ID, Ps256)), 0);
        resources.learn(&one.parse().unwrap(), Some(&resource(one, Rs256)), 0);
        assert_eq!((algorithm(ID), algorithm(one)), (Some(Ps256), Some(Rs256)));
        assert_eq!(resources.default_resource().unwrap().algorithm, Ps256);
        let both = declare(&[resource(one, EdDsa)]);
        assert_eq!(resources.admits(&both).unwrap_err().0.as_str(), one);
        assert!(resources.admits(&declare(&[resource("urn:other", EdDsa)])).is_ok());
        resources.declare(both);
        assert_eq!(algorithm(one), Some(EdDsa));
        assert!(resources.is_declared(one) && !resources.is_declared(ID));
        let all: Vec<_> = resources.all().iter().map(|one| one.algorithm).collect();
        assert_eq!(all, [Ps256, EdDsa]);
        resources.learn(&ID.parse().unwrap(), None, 0);
        assert_eq!(algorithm(ID), Some(Es256));
        resources.keep_seen(1);
        resources.declare(declare(&[]));
        assert_eq!(algorithm(one), None);
    }
}
