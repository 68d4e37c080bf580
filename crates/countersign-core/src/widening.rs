//! What a change of a key gives: whether it can do anything afterwards that it could not do before.
//!
//! **Invariant.** Where in doubt it is a widening: blocks of addresses that only together cover the new ones, and
//! limits with other windows, count as more.
//!
//! What it does not do: say who may widen. That is granting ([`crate::minting`]).

use crate::meter::Allowance;
use crate::network::AddressBlock;
use crate::record::CredentialRecord;

/// Tells whether `after` may do anything that `before` may not, or for longer, or more often.
#[must_use]
pub fn widens(before: &CredentialRecord, after: &CredentialRecord) -> bool {
    let (old, new) = (&before.terms, &after.terms);
    old.scopes.first_missing(&new.scopes).is_some()
        || old.grantable.first_excess(new.grantable.patterns()).is_some()
        || old.prefix != new.prefix
        || old.environment != new.environment
        || admits_more(&old.allow_from, &new.allow_from)
        || spends_more(&old.allowances, &new.allowances)
        || before.expires_at.is_some_and(|end| after.expires_at.is_none_or(|later| later > end))
        || old.not_before.is_some_and(|begin| new.not_before.is_none_or(|earlier| earlier < begin))
        || (before.disabled_at.is_some() && after.disabled_at.is_none())
        || (before.revoked_at.is_some() && after.revoked_at.is_none())
}

/// An empty list is no list: it admits everybody.
fn admits_more(before: &[AddressBlock], after: &[AddressBlock]) -> bool {
    let covered = |block: &AddressBlock| before.iter().any(|listed| listed.covers(block));
    !before.is_empty() && (after.is_empty() || !after.iter().all(covered))
}

/// What was spent is known by a limit's name and window: one that is renamed starts afresh.
fn spends_more(before: &[Allowance], after: &[Allowance]) -> bool {
    let kept = |limit: &Allowance| {
        after
            .iter()
            .any(|one| one.name == limit.name && one.every == limit.every && one.amount <= limit.amount)
    };
    !before.iter().all(kept)
}

#[cfg(test)]
mod tests {
    use super::widens;
    use crate::context::SeededEntropy;
    use crate::environment::Environment;
    use crate::id::{IdPrefix, OwnerId, OwnerKind};
    use crate::meter::Allowance;
    use crate::record::{CredentialRecord, OwnerRecord, Terms};
    use crate::scope::Grantable;
    use crate::timestamp::Timestamp;

    const END: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    type Change = fn(&mut CredentialRecord);

    fn restricted() -> CredentialRecord {
        let id = OwnerId::random(OwnerKind::Organisation, &mut SeededEntropy::new(1));
        let owner = OwnerRecord::new(id, id, "acme".to_owned(), END);
        let terms = Terms {
            allowances: limits(&[("burst", 10, "1s"), ("quota", 1000, "month")]),
            allow_from: blocks(&["10.0.0.0/8", "2001:db8::/32"]),
            not_before: Some(END),
            grantable: Grantable::new("orders:*".parse().unwrap()),
            ..Terms::new("ci".into(), "shss".parse().unwrap(), Environment::Test, "a b".parse().unwrap())
        };
        let mut record = CredentialRecord::draft(IdPrefix::new("key"), &owner, Some(END), terms);
        record.disabled_at = Some(END);
        record
    }

    fn limits(rows: &[(&str, u32, &str)]) -> Vec<Allowance> {
        let limit = |&(name, amount, every): &(&str, u32, &str)| Allowance {
            name: name.parse().unwrap(),
            amount,
            every: every.parse().unwrap(),
        };
        rows.iter().map(limit).collect()
    }

    fn blocks(texts: &[&str]) -> Vec<crate::network::AddressBlock> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[track_caller]
    fn check(widening: bool, change: Change) {
        let before = restricted();
        let mut after = before.clone();
        change(&mut after);
        assert_eq!(widens(&before, &after), widening, "{after:?}");
    }

    #[test]
    fn safety_13_what_gives_a_key_more_is_a_widening() {
        let rows: &[Change] = &[
            |key| key.terms.scopes = "a b c".parse().unwrap(),
            |key| key.terms.scopes = "c".parse().unwrap(),
            |key| key.terms.allow_from.clear(),
            |key| key.terms.allow_from = blocks(&["10.0.0.0/7"]),
            |key| key.terms.allow_from = blocks(&["10.0.0.0/8", "192.0.2.7"]),
            |key| key.terms.allow_from = blocks(&["0.0.0.0/0"]),
            |key| key.terms.allowances.clear(),
            |key| key.terms.allowances = limits(&[("burst", 10, "1s")]),
            |key| key.terms.allowances = limits(&[("burst", 11, "1s"), ("quota", 1000, "month")]),
            |key| key.terms.allowances = limits(&[("burst", 10, "1m"), ("quota", 1000, "month")]),
            |key| key.terms.allowances = limits(&[("burst", 10, "1s"), ("other", 1000, "month")]),
            |key| key.expires_at = None,
            |key| key.expires_at = Some(Timestamp::from_millis(END.millis() + 1)),
            |key| key.terms.not_before = None,
            |key| key.terms.not_before = Some(Timestamp::from_millis(END.millis() - 1)),
            |key| key.disabled_at = None,
            |key| key.terms.prefix = "cs_live".parse().unwrap(),
            |key| key.terms.environment = Environment::Live,
            |key| key.terms.grantable = Grantable::new("*".parse().unwrap()),
        ];
        for &change in rows {
            check(true, change);
        }
        let mut revoked = restricted();
        revoked.revoked_at = Some(END);
        assert!(widens(&revoked, &restricted()), "and reviving would be one");
    }

    #[test]
    fn safety_13_what_gives_a_key_less_or_the_same_is_none() {
        let rows: &[Change] = &[
            |_| {},
            |key| key.terms.name = "deploy".into(),
            |key| key.terms.metadata.clear(),
            |key| key.terms.scopes = "a".parse().unwrap(),
            |key| key.terms.scopes = "".parse().unwrap(),
            |key| key.terms.allow_from = blocks(&["10.0.0.0/8"]),
            |key| key.terms.allow_from = blocks(&["10.1.0.0/16", "2001:db8::1"]),
            |key| key.terms.allowances = limits(&[("burst", 9, "1s"), ("quota", 1000, "month")]),
            |key| key.terms.allowances.extend(limits(&[("more", 1, "ever")])),
            |key| key.expires_at = Some(Timestamp::from_millis(END.millis() - 1)),
            |key| key.terms.not_before = Some(Timestamp::from_millis(END.millis() + 1)),
            |key| key.revoked_at = Some(END),
            |key| key.terms.grantable = Grantable::default(),
        ];
        for &change in rows {
            check(false, change);
        }
        let mut free = restricted();
        free.terms.allow_from.clear();
        free.terms.allowances.clear();
        (free.expires_at, free.terms.not_before, free.disabled_at) = (None, None, None);
        assert!(!widens(&free, &restricted()), "to restrict what was free");
        assert!(widens(&restricted(), &free), "and the other way about");
    }
}
