//! Refused callers leave audit lines, up to a rate: an attacker must not fill the store.

use std::sync::Mutex;

use countersign_core::audit::{Actor, AuditEvent};
use countersign_core::timestamp::Timestamp;
use countersign_store::Store;

/// Lines filed per second; what is beyond is counted, and the count is filed.
const PER_SECOND: u32 = 20;

/// Files refusals, up to a rate.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    second: i64,
    filed: u32,
    dropped: u64,
}

impl Refusals {
    /// Files `audit`, or counts it as dropped.
    pub(crate) fn file(&self, store: &Store, now: Timestamp, audit: AuditEvent) {
        let lines = self.admit(now, audit);
        if !lines.is_empty() {
            store.append_audit(lines);
        }
    }

    fn admit(&self, now: Timestamp, audit: AuditEvent) -> Vec<AuditEvent> {
        let mut window = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let second = now.millis() / 1_000;
        let mut lines = Vec::new();
        if window.second != second {
            if window.dropped > 0 {
                // SAFETY 20: what is dropped is itself recorded, with a count.
                let gap = AuditEvent::granted(now, "audit.gap", Actor::SYSTEM);
                lines.push(gap.detail("dropped", window.dropped.to_string()));
            }
            *window = Window { second, ..Window::default() };
        }
        if window.filed < PER_SECOND {
            window.filed += 1;
            lines.push(audit);
        } else {
            window.dropped += 1;
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::audit::{Actor, AuditEvent};
    use countersign_core::timestamp::Timestamp;

    use super::{PER_SECOND, Refusals};

    #[test]
    fn safety_20_what_is_dropped_is_recorded_with_a_count() {
        let refusals = Refusals::default();
        let at =
            |millis| AuditEvent::refused(Timestamp::from_millis(millis), "x", Actor::UNVERIFIED, "unknown");
        let filed: usize = (0..100).map(|n| refusals.admit(Timestamp::from_millis(n), at(n)).len()).sum();
        assert_eq!(filed, usize::try_from(PER_SECOND).unwrap());
        let next = refusals.admit(Timestamp::from_millis(1_000), at(1_000));
        assert_eq!(next.len(), 2);
        assert_eq!(next[0].details[0].1, "80");
    }
}
