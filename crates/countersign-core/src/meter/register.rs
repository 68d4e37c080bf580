//! Every meter of a node, and what travels between nodes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::id::CredentialId;
use crate::timestamp::Timestamp;

use super::allowance::Allowance;
use super::gauge::{Charge, Exceeded, Meter, Whose};

/// What one node has spent of one allowance within one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// Whose meter.
    pub meter: CredentialId,
    /// Which allowance: its name and its window, as `burst/10s`.
    pub allowance: String,
    /// Which window.
    pub window: i64,
    /// How much.
    pub spent: u64,
}

/// What one credential is allowed, and the meter that counts it.
#[derive(Debug, Clone)]
pub struct Metered {
    allowances: Box<[Allowance]>,
    meter: Arc<Meter>,
}

/// Fewer meters than this are not worth looking through; a bound, not a clause.
const FEW: usize = 1_000;

/// The meters of a node.
#[derive(Debug)]
pub struct Meters {
    meters: papaya::HashMap<CredentialId, Arc<Meter>>,
    /// Beyond so many, those on which no key counts are dropped. Locked while one is handed out, so that it counts.
    most: Mutex<usize>,
    touched: Mutex<Vec<Arc<Meter>>>,
}

impl Default for Meters {
    fn default() -> Self {
        Self { meters: papaya::HashMap::new(), most: Mutex::new(FEW), touched: Mutex::default() }
    }
}

impl Meters {
    /// Returns what is limited by `allowances` and counted by the meter of `id`; `None` where nothing is limited.
    ///
    /// A meter outlives the key whose name it bears: keys that took that key's place count on it.
    pub(crate) fn share(&self, id: CredentialId, allowances: &[Allowance]) -> Option<Metered> {
        if allowances.is_empty() {
            return None;
        }
        let mut most = self.most.lock().unwrap_or_else(PoisonError::into_inner);
        let meters = self.meters.pin();
        let meter = Arc::clone(meters.get_or_insert_with(id, || Arc::new(Meter::new(id))));
        if meters.len() > *most {
            meters.retain(|_, meter| Arc::strong_count(meter) > 1);
            *most = (2 * meters.len()).max(FEW);
        }
        Some(Metered { allowances: allowances.into(), meter })
    }

    /// Takes `cost` from what `metered` is allowed, and remembers that there is something to report.
    ///
    /// # Errors
    ///
    /// [`Exceeded`] if an allowance has no room for it.
    pub fn charge(&self, metered: &Metered, now: Timestamp, cost: u32) -> Result<Charge, Exceeded> {
        let charge = metered.meter.charge(&metered.allowances, now, cost)?;
        if charge.first {
            self.touched.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&metered.meter));
        }
        Ok(charge)
    }

    /// Gives back what was charged at `now` for something that did not come to count after all.
    pub(crate) fn refund(&self, metered: &Metered, now: Timestamp, cost: u32) {
        metered.meter.refund(&metered.allowances, now, cost);
    }

    /// Returns what this node has spent on every meter that was charged since the last call.
    pub fn touched(&self) -> Vec<Spent> {
        let touched = std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner));
        touched.iter().flat_map(|meter| meter.report()).collect()
    }

    /// Remembers again that there is something to report of these meters: the last report did not arrive.
    pub fn touch(&self, rows: &[Spent]) {
        let meters = self.meters.pin();
        let again =
            rows.iter().filter_map(|row| meters.get(&row.meter)).filter(|meter| meter.touch()).cloned();
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).extend(again);
    }

    /// Takes what the other nodes have spent: one row for each of them, all that are stored of a meter.
    pub fn absorb(&self, rows: &[Spent]) {
        let mut sums: HashMap<(CredentialId, &str, i64), u64> = HashMap::new();
        for row in rows {
            let sum = sums.entry((row.meter, row.allowance.as_str(), row.window)).or_default();
            *sum = sum.saturating_add(row.spent);
        }
        for ((meter, allowance, window), spent) in sums {
            self.absorb_one(meter, allowance, window, spent, Whose::Others);
        }
    }

    /// Takes what this node had spent before it was started again.
    pub fn resume(&self, rows: &[Spent]) {
        for row in rows {
            self.absorb_one(row.meter, &row.allowance, row.window, row.spent, Whose::Own);
        }
    }

    fn absorb_one(&self, meter: CredentialId, allowance: &str, window: i64, spent: u64, whose: Whose) {
        if let Some(meter) = self.meters.pin().get(&meter) {
            meter.absorb(allowance, window, spent, whose);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{FEW, Meters};
    use crate::context::SeededEntropy;
    use crate::id::{CredentialId, IdPrefix};
    use crate::meter::Allowance;

    #[test]
    fn meters_on_which_no_key_counts_are_not_kept() {
        let (meters, mut entropy) = (Meters::default(), SeededEntropy::new(1));
        let limits = [Allowance { name: "burst".parse().unwrap(), amount: 1, every: "1s".parse().unwrap() }];
        let mut share = || {
            let id = CredentialId::random(IdPrefix::new("key"), &mut entropy);
            (id, meters.share(id, &limits).unwrap())
        };
        let (id, kept) = share();
        for _ in 0..10_000 {
            share();
        }
        assert!(meters.meters.len() <= 2 * FEW, "{}", meters.meters.len());
        let again = meters.share(id, &limits).unwrap();
        assert!(Arc::ptr_eq(&kept.meter, &again.meter), "a key's own stays, with what was spent");
    }
}
