//! What a worker remembers of its decisions: the last ones whole, the permitted ones counted, the refused ones told.
//!
//! **Invariants.** Memory is bounded: a ring for decisions, one count per credential or client, route and minute. Refusals are
//! told up to a rate; what is not told is itself told, as a gap with a count (SAFETY 20).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use countersign_core::audit::{Actor, AuditEvent, Verdict};
use countersign_core::id::{CredentialId, EventId};
use countersign_core::principal::Counted;
use countersign_core::scheme::Scheme;
use countersign_core::timestamp::{Monotonic, Timestamp};
use countersign_edge::metrics::Metrics;
use http::Method;

use crate::report::{DecisionSink, PermitCount, Report};

/// The longest path that a decision keeps, in bytes; a bound on the ring's memory.
const MAX_PATH: usize = 256;
/// Refusals told per second, of a node (SPEED.md: refusals are stored up to a rate).
const REFUSALS_PER_SECOND: i64 = 50;
/// Refusals told at once, of a node.
const REFUSALS_AT_ONCE: i64 = 200;
/// Credentials and routes counted within a minute by one worker; beyond it the counts are flushed early.
const MAX_COUNTS: usize = 100_000;
const MINUTE: i64 = 60_000;

/// One decision, as `explain` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRecord {
    /// The event that the caller was told; `None`: it was permitted.
    pub event: Option<EventId>,
    /// When.
    pub at: Timestamp,
    /// The route; `None`: there was none.
    pub route: Option<Arc<str>>,
    /// The method.
    pub method: Method,
    /// The path as it was decided on, without its query and up to 256 bytes. A caller's text.
    pub path: String,
    /// How the caller was proven; `None`: it was not.
    pub scheme: Option<Scheme>,
    /// The credential.
    pub credential: Option<CredentialId>,
    /// How it ended.
    pub verdict: Verdict,
    /// Why it was refused.
    pub reason: Option<&'static str>,
}

/// What there is to remember of a permitted request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permitted<'a> {
    pub(crate) at: Timestamp,
    pub(crate) route: &'a Arc<str>,
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) scheme: Scheme,
    pub(crate) credential: Option<CredentialId>,
    /// What it is counted by.
    pub(crate) counted: Option<Counted>,
}

/// What there is to remember of a refused request.
#[derive(Debug)]
pub(crate) struct RefusedRequest<'a> {
    pub(crate) id: EventId,
    pub(crate) event: Box<AuditEvent>,
    pub(crate) route: Option<&'a Arc<str>>,
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) reason: &'static str,
}

/// Whether a refusal is told, or only counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Yes,
    No,
}

/// The memory of one worker.
pub(crate) struct Journal {
    ring: VecDeque<DecisionRecord>,
    capacity: usize,
    minute: i64,
    counts: HashMap<(Option<Counted>, Arc<str>), u64>,
    rate: Rate,
    untold: u64,
    sink: Arc<dyn DecisionSink>,
    metrics: Arc<Metrics>,
}

impl Journal {
    /// Starts the journal of one of `workers`, which share the node's rate and its ring of `capacity` decisions.
    pub(crate) fn new(
        capacity: usize,
        workers: usize,
        sink: Arc<dyn DecisionSink>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let share = i64::try_from(workers.max(1)).unwrap_or(i64::MAX);
        Self {
            ring: VecDeque::new(),
            capacity: (capacity / workers.max(1)).max(1),
            minute: 0,
            counts: HashMap::new(),
            rate: Rate::new((REFUSALS_PER_SECOND / share).max(1), (REFUSALS_AT_ONCE / share).max(1)),
            untold: 0,
            sink,
            metrics,
        }
    }

    pub(crate) fn permit(&mut self, permitted: Permitted<'_>) {
        let minute = permitted.at.millis().div_euclid(MINUTE);
        if minute != self.minute || self.counts.len() >= MAX_COUNTS {
            self.flush();
            self.minute = minute;
        }
        *self.counts.entry((permitted.counted, Arc::clone(permitted.route))).or_default() += 1;
        let path = self.reuse(permitted.path);
        self.ring.push_back(DecisionRecord {
            event: None,
            at: permitted.at,
            route: Some(Arc::clone(permitted.route)),
            method: permitted.method.clone(),
            path,
            scheme: Some(permitted.scheme),
            credential: permitted.credential,
            verdict: Verdict::Granted,
            reason: None,
        });
    }

    pub(crate) fn refuse(&mut self, refused: RefusedRequest<'_>, now: Monotonic) -> Told {
        let path = self.reuse(refused.path);
        let subject = refused.event.subject.as_deref().and_then(|id| id.parse().ok());
        self.ring.push_back(DecisionRecord {
            event: Some(refused.id),
            at: refused.event.at,
            route: refused.route.cloned(),
            method: refused.method.clone(),
            path,
            scheme: None,
            credential: refused.event.actor.credential.or(subject),
            verdict: Verdict::Refused,
            reason: Some(refused.reason),
        });
        if !self.rate.admits(now) {
            self.drop_one();
            return Told::No;
        }
        if self.sink.report(Report::Audit { id: refused.id, event: refused.event }).is_err() {
            self.drop_one();
        }
        Told::Yes
    }

    /// Does what is due: tells the counts of a minute that has passed, and gaps.
    pub(crate) fn tick(&mut self, now: Timestamp, gap: EventId) {
        if now.millis().div_euclid(MINUTE) != self.minute {
            self.flush();
        }
        self.tell_gap(now, gap);
    }

    /// Tells everything that is left.
    pub(crate) fn close(&mut self, now: Timestamp, gap: EventId) {
        self.flush();
        self.tell_gap(now, gap);
    }

    /// Walks the decisions, the last one first.
    pub(crate) fn recent(&self) -> impl Iterator<Item = &DecisionRecord> {
        self.ring.iter().rev()
    }

    fn tell_gap(&mut self, now: Timestamp, id: EventId) {
        if self.untold == 0 {
            return;
        }
        let event =
            AuditEvent::granted(now, "gateway.gap", Actor::SYSTEM).detail("dropped", self.untold.to_string());
        if self.sink.report(Report::Audit { id, event: Box::new(event) }).is_ok() {
            self.untold = 0;
        }
    }

    fn flush(&mut self) {
        if self.counts.is_empty() {
            return;
        }
        let counts =
            self.counts.drain().map(|((counted, route), count)| PermitCount { counted, route, count });
        let minute = Timestamp::from_millis(self.minute.saturating_mul(MINUTE));
        if self.sink.report(Report::Permits { minute, counts: counts.collect() }).is_err() {
            self.drop_one();
        }
    }

    fn drop_one(&mut self) {
        self.untold += 1;
        self.metrics.reports_dropped(1);
    }

    /// Makes room in the ring, and keeps `path` in the room that became free.
    fn reuse(&mut self, path: &str) -> String {
        let oldest = if self.ring.len() >= self.capacity { self.ring.pop_front() } else { None };
        let mut kept = oldest.map(|record| record.path).unwrap_or_default();
        kept.clear();
        kept.push_str(path.get(..path.floor_char_boundary(MAX_PATH)).unwrap_or_default());
        kept
    }
}

/// A bucket of tokens, in thousandths.
#[derive(Debug)]
struct Rate {
    per_second: i64,
    most: i64,
    left: i64,
    at: Option<Monotonic>,
}

impl Rate {
    const fn new(per_second: i64, at_once: i64) -> Self {
        Self { per_second, most: at_once * 1_000, left: at_once * 1_000, at: None }
    }

    fn admits(&mut self, now: Monotonic) -> bool {
        let passed = self.at.map_or(0, |at| now.0.saturating_sub(at.0).max(0));
        self.at = Some(now);
        self.left = self.left.saturating_add(passed.saturating_mul(self.per_second)).min(self.most);
        if self.left < 1_000 {
            return false;
        }
        self.left -= 1_000;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use countersign_core::api_key;
    use countersign_core::audit::{Actor, AuditEvent};
    use countersign_core::context::SeededEntropy;
    use countersign_core::id::EventId;
    use countersign_core::timestamp::{Monotonic, Timestamp};
    use countersign_edge::metrics::Metrics;
    use http::Method;

    use super::{Journal, Permitted, RefusedRequest, Told};
    use crate::report::{DecisionSink, Dropped, Report};

    #[derive(Default)]
    struct Kept(Mutex<Vec<Report>>);

    impl DecisionSink for Kept {
        fn report(&self, report: Report) -> Result<(), Dropped> {
            self.0.lock().unwrap().push(report);
            Ok(())
        }
    }

    fn journal(capacity: usize) -> (Journal, Arc<Kept>) {
        let kept = Arc::new(Kept::default());
        let sink: Arc<dyn DecisionSink> = Arc::<Kept>::clone(&kept);
        let journal = Journal::new(capacity, 1, sink, Arc::new(Metrics::new()));
        (journal, kept)
    }

    fn permit(journal: &mut Journal, millis: i64, path: &str) {
        let route = Arc::from("orders");
        let at = Timestamp::from_millis(millis);
        let (scheme, method) = (api_key::SCHEME, &Method::GET);
        journal.permit(Permitted {
            at,
            route: &route,
            method,
            path,
            scheme,
            credential: None,
            counted: None,
        });
    }

    #[test]
    fn the_ring_keeps_the_last_decisions() {
        let (mut journal, _) = journal(2);
        for path in ["/1", "/2", "/3"] {
            permit(&mut journal, 0, path);
        }
        let paths: Vec<_> = journal.recent().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["/3", "/2"]);
    }

    #[test]
    fn permits_are_counted_by_the_minute() {
        let (mut journal, kept) = journal(10);
        for millis in [60_000, 119_999, 120_000] {
            permit(&mut journal, millis, "/");
        }
        journal.close(Timestamp::from_millis(120_001), EventId::random(&mut SeededEntropy::new(1)));
        let told: Vec<_> = kept.0.lock().unwrap().drain(..).collect();
        let counts: Vec<_> = told
            .iter()
            .map(|report| match report {
                Report::Permits { minute, counts } => (minute.millis(), counts[0].count),
                other @ (Report::Audit { .. } | Report::Upgrade(_) | Report::Use { .. }) => {
                    panic!("{other:?}")
                }
            })
            .collect();
        assert_eq!(counts, [(60_000, 2), (120_000, 1)]);
    }

    #[test]
    fn safety_20_refusals_over_the_rate_are_told_as_a_gap() {
        let (mut journal, kept) = journal(1_000);
        let mut entropy = SeededEntropy::new(1);
        let mut refuse = |journal: &mut Journal, millis| {
            let event =
                AuditEvent::refused(Timestamp::from_millis(0), "gateway.decide", Actor::UNVERIFIED, "x");
            let (id, event) = (EventId::random(&mut entropy), Box::new(event));
            let (method, path, reason) = (&Method::GET, "/", "x");
            journal.refuse(RefusedRequest { id, event, route: None, method, path, reason }, Monotonic(millis))
        };
        let told = (0..300).filter(|_| refuse(&mut journal, 0) == Told::Yes).count();
        assert_eq!(told, 200);
        let told = (0..300).filter(|_| refuse(&mut journal, 1_000) == Told::Yes).count();
        assert_eq!(told, 50);
        journal.tick(Timestamp::from_millis(1), EventId::random(&mut SeededEntropy::new(9)));
        let kept = kept.0.lock().unwrap();
        let Some(Report::Audit { event, .. }) = kept.last() else { panic!("a gap") };
        assert_eq!(event.action, "gateway.gap");
        assert_eq!(event.details[0].1, "350");
    }
}
