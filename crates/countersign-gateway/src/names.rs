//! The names of upstreams: looked up before the first request, and again and again, because they move.
//!
//! **Invariant.** What is called, and what is asked whether it is well, is an address. An address that a name has no longer
//! gets no further request; one that it keeps keeps its connections and its health. A name that cannot be looked up now
//! keeps what it had.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use countersign_edge::metrics::Metrics;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::address::Address;
use crate::route::RouteTable;
use crate::upstream::{Upstream, UpstreamLimits};

/// Looks up the names of the table that is in force, again and again, for as long as it is polled.
pub(crate) async fn watch(
    routes: Arc<ArcSwap<RouteTable>>,
    metrics: Arc<Metrics>,
    limits: &UpstreamLimits,
) -> Infallible {
    let mut beat = interval(limits.lookup);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let mut asked = JoinSet::new();
        for upstream in routes.load().upstreams().iter().filter(|upstream| upstream.has_names()) {
            let (upstream, limit) = (Arc::clone(upstream), limits.connect);
            asked.spawn(async move { upstream.look_up(limit).await });
        }
        if asked.join_all().await.contains(&true) {
            tell(&metrics, routes.load().upstreams());
        }
    }
}

/// Notes the addresses that there are now, and forgets those that were.
fn tell(metrics: &Metrics, upstreams: &[Arc<Upstream>]) {
    metrics.forget_upstream_addresses();
    upstreams.iter().for_each(|upstream| upstream.observe(metrics));
}

/// Returns where an upstream is that cannot be reached where it was `known` to be; `None`: nobody knows.
///
/// Each name is looked up once for all who wait, within `limit`.
pub(crate) async fn elsewhere(
    upstream: &Arc<Upstream>,
    metrics: &Metrics,
    known: &Arc<Vec<Arc<Address>>>,
    limit: Duration,
) -> Option<Arc<Vec<Arc<Address>>>> {
    if !upstream.has_names() {
        return None;
    }
    let _turn = timeout(limit, upstream.lookups().acquire()).await.ok()?.ok()?;
    if Arc::ptr_eq(known, &upstream.addresses()) && upstream.look_up(limit).await {
        // The others are noted again within a second.
        tell(metrics, std::slice::from_ref(upstream));
    }
    Some(upstream.addresses()).filter(|now| !Arc::ptr_eq(now, known))
}
