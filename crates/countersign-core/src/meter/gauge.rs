//! One meter: what was spent of each allowance.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::id::CredentialId;
use crate::timestamp::Timestamp;

use super::allowance::Allowance;

/// What was spent of a credential's allowances, on this node and, as far as is known, on the others.
#[derive(Debug)]
pub struct Meter {
    id: CredentialId,
    touched: AtomicBool,
    gauges: Mutex<Vec<Gauge>>,
}

#[derive(Debug)]
struct Gauge {
    allowance: Allowance,
    window: i64,
    own: u64,
    others: u64,
}

/// How an allowance stands after a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The allowance.
    pub allowance: Allowance,
    /// What is left of it in this window.
    pub remaining: u64,
    /// When the window ends; `None`: never.
    pub resets_at: Option<Timestamp>,
}

/// A charge that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// How each allowance stands.
    pub standings: Vec<Standing>,
    /// Whether this was the first charge since the meter was last reported.
    pub first: bool,
}

/// A charge that was refused: nothing of it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    /// How each allowance stands.
    pub standings: Vec<Standing>,
    /// The position in `standings` of the allowance that lacks room for longest.
    pub binding: usize,
}

impl Exceeded {
    /// Returns the allowance for which the caller must wait longest.
    #[must_use]
    pub fn binding(&self) -> Option<&Standing> {
        self.standings.get(self.binding)
    }

    /// Returns the stable name: `quota_exceeded` for windows of a day and more, else `rate_limited`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.binding() {
            Some(standing) if standing.allowance.every.is_quota() => "quota_exceeded",
            Some(_) | None => "rate_limited",
        }
    }
}

impl Gauge {
    fn new(allowance: Allowance) -> Self {
        Self { allowance, window: i64::MIN, own: 0, others: 0 }
    }

    /// Moves to the window of `now`. A clock that went back takes the count with it: nothing is refilled.
    fn turn(&mut self, now: Timestamp) -> Option<Timestamp> {
        let (window, end) = self.allowance.every.window(now);
        if window > self.window {
            (self.own, self.others) = (0, 0);
        }
        self.window = window;
        end
    }

    fn remaining(&self) -> u64 {
        u64::from(self.allowance.amount).saturating_sub(self.own.saturating_add(self.others))
    }

    fn standing(&mut self, now: Timestamp) -> Standing {
        let resets_at = self.turn(now);
        Standing { allowance: self.allowance.clone(), remaining: self.remaining(), resets_at }
    }
}

impl Meter {
    pub(crate) fn new(id: CredentialId, allowances: &[Allowance]) -> Self {
        let gauges = allowances.iter().cloned().map(Gauge::new).collect();
        Self { id, touched: AtomicBool::new(false), gauges: Mutex::new(gauges) }
    }

    /// Returns whose meter it is: the first key of a line of rotations.
    #[must_use]
    pub const fn id(&self) -> CredentialId {
        self.id
    }

    /// Takes `cost` from every allowance, or from none. A cost of 0 only looks.
    ///
    /// # Errors
    ///
    /// [`Exceeded`] if one of them has no room for it.
    pub fn charge(&self, now: Timestamp, cost: u32) -> Result<Charge, Exceeded> {
        let cost = u64::from(cost);
        let mut gauges = self.gauges();
        let mut standings: Vec<_> = gauges.iter_mut().map(|gauge| gauge.standing(now)).collect();
        // A cost of 0 asks whether there is room at all.
        let needed = cost.max(1);
        if let Some(binding) = binding(&standings, needed) {
            return Err(Exceeded { standings, binding });
        }
        for (gauge, standing) in gauges.iter_mut().zip(&mut standings) {
            gauge.own = gauge.own.saturating_add(cost);
            standing.remaining = gauge.remaining();
        }
        let first = cost > 0 && self.touch();
        Ok(Charge { standings, first })
    }

    /// Notes that there is something to report; true if that was not known yet.
    pub(crate) fn touch(&self) -> bool {
        !self.touched.swap(true, Ordering::AcqRel)
    }

    /// Takes other allowances; what was spent of those that stay is kept.
    pub(crate) fn reshape(&self, allowances: &[Allowance]) {
        let mut gauges = self.gauges();
        if gauges.iter().map(|gauge| &gauge.allowance).eq(allowances) {
            return;
        }
        let kept = std::mem::take(&mut *gauges);
        *gauges = allowances
            .iter()
            .map(|allowance| {
                let same = kept.iter().find(|gauge| {
                    gauge.allowance.name == allowance.name && gauge.allowance.every == allowance.every
                });
                match same {
                    Some(gauge) => Gauge { allowance: allowance.clone(), ..*gauge },
                    None => Gauge::new(allowance.clone()),
                }
            })
            .collect();
    }

    /// Returns what this node has spent, and notes that it was told.
    pub(crate) fn report(&self) -> Vec<(String, i64, u64)> {
        // Before the counts are read: a charge that comes between is told once more, never lost.
        self.touched.store(false, Ordering::Release);
        let gauges = self.gauges();
        let row = |gauge: &Gauge| (gauge.allowance.name.as_str().to_owned(), gauge.window, gauge.own);
        gauges.iter().map(row).collect()
    }

    /// Takes what was spent elsewhere, or by this node before it was started again.
    pub(crate) fn absorb(&self, name: &str, window: i64, spent: u64, whose: Whose) {
        let mut gauges = self.gauges();
        let Some(gauge) = gauges.iter_mut().find(|gauge| gauge.allowance.name.as_str() == name) else {
            return;
        };
        if window > gauge.window {
            gauge.window = window;
            (gauge.own, gauge.others) = (0, 0);
        }
        if window == gauge.window {
            match whose {
                Whose::Others => gauge.others = spent,
                Whose::Own => gauge.own = gauge.own.max(spent),
            }
        }
    }

    fn gauges(&self) -> MutexGuard<'_, Vec<Gauge>> {
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose spending is absorbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Others,
    Own,
}

/// Finds the allowance without room for `needed` that the caller must wait for longest.
fn binding(standings: &[Standing], needed: u64) -> Option<usize> {
    let end = |standing: &Standing| standing.resets_at.map_or(i64::MAX, Timestamp::millis);
    let lacking = standings.iter().enumerate().filter(|(_, standing)| standing.remaining < needed);
    lacking.max_by_key(|(_, standing)| end(standing)).map(|(index, _)| index)
}
