//! The life of signing keys, as tables.

use std::time::Duration;

use countersign_jose::algorithm::SignatureAlgorithm;

use super::{Begin, Beginning, FreshKey, NothingToDo, RevokeKey, Rotate, RotateInTime};
use crate::exchange::System;
use crate::id::CredentialId;
use crate::refusal::Refusal;
use crate::signing_key::{KeyPurpose, KeyState, SIGNING_KEY, SigningKeyRecord, Slot};
use crate::testing::{Caller, Ground, HOUR, NOW};
use crate::timestamp::Timestamp;

const SLOT: Slot = Slot { purpose: KeyPurpose::AccessToken, algorithm: SignatureAlgorithm::Es256 };
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn fresh(ground: &mut Ground) -> FreshKey {
    let id = CredentialId::random(SIGNING_KEY, &mut ground.entropy);
    FreshKey { id, jwk: "{}".to_owned(), sealed: vec![7] }
}

fn begin(ground: &mut Ground) -> Result<(), NothingToDo> {
    let fresh = fresh(ground);
    ground.perform(&System, &Begin { slot: SLOT, fresh })
}

/// The keys in the order of their numbers.
fn keys(ground: &Ground) -> Vec<SigningKeyRecord> {
    let mut keys: Vec<_> = ground.store.tables().signing_keys.values().cloned().collect();
    keys.sort_by_key(|key| key.number);
    keys
}

fn states(ground: &Ground, now: Timestamp) -> Vec<&'static str> {
    keys(ground).iter().map(|key| key.state(now).name()).collect()
}

fn operator(ground: &Ground) -> crate::decision::Permit {
    ground.caller("operator", "")
}

#[test]
fn a_slot_begins_once() {
    let mut ground = Ground::new();
    assert_eq!(begin(&mut ground), Ok(()));
    assert_eq!(begin(&mut ground), Err(NothingToDo));
    assert_eq!(states(&ground, NOW), ["active"]);
    assert_eq!(ground.store.tables().sealed.len(), 1, "its private part is sealed beside it");
}

#[test]
fn of_two_that_begin_a_slot_at_once_one_does() {
    let mut ground = Ground::new();
    let other = crate::testing::signing_key(KeyPurpose::AccessToken, 1).0;
    ground.store.meanwhile(move |tables| {
        tables.signing_keys.insert(other.id, other);
    });
    assert_eq!(begin(&mut ground), Err(NothingToDo), "its number was taken, and it was decided again");
    assert_eq!(keys(&ground).len(), 1);
}

#[test]
fn a_key_is_published_before_it_signs_and_until_what_it_signed_has_ended() {
    let mut ground = Ground::new();
    begin(&mut ground).unwrap();
    let due = keys(&ground).first().unwrap().due().unwrap();
    assert_eq!((due.kind, due.at), ("signing_key.rotate", NOW.plus(29 * DAY)));
    ground.now = due.at;
    let act = RotateInTime { due: due.clone(), slot: SLOT, fresh: fresh(&mut ground) };
    ground.perform(&System, &act).unwrap();
    for (after, expected) in [
        (29 * DAY, ["active", "prepared"]),
        (30 * DAY - Duration::from_secs(1), ["active", "prepared"]),
        (30 * DAY, ["retired", "active"]),
        (30 * DAY + HOUR + Duration::from_secs(119), ["retired", "active"]),
        (30 * DAY + HOUR + Duration::from_secs(120), ["ended", "active"]),
    ] {
        assert_eq!(states(&ground, NOW.plus(after)), expected, "{after:?}");
    }
    assert_eq!(keys(&ground).first().unwrap().due(), None);
    assert_eq!(keys(&ground).last().unwrap().due().unwrap().at, NOW.plus(59 * DAY));
    let again = RotateInTime { due, slot: SLOT, fresh: fresh(&mut ground) };
    assert_eq!(ground.perform(&System, &again).unwrap_err(), NothingToDo, "its work is done");
}

#[test]
fn an_operator_rotates_at_once_or_once_it_is_published() {
    for (beginning, expected) in
        [(Beginning::Now, ["retired", "active"]), (Beginning::Published, ["active", "prepared"])]
    {
        let mut ground = Ground::new();
        begin(&mut ground).unwrap();
        let act = Rotate { slot: SLOT, fresh: fresh(&mut ground), beginning };
        ground.perform(&operator(&ground), &act).unwrap();
        assert_eq!(states(&ground, NOW), expected);
    }
}

#[test]
fn a_rotation_at_once_overtakes_one_that_was_prepared() {
    let mut ground = Ground::new();
    begin(&mut ground).unwrap();
    for beginning in [Beginning::Published, Beginning::Now] {
        let act = Rotate { slot: SLOT, fresh: fresh(&mut ground), beginning };
        ground.perform(&operator(&ground), &act).unwrap();
    }
    assert_eq!(states(&ground, NOW), ["retired", "retired", "active"]);
    assert_eq!(states(&ground, NOW.plus(30 * DAY)), ["ended", "ended", "active"]);
}

#[test]
fn a_revoked_key_is_replaced_in_the_same_commit_and_stays_revoked() {
    let mut ground = Ground::new();
    begin(&mut ground).unwrap();
    let id = keys(&ground).first().unwrap().id;
    let act = RevokeKey { id, slot: SLOT, fresh: fresh(&mut ground) };
    ground.perform(&operator(&ground), &act).unwrap();
    assert_eq!(states(&ground, NOW), ["revoked", "active"]);
    let act = RevokeKey { id, slot: SLOT, fresh: fresh(&mut ground) };
    ground.perform(&operator(&ground), &act).unwrap();
    assert_eq!(states(&ground, NOW), ["revoked", "active"], "a repeat makes no other key");
    let retired = SigningKeyRecord { retired_at: Some(NOW), ..keys(&ground).remove(1) };
    let needed = |state| super::is_needed(&retired, NOW) == (state == KeyState::Active);
    assert!(needed(retired.state(NOW)), "a key that signs no longer has a successor");
}

#[test]
fn a_key_that_is_revoked_while_its_successor_waits_leaves_one_line_of_succession() {
    for revoked in [0, 1] {
        let mut ground = Ground::new();
        begin(&mut ground).unwrap();
        let act = Rotate { slot: SLOT, fresh: fresh(&mut ground), beginning: Beginning::Published };
        ground.perform(&operator(&ground), &act).unwrap();
        let id = keys(&ground)[revoked].id;
        let act = RevokeKey { id, slot: SLOT, fresh: fresh(&mut ground) };
        ground.perform(&operator(&ground), &act).unwrap();
        let mut expected = ["retired", "retired", "active"];
        expected[revoked] = "revoked";
        assert_eq!(states(&ground, NOW), expected);
        assert_eq!(states(&ground, NOW.plus(DAY)).iter().filter(|state| **state == "active").count(), 1);
        assert_eq!(keys(&ground).iter().filter_map(SigningKeyRecord::due).count(), 1, "one will be replaced");
    }
}

#[test]
fn safety_13_nobody_but_an_operator_moves_signing_keys() {
    let mut ground = Ground::new();
    begin(&mut ground).unwrap();
    let tenant = Caller::of(&ground.organisation).holding("signing-keys:write").permit();
    let act = Rotate { slot: SLOT, fresh: fresh(&mut ground), beginning: Beginning::Now };
    assert_eq!(ground.perform(&tenant, &act).unwrap_err(), Refusal::NotFound);
    let id = keys(&ground).first().unwrap().id;
    let act = RevokeKey { id, slot: SLOT, fresh: fresh(&mut ground) };
    assert_eq!(ground.perform(&tenant, &act).unwrap_err(), Refusal::NotFound);
    assert_eq!(states(&ground, NOW), ["active"]);
}
