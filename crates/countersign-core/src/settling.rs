//! Settling in memory: all uses count, or none.
//!
//! **Invariants.** Nothing waits between taking and undoing. A mark that is live is never forgotten for want of room: a
//! table that is full answers with a breakdown (SAFETY 8).

use std::sync::Arc;

use papaya::HashMap;

use crate::effect::Use;
use crate::ledger::{Settled, Unavailable};
use crate::meter::{Metered, Meters};
use crate::secret::SecretHash;
use crate::timestamp::Timestamp;

/// The most marks of first use that are kept in memory, some 100 bytes each; a bound, not a clause.
const MOST_MARKS: usize = 1_000_000;

/// First uses, as one node knows them.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    seen: HashMap<SecretHash, Timestamp>,
}

impl Marks {
    /// Marks a first use until `until`; false: it was marked before.
    ///
    /// # Errors
    ///
    /// [`Unavailable::TooManyMarks`].
    fn take(&self, lookup: SecretHash, until: Timestamp, now: Timestamp) -> Result<bool, Unavailable> {
        let seen = self.seen.pin();
        if seen.len() >= MOST_MARKS {
            seen.retain(|_, until| *until > now);
            if seen.len() >= MOST_MARKS {
                return Err(Unavailable::TooManyMarks);
            }
        }
        let mut first = false;
        seen.compute(lookup, |before| {
            first = before.is_none_or(|(_, until)| *until <= now);
            if first { papaya::Operation::Insert(until) } else { papaya::Operation::Abort(()) }
        });
        Ok(first)
    }

    /// Tells whether a first use is remembered, be it longer than it has to be.
    pub(crate) fn holds(&self, lookup: &SecretHash) -> bool {
        self.seen.pin().contains_key(lookup)
    }

    fn undo(&self, lookup: &SecretHash) {
        self.seen.pin().remove(lookup);
    }
}

/// What was taken, to be undone if the rest does not count.
enum Taken<'a> {
    Mark(&'a SecretHash),
    Spent(&'a Arc<Metered>, u32),
}

/// Settles all of `uses` by what one node knows, or none. Upgrades are the ledger's own to queue.
///
/// # Errors
///
/// [`Unavailable::TooManyMarks`].
pub(crate) fn settle(
    meters: &Meters,
    marks: &Marks,
    now: Timestamp,
    uses: &[Use],
) -> Result<Settled, Unavailable> {
    let mut taken = Vec::with_capacity(uses.len());
    let mut charges = Vec::new();
    for one in uses {
        let failed = match one {
            Use::Mark { lookup, until } => match marks.take(*lookup, *until, now) {
                Ok(true) => {
                    taken.push(Taken::Mark(lookup));
                    continue;
                }
                Ok(false) => Ok(Settled::Lost),
                Err(full) => Err(full),
            },
            Use::Spend { meter, cost } => match meters.charge(meter, now, *cost) {
                Ok(charge) => {
                    taken.push(Taken::Spent(meter, *cost));
                    charges.push(charge);
                    continue;
                }
                Err(exceeded) => Ok(Settled::Exceeded(exceeded)),
            },
            Use::Upgrade(_) | Use::GoodSignature(_) => continue,
        };
        undo(meters, marks, now, &taken);
        return failed;
    }
    Ok(Settled::Done(charges))
}

fn undo(meters: &Meters, marks: &Marks, now: Timestamp, taken: &[Taken<'_>]) {
    for one in taken {
        match one {
            Taken::Mark(lookup) => marks.undo(lookup),
            Taken::Spent(meter, cost) => meters.refund(meter, now, *cost),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Marks, settle};
    use crate::context::SeededEntropy;
    use crate::effect::Use;
    use crate::id::{CredentialId, IdPrefix};
    use crate::ledger::Settled;
    use crate::meter::{Allowance, Metered, Meters};
    use crate::secret::SecretHash;
    use crate::timestamp::Timestamp;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn mark(byte: u8) -> Use {
        let lookup = SecretHash::from_bytes(&[byte; 32]).unwrap();
        Use::Mark { lookup, until: NOW.plus(Duration::from_secs(60)) }
    }

    /// What may be spent five times in an hour.
    fn metered(meters: &Meters, seed: u64) -> Arc<Metered> {
        let id = CredentialId::random(IdPrefix::new("key"), &mut SeededEntropy::new(seed));
        let limit = Allowance { name: "burst".parse().unwrap(), amount: 5, every: "1h".parse().unwrap() };
        Arc::new(meters.share(id, &[limit]).unwrap())
    }

    fn told(settled: Settled) -> Result<Vec<u64>, &'static str> {
        match settled {
            Settled::Done(charges) => {
                Ok(charges.iter().flat_map(|charge| &charge.levels).map(|level| level.remaining).collect())
            }
            Settled::Lost => Err("lost"),
            Settled::Exceeded(_) => Err("exceeded"),
        }
    }

    #[test]
    fn safety_8_a_first_use_counts_once_until_its_mark_may_be_forgotten() {
        let (meters, marks) = (Meters::default(), Marks::default());
        let settled = |at, uses: &[Use]| told(settle(&meters, &marks, at, uses).unwrap());
        assert_eq!(settled(NOW, &[mark(1)]), Ok(vec![]));
        assert_eq!(settled(NOW, &[mark(1)]), Err("lost"));
        assert_eq!(settled(NOW, &[mark(2)]), Ok(vec![]), "another value");
        assert_eq!(settled(NOW.plus(Duration::from_secs(59)), &[mark(1)]), Err("lost"));
        assert_eq!(settled(NOW.plus(Duration::from_secs(60)), &[mark(1)]), Ok(vec![]));
    }

    #[test]
    fn all_uses_count_or_none() {
        let (meters, marks) = (Meters::default(), Marks::default());
        let settled = |uses: &[Use]| told(settle(&meters, &marks, NOW, uses).unwrap());
        let (one, two) = (metered(&meters, 1), metered(&meters, 2));
        let spend = |meter: &Arc<Metered>, cost| Use::Spend { meter: Arc::clone(meter), cost };
        assert_eq!(settled(&[mark(1), spend(&one, 3), spend(&two, 1)]), Ok(vec![2, 4]));
        assert_eq!(settled(&[mark(2), spend(&two, 1), spend(&one, 3)]), Err("exceeded"));
        assert_eq!(settled(&[spend(&two, 1), mark(1)]), Err("lost"));
        assert_eq!(settled(&[mark(2), spend(&one, 0), spend(&two, 0)]), Ok(vec![2, 4]), "nothing was kept");
    }
}
