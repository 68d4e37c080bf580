//! The keys that somebody publishes as a JWK Set (RFC 7517 §5): a foreign issuer's, or a client's.
//!
//! **Invariant.** Keys that are not known are a breakdown, never "there is none": what the set that is held does not say is
//! only known once it was fetched.
//!
//! What it does not do: believe what a key has signed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::context::Clock;
use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::jwk::{JwkSet, NotFound, PublicKey};
use http::header::{ACCEPT, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue};
use thiserror::Error;
use url::Url;

use crate::client::Egress;
use crate::published::{Fetched, Fetching, Publication, Published, Source};

/// How long keys are believed that cannot be fetched again: long enough to mend who publishes them, and a bound on how
/// long a key lives on that was withdrawn.
const LIFE: Duration = Duration::from_secs(60 * 60);
/// How old keys may become before they are fetched anew: what Envoy's `remote_jwks` has as its default.
const RENEWED_AFTER: Duration = Duration::from_secs(10 * 60);
/// The time between two attempts: a key that is not published before it signs is found within it.
pub const COOLDOWN: Duration = Duration::from_secs(10);

/// Keys that are fetched when they are needed, and kept as long as they may be believed.
pub struct PublishedKeys(Arc<Published<JwkSet>>);

/// The keys cannot be fetched, and none that were may be believed still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the keys are not known")]
pub struct Unfetched;

impl PublishedKeys {
    /// Knows no key yet; `egress` fetches them by `source`.
    #[must_use]
    pub fn new(source: Box<dyn Source<JwkSet>>, egress: Egress, clock: Arc<dyn Clock>) -> Self {
        let publication =
            Publication { source, life: LIFE, renewed_after: Some(RENEWED_AFTER), cooldown: COOLDOWN };
        Self(Arc::new(Published::new(publication, egress, clock)))
    }

    /// Finds the key that a message means, fetching the keys if that may help.
    ///
    /// # Errors
    ///
    /// [`Unfetched`].
    pub async fn find(
        &self,
        kid: Option<&str>,
        algorithm: SignatureAlgorithm,
    ) -> Result<Result<Arc<PublicKey>, NotFound>, Unfetched> {
        let found = |keys: &JwkSet| keys.find(kid, algorithm).map(Arc::clone);
        if let Some(key) = self.0.held().and_then(|keys| found(&keys).ok()) {
            return Ok(Ok(key));
        }
        let keys = self.0.ask().await.ok_or(Unfetched)?;
        Ok(found(&keys))
    }
}

impl fmt::Debug for PublishedKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A JWK Set that stands at one place.
#[derive(Debug)]
pub struct StatedKeys {
    /// Where.
    pub url: Url,
    /// The only algorithms of its keys.
    pub algorithms: Vec<SignatureAlgorithm>,
    /// The most bytes that it may have.
    pub most: usize,
}

impl StatedKeys {
    /// Fetches it; `version` is the one that is known.
    pub async fn get(&self, egress: &Egress, version: Option<HeaderValue>) -> Fetched<JwkSet> {
        let answer = egress.get(&self.url, accepting(version)).await;
        let read = |text: &[u8]| {
            JwkSet::parse(Some(text).filter(|text| text.len() <= self.most)?, &self.algorithms).ok()
        };
        // A set without a key that may be used is a mistake of somebody: what was known before stays.
        Fetched::of(&answer, |text| read(text).filter(|set| !set.keys().is_empty()))
    }
}

impl Source<JwkSet> for StatedKeys {
    fn place(&self) -> &str {
        self.url.as_str()
    }

    fn fetch<'a>(&'a self, egress: &'a Egress, version: Option<HeaderValue>) -> Fetching<'a, JwkSet> {
        Box::pin(self.get(egress, version))
    }
}

/// Asks for keys, or for metadata that say where they are.
#[must_use]
pub fn accepting(version: Option<HeaderValue>) -> HeaderMap {
    // RFC 7517 §8.5.1; most publish application/json.
    let accept = HeaderValue::from_static("application/jwk-set+json, application/json");
    let mut headers = HeaderMap::from_iter([(ACCEPT, accept)]);
    headers.extend(version.map(|version| (IF_NONE_MATCH, version)));
    headers
}
