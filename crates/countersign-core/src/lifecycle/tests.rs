//! The life of a key after it was minted, as tables.

use std::time::Duration;

use crate::audit::AuditEvent;
use crate::authority::Authority;
use crate::decision::Permit;
use crate::id::{CredentialId, OwnerKind};
use crate::imported_set::{Digest, Imported, ImportedSet, Part};
use crate::kinds::KINDS;
use crate::lifecycle::{Amend, Rotate};
use crate::meter::Allowance;
use crate::minting::Expiry;
use crate::record::{CredentialRecord, OwnerRecord, State};
use crate::refusal::Refusal;
use crate::switching::Switch;
use crate::tally::{Kept, Tally};
use crate::testing::{Caller, Ground, HOUR, NOW, forget, revoke, rotate, scopes, unchanged};
use crate::timestamp::Timestamp;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn later(by: Duration) -> Timestamp {
    NOW.plus(by)
}

/// A key of the first organisation that may `orders:read`.
fn world() -> (Ground, CredentialRecord) {
    let mut ground = Ground::new();
    let record = ground.api_key(&ground.organisation.clone(), "orders:read").0;
    (ground, record)
}

fn excess(scope: &str) -> Refusal {
    Refusal::ExcessScope(scope.parse().unwrap())
}

fn limits(rows: &[(&str, u32)]) -> Vec<Allowance> {
    let limit = |&(name, amount): &(&str, u32)| Allowance {
        name: name.parse().unwrap(),
        amount,
        every: "1s".parse().unwrap(),
    };
    rows.iter().map(limit).collect()
}

/// Every act on `id`, by the word that the audit has for it.
fn every_act(
    ground: &mut Ground,
    caller: &Permit,
    id: CredentialId,
) -> [(&'static str, Result<(), Refusal>); 4] {
    [
        ("amend", ground.perform(caller, &unchanged(id)).map(|_| ())),
        ("rotate", ground.perform(caller, &rotate(id)).map(|_| ())),
        ("revoke", ground.perform(caller, &revoke(id)).map(|_| ())),
        ("forget", ground.perform(caller, &forget(id))),
    ]
}

fn detail<'a>(line: &'a AuditEvent, name: &str) -> Option<&'a str> {
    line.details.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
}

#[test]
fn safety_13_a_key_beyond_reach_is_not_found_by_any_act() {
    let mut ground = Ground::new();
    let (home, away) = (ground.organisation.clone(), ground.stranger());
    let (one, two) = (ground.member(OwnerKind::Client, &home), ground.member(OwnerKind::User, &home));
    let rows: [(&OwnerRecord, &str, &OwnerRecord, bool); 9] = [
        (&home, "", &home, true),
        (&home, "", &one, true),
        (&home, "", &away, false),
        (&away, "", &home, false),
        (&one, "", &one, true),
        (&one, "", &two, false),
        (&one, "", &home, false),
        (&away, "operator", &home, true),
        (&away, "operator", &one, true),
    ];
    for (who, held, owner, found) in rows {
        let caller = Caller::of(who).holding(held).granting("*").permit();
        let id = ground.api_key(owner, "").0.id;
        let expected = if found { Ok(()) } else { Err(Refusal::NotFound) };
        for (act, answer) in every_act(&mut ground, &caller, id) {
            assert_eq!(answer, expected, "{act} {held}");
        }
        assert_eq!(ground.store.stored(id).is_none(), found, "the last act removes it");
    }
}

#[test]
fn what_never_was_is_not_found_by_any_act() {
    let (mut ground, record) = world();
    ground.store.tables().credentials.clear();
    let caller = ground.caller("operator", "*");
    for (act, answer) in every_act(&mut ground, &caller, record.id) {
        assert_eq!(answer, Err(Refusal::NotFound), "{act}");
    }
}

#[test]
fn revoked_is_for_ever() {
    let (mut ground, record) = world();
    let id = record.id;
    let caller = ground.caller("keys:write", "*");
    ground.perform(&caller, &revoke(id)).unwrap();
    assert_eq!(ground.perform(&caller, &unchanged(id)), Err(Refusal::Revoked));
    assert_eq!(ground.perform(&caller, &rotate(id)).unwrap_err(), Refusal::Revoked);
    // Revoking twice is no error, and the first revocation's time stands.
    ground.now = later(HOUR);
    assert_eq!(ground.perform(&caller, &revoke(id)).unwrap().revoked_at, Some(NOW));
    assert_eq!(ground.store.stored(id).unwrap().revoked_at, Some(NOW));
    assert_eq!(ground.perform(&caller, &forget(id)), Ok(()));
    assert_eq!(ground.store.stored(id), None);
}

#[test]
fn every_act_has_a_line_that_its_tenant_may_read() {
    for kind in KINDS {
        let mut ground = Ground::new();
        let (home, away) = (ground.organisation.clone(), ground.stranger());
        let record = ground.key_of(kind, &home);
        let (caller, stranger) = (ground.caller("", ""), Caller::of(&away).permit());
        for (act, answer) in every_act(&mut ground, &stranger, record.id) {
            assert_eq!(answer, Err(Refusal::NotFound), "{act}");
        }
        let acts = every_act(&mut ground, &caller, record.id);
        let tables = ground.store.tables();
        for (((act, answer), line), refused) in acts.iter().zip(&tables.committed).zip(&tables.filed) {
            assert_eq!(*answer, Ok(()), "{act}");
            let action = format!("{}.{act}", kind.name());
            assert_eq!((&line.action, &refused.action), (&action.clone().into(), &action.into()));
            assert_eq!((line.organisation, refused.organisation), (Some(home.id), Some(away.id)));
            assert_eq!((line.at, line.actor.owner, refused.actor.owner), (NOW, Some(home.id), Some(away.id)));
            for line in [line, refused] {
                assert_eq!(line.subject, Some(record.id.to_string()), "{act}");
            }
            let told = if *act == "amend" { "name" } else { "hint" };
            assert!(detail(line, told).is_some_and(|value| !value.is_empty()), "{act}");
        }
        assert_eq!((tables.committed.len(), tables.filed.len()), (4, 4));
    }
}

#[test]
fn an_amendment_changes_what_it_names_and_nothing_else() {
    type Amended = (fn(Amend) -> Amend, fn(&mut CredentialRecord));
    let rows: [Amended; 8] = [
        (|keep| keep, |_| {}),
        (|keep| Amend { name: Some("deploy".into()), ..keep }, |key| key.terms.name = "deploy".into()),
        (|keep| Amend { scopes: Some(scopes("a b")), ..keep }, |key| key.terms.scopes = scopes("a b")),
        (
            |keep| Amend { metadata: Some([("team".into(), 7.into())].into_iter().collect()), ..keep },
            |key| key.terms.metadata = [("team".into(), 7.into())].into_iter().collect(),
        ),
        (
            |keep| Amend { allowances: Some(limits(&[("burst", 1)])), ..keep },
            |key| key.terms.allowances = limits(&[("burst", 1)]),
        ),
        (
            |keep| Amend { allow_from: Some(vec!["10.0.0.0/8".parse().unwrap()]), ..keep },
            |key| key.terms.allow_from = vec!["10.0.0.0/8".parse().unwrap()],
        ),
        (|keep| Amend { expiry: Expiry::After(HOUR), ..keep }, |key| key.expires_at = Some(later(HOUR))),
        (
            |keep| Amend { switch: Some(Switch::Disabled), ..keep },
            |key| (key.disabled_at, key.terms.disabled_by) = (Some(NOW), Some(Authority::Organisation)),
        ),
    ];
    for (amended, changed) in rows {
        let (mut ground, record) = world();
        let asked = amended(unchanged(record.id));
        let answer = ground.perform(&ground.caller("keys:write", "*"), &asked).unwrap();
        let mut expected = CredentialRecord { version: record.version + 1, ..record };
        changed(&mut expected);
        assert_eq!(answer, expected, "{asked:?}");
        assert_eq!(ground.store.stored(answer.id), Some(answer));
    }
}

#[test]
fn an_amendment_is_held_to_the_bounds_of_minting() {
    let many: Vec<_> = (0..65).map(|last| format!("10.0.0.{last}").parse().unwrap()).collect();
    type Row = (fn(CredentialId) -> Amend, &'static str);
    let rows: [Row; 4] = [
        (|id| Amend { name: Some(String::new()), ..unchanged(id) }, "invalid_name"),
        (
            |id| Amend { allowances: Some(limits(&[("burst", 1), ("burst", 2)])), ..unchanged(id) },
            "invalid_limits",
        ),
        (|id| Amend { expiry: Expiry::At(NOW), ..unchanged(id) }, "empty_life"),
        (|id| Amend { scopes: Some(scopes("settle")), ..unchanged(id) }, "excess_scope"),
    ];
    for (asked, code) in rows {
        let (mut ground, record) = world();
        let refused = ground.perform(&ground.caller("keys:write", "orders:*"), &asked(record.id));
        assert_eq!(refused.unwrap_err().code(), code);
        assert_eq!(ground.store.stored(record.id), Some(record), "nothing has changed");
    }
    let (mut ground, record) = world();
    let asked = Amend { allow_from: Some(many), ..unchanged(record.id) };
    assert_eq!(ground.perform(&ground.caller("", "*"), &asked), Err(Refusal::Addresses));
}

#[test]
fn safety_13_widening_a_key_is_granting_it_once_more() {
    type Change = fn(Amend) -> Amend;
    let rows: &[(Change, bool)] = &[
        (|keep| Amend { allow_from: Some(Vec::new()), ..keep }, true),
        (|keep| Amend { allowances: Some(Vec::new()), ..keep }, true),
        (|keep| Amend { expiry: Expiry::Never, ..keep }, true),
        (|keep| Amend { expiry: Expiry::After(HOUR * 2), ..keep }, true),
        (|keep| Amend { switch: Some(Switch::Enabled), ..keep }, true),
        (|keep| Amend { scopes: Some(scopes("orders:read settle")), ..keep }, true),
        (|keep| Amend { expiry: Expiry::After(HOUR / 2), ..keep }, false),
        (|keep| Amend { scopes: Some(scopes("")), ..keep }, false),
        (|keep| Amend { switch: Some(Switch::Disabled), ..keep }, false),
        (|keep| Amend { allow_from: Some(vec!["10.0.0.1".parse().unwrap()]), ..keep }, false),
    ];
    for (change, widening) in rows {
        let (mut ground, record) = world();
        let id = record.id;
        ground.store.change(id, |record| {
            record.terms.allow_from = vec!["10.0.0.0/8".parse().unwrap()];
            record.terms.allowances = limits(&[("burst", 1)]);
            record.expires_at = Some(later(HOUR));
            (record.disabled_at, record.terms.disabled_by) = (Some(NOW), Some(Authority::Organisation));
        });
        let asked = change(unchanged(id));
        let answer = ground.perform(&ground.caller("keys:write", "settle"), &asked);
        assert_eq!(answer.err(), widening.then(|| excess("orders:read")), "{asked:?}");
        let answer = ground.perform(&ground.caller("keys:write", "orders:* settle"), &asked);
        assert!(answer.is_ok(), "{asked:?}");
    }
}

#[test]
fn safety_13_who_is_less_does_not_enable_what_was_disabled_above() {
    let (mut ground, record) = world();
    let (tenant, operator) = (ground.caller("", "*"), ground.caller("operator", "*"));
    let switch = |to| Amend { switch: Some(to), ..unchanged(record.id) };
    let disabled = ground.perform(&operator, &switch(Switch::Disabled)).unwrap();
    assert_eq!(disabled.terms.disabled_by, Some(Authority::Operator));
    let refused = ground.perform(&tenant, &switch(Switch::Enabled));
    assert_eq!(refused, Err(Refusal::DisabledAbove(Authority::Operator)));
    let enabled = ground.perform(&operator, &switch(Switch::Enabled)).unwrap();
    assert_eq!((enabled.disabled_at, enabled.terms.disabled_by), (None, None));
}

#[test]
fn safety_13_a_key_set_is_granted_like_a_scope_by_every_act() {
    for (grantable, allowed) in [
        ("", false),
        ("orders:*", false),
        ("orders:* partner*", false),
        ("orders:* key_set:other", false),
        ("orders:* key_set:partner", true),
        ("*", true),
    ] {
        let mut ground = Ground::new();
        let id = ground.api_key(&ground.organisation.clone(), "").0.id;
        ground.store.change(id, |record| {
            record.terms.prefix = "partner".parse().unwrap();
            record.expires_at = Some(later(HOUR));
        });
        let caller = ground.caller("keys:write", grantable);
        let refusal = (!allowed).then(|| Refusal::ExcessPrefix("partner".parse().unwrap()));
        let mut amended = |expiry| ground.perform(&caller, &Amend { expiry, ..unchanged(id) });
        assert!(amended(Expiry::After(HOUR / 2)).is_ok(), "shorten: {grantable}");
        assert_eq!(amended(Expiry::After(HOUR * 2)).err(), refusal, "prolong: {grantable}");
        assert_eq!(ground.perform(&caller, &rotate(id)).err(), refusal, "rotate: {grantable}");
    }
}

#[test]
fn an_end_that_is_taken_away_obeys_the_longest_life() {
    let (mut ground, record) = world();
    ground.store.change(record.id, |record| record.expires_at = Some(later(HOUR)));
    let caller = ground.caller("keys:write", "*");
    let asked = Amend { expiry: Expiry::Never, ..unchanged(record.id) };
    assert_eq!(ground.perform(&caller, &asked).unwrap().expires_at, None);
    ground.policy.api_key_max_lifetime = Some(HOUR);
    assert_eq!(ground.perform(&caller, &asked), Err(Refusal::LifetimeExceedsPolicy(HOUR)));
}

#[test]
fn a_rotation_never_extends_the_old_key() {
    for (life, overlap, old_ends) in [
        // the old key's own end, the overlap asked for, when the old key ends
        (Some(HOUR), Some(DAY), HOUR),
        (Some(DAY * 90), Some(HOUR), HOUR),
        (None, None, DAY),
    ] {
        let (mut ground, record) = world();
        let before = ground.store.change(record.id, |record| record.expires_at = life.map(later));
        let asked = Rotate { overlap, ..rotate(record.id) };
        let rotated = ground.perform(&ground.caller("keys:write", "*"), &asked).unwrap();
        let successor = rotated.minted.record;
        let replaced = rotated.replaced;
        assert_eq!(replaced.expires_at, Some(later(old_ends)));
        assert_eq!(replaced.terms.replaced_by, Some(successor.id));
        assert_eq!(replaced.version, before.version + 1);
        assert_eq!(successor.expires_at, before.expires_at, "the successor inherits the end");
        assert_eq!(successor.terms.scopes, before.terms.scopes);
        assert_ne!((successor.id, successor.lookup), (before.id, before.lookup));
        assert_eq!(ground.store.stored(successor.id), Some(successor));
        assert_eq!(ground.store.stored(replaced.id), Some(replaced));
    }
}

#[test]
fn a_rotation_tells_its_successor() {
    let (mut ground, record) = world();
    let rotated = ground.perform(&ground.caller("", "*"), &rotate(record.id)).unwrap();
    let line = ground.store.lines().0.unwrap();
    let successor = rotated.minted.record;
    assert_eq!(detail(&line, "successor"), Some(successor.id.to_string().as_str()));
    assert_eq!(detail(&line, "hint"), Some(successor.terms.hint.as_str()));
}

#[test]
fn a_rotated_key_only_runs_out_and_a_disabled_one_stays_so() {
    let (mut ground, record) = world();
    let caller = ground.caller("keys:write", "*");
    ground.store.change(record.id, |record| record.disabled_at = Some(NOW));
    let rotated = ground.perform(&caller, &rotate(record.id)).unwrap();
    assert_eq!(rotated.minted.record.disabled_at, Some(NOW));
    assert_eq!(ground.perform(&caller, &rotate(record.id)).unwrap_err(), Refusal::Superseded);
    let amended = |expiry| Amend { expiry, ..unchanged(record.id) };
    let prolonged = ground.perform(&caller, &amended(Expiry::After(DAY * 2)));
    assert_eq!(prolonged, Err(Refusal::Superseded));
    assert!(ground.perform(&caller, &amended(Expiry::After(HOUR))).is_ok(), "to shorten is no second life");
}

#[test]
fn the_successor_of_an_imported_key_is_minted_here_and_its_quota_is_not_refilled() {
    let (mut ground, record) = world();
    let set = ImportedSet::new("acme_", None, Digest::Sha256, Part::Key).unwrap();
    ground.store.change(record.id, |record| {
        record.terms.imported = Some(Box::new(Imported { set, upgraded: true }));
    });
    let caller = ground.caller("keys:write", "*");
    let first = ground.perform(&caller, &rotate(record.id)).unwrap().minted.record;
    assert_eq!((first.terms.imported.clone(), first.meter()), (None, record.id));
    let second = ground.perform(&caller, &rotate(first.id)).unwrap().minted.record;
    assert_eq!(second.meter(), record.id, "one meter for the whole line");
}

#[test]
fn a_rotation_holds_to_the_conditions_of_minting() {
    let limit = |hours: u32| Refusal::LifetimeExceedsPolicy(HOUR * hours);
    type Change = fn(&mut Ground, CredentialId);
    let nothing: Change = |_, _| {};
    let one_hour: Change = |ground, _| ground.policy.api_key_max_lifetime = Some(HOUR);
    type Row = (Change, Expiry, &'static str, Result<Option<Duration>, Refusal>);
    let rows: [Row; 10] = [
        (nothing, Expiry::Unspecified, "*", Ok(None)),
        (nothing, Expiry::After(HOUR), "*", Ok(Some(HOUR))),
        (nothing, Expiry::Unspecified, "settle", Err(excess("orders:read"))),
        (
            |ground, _| ground.disable(&ground.organisation.clone()),
            Expiry::Unspecified,
            "*",
            Err(Refusal::OwnerDisabled),
        ),
        (
            |ground, id| {
                ground.store.change(id, |record| record.terms.prefix = "cs_old".parse().unwrap());
            },
            Expiry::Unspecified,
            "*",
            Err(Refusal::ReservedPrefix),
        ),
        (
            |ground, id| {
                ground.store.change(id, |record| record.expires_at = Some(NOW));
            },
            Expiry::Unspecified,
            "*",
            Err(Refusal::EmptyLife),
        ),
        (one_hour, Expiry::Unspecified, "*", Ok(Some(HOUR))),
        (
            |ground, id| {
                ground.policy.api_key_max_lifetime = Some(HOUR * 2);
                ground.store.change(id, |record| record.expires_at = Some(later(HOUR)));
            },
            Expiry::Unspecified,
            "*",
            Ok(Some(HOUR)),
        ),
        (one_hour, Expiry::After(HOUR * 2), "*", Err(limit(1))),
        (one_hour, Expiry::Never, "*", Err(limit(1))),
    ];
    for (change, expiry, grantable, expected) in rows {
        let (mut ground, record) = world();
        change(&mut ground, record.id);
        let asked = Rotate { expiry, ..rotate(record.id) };
        let answer = ground.perform(&ground.caller("keys:write", grantable), &asked);
        let end = answer.map(|rotated| rotated.minted.record.expires_at);
        assert_eq!(end, expected.map(|life| life.map(later)), "{expiry:?} {grantable}");
    }
}

#[test]
fn a_key_of_a_client_of_a_disabled_organisation_is_not_rotated() {
    let mut ground = Ground::new();
    let organisation = ground.organisation.clone();
    let client = ground.member(OwnerKind::Client, &organisation);
    let id = ground.api_key(&client, "").0.id;
    ground.disable(&organisation);
    let refused = ground.perform(&ground.caller("keys:write", "*"), &rotate(id)).unwrap_err();
    assert_eq!(refused, Refusal::OwnerDisabled);
}

#[test]
fn a_rotation_without_overlap_revokes() {
    for by_policy in [false, true] {
        let (mut ground, record) = world();
        let overlap = (!by_policy).then_some(Duration::ZERO);
        if by_policy {
            ground.policy.rotation_overlap = Duration::ZERO;
        }
        let asked = Rotate { overlap, ..rotate(record.id) };
        let replaced = ground.perform(&ground.caller("keys:write", "*"), &asked).unwrap().replaced;
        assert_eq!((replaced.revoked_at, replaced.expires_at), (Some(NOW), record.expires_at));
        let behind = Timestamp::from_millis(NOW.millis() - 30_000);
        assert_eq!(replaced.life().state(behind), State::Revoked, "whatever the clock says");
    }
}

#[test]
fn a_tenant_rotates_up_to_its_cap_and_an_operator_beyond() {
    for (held, others, expected) in [
        ("keys:write", 1, Ok(())),
        ("keys:write", 2, Err(Refusal::Full(Kept::Credentials, 3))),
        ("keys:write", 3, Err(Refusal::Full(Kept::Credentials, 3))),
        ("operator keys:write", 3, Ok(())),
    ] {
        let (mut ground, record) = world();
        ground.policy.tenant_max_keys = 3;
        ground.store.tables().others = Tally { credentials: others, members: 1_000_000 };
        let answer = ground.perform(&ground.caller(held, "*"), &rotate(record.id));
        assert_eq!(answer.map(|_| ()), expected, "{held} {others}");
    }
    // What was room for has to be room still when it is committed.
    let (mut ground, record) = world();
    ground.policy.tenant_max_keys = 3;
    ground.store.meanwhile(|tables| tables.others.credentials = 2);
    let answer = ground.perform(&ground.caller("keys:write", "*"), &rotate(record.id));
    assert_eq!(answer.unwrap_err(), Refusal::Full(Kept::Credentials, 3));
}
