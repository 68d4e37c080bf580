//! What a key that was found proves, as tables.

use std::time::Duration;

use crate::api_key;
use crate::authenticators::{GATEWAY, MANAGEMENT};
use crate::environment::Environment;
use crate::id::OwnerKind;
use crate::key_evidence::{KeyEvidence, grantable};
use crate::management_key;
use crate::principal::Subject;
use crate::record::CredentialRecord;
use crate::testing::{Ground, HOUR, NOW, granting, scopes};
use crate::verification::{rejection_at, stands_at};

/// What is said of a key that `change` has changed, to whoever presents it from `address`.
#[track_caller]
fn check(change: impl FnOnce(&mut CredentialRecord), address: Option<&str>, expected: Result<(), &str>) {
    let mut ground = Ground::new();
    ground.address = address.map(|address| address.parse().unwrap());
    let organisation = ground.organisation.clone();
    let (record, key) = ground.api_key(&organisation, "a");
    ground.store.change(record.id, change);
    let presented = ground.present(GATEWAY, &[("x-api-key", &key)]);
    assert_eq!(presented.map(|_| ()).map_err(|rejection| rejection.code()), expected);
    let line = ground.store.lines().1;
    assert_eq!(line.is_some(), expected.is_err(), "of who was proven, the decision has the line");
    if let Some(line) = line {
        assert_eq!((line.action.as_ref(), line.reason.as_deref()), ("api_key.verify", expected.err()));
        assert_eq!(line.organisation, Some(organisation.id), "its tenant may read it");
        assert_eq!(line.subject, Some(record.id.to_string()));
        assert_eq!(line.actor.credential, None, "who is refused is not proven");
    }
    let known = ground.known(&key).unwrap();
    let rejected = rejection_at(NOW, ground.address, &known).map(|rejection| rejection.code());
    assert_eq!(rejected, expected.err(), "it is judged alike when it is judged again");
    let stands = expected.is_ok() || expected == Err("address_not_allowed");
    assert_eq!(stands_at(NOW, &known), stands, "wherever it comes from");
}

#[test]
fn every_state_of_a_key_has_its_rejection() {
    check(|_| {}, None, Ok(()));
    check(|record| record.revoked_at = Some(NOW), None, Err("revoked"));
    check(|record| record.disabled_at = Some(NOW), None, Err("disabled"));
    check(|record| record.expires_at = Some(NOW), None, Err("expired"));
    check(|record| record.expires_at = Some(NOW.plus(HOUR)), None, Ok(()));
    check(|record| record.terms.not_before = Some(NOW.plus(HOUR)), None, Err("not_yet_valid"));
    check(|record| record.terms.not_before = Some(NOW), None, Ok(()));
    let ended = |record: &mut CredentialRecord| {
        (record.revoked_at, record.expires_at) = (Some(NOW), Some(NOW));
    };
    check(ended, None, Err("revoked"));
}

#[test]
fn a_key_is_good_from_the_addresses_in_its_list() {
    let listed = |record: &mut CredentialRecord| {
        record.terms.allow_from = vec!["10.0.0.0/8".parse().unwrap(), "192.0.2.7".parse().unwrap()];
    };
    check(|_| {}, Some("198.51.100.1"), Ok(()));
    check(listed, Some("10.1.2.3"), Ok(()));
    check(listed, Some("192.0.2.7"), Ok(()));
    check(listed, Some("192.0.2.8"), Err("address_not_allowed"));
    check(listed, None, Err("address_not_allowed"));
    let revoked = |record: &mut CredentialRecord| {
        listed(record);
        record.revoked_at = Some(NOW);
    };
    check(revoked, Some("192.0.2.8"), Err("revoked"));
}

#[test]
fn a_disabled_owner_or_organisation_ends_all_of_its_keys() {
    let mut ground = Ground::new();
    let organisation = ground.organisation.clone();
    let (one, two) =
        (ground.member(OwnerKind::Client, &organisation), ground.member(OwnerKind::User, &organisation));
    let keys = [&one, &two, &organisation].map(|owner| ground.api_key(owner, "").1);
    let presented = |ground: &mut Ground| {
        keys.each_ref().map(|key| match ground.present(GATEWAY, &[("x-api-key", key)]) {
            Ok(_) => "good",
            Err(rejection) => rejection.code(),
        })
    };
    assert_eq!(presented(&mut ground), ["good", "good", "good"]);
    ground.disable(&one);
    assert_eq!(presented(&mut ground), ["owner_disabled", "good", "good"]);
    ground.disable(&organisation);
    assert_eq!(presented(&mut ground), ["owner_disabled"; 3]);
}

#[test]
fn what_is_not_found_is_unknown_and_says_nothing() {
    let mut ground = Ground::new();
    let key = ground.api_key(&ground.organisation.clone(), "").1;
    ground.store.tables().credentials.clear();
    let rejection = ground.present(GATEWAY, &[("x-api-key", &key)]).unwrap_err();
    assert_eq!(rejection.code(), "unknown");
    let line = ground.store.lines().1.unwrap();
    assert_eq!((line.organisation, line.subject, line.reason), (None, None, Some("unknown".into())));
}

#[test]
fn a_principal_is_what_its_key_says() {
    let mut ground = Ground::new();
    let organisation = ground.organisation.clone();
    let client = ground.member(OwnerKind::Client, &organisation);
    let (record, key) = ground.api_key(&client, "a b");
    ground.store.change(record.id, |record| record.terms.environment = Environment::Test);
    let principal = ground.present(GATEWAY, &[("x-api-key", &key)]).unwrap().unwrap();
    assert_eq!((principal.scheme(), principal.credential()), (api_key::SCHEME, Some(record.id)));
    assert_eq!((principal.owner(), principal.organisation()), (Some(client.id), Some(organisation.id)));
    assert_eq!(principal.subject(), Some(&Subject::Owner(client.id)));
    assert_eq!(principal.client(), Some(client.id));
    assert_eq!(
        principal.own::<KeyEvidence>(),
        Some(&KeyEvidence::of(&ground.store.stored(record.id).unwrap().terms))
    );
    assert_eq!((principal.scopes(), grantable(&principal)), (&scopes("a b"), &granting("")));

    let (record, key) = ground.management_key(&organisation, "keys:read", "orders:*");
    let bearer = format!("Bearer {key}");
    let principal = ground.present(MANAGEMENT, &[("authorization", &bearer)]).unwrap().unwrap();
    assert_eq!((principal.scheme(), principal.credential()), (management_key::SCHEME, Some(record.id)));
    assert_eq!((principal.scopes(), grantable(&principal)), (&scopes("keys:read"), &granting("orders:*")));
}

#[test]
fn a_use_is_worth_a_report_once_a_minute() {
    let mut ground = Ground::new();
    let organisation = ground.organisation.clone();
    let (_, key) = ground.api_key(&organisation, "");
    let principal = ground.present(GATEWAY, &[("x-api-key", &key)]).unwrap().unwrap();
    for (after, due) in [(0, true), (0, false), (59, false), (60, true), (61, false), (120, true)] {
        let at = NOW.plus(Duration::from_secs(after));
        assert_eq!(principal.standing().note_use(at), due, "after {after} s");
    }
}
