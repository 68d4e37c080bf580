//! Switching off and on: of keys, and of owners with all that they hold.
//!
//! **Invariant.** What was switched off is switched on by an authority that is no less.

use crate::authority::Authority;
use crate::refusal::Refusal;
use crate::timestamp::Timestamp;

/// Whether something may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// It may.
    Enabled,
    /// It may not, until it is enabled again.
    Disabled,
}

/// Since when, and at whose word, something is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Off {
    pub(crate) at: Timestamp,
    pub(crate) by: Authority,
}

impl Off {
    /// Reads what is stored. Where nobody is named, it was an operator: nobody less shall undo it.
    pub(crate) fn stored(at: Option<Timestamp>, by: Option<Authority>) -> Option<Self> {
        at.map(|at| Self { at, by: by.unwrap_or(Authority::Operator) })
    }
}

/// Returns what something is after `by` has switched it at `now`; `off`: what it was before.
///
/// # Errors
///
/// [`Refusal::DisabledAbove`].
pub(crate) fn switched(
    off: Option<Off>,
    switch: Switch,
    now: Timestamp,
    by: Authority,
) -> Result<Option<Off>, Refusal> {
    match (switch, off) {
        (Switch::Disabled, None) => Ok(Some(Off { at: now, by })),
        // The first time stands, and the greatest authority.
        (Switch::Disabled, Some(off)) => Ok(Some(Off { by: off.by.max(by), ..off })),
        (Switch::Enabled, Some(off)) if off.by > by => Err(Refusal::DisabledAbove(off.by)),
        (Switch::Enabled, Some(_) | None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::{Off, Switch, switched};
    use crate::authority::Authority::{Operator, Organisation, Owner};
    use crate::refusal::Refusal;
    use crate::timestamp::Timestamp;

    #[test]
    fn safety_13_what_one_has_disabled_nobody_less_enables() {
        let now = Timestamp::from_millis(2);
        let off = |by| Some(Off { at: Timestamp::from_millis(1), by });
        let rows = [
            (None, Switch::Enabled, Owner, Ok(None)),
            (None, Switch::Disabled, Owner, Ok(Some(Off { at: now, by: Owner }))),
            (off(Owner), Switch::Enabled, Owner, Ok(None)),
            (off(Owner), Switch::Enabled, Operator, Ok(None)),
            (off(Organisation), Switch::Enabled, Owner, Err(Refusal::DisabledAbove(Organisation))),
            (off(Organisation), Switch::Enabled, Organisation, Ok(None)),
            (off(Operator), Switch::Enabled, Owner, Err(Refusal::DisabledAbove(Operator))),
            (off(Operator), Switch::Enabled, Organisation, Err(Refusal::DisabledAbove(Operator))),
            (off(Operator), Switch::Enabled, Operator, Ok(None)),
            (off(Owner), Switch::Disabled, Operator, Ok(off(Operator))),
            (off(Operator), Switch::Disabled, Owner, Ok(off(Operator))),
        ];
        for (before, switch, by, expected) in rows {
            assert_eq!(switched(before, switch, now, by), expected, "{before:?} {switch:?} {by:?}");
        }
        assert_eq!(Off::stored(Some(now), None), Some(Off { at: now, by: Operator }));
        assert_eq!(Off::stored(None, Some(Owner)), None);
    }
}
