//! The keys that clients publish (`jwks_uri`, RFC 7591 §2), found beside the question that an assertion asks.
//!
//! **Invariants.** Nothing is fetched for who is no enabled client that proves itself by such keys. Each place is asked at most
//! once in a while, whatever strangers send, and so are all places together: a place that was asked lately is not
//! forgotten for another one.
//!
//! What it does not do: believe an assertion.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use countersign_core::audit::AuditEvent;
use countersign_core::client_terms::{AuthMethod, WebUri};
use countersign_core::context::Clock;
use countersign_core::effect::Use;
use countersign_core::ledger::{Found, FoundClient, KeyMeant, Ledger, Lookup, Settled, Unavailable};
use countersign_core::principal::Principal;
use countersign_core::timestamp::{Monotonic, Timestamp};
use countersign_egress::client::Egress;
use countersign_egress::published_keys::{COOLDOWN, PublishedKeys, StatedKeys};
use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::jwk::PublicKey;

/// The most bytes of one set: four times what is registered inline, for certificates beside the keys; a bound, not a clause.
const MOST_BYTES: usize = 64 * 1024;
/// The most sets that are kept, and so the most places that are asked within [`COOLDOWN`]; a bound, not a clause.
const MOST: usize = 1_000;

/// What clients publish, as far as it was needed lately.
pub struct ClientKeys {
    clock: Arc<dyn Clock>,
    /// What fetches; `None`: no server runs, and nothing is fetched.
    egress: ArcSwapOption<Egress>,
    known: Mutex<HashMap<WebUri, Kept>>,
}

struct Kept {
    keys: Arc<PublishedKeys>,
    used: Monotonic,
}

impl fmt::Debug for ClientKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ClientKeys").field("known", &self.known().len()).finish_non_exhaustive()
    }
}

impl ClientKeys {
    /// Knows nothing yet, and fetches nothing.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, egress: ArcSwapOption::empty(), known: Mutex::default() }
    }

    /// Fetches by `egress` from now on, and forgets what another one has fetched.
    pub fn put(&self, egress: Egress) {
        self.egress.store(Some(Arc::new(egress)));
        self.known().clear();
    }

    /// Finds the key that an assertion means among those that its client publishes; `None`: there is none.
    async fn find(
        &self,
        client: &FoundClient,
        meant: KeyMeant<'_>,
    ) -> Result<Option<Arc<PublicKey>>, Unavailable> {
        let Some(place) = place(client) else { return Ok(None) };
        let keys = self.kept(&place).ok_or(Unavailable::ClientKeys)?;
        let found = keys.find(meant.kid, meant.algorithm).await.map_err(|_| Unavailable::ClientKeys)?;
        Ok(found.ok())
    }

    /// Returns what is known of a place; `None`: as many were asked lately as may be.
    fn kept(&self, place: &WebUri) -> Option<Arc<PublishedKeys>> {
        let now = self.clock.monotonic();
        let mut known = self.known();
        if let Some(kept) = known.get_mut(place) {
            kept.used = now;
            return Some(Arc::clone(&kept.keys));
        }
        if known.len() >= MOST {
            known.retain(|_, kept| since(kept.used, now) < COOLDOWN);
        }
        let egress = self.egress.load_full().filter(|_| known.len() < MOST)?;
        let algorithms = SignatureAlgorithm::ALL.to_vec();
        let source = StatedKeys { url: place.as_str().parse().ok()?, algorithms, most: MOST_BYTES };
        let keys = PublishedKeys::new(Box::new(source), egress.as_ref().clone(), Arc::clone(&self.clock));
        let keys = Arc::new(keys);
        known.insert(place.clone(), Kept { keys: Arc::clone(&keys), used: now });
        Some(keys)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<WebUri, Kept>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn since(earlier: Monotonic, now: Monotonic) -> Duration {
    Duration::from_millis(u64::try_from(now.0.saturating_sub(earlier.0)).unwrap_or(0))
}

/// Returns where a client publishes its keys, if it is one that may prove itself by them.
fn place(client: &FoundClient) -> Option<WebUri> {
    let owner = client.owner.as_ref().filter(|owner| owner.is_live())?;
    let terms = owner.client()?;
    terms.jwks_uri.clone().filter(|_| terms.auth_method == AuthMethod::PrivateKeyJwt)
}

/// A ledger that knows what clients publish, beside what is stored.
pub(crate) struct ClientLedger<'a, L> {
    pub(crate) stored: &'a L,
    pub(crate) keys: &'a ClientKeys,
}

impl<L: Ledger> Ledger for ClientLedger<'_, L> {
    fn ready(&self) -> Result<(), Unavailable> {
        self.stored.ready()
    }

    async fn look_up(&self, question: Lookup<'_>) -> Result<Found, Unavailable> {
        let meant = if let Lookup::Client { key, .. } = &question { *key } else { None };
        let mut found = self.stored.look_up(question).await?;
        if let (Some(meant), Found::Client(client)) = (meant, &mut found) {
            client.key = self.keys.find(client, meant).await?;
        }
        Ok(found)
    }

    async fn settle(&self, now: Timestamp, uses: Vec<Use>) -> Result<Settled, Unavailable> {
        self.stored.settle(now, uses).await
    }

    fn used(&self, principal: &Principal, now: Timestamp) {
        self.stored.used(principal, now);
    }

    fn file(&self, refusal: AuditEvent) {
        self.stored.file(refusal);
    }
}
