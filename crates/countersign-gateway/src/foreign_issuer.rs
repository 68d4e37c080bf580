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

use countersign_core::context::Clock;
use countersign_core::decision::ForeignIssuer;
use countersign_core::ledger::{KeyAsked, Unavailable};
use countersign_egress::client::Egress;
use countersign_egress::published::{Fetched, Fetching, Source};
use countersign_egress::published_keys::{PublishedKeys, StatedKeys, accepting};
use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::json;
use countersign_jose::jwk::{JwkSet, NotFound, PublicKey};
use http::HeaderValue;
use serde_json::Value;
use tokio::time::timeout;
use url::Url;

/// The most bytes of a set: as many as the egress client reads at all; a bound, not a clause.
const MOST: usize = 256 * 1024;

/// An issuer whose tokens routes take, with its keys.
pub struct ForeignKeys {
    issuer: ForeignIssuer,
    keys: PublishedKeys,
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
            Some(url) => Box::new(StatedKeys { url: url.parse()?, algorithms, most: MOST }),
            None => Box::new(Discovered::new(&issuer.issuer, algorithms)?),
        };
        Ok(Self { issuer, keys: PublishedKeys::new(source, egress, clock) })
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
        self.keys.find(asked.kid, asked.algorithm).await.map_err(|_| Unavailable::ForeignKeys)
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
            Ok(url) => {
                let keys = StatedKeys { url, algorithms: self.algorithms.clone(), most: MOST };
                keys.get(egress, version).await
            }
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
