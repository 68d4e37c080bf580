//! The rules of API keys as tables. Their life after minting is in [`crate::lifecycle`].

use std::time::Duration;

use crate::api_key::{Create, Import, KIND, NotDue, Verification, WarnOfExpiry, verify_key};
use crate::authenticators::GATEWAY;
use crate::carried::NoSets;
use crate::decision::{Permit, Requirement};
use crate::environment::Environment;
use crate::exchange::System;
use crate::id::CredentialId;
use crate::id::OwnerKind;
use crate::idempotency::Idempotency;
use crate::imported_set::{Digest, ImportedSet, Part};
use crate::key_string::KeyString;
use crate::ledger::Unavailable;
use crate::ledger::{FoundCredential, Used};
use crate::management_key;
use crate::meter::Allowance;
use crate::minting::{Expiry, Minted};
use crate::presentation::recognise_told;
use crate::record::CredentialRecord;
use crate::refusal::Refusal;
use crate::tally::{Kept, Tally};
use crate::testing::{Caller, Ground, HOUR, NOW, asking_for_key, scopes};
use crate::timestamp::Timestamp;

fn create() -> Create {
    Create {
        name: "ci".into(),
        owner: None,
        prefix: None,
        environment: Environment::Live,
        scopes: scopes("orders:read"),
        allowances: Vec::new(),
        allow_from: Vec::new(),
        metadata: serde_json::Map::new(),
        not_before: None,
        expiry: Expiry::Unspecified,
        imported: None,
        idempotency: None,
    }
}

/// A creation that is sent as `k`; `fingerprint`: what was sent.
fn repeatable(fingerprint: &str) -> Create {
    let idempotency = Some(Idempotency { key: "k".into(), fingerprint: fingerprint.into() });
    Create { idempotency, ..create() }
}

/// The taking over of a key of the set `acme_`; `digest`: its hash.
fn import(digest: u8) -> Create {
    let set = ImportedSet::new("acme_", None, Digest::Sha256, Part::Key).unwrap();
    let imported = Some(Import { set, digest: vec![digest; 32], hint: None });
    Create { prefix: Some("acme".parse().unwrap()), imported, ..create() }
}

fn limit(name: &str) -> Allowance {
    Allowance { name: name.parse().unwrap(), amount: 1, every: "1s".parse().unwrap() }
}

fn minted(ground: &mut Ground, create: &Create) -> Minted {
    ground.perform(&ground.caller("keys:write", "*"), create).unwrap()
}

fn text(minted: &Minted) -> String {
    minted.key.as_ref().unwrap().expose().clone()
}

fn later(by: Duration) -> Timestamp {
    NOW.plus(by)
}

#[test]
fn a_minted_key_has_its_environments_prefix_a_hint_and_a_keyed_hash() {
    for (environment, prefix, expected) in [
        (Environment::Live, None, "cs_live_"),
        (Environment::Test, None, "cs_test_"),
        (Environment::Live, Some("shss"), "shss_"),
        (Environment::Live, Some("cs_live"), "cs_live_"),
    ] {
        let mut ground = Ground::new();
        let prefix = prefix.map(|prefix| prefix.parse().unwrap());
        let minted = minted(&mut ground, &Create { environment, prefix, ..create() });
        let key = text(&minted);
        assert!(key.starts_with(expected), "{expected}");
        assert_eq!(key.len(), expected.len() + 49);
        let parsed = KeyString::parse(&key).unwrap();
        assert_eq!(minted.record.lookup, parsed.hash(ground.peppers.current()));
        assert_eq!(minted.record.terms.hint, parsed.hint());
        assert!(!format!("{minted:?}").contains(&key), "a minted key does not print");
        assert_eq!(ground.store.stored(minted.record.id), Some(minted.record));
    }
}

#[test]
fn a_key_is_made_as_it_was_asked_for() {
    let mut ground = Ground::new();
    let organisation = ground.organisation.clone();
    let client = ground.member(OwnerKind::Client, &organisation);
    let asked = Create {
        owner: Some(client.id),
        environment: Environment::Test,
        allowances: vec![limit("burst")],
        allow_from: vec!["10.0.0.0/8".parse().unwrap()],
        metadata: [("team".to_owned(), 7.into())].into_iter().collect(),
        not_before: Some(later(HOUR)),
        expiry: Expiry::After(HOUR * 2),
        ..create()
    };
    let record = minted(&mut ground, &asked).record;
    assert_eq!((record.owner, record.organisation), (client.id, organisation.id));
    assert_eq!((record.version, record.created_at, record.expires_at), (1, NOW, Some(later(HOUR * 2))));
    let terms = record.terms;
    assert_eq!((terms.name, terms.environment, terms.scopes), (asked.name, asked.environment, asked.scopes));
    assert_eq!((terms.allowances, terms.allow_from), (asked.allowances, asked.allow_from));
    assert_eq!((terms.metadata, terms.not_before), (asked.metadata, asked.not_before));
}

#[test]
fn a_creation_has_a_line_that_its_tenant_may_read() {
    for (asked, action) in [(create(), "api_key.create"), (import(1), "api_key.import")] {
        let mut ground = Ground::new();
        let record = minted(&mut ground, &asked).record;
        let line = ground.store.lines().0.unwrap();
        assert_eq!((line.action.as_ref(), line.subject), (action, Some(record.id.to_string())));
        assert_eq!(line.organisation, Some(ground.organisation.id));
        let owner = record.owner.to_string();
        for (name, value) in
            [("name", "ci"), ("owner", &owner), ("hint", &record.terms.hint), ("scope", "orders:read")]
        {
            assert!(line.details.contains(&(name.into(), value.into())), "{name}");
        }
        let refused = Create { name: "a\nb".into(), ..asked };
        ground.perform(&ground.caller("", "*"), &refused).unwrap_err();
        let line = ground.store.lines().1.unwrap();
        assert_eq!((line.action.as_ref(), line.subject.as_deref()), (action, Some("ab")));
    }
}

#[test]
fn creation_is_refused_with_the_first_reason() {
    let named = |name: &str| Create { name: name.into(), ..create() };
    let of_set = |prefix: &str| Create { prefix: Some(prefix.parse().unwrap()), ..create() };
    let excess = || Refusal::ExcessScope("orders:read".parse().unwrap());
    let many = (0..65).map(|last| format!("10.0.0.{last}").parse().unwrap()).collect();
    let begun = Some(later(HOUR));
    let rows = [
        (named(""), "*", Refusal::Name),
        (named("a\nb"), "*", Refusal::Name),
        (named(&"x".repeat(101)), "*", Refusal::Name),
        (named("a\u{202e}b"), "*", Refusal::Name),
        (create(), "orders:write", excess()),
        (create(), "", excess()),
        (of_set("cs_mgmt"), "*", Refusal::ReservedPrefix),
        (of_set("cs_test"), "*", Refusal::ReservedPrefix),
        (of_set("cs"), "*", Refusal::ReservedPrefix),
        (of_set("partner"), "orders:*", Refusal::ExcessPrefix("partner".parse().unwrap())),
        (of_set("partner"), "orders:* key_set:other", Refusal::ExcessPrefix("partner".parse().unwrap())),
        (Create { allow_from: many, ..create() }, "*", Refusal::Addresses),
        (Create { allowances: vec![limit("a"), limit("a")], ..create() }, "*", Refusal::Allowances),
        (Create { expiry: Expiry::At(NOW), ..create() }, "*", Refusal::EmptyLife),
        (Create { expiry: Expiry::After(HOUR), not_before: begun, ..create() }, "*", Refusal::EmptyLife),
    ];
    for (create, grantable, expected) in rows {
        let mut ground = Ground::new();
        let caller = ground.caller("keys:write", grantable);
        assert_eq!(ground.perform(&caller, &create).unwrap_err(), expected);
        let (committed, filed) = ground.store.lines();
        assert_eq!(committed, None);
        assert_eq!(filed.unwrap().reason.as_deref(), Some(expected.code()));
        assert!(ground.store.tables().credentials.is_empty());
    }
}

#[test]
fn safety_13_a_key_set_is_granted_and_its_own_is_free() {
    let rows = [
        (Some("partner"), Environment::Live, "key_set:partner"),
        (Some("partner"), Environment::Live, "*"),
        (None, Environment::Live, ""),
        (None, Environment::Test, ""),
    ];
    for (prefix, environment, grantable) in rows {
        let mut ground = Ground::new();
        let prefix = prefix.map(|prefix| prefix.parse().unwrap());
        let asked = Create { prefix, environment, scopes: scopes(""), ..create() };
        let caller = ground.caller("keys:write", grantable);
        assert!(ground.perform(&caller, &asked).is_ok(), "{asked:?} {grantable}");
    }
}

#[test]
fn safety_13_nobody_creates_for_another_tenant() {
    let mut ground = Ground::new();
    let (home, away) = (ground.organisation.clone(), ground.stranger());
    let (one, two) = (ground.member(OwnerKind::Client, &home), ground.member(OwnerKind::Client, &home));
    for (who, held, owner, may) in [
        (&home, "", None, true),
        (&home, "", Some(&one), true),
        (&away, "", None, false),
        (&away, "", Some(&home), false),
        (&away, "", Some(&one), false),
        (&one, "", Some(&one), true),
        (&one, "", Some(&two), false),
        (&one, "", None, false),
        (&away, "operator", None, true),
    ] {
        let caller = Caller::of(who).holding(held).granting("*").permit();
        let asked = Create { owner: owner.map(|owner| owner.id), ..create() };
        let expected = if may { Ok(()) } else { Err(Refusal::OwnerNotFound) };
        assert_eq!(ground.perform(&caller, &asked).map(|_| ()), expected, "{asked:?}");
    }
    ground.store.tables().owners.remove(&two.id);
    let asked = Create { owner: Some(two.id), ..create() };
    assert_eq!(ground.perform(&ground.caller("", "*"), &asked).unwrap_err(), Refusal::OwnerNotFound);
}

#[test]
fn a_disabled_owner_or_organisation_gets_no_key() {
    let mut ground = Ground::new();
    let organisation = ground.organisation.clone();
    let (one, two) =
        (ground.member(OwnerKind::Client, &organisation), ground.member(OwnerKind::Client, &organisation));
    let caller = ground.caller("keys:write", "*");
    let create_for = |ground: &mut Ground, owner| {
        ground.perform(&caller, &Create { owner: Some(owner), ..create() }).map(|_| ())
    };
    ground.disable(&one);
    assert_eq!(create_for(&mut ground, one.id), Err(Refusal::OwnerDisabled));
    assert_eq!(create_for(&mut ground, two.id), Ok(()));
    ground.disable(&organisation);
    assert_eq!(create_for(&mut ground, two.id), Err(Refusal::OwnerDisabled));
}

#[test]
fn the_operators_maximum_lifetime_holds() {
    let mut ground = Ground::new();
    ground.policy.api_key_max_lifetime = Some(HOUR);
    assert_eq!(minted(&mut ground, &create()).record.expires_at, Some(later(HOUR)));
    let asked = Create { expiry: Expiry::After(HOUR * 2), ..create() };
    let refused = ground.perform(&ground.caller("keys:write", "*"), &asked).unwrap_err();
    assert_eq!(refused, Refusal::LifetimeExceedsPolicy(HOUR));
}

#[test]
fn safety_9_a_repeated_idempotency_key_shows_no_secret_again() {
    let mut ground = Ground::new();
    let first = minted(&mut ground, &repeatable("f1"));
    assert!(first.key.is_some());
    let caller = ground.caller("keys:write", "*");
    let repeated = ground.perform(&caller, &repeatable("f1")).unwrap();
    assert_eq!((&repeated.record, repeated.key.is_none()), (&first.record, true));
    let line = ground.store.lines().0.unwrap();
    assert!(line.details.contains(&("repeat".into(), "true".into())), "it is committed, and says so");
    assert_eq!(line.subject, Some(first.record.id.to_string()));
    assert_eq!(ground.store.tables().credentials.len(), 1);
    let mismatch = ground.perform(&caller, &repeatable("f2")).unwrap_err();
    assert_eq!(mismatch, Refusal::IdempotencyMismatch);
    ground.store.tables().credentials.clear();
    assert_eq!(ground.perform(&caller, &repeatable("f1")).unwrap_err(), Refusal::NotFound);
}

#[test]
fn safety_9_of_two_repeats_that_race_one_mints() {
    let mut ground = Ground::new();
    let mut other = Ground::new();
    let record = minted(&mut other, &repeatable("f1")).record;
    let mark = other.store.tables().marks.clone();
    let made = record.clone();
    ground.store.meanwhile(move |tables| {
        tables.marks = mark;
        tables.credentials.insert(made.id, made);
    });
    let repeated = minted(&mut ground, &repeatable("f1"));
    assert_eq!((repeated.record, repeated.key.is_none()), (record, true));
    assert_eq!(ground.store.tables().credentials.len(), 1);
}

#[test]
fn an_idempotency_key_is_remembered_for_a_day() {
    let mut ground = Ground::new();
    minted(&mut ground, &repeatable("f1"));
    let until: Vec<_> = ground.store.tables().marks.iter().map(|mark| mark.until).collect();
    assert_eq!(until, [later(HOUR * 24)]);
}

#[test]
fn a_key_that_was_minted_elsewhere_is_placed_and_not_shown() {
    for (hint, shown) in [(None, "acme_…"), (Some("acme_…wxyz"), "acme_…wxyz")] {
        let mut ground = Ground::new();
        let mut asked = import(1);
        asked.imported.as_mut().unwrap().hint = hint.map(str::to_owned);
        let placed = minted(&mut ground, &asked);
        let imported = placed.record.terms.imported.as_ref().unwrap();
        assert_eq!((&imported.set, imported.upgraded), (&asked.imported.unwrap().set, false));
        assert_eq!((placed.record.terms.hint.as_str(), placed.key.is_none()), (shown, true));
        let tables = ground.store.tables();
        let taken = tables.taken_over.first().unwrap();
        assert_eq!((taken.lookup, taken.owner), (placed.record.lookup, placed.record.owner));
        assert_eq!((taken.organisation, taken.at), (placed.record.organisation, NOW));
        assert_ne!(taken.digest, taken.lookup, "the same hash with another set is the same secret");
    }
}

#[test]
fn safety_13_a_hash_is_taken_over_once() {
    let mut ground = Ground::new();
    let caller = ground.caller("keys:write", "*");
    ground.perform(&caller, &import(1)).unwrap();
    assert_eq!(ground.perform(&caller, &import(1)).unwrap_err(), Refusal::TakenOver);
    assert_eq!(
        ground.store.lines().1,
        None,
        "an import that is repeated is no refusal that anybody has to see"
    );
    let nameless = Create { name: String::new(), ..import(3) };
    assert_eq!(ground.perform(&caller, &nameless).unwrap_err(), Refusal::Name);
    assert!(ground.store.lines().1.is_some());
    assert!(ground.perform(&caller, &import(2)).is_ok());
    ground.store.tables().credentials.clear();
    assert_eq!(ground.perform(&caller, &import(1)).unwrap_err(), Refusal::TakenOver, "it outlives the key");
}

#[test]
fn a_tenant_mints_up_to_its_cap_and_an_operator_beyond() {
    for (held, credentials, expected) in [
        ("keys:write", 2, Ok(())),
        ("keys:write", 3, Err(Refusal::Full(Kept::Credentials, 3))),
        ("keys:write", 4, Err(Refusal::Full(Kept::Credentials, 3))),
        ("operator keys:write", 4, Ok(())),
    ] {
        let mut ground = Ground::new();
        ground.policy.tenant_max_keys = 3;
        ground.store.tables().others = Tally { credentials, members: 1_000_000 };
        let answer = ground.perform(&ground.caller(held, "*"), &create());
        assert_eq!(answer.map(|_| ()), expected, "{held} {credentials}");
    }
    // What was room for has to be room still when it is committed.
    let mut ground = Ground::new();
    ground.policy.tenant_max_keys = 3;
    ground.store.meanwhile(|tables| tables.others.credentials = 3);
    let answer = ground.perform(&ground.caller("keys:write", "*"), &create());
    assert_eq!(answer.unwrap_err(), Refusal::Full(Kept::Credentials, 3));
}

/// Asks the verify API.
fn verified(
    ground: &mut Ground,
    caller: &Permit,
    key: &str,
    asked: &Verification,
) -> Result<(), &'static str> {
    let found = ground.known(key).map(|known| FoundCredential { known, upgrade: None, used: Used::Never });
    let presentation = recognise_told(GATEWAY, key, &NoSets).unwrap().unwrap();
    let presented = presentation.members().next().unwrap().presented();
    verify_key(&mut ground.context(), caller, presented, found, asked).unwrap().map(|_| ())
}

#[test]
fn the_verify_api_answers_stable_codes() {
    let asked = Verification::default;
    let of_route = |condition| Verification { route: Some(Requirement::Any(vec![condition])), ..asked() };
    let holding = |text: &str| asking_for_key(None, Environment::Live).holding(scopes(text));
    let rows = [
        (asked(), Ok(())),
        (Verification { scopes: scopes("orders:read"), ..asked() }, Ok(())),
        (Verification { scopes: scopes("orders:write"), ..asked() }, Err("insufficient_scope")),
        (Verification { environment: Environment::Test, ..asked() }, Err("wrong_environment")),
        (Verification { prefix: Some("cs_live".parse().unwrap()), ..asked() }, Ok(())),
        (Verification { prefix: Some("shss".parse().unwrap()), ..asked() }, Err("wrong_key_set")),
        (of_route(holding("orders:read")), Ok(())),
        (of_route(holding("orders:write")), Err("insufficient_scope")),
        (of_route(management_key::required(scopes(""))), Err("wrong_scheme")),
        (
            Verification { scopes: scopes("settle"), ..of_route(holding("orders:read")) },
            Err("insufficient_scope"),
        ),
    ];
    for (asked, expected) in rows {
        let mut ground = Ground::new();
        let key = ground.api_key(&ground.organisation.clone(), "orders:read").1;
        let caller = ground.caller("keys:verify", "");
        assert_eq!(verified(&mut ground, &caller, &key, &asked), expected, "{asked:?}");
    }
}

#[test]
fn safety_13_the_verify_api_tells_no_other_tenants_keys() {
    let mut ground = Ground::new();
    let home = ground.organisation.clone();
    let (one, two) = (ground.member(OwnerKind::Client, &home), ground.member(OwnerKind::Client, &home));
    let (away, asked) = (ground.stranger(), Verification::default());
    let (record, key) = ground.api_key(&one, "");
    let never_was = ground.api_key(&one, "");
    ground.store.tables().credentials.remove(&never_was.0.id);
    let revoke = |record: &mut CredentialRecord| record.revoked_at = Some(NOW);
    for (caller, reached) in [
        (Caller::of(&home), true),
        (Caller::of(&one), true),
        (Caller::of(&two), false),
        (Caller::of(&away), false),
        (Caller::of(&away).holding("operator"), true),
    ] {
        let caller = caller.permit();
        ground.store.change(record.id, |record| record.revoked_at = None);
        let good = if reached { Ok(()) } else { Err("unknown") };
        assert_eq!(verified(&mut ground, &caller, &key, &asked), good);
        ground.store.change(record.id, revoke);
        let ended = if reached { "revoked" } else { "unknown" };
        assert_eq!(verified(&mut ground, &caller, &key, &asked), Err(ended), "nor that it was one");
        assert_eq!(verified(&mut ground, &caller, &never_was.1, &asked), Err("unknown"));
    }
}

/// Warns an hour before of the end that a stored key was asked to be warned of.
fn warned(ground: &mut Ground, key: CredentialId, end: Timestamp) -> Result<(), NotDue> {
    let act = WarnOfExpiry { key, end, before: HOUR };
    let warned = ground.perform(&System, &act);
    let (committed, filed) = ground.store.lines();
    assert_eq!(filed, None, "nobody was refused anything");
    if warned.is_ok() {
        let line = committed.unwrap();
        assert_eq!((&*line.action, line.subject), ("api_key.expiring", Some(key.to_string())));
        assert_eq!(line.organisation, Some(ground.organisation.id));
    }
    warned
}

#[test]
fn a_key_that_ends_soon_is_warned_of_while_it_stands() {
    type Change = fn(&mut CredentialRecord);
    let rows: [(Change, Result<(), NotDue>); 8] = [
        (|_| {}, Ok(())),
        (|record| record.expires_at = None, Err(NotDue::Over)),
        (|record| record.expires_at = Some(later(HOUR / 2)), Err(NotDue::Over)),
        (|record| record.disabled_at = Some(NOW), Err(NotDue::Yet)),
        (|record| record.terms.not_before = Some(later(HOUR / 2)), Err(NotDue::Yet)),
        (|record| record.revoked_at = Some(NOW), Err(NotDue::Over)),
        (|record| record.terms.replaced_by = Some(record.id), Err(NotDue::Over)),
        (|record| (record.disabled_at, record.revoked_at) = (Some(NOW), Some(NOW)), Err(NotDue::Over)),
    ];
    for (number, (change, expected)) in rows.into_iter().enumerate() {
        let mut ground = Ground::new();
        let id = ground.api_key(&ground.organisation.clone(), "").0.id;
        let end = later(HOUR);
        let asked = ground.store.change(id, |record| record.expires_at = Some(end));
        assert_eq!((KIND.due)(&asked).map(|due| (due.subject, due.at)), Some((id.to_string(), end)));
        ground.store.change(id, change);
        assert_eq!(warned(&mut ground, id, end), expected, "row {number}");
    }
}

#[test]
fn a_warning_has_its_time() {
    for (end, expected) in [
        (HOUR, Ok(())),
        (HOUR + Duration::from_millis(1), Err(NotDue::Yet)),
        (Duration::ZERO, Err(NotDue::Over)),
    ] {
        let mut ground = Ground::new();
        let id = ground.api_key(&ground.organisation.clone(), "").0.id;
        ground.store.change(id, |record| record.expires_at = Some(later(end)));
        assert_eq!(warned(&mut ground, id, later(end)), expected, "{end:?}");
        ground.store.tables().credentials.clear();
        assert_eq!(warned(&mut ground, id, later(end)), Err(NotDue::Over), "it is gone");
    }
}

#[test]
fn what_was_done_is_not_done_again() {
    let mut ground = Ground::new();
    let id = ground.api_key(&ground.organisation.clone(), "").0.id;
    let end = later(HOUR);
    ground.store.change(id, |record| record.expires_at = Some(end));
    assert_eq!(warned(&mut ground, id, end), Ok(()));
    let act = WarnOfExpiry { key: id, end, before: HOUR };
    assert_eq!(ground.attempt(&System, &act).map(Result::unwrap), Err(Unavailable::Contended));
    let moved = later(HOUR / 2);
    ground.store.change(id, |record| record.expires_at = Some(moved));
    assert_eq!(warned(&mut ground, id, moved), Ok(()), "a key whose end was moved is warned of again");
}
