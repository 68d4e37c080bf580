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

/// The meters of a node.
#[derive(Debug, Default)]
pub struct Meters {
    meters: papaya::HashMap<CredentialId, Arc<Meter>>,
    touched: Mutex<Vec<Arc<Meter>>>,
}

impl Meters {
    /// Returns what is limited by `allowances` and counted by the meter of `id`; `None` where nothing is limited.
    ///
    /// A meter outlives the key whose name it bears: keys that took that key's place count on it.
    pub(crate) fn share(&self, id: CredentialId, allowances: &[Allowance]) -> Option<Metered> {
        if allowances.is_empty() {
            return None;
        }
        let meter = Arc::clone(self.meters.pin().get_or_insert_with(id, || Arc::new(Meter::new(id))));
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
