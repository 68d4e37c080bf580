//! Foreign issuers and their keys: fetched when they are needed, kept as long as they may be believed.
//!
//! Without a URL for them, the keys are found by the issuer's metadata: OpenID Connect Discovery 1.0 §4, and if there are
//! none, RFC 8414 §3. Both steps are one attempt, with one cool-down for whatever strangers make up.
//!
//! **Invariants.** Metadata that name another issuer name no keys (RFC 8414 §3.3). No redirect is followed, no address is
//! called that is not public or allowed, and what is fetched is bounded in bytes and time: the egress client sees to it.
//! Keys that are not known are a breakdown, never "allow" and never "refused".
//!
//! What it does not do: believe a token.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::context::Clock;
use countersign_core::decision::ForeignIssuer;
use countersign_core::ledger::{KeyAsked, Unavailable};
use countersign_egress::client::Egress;
use countersign_egress::published::{Fetched, Fetching, Publication, Published, Source};
use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::json;
use countersign_jose::jwk::{JwkSet, NotFound, PublicKey};
use http::header::{ACCEPT, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use tokio::time::timeout;
use url::Url;

/// How long keys are believed that cannot be fetched again: long enough to mend an issuer, and a bound on how long a key
/// lives on that was withdrawn.
const LIFE: Duration = Duration::from_secs(60 * 60);
/// How old keys may become before they are fetched anew: what Envoy's `remote_jwks` has as its default.
const RENEWED_AFTER: Duration = Duration::from_secs(10 * 60);
/// The time between two attempts: a key that is not published before it signs is found within it.
const COOLDOWN: Duration = Duration::from_secs(10);

/// An issuer whose tokens routes take, with its keys.
pub struct ForeignKeys {
    issuer: ForeignIssuer,
    keys: Arc<Published<JwkSet>>,
}

impl ForeignKeys {
    /// Knows no key yet; `egress` fetches them.
    ///
    /// # Errors
    ///
    /// [`url::ParseError`] for an issuer or a place that is no URL.
    pub fn new(
        issuer: ForeignIssuer,
        egress: Egress,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, url::ParseError> {
        let algorithms = issuer.algorithms.clone();
        let source: Box<dyn Source<JwkSet>> = match &issuer.jwks {
            Some(url) => Box::new(Stated { url: url.parse()?, algorithms }),
            None => Box::new(Discovered::new(&issuer.issuer, algorithms)?),
        };
        let publication =
            Publication { source, life: LIFE, renewed_after: Some(RENEWED_AFTER), cooldown: COOLDOWN };
        Ok(Self { issuer, keys: Arc::new(Published::new(publication, egress, clock)) })
    }

    /// Returns whose keys they are, and how they are found.
    #[must_use]
    pub const fn issuer(&self) -> &ForeignIssuer {
        &self.issuer
    }

    /// Finds the key that a token means, fetching the keys if that may help.
    pub(crate) async fn find(
        &self,
        asked: &KeyAsked<'_>,
    ) -> Result<Result<Arc<PublicKey>, NotFound>, Unavailable> {
        let found = |keys: &JwkSet| keys.find(asked.kid, asked.algorithm).map(Arc::clone);
        if let Some(key) = self.keys.held().and_then(|keys| found(&keys).ok()) {
            return Ok(Ok(key));
        }
        // What the keys that are held do not say is only known once they were fetched.
        let keys = self.keys.ask().await.ok_or(Unavailable::ForeignKeys)?;
        Ok(found(&keys))
    }
}

impl fmt::Debug for ForeignKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ForeignKeys").field("issuer", &self.issuer.issuer).finish_non_exhaustive()
    }
}

/// Every issuer whose tokens routes take, each once.
#[derive(Debug, Clone, Default)]
pub struct ForeignIssuers(Arc<[Arc<ForeignKeys>]>);

impl ForeignIssuers {
    /// Knows `issuers`, of which each is named once.
    #[must_use]
    pub fn new(issuers: Vec<Arc<ForeignKeys>>) -> Self {
        Self(issuers.into())
    }

    /// Walks them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ForeignKeys>> {
        self.0.iter()
    }

    /// Finds an issuer by its identifier, letter for letter (RFC 8414 §3.3).
    pub(crate) fn find(&self, issuer: &str) -> Option<&Arc<ForeignKeys>> {
        self.0.iter().find(|one| *one.issuer.issuer == *issuer)
    }
}

/// A JWK Set that stands where the operator says.
struct Stated {
    url: Url,
    algorithms: Vec<SignatureAlgorithm>,
}

impl Source<JwkSet> for Stated {
    fn place(&self) -> &str {
        self.url.as_str()
    }

    fn fetch<'a>(&'a self, egress: &'a Egress, version: Option<HeaderValue>) -> Fetching<'a, JwkSet> {
        Box::pin(set(egress, &self.url, &self.algorithms, version))
    }
}

/// A JWK Set that stands where the issuer's metadata say.
struct Discovered {
    issuer: String,
    metadata: [Url; 2],
    algorithms: Vec<SignatureAlgorithm>,
}

impl Discovered {
    fn new(issuer: &str, algorithms: Vec<SignatureAlgorithm>) -> Result<Self, url::ParseError> {
        // OpenID Connect Discovery 1.0 §4: after the issuer's path. RFC 8414 §3.1: between host and path.
        let appended =
            format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')).parse()?;
        let mut inserted: Url = issuer.parse()?;
        let path = inserted.path().trim_end_matches('/').to_owned();
        inserted.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
        Ok(Self { issuer: issuer.to_owned(), metadata: [appended, inserted], algorithms })
    }

    async fn keys(&self, egress: &Egress, version: Option<HeaderValue>) -> Fetched<JwkSet> {
        let mut place = Err("it publishes no metadata".to_owned());
        for url in &self.metadata {
            place = self.place_of_keys(egress, url).await;
            if place.is_ok() {
                break;
            }
        }
        match place {
            Ok(url) => set(egress, &url, &self.algorithms, version).await,
            Err(reason) => Fetched::Failed(reason),
        }
    }

    async fn place_of_keys(&self, egress: &Egress, url: &Url) -> Result<Url, String> {
        match Fetched::of(&egress.get(url, accepting(None)).await, |text| json::object(text).ok()) {
            Fetched::New(metadata, _) => {
                let text = |name: &str| metadata.get(name).and_then(Value::as_str);
                // RFC 8414 §3.3: else the data must not be used.
                if text("issuer") != Some(&self.issuer) {
                    return Err(format!("{url}: its `issuer` is another"));
                }
                let place = text("jwks_uri").and_then(|place| place.parse().ok());
                place.ok_or_else(|| format!("{url}: its `jwks_uri` is no URL"))
            }
            Fetched::Unchanged => Err(format!("{url}: nothing was there before")),
            Fetched::Failed(reason) => Err(format!("{url}: {reason}")),
        }
    }
}

impl Source<JwkSet> for Discovered {
    fn place(&self) -> &str {
        &self.issuer
    }

    fn fetch<'a>(&'a self, egress: &'a Egress, version: Option<HeaderValue>) -> Fetching<'a, JwkSet> {
        Box::pin(async move {
            let fetched = timeout(egress.limits().total, self.keys(egress, version)).await;
            fetched.unwrap_or_else(|_elapsed| Fetched::Failed("no keys within egress.timeout".to_owned()))
        })
    }
}

async fn set(
    egress: &Egress,
    url: &Url,
    algorithms: &[SignatureAlgorithm],
    version: Option<HeaderValue>,
) -> Fetched<JwkSet> {
    let answer = egress.get(url, accepting(version)).await;
    // A set without a key that may be used is a mistake of somebody: what was known before stays.
    Fetched::of(&answer, |text| JwkSet::parse(text, algorithms).ok().filter(|set| !set.keys().is_empty()))
}

fn accepting(version: Option<HeaderValue>) -> HeaderMap {
    // RFC 7517 §8.5.1; most issuers say application/json.
    let accept = HeaderValue::from_static("application/jwk-set+json, application/json");
    let mut headers = HeaderMap::from_iter([(ACCEPT, accept)]);
    headers.extend(version.map(|version| (IF_NONE_MATCH, version)));
    headers
}
