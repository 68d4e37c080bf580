//! One meter: what was spent of each allowance.
//!
//! A line of rotations shares a meter, and each of its keys has allowances of its own: so a charge brings its
//! allowances along, and the meter knows only what was spent under which name and window.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::id::CredentialId;
use crate::timestamp::Timestamp;

use super::allowance::{Allowance, AllowanceName, Every};
use super::register::Spent;

/// Names and windows beyond which a meter forgets those whose window has ended: a line of keys whose limits were
/// changed again and again. A bound, not a clause.
const MANY_GAUGES: usize = 64;

/// What was spent of a credential's allowances, on this node and, as far as is known, on the others.
#[derive(Debug)]
pub struct Meter {
    id: CredentialId,
    touched: AtomicBool,
    gauges: Mutex<Vec<Gauge>>,
}

#[derive(Debug)]
struct Gauge {
    name: AllowanceName,
    every: Every,
    window: i64,
    own: u64,
    others: u64,
}

/// How an allowance stands after a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitLevel {
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
    pub levels: Vec<LimitLevel>,
    /// Whether this was the first charge since the meter was last reported.
    pub first: bool,
}

/// A charge that was refused: nothing of it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    /// How each allowance stands.
    pub levels: Vec<LimitLevel>,
    /// The position in `levels` of the allowance that lacks room for longest.
    pub binding: usize,
}

impl Exceeded {
    /// Returns the allowance for which the caller must wait longest.
    #[must_use]
    pub fn binding(&self) -> Option<&LimitLevel> {
        self.levels.get(self.binding)
    }

    /// Returns the stable name: `quota_exceeded` for windows of a day and more, else `rate_limited`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.binding() {
            Some(level) if level.allowance.every.is_quota() => "quota_exceeded",
            Some(_) | None => "rate_limited",
        }
    }
}

impl Gauge {
    const fn new(name: AllowanceName, every: Every) -> Self {
        Self { name, every, window: i64::MIN, own: 0, others: 0 }
    }

    /// Moves to the window of `now`. A clock that went back takes the count with it: nothing is refilled.
    fn turn(&mut self, now: Timestamp) -> Option<Timestamp> {
        let (window, end) = self.every.window(now);
        if window > self.window {
            (self.own, self.others) = (0, 0);
        }
        self.window = window;
        end
    }

    const fn spent(&self) -> u64 {
        self.own.saturating_add(self.others)
    }

    /// Takes what is known of a window: a later one replaces, the same one is told once more.
    fn learn(&mut self, window: i64, spent: u64, whose: Whose) {
        if window > self.window {
            self.window = window;
            (self.own, self.others) = (0, 0);
        }
        if window == self.window {
            match whose {
                Whose::Others => self.others = spent,
                Whose::Own => self.own = self.own.max(spent),
            }
        }
    }
}

impl Meter {
    pub(crate) const fn new(id: CredentialId) -> Self {
        Self { id, touched: AtomicBool::new(false), gauges: Mutex::new(Vec::new()) }
    }

    /// Returns whose meter it is: the first key of a line of rotations.
    #[must_use]
    pub const fn id(&self) -> CredentialId {
        self.id
    }

    /// Takes `cost` from every one of `allowances`, or from none. A cost of 0 only looks.
    ///
    /// # Errors
    ///
    /// [`Exceeded`] if one of them has no room for it.
    pub fn charge(&self, allowances: &[Allowance], now: Timestamp, cost: u32) -> Result<Charge, Exceeded> {
        let mut gauges = self.gauges();
        if gauges.len() > MANY_GAUGES {
            gauges.retain(|gauge| gauge.window >= gauge.every.window(now).0);
        }
        let mut levels: Vec<_> = allowances
            .iter()
            .map(|allowance| {
                let gauge = find(&mut gauges, &allowance.name, allowance.every);
                let resets_at = gauge.turn(now);
                let remaining = u64::from(allowance.amount).saturating_sub(gauge.spent());
                LimitLevel { allowance: allowance.clone(), remaining, resets_at }
            })
            .collect();
        // A cost of 0 asks whether there is room at all.
        if let Some(binding) = binding(&levels, u64::from(cost.max(1))) {
            return Err(Exceeded { levels, binding });
        }
        let cost = u64::from(cost);
        for level in &mut levels {
            let gauge = find(&mut gauges, &level.allowance.name, level.allowance.every);
            gauge.own = gauge.own.saturating_add(cost);
            level.remaining = level.remaining.saturating_sub(cost);
        }
        let first = cost > 0 && self.touch();
        Ok(Charge { levels, first })
    }

    /// Gives back what [`Meter::charge`] took at `now`; what a window has taken with it stays gone.
    pub(crate) fn refund(&self, allowances: &[Allowance], now: Timestamp, cost: u32) {
        let mut gauges = self.gauges();
        for allowance in allowances {
            let gauge = find(&mut gauges, &allowance.name, allowance.every);
            if gauge.window == allowance.every.window(now).0 {
                gauge.own = gauge.own.saturating_sub(u64::from(cost));
            }
        }
    }

    /// Notes that there is something to report; true if that was not known yet.
    pub(crate) fn touch(&self) -> bool {
        !self.touched.swap(true, Ordering::AcqRel)
    }

    /// Returns what this node has spent, and notes that it was told.
    pub(crate) fn report(&self) -> Vec<Spent> {
        // Before the counts are read: a charge that comes between is told once more, never lost.
        self.touched.store(false, Ordering::Release);
        let gauges = self.gauges();
        let row = |gauge: &Gauge| Spent {
            meter: self.id,
            allowance: format!("{}/{}", gauge.name.as_str(), gauge.every),
            window: gauge.window,
            spent: gauge.own,
        };
        gauges.iter().filter(|gauge| gauge.own > 0).map(row).collect()
    }

    /// Takes what was spent of `allowance` elsewhere, or by this node before it was started again.
    pub(crate) fn absorb(&self, allowance: &str, window: i64, spent: u64, whose: Whose) {
        let parts = allowance.split_once('/');
        if let Some((name, every)) =
            parts.and_then(|(name, every)| Some((name.parse().ok()?, every.parse().ok()?)))
        {
            find(&mut self.gauges(), &name, every).learn(window, spent, whose);
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

/// Returns the gauge of a name and a window, a new one if there is none.
fn find<'a>(gauges: &'a mut Vec<Gauge>, name: &AllowanceName, every: Every) -> &'a mut Gauge {
    let known = gauges.iter().position(|gauge| gauge.name == *name && gauge.every == every);
    let at = known.unwrap_or_else(|| {
        gauges.push(Gauge::new(name.clone(), every));
        gauges.len() - 1
    });
    #[expect(clippy::indexing_slicing, reason = "`at` was found, or is that of what was pushed last")]
    &mut gauges[at]
}

/// Finds the allowance without room for `needed` that the caller must wait for longest.
fn binding(levels: &[LimitLevel], needed: u64) -> Option<usize> {
    let end = |level: &LimitLevel| level.resets_at.map_or(i64::MAX, Timestamp::millis);
    let lacking = levels.iter().enumerate().filter(|(_, level)| level.remaining < needed);
    lacking.max_by_key(|(_, level)| end(level)).map(|(index, _)| index)
}
