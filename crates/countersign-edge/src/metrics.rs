//! What is counted, and its text for scrapers.
//!
//! **Invariant.** Labels come from registers alone: listeners, routes, schemes, reasons, upstreams. Nothing that a
//! caller writes, and nothing secret, becomes a label, so the number of series is bounded by the configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet};
pub use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;

/// Every metric of a node.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    latency: Family<ListenerLabels, Latency>,
    connections: Family<ListenerLabels, Gauge>,
    refused_connections: Family<ListenerLabels, Counter>,
    panics: Family<ListenerLabels, Counter>,
    decisions: Family<DecisionLabels, Counter>,
    shadow_decisions: Family<ShadowLabels, Counter>,
    upstream_errors: Family<UpstreamLabels, Counter>,
    upstream_up: Family<AddressLabels, Gauge>,
    dropped_reports: Counter,
    ended_streams: Counter,
    reloads: Family<ReloadLabels, Counter>,
    snapshot_age: Gauge<f64, AtomicU64>,
    snapshot_credentials: Gauge,
}

impl Metrics {
    /// Starts at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("countersign"),
            requests: Family::default(),
            latency: Family::default(),
            connections: Family::default(),
            refused_connections: Family::default(),
            panics: Family::default(),
            decisions: Family::default(),
            shadow_decisions: Family::default(),
            upstream_errors: Family::default(),
            upstream_up: Family::default(),
            dropped_reports: Counter::default(),
            ended_streams: Counter::default(),
            reloads: Family::default(),
            snapshot_age: Gauge::default(),
            snapshot_credentials: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("requests", "Requests answered", self.requests.clone());
        registry.register("request_seconds", "Time until the head of the answer", self.latency.clone());
        registry.register("connections", "Connections open", self.connections.clone());
        registry.register(
            "refused_connections",
            "Connections over the limit",
            self.refused_connections.clone(),
        );
        registry.register("panics", "Requests ended by a defect of ours", self.panics.clone());
        registry.register("decisions", "Decisions of the gateway", self.decisions.clone());
        registry.register(
            "shadow_decisions",
            "What shadow requirements would have decided",
            self.shadow_decisions.clone(),
        );
        registry.register("upstream_errors", "Failed exchanges with upstreams", self.upstream_errors.clone());
        registry.register(
            "upstream_up",
            "Whether an upstream's address takes its turn",
            self.upstream_up.clone(),
        );
        registry.register(
            "dropped_reports",
            "Decision records that were not kept",
            self.dropped_reports.clone(),
        );
        registry.register(
            "ended_streams",
            "Open streams ended together with their credential",
            self.ended_streams.clone(),
        );
        registry.register("reloads", "Reloads of the settings, by result", self.reloads.clone());
        registry.register(
            "snapshot_age_seconds",
            "Age of what verifiers know; -1 before the first",
            self.snapshot_age.clone(),
        );
        registry.register(
            "snapshot_credentials",
            "Credentials that verifiers know",
            self.snapshot_credentials.clone(),
        );
    }

    /// Returns the counters of a listener, found once.
    #[must_use]
    pub fn listener(&self, name: &'static str) -> ListenerMetrics {
        let listener = ListenerLabels { listener: name };
        let classes = CLASSES
            .map(|class| self.requests.get_or_create_owned(&RequestLabels { listener: name, status: class }));
        ListenerMetrics {
            classes,
            latency: self.latency.get_or_create_owned(&listener),
            connections: self.connections.get_or_create_owned(&listener),
            refused_connections: self.refused_connections.get_or_create_owned(&listener),
            panics: self.panics.get_or_create_owned(&listener),
        }
    }

    /// Counts what a shadow requirement would have decided; `Err`: why it would have refused.
    pub fn shadow_decision(&self, route: &str, verdict: Result<(), &'static str>) {
        let (verdict, reason) = verdict.map_or_else(|reason| ("refused", reason), |()| ("granted", ""));
        self.shadow_decisions
            .get_or_create_owned(&ShadowLabels { route: route.to_owned(), verdict, reason })
            .inc();
    }

    /// Returns the counter of one kind of decision, to be kept by who decides often.
    #[must_use]
    pub fn decision(
        &self,
        route: &str,
        scheme: &'static str,
        verdict: &'static str,
        reason: &'static str,
    ) -> Counter {
        self.decisions.get_or_create_owned(&DecisionLabels {
            route: route.to_owned(),
            scheme,
            verdict,
            reason,
        })
    }

    /// Counts a failed exchange with an upstream.
    pub fn upstream_failed(&self, upstream: &str, reason: &'static str) {
        self.upstream_errors.get_or_create(&UpstreamLabels { upstream: upstream.to_owned(), reason }).inc();
    }

    /// Notes whether an upstream's address takes its turn.
    pub fn upstream_address(&self, upstream: &str, address: &str, up: bool) {
        let labels = AddressLabels { upstream: upstream.to_owned(), address: address.to_owned() };
        self.upstream_up.get_or_create(&labels).set(i64::from(up));
    }

    /// Forgets the upstreams' addresses: those that are still there are noted again.
    pub fn forget_upstream_addresses(&self) {
        self.upstream_up.clear();
    }

    /// Counts decision records that were not kept.
    pub fn reports_dropped(&self, count: u64) {
        self.dropped_reports.inc_by(count);
    }

    /// Counts an open stream that was ended together with its credential.
    pub fn stream_ended(&self) {
        self.ended_streams.inc();
    }

    /// Counts a reload of the settings, and whether they were `applied`.
    pub fn reloaded(&self, applied: bool) {
        let result = if applied { "applied" } else { "refused" };
        self.reloads.get_or_create(&ReloadLabels { result }).inc();
    }

    /// Notes what verifiers know, just before a scrape.
    pub fn observe_snapshot(&self, age: Option<Duration>, credentials: usize) {
        self.snapshot_age.set(age.map_or(-1.0, |age| age.as_secs_f64()));
        self.snapshot_credentials.set(i64::try_from(credentials).unwrap_or(i64::MAX));
    }

    /// Writes everything in the text format of OpenMetrics 1.0.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            // Writing to a String does not fail.
            Err(std::fmt::Error) => String::new(),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The media type of [`Metrics::render`].
pub const METRICS_MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The counters of one listener.
#[derive(Debug, Clone)]
pub struct ListenerMetrics {
    classes: [Counter; 5],
    latency: Latency,
    /// Connections open.
    pub(crate) connections: Gauge,
    /// Connections over the limit.
    pub(crate) refused_connections: Counter,
    /// Requests ended by a defect of ours.
    pub(crate) panics: Counter,
}

impl ListenerMetrics {
    /// Counts an answer whose head took `took`.
    pub(crate) fn answered(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.classes.get(class) {
            counter.inc();
        }
        self.latency.observe(took);
    }
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The upper bounds of the latency buckets in microseconds: from one verification to the longest upstream.
const BOUNDS: [u64; 14] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_500_000, 10_000_000,
    60_000_000,
];

/// A histogram without a lock: the library's own takes one for every observation.
#[derive(Debug, Clone, Default)]
struct Latency(Arc<Buckets>);

#[derive(Debug, Default)]
struct Buckets {
    counts: [AtomicU64; BOUNDS.len()],
    above: AtomicU64,
    micros: AtomicU64,
}

impl Latency {
    fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS.partition_point(|bound| *bound < micros);
        self.0.counts.get(at).unwrap_or(&self.0.above).fetch_add(1, Ordering::Relaxed);
        self.0.micros.fetch_add(micros, Ordering::Relaxed);
    }
}

impl EncodeMetric for Latency {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let seconds = |micros: u64| Duration::from_micros(micros).as_secs_f64();
        let bounds = BOUNDS.iter().map(|bound| seconds(*bound)).chain([f64::INFINITY]);
        let counts = self.0.counts.iter().chain([&self.0.above]).map(read);
        let buckets: Vec<_> = bounds.zip(counts).collect();
        let total = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(seconds(read(&self.0.micros)), total, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Latency {
    const TYPE: MetricType = MetricType::Histogram;
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabels {
    listener: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    listener: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    route: String,
    scheme: &'static str,
    verdict: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShadowLabels {
    route: String,
    verdict: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamLabels {
    upstream: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AddressLabels {
    upstream: String,
    address: String,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::Metrics;

    #[test]
    fn the_text_names_registers_and_nothing_else() {
        let metrics = Metrics::new();
        let listener = metrics.listener("gateway");
        listener.answered(StatusCode::OK, Duration::from_micros(60));
        listener.answered(StatusCode::BAD_GATEWAY, Duration::from_secs(100));
        metrics.decision("orders", "api_key", "refused", "revoked").inc();
        metrics.upstream_failed("orders", "connect_refused");
        metrics.observe_snapshot(None, 3);
        let text = metrics.render();
        for line in [
            "countersign_requests_total{listener=\"gateway\",status=\"2xx\"} 1",
            "countersign_request_seconds_bucket{le=\"0.0001\",listener=\"gateway\"} 1",
            "countersign_request_seconds_bucket{le=\"60.0\",listener=\"gateway\"} 1",
            "countersign_request_seconds_bucket{le=\"+Inf\",listener=\"gateway\"} 2",
            "countersign_request_seconds_count{listener=\"gateway\"} 2",
            "countersign_decisions_total{route=\"orders\",scheme=\"api_key\",verdict=\"refused\",reason=\"revoked\"} 1",
            "countersign_upstream_errors_total{upstream=\"orders\",reason=\"connect_refused\"} 1",
            "countersign_snapshot_age_seconds -1.0",
            "countersign_snapshot_credentials 3",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
