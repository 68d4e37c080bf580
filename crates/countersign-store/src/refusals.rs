//! Refusals leave audit lines, up to a rate: neither a stranger nor a tenant must fill the store, nor buy a durable
//! commit with each guess. What is beyond the rate is counted, and the count is filed (SAFETY 20).
//!
//! **Invariant.** Nobody's refusals displace another's: each actor has a rate of its own, and each tenant one for all of
//! its clients and users, below the rate of all.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_core::audit::{Actor, AuditEvent};
use countersign_core::id::OwnerId;
use countersign_core::timestamp::Timestamp;

/// Lines filed per second of one owner; all strangers together are one. A person who tries things stays below it.
const OF_ONE: u32 = 20;
/// Lines filed per second of one tenant: half of all, however many clients and users it makes.
const OF_TENANT: u32 = 100;
/// Lines filed per second of all: ten owners at their full rate, some 17 million lines a day.
const OF_ALL: u32 = 200;
/// Owners that are told apart within a second; those beyond share the strangers' rate.
const APART: usize = 1_000;

/// Admits refusals to the audit, up to a rate.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Second>);

/// What happened within a second.
#[derive(Debug, Default)]
struct Second {
    number: i64,
    filed: u32,
    of: HashMap<Option<OwnerId>, Count>,
    of_tenant: HashMap<OwnerId, u32>,
}

#[derive(Debug, Default)]
struct Count {
    tenant: Option<OwnerId>,
    filed: u32,
    dropped: u64,
}

impl Refusals {
    /// Returns what is to be filed now: what was dropped before, and `event` unless it is beyond the rate.
    pub(crate) fn admit(&self, now: Timestamp, event: AuditEvent) -> Vec<AuditEvent> {
        let mut second = self.lock();
        let mut lines = second.turn(now);
        let owner = event.actor.owner;
        // A tenant's own acts: a stranger's with a key of the tenant are a stranger's.
        if second.admit(owner, owner.and(event.organisation)) {
            lines.push(event);
        }
        lines
    }

    /// Returns the counts of what was dropped in seconds that are over.
    pub(crate) fn gaps(&self, now: Timestamp) -> Vec<AuditEvent> {
        self.lock().turn(now)
    }

    fn lock(&self) -> MutexGuard<'_, Second> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Second {
    /// Begins the second of `now`, and says what was dropped in the one before.
    fn turn(&mut self, now: Timestamp) -> Vec<AuditEvent> {
        let number = now.millis().div_euclid(1_000);
        if number == self.number {
            return Vec::new();
        }
        let before = std::mem::replace(self, Self { number, ..Self::default() });
        let dropped = before.of.into_iter().filter(|(_, count)| count.dropped > 0);
        dropped.map(|(owner, count)| gap(now, owner, &count)).collect()
    }

    fn admit(&mut self, owner: Option<OwnerId>, tenant: Option<OwnerId>) -> bool {
        let owner = owner.filter(|_| self.of.len() < APART || self.of.contains_key(&owner));
        let count = self.of.entry(owner).or_default();
        let mut none = 0;
        count.tenant = owner.and(tenant);
        let of_tenant = match count.tenant {
            Some(tenant) => self.of_tenant.entry(tenant).or_default(),
            None => &mut none,
        };
        if count.filed < OF_ONE && *of_tenant < OF_TENANT && self.filed < OF_ALL {
            count.filed += 1;
            *of_tenant += 1;
            self.filed += 1;
            return true;
        }
        count.dropped += 1;
        false
    }
}

fn gap(now: Timestamp, owner: Option<OwnerId>, count: &Count) -> AuditEvent {
    let line = AuditEvent::granted(now, "audit.gap", Actor::SYSTEM)
        .within(count.tenant)
        .detail("dropped", count.dropped.to_string());
    match owner {
        Some(owner) => line.about(owner.to_string()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::audit::{Actor, AuditEvent};
    use countersign_core::context::SeededEntropy;
    use countersign_core::id::{OwnerId, OwnerKind};
    use countersign_core::timestamp::Timestamp;

    use super::{OF_ALL, OF_ONE, Refusals};

    fn organisation(number: u8) -> OwnerId {
        OwnerId::random(OwnerKind::Organisation, &mut SeededEntropy::new(number.into()))
    }

    /// Files `count` refusals of `owner` at `millis`; how many were admitted, gaps included.
    fn file(refusals: &Refusals, owner: Option<OwnerId>, millis: i64, count: usize) -> u32 {
        let now = Timestamp::from_millis(millis);
        let actor = Actor { owner, ..Actor::UNVERIFIED };
        let event = || AuditEvent::refused(now, "x", actor.clone(), "unknown").within(owner);
        let lines = (0..count).map(|_| refusals.admit(now, event()).len()).sum::<usize>();
        u32::try_from(lines).unwrap()
    }

    #[test]
    fn safety_20_what_is_dropped_is_recorded_with_a_count() {
        let (refusals, one) = (Refusals::default(), OF_ONE);
        assert_eq!(file(&refusals, None, 0, 100), one);
        assert_eq!(file(&refusals, Some(organisation(1)), 10, 50), one);
        assert_eq!(refusals.gaps(Timestamp::from_millis(999)).len(), 0, "the second is not over");
        let mut gaps = refusals.gaps(Timestamp::from_millis(1_000));
        gaps.sort_by_key(|gap| gap.subject.is_some());
        let told: Vec<_> = gaps.iter().map(|gap| (gap.organisation, gap.details[0].1.as_str())).collect();
        assert_eq!(told, [(None, "80"), (Some(organisation(1)), "30")]);
        assert_eq!(refusals.gaps(Timestamp::from_millis(2_000)).len(), 0, "told once");
        assert_eq!(file(&refusals, None, 2_000, 100), one);
        assert_eq!(file(&refusals, None, 3_000, 1), 2, "the gap and the line");
    }

    #[test]
    fn nobodys_refusals_displace_anothers() {
        let (refusals, one) = (Refusals::default(), OF_ONE);
        file(&refusals, Some(organisation(1)), 0, 10_000);
        file(&refusals, None, 0, 10_000);
        assert_eq!(file(&refusals, Some(organisation(2)), 0, 100), one);
    }

    #[test]
    fn a_tenants_refusals_displace_no_other_tenants_however_many_members_it_has() {
        let (refusals, now) = (Refusals::default(), Timestamp::from_millis(0));
        let refused = |tenant: u8, member: u8| {
            let owner = Some(OwnerId::random(OwnerKind::Client, &mut SeededEntropy::new(member.into())));
            let actor = Actor { owner, ..Actor::UNVERIFIED };
            AuditEvent::refused(now, "x", actor, "unknown").within(Some(organisation(tenant)))
        };
        let admitted = |tenant, members: std::ops::Range<u8>| -> usize {
            members
                .map(|member| {
                    (0..20).map(|_| refusals.admit(now, refused(tenant, member)).len()).sum::<usize>()
                })
                .sum()
        };
        assert_eq!(admitted(1, 0..40), 100, "half of all");
        assert_eq!(admitted(2, 40..41), 20);
        let gaps = refusals.gaps(Timestamp::from_millis(1_000));
        assert_eq!(gaps.len(), 35, "told of each");
        assert!(
            gaps.iter().all(|gap| gap.organisation == Some(organisation(1))),
            "and to its tenant: {gaps:?}"
        );
        assert_eq!(file(&refusals, None, 0, 100), OF_ONE);
    }

    #[test]
    fn all_together_stay_below_a_rate_whoever_they_are() {
        let refusals = Refusals::default();
        let filed: u32 = (0..=255).map(|n| file(&refusals, Some(organisation(n)), 0, 20)).sum();
        assert_eq!(filed, OF_ALL);
    }
}
