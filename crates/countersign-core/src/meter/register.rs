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
    /// Which allowance.
    pub allowance: String,
    /// Which window.
    pub window: i64,
    /// How much.
    pub spent: u64,
}

/// The meters of a node.
#[derive(Debug, Default)]
pub struct Meters {
    meters: papaya::HashMap<CredentialId, Arc<Meter>>,
    touched: Mutex<Vec<Arc<Meter>>>,
}

impl Meters {
    /// Returns the meter of `id` with `allowances`; `None` where nothing is limited.
    pub(crate) fn share(&self, id: CredentialId, allowances: &[Allowance]) -> Option<Arc<Meter>> {
        let meters = self.meters.pin();
        if allowances.is_empty() {
            // A limit that was taken away and comes back begins anew.
            meters.remove(&id);
            return None;
        }
        let meter = meters.get_or_insert_with(id, || Arc::new(Meter::new(id, allowances)));
        meter.reshape(allowances);
        Some(Arc::clone(meter))
    }

    /// Forgets a meter whose key was removed.
    pub(crate) fn forget(&self, id: CredentialId) {
        self.meters.pin().remove(&id);
    }

    /// Takes `cost` from `meter`, and remembers that there is something to report.
    ///
    /// # Errors
    ///
    /// [`Exceeded`] if an allowance has no room for it.
    pub fn charge(&self, meter: &Arc<Meter>, now: Timestamp, cost: u32) -> Result<Charge, Exceeded> {
        let charge = meter.charge(now, cost)?;
        if charge.first {
            self.touched.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(meter));
        }
        Ok(charge)
    }

    /// Returns what this node has spent on every meter that was charged since the last call.
    pub fn touched(&self) -> Vec<Spent> {
        let touched = std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner));
        let mut rows = Vec::new();
        for meter in touched {
            rows.extend(meter.report().into_iter().map(|(allowance, window, spent)| Spent {
                meter: meter.id(),
                allowance,
                window,
                spent,
            }));
        }
        rows
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
