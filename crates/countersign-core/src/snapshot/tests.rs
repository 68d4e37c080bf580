//! What verifiers know after each change.

use std::sync::Arc;
use std::time::Duration;

use super::Snapshot;
use crate::change::{Applied, Change};
use crate::client_terms::ClientTerms;
use crate::context::SeededEntropy;
use crate::ending::Ending;
use crate::environment::Environment;
use crate::id::{CredentialId, IdPrefix, OwnerId, OwnerKind};
use crate::imported::PreparedSet;
use crate::imported_set::{Digest, Imported, ImportedSet, Part, Source};
use crate::key_string::KeyString;
use crate::kinds::KINDS;
use crate::learned::Learned;
use crate::record::{CredentialRecord, OwnerRecord, Terms};
use crate::secret::{Pepper, Peppers, Purpose, Secret};
use crate::standing::Knows as _;
use crate::timestamp::{Monotonic, Timestamp};

const KEY: IdPrefix = IdPrefix::new("key");

fn organisation() -> OwnerRecord {
    let id = OwnerId::random(OwnerKind::Organisation, &mut SeededEntropy::new(1));
    OwnerRecord::new(id, id, "acme".into(), Timestamp::from_millis(0))
}

fn credential(owner: OwnerId, peppers: &Peppers, seed: u64) -> (CredentialRecord, KeyString) {
    let mut entropy = SeededEntropy::new(seed);
    let prefix = "cs_live".parse().unwrap();
    let key = KeyString::mint(&prefix, &mut entropy);
    let record = CredentialRecord {
        id: CredentialId::random(KEY, &mut entropy),
        lookup: key.hash(peppers.current()),
        pepper: 1,
        organisation: owner,
        owner,
        version: 1,
        created_at: Timestamp::from_millis(0),
        expires_at: None,
        disabled_at: None,
        revoked_at: None,
        last_used_at: None,
        terms: Terms {
            hint: key.hint(),
            ..Terms::new("ci".into(), prefix, Environment::Live, "a".parse().unwrap())
        },
    };
    (record, key)
}

fn snapshot() -> (Snapshot, Arc<Peppers>) {
    let peppers = Arc::new(Peppers::new(Pepper::new(1, &Secret::new([1; 32])), Vec::new()));
    (Snapshot::new(KINDS, Arc::clone(&peppers), Duration::from_secs(5)), peppers)
}

#[test]
fn safety_3_a_revocation_that_was_seen_is_never_taken_back() {
    let (snapshot, peppers) = snapshot();
    let owner = organisation();
    let (mut record, key) = credential(owner.id, &peppers, 2);
    snapshot.apply(&Change::Owner(Box::new(owner)));
    record.revoked_at = Some(Timestamp::from_millis(5));
    assert_eq!(snapshot.apply(&Change::Credential(Box::new((&record).into()))), Applied::Taken);
    record.revoked_at = None;
    assert_eq!(
        snapshot.apply(&Change::Credential(Box::new((&record).into()))),
        Applied::KeptRevoked(record.id)
    );
    assert!(snapshot.find(KEY, key.read().text()).unwrap().life.revoked);
}

#[test]
fn safety_3_what_ends_with_a_change_is_told_once() {
    let (snapshot, peppers) = snapshot();
    let owner = organisation();
    let (made, _) = credential(owner.id, &peppers, 2);
    let (credential, at) = (made.id, Timestamp::from_millis(5));
    snapshot.apply(&Change::Owner(Box::new(owner.clone())));
    let mut version = 0;
    let mut check = |change: fn(&mut CredentialRecord), expected: &[Ending]| {
        version += 1;
        let mut next = made.clone();
        change(&mut next);
        next.version = version;
        let change = Change::Credential(Box::new((&next).into()));
        assert_eq!(snapshot.endings(&change), expected, "{version}");
        snapshot.apply(&change);
        assert_eq!(snapshot.endings(&change), [], "{version}: it is known");
    };
    check(|next| next.expires_at = Some(Timestamp::from_millis(9)), &[]);
    check(|next| next.expires_at = None, &[]);
    check(
        |next| next.disabled_at = Some(Timestamp::from_millis(5)),
        &[Ending::Disabled { credential, at, version: 3 }],
    );
    check(|_| {}, &[]);
    check(
        |next| {
            (next.disabled_at, next.expires_at) =
                (Some(Timestamp::from_millis(5)), Some(Timestamp::from_millis(5)))
        },
        &[Ending::Disabled { credential, at, version: 5 }, Ending::Shortened { credential, at, version: 5 }],
    );
    check(|next| next.expires_at = Some(Timestamp::from_millis(7)), &[]);
    check(|next| next.revoked_at = Some(Timestamp::from_millis(5)), &[Ending::Revoked { credential, at }]);
    let removed = Change::Removed { credential, lookup: made.lookup };
    assert_eq!(snapshot.endings(&removed), [Ending::Removed { credential }]);
    assert_eq!(
        snapshot.endings(&Change::Forgotten(made.lookup)),
        [],
        "what cannot be read lives on elsewhere"
    );
    let disabled = OwnerRecord { disabled_at: Some(at), version: 2, ..owner.clone() };
    let ending = Ending::OwnerDisabled { owner: owner.id, at, version: 2, by: None };
    assert_eq!(snapshot.endings(&Change::Owner(Box::new(disabled))), [ending]);
    assert_eq!(snapshot.endings(&Change::Owner(Box::new(owner))), []);
}

#[test]
fn safety_4_a_snapshot_that_is_old_or_incomplete_is_not_fresh() {
    let (snapshot, _) = snapshot();
    assert!(!snapshot.is_fresh(Monotonic(0)));
    snapshot.mark_fresh(Monotonic(1_000));
    for (now, fresh) in [(1_000, true), (6_000, true), (6_001, false)] {
        assert_eq!(snapshot.is_fresh(Monotonic(now)), fresh, "{now}");
    }
    snapshot.mark_fresh(Monotonic(500));
    assert_eq!(snapshot.age(Monotonic(2_000)), Some(Duration::from_secs(1)), "freshness never goes back");
    snapshot.mark_incomplete();
    assert!(!snapshot.is_fresh(Monotonic(1_000)));
}

#[test]
fn a_forgotten_or_foreign_key_is_not_found() {
    let (snapshot, peppers) = snapshot();
    let owner = organisation();
    let (record, key) = credential(owner.id, &peppers, 2);
    assert_eq!(snapshot.apply(&Change::Credential(Box::new((&record).into()))), Applied::Incomplete);
    snapshot.apply(&Change::Owner(Box::new(owner.clone())));
    snapshot.apply(&Change::Credential(Box::new((&record).into())));
    let known = snapshot.find(KEY, key.read().text()).unwrap();
    assert!(snapshot.find(IdPrefix::new("mgk"), key.read().text()).is_none());
    assert!(snapshot.find(KEY, credential(owner.id, &peppers, 3).1.read().text()).is_none());
    assert_eq!(snapshot.current(&known).unwrap().id(), record.id);
    snapshot.apply(&Change::Forgotten(record.lookup));
    assert!(snapshot.find(KEY, key.read().text()).is_none());
    assert!(snapshot.current(&known).is_none());
}

#[test]
fn what_a_full_load_does_not_find_is_forgotten() {
    let (snapshot, peppers) = snapshot();
    let owner = organisation();
    snapshot.apply(&Change::Owner(Box::new(owner.clone())));
    let (stays, staying) = credential(owner.id, &peppers, 2);
    let (_, going) = {
        let (goes, going) = credential(owner.id, &peppers, 3);
        snapshot.apply(&Change::Credential(Box::new((&goes).into())));
        (goes, going)
    };
    snapshot.apply(&Change::Credential(Box::new((&stays).into())));
    let before = snapshot.find(KEY, staying.read().text()).unwrap();
    snapshot.begin_load(2);
    snapshot.apply(&Change::Credential(Box::new((&stays).into())));
    snapshot.end_load();
    let after = snapshot.find(KEY, staying.read().text()).unwrap();
    assert!(Arc::ptr_eq(&before, &after), "what says nothing else is not made anew");
    assert!(snapshot.find(KEY, going.read().text()).is_none());
}

#[test]
fn terms_that_cannot_be_read_are_refused() {
    let (snapshot, peppers) = snapshot();
    let owner = organisation();
    snapshot.apply(&Change::Owner(Box::new(owner.clone())));
    let (record, key) = credential(owner.id, &peppers, 2);
    snapshot.apply(&Change::Credential(Box::new((&record).into())));
    let good = Learned::from(&record);
    let worse = [good.terms.replacen('{', r#"{"until_noon":1,"#, 1), good.terms.replace("live", "dead")];
    for terms in worse.into_iter().chain([String::new()]) {
        snapshot.apply(&Change::Credential(Box::new(good.clone())));
        let changed = Change::Credential(Box::new(Learned { terms, ..good.clone() }));
        assert_eq!(snapshot.apply(&changed), Applied::Unreadable(record.id));
        assert!(snapshot.find(KEY, key.read().text()).is_none());
    }
}

#[test]
fn what_no_record_has_any_more_is_not_kept() {
    let (snapshot, peppers) = snapshot();
    let owner = organisation();
    snapshot.apply(&Change::Owner(Box::new(owner.clone())));
    let (mut record, key) = credential(owner.id, &peppers, 2);
    for number in 0..10_000 {
        record.terms.scopes = format!("orders:{number}").parse().unwrap();
        snapshot.apply(&Change::Credential(Box::new((&record).into())));
    }
    assert!(snapshot.terms.len() < 5_000, "{}", snapshot.terms.len());
    assert_eq!(*snapshot.find(KEY, key.read().text()).unwrap().terms.scopes, record.terms.scopes);
    let set = ImportedSet::new("acme_", None, Digest::Sha256, Part::Key).unwrap();
    import(&snapshot, &peppers, &set, "acme_1", 3);
    let found = snapshot.find_imported(Source::Usual, "acme_1").unwrap().known;
    assert_eq!(snapshot.imported.keys.len(), 1);
    snapshot.apply(&Change::Forgotten(found.lookup));
    assert_eq!(snapshot.imported.keys.len(), 0);
}

/// Applies a key that was imported into `set`, by the hash of `text`.
fn import(snapshot: &Snapshot, peppers: &Peppers, set: &ImportedSet, text: &str, seed: u64) -> CredentialId {
    let owner = organisation();
    snapshot.apply(&Change::Owner(Box::new(owner.clone())));
    let (mut record, _) = credential(owner.id, peppers, seed);
    let digest = PreparedSet::new(set.clone(), peppers).unwrap().digest(Source::Anywhere, text);
    let digest = digest.unwrap_or_else(|| sha256(text));
    record.lookup = peppers.current().hash_bytes(Purpose::Imported, &set.bound(&digest));
    record.terms.imported = Some(Box::new(Imported { set: set.clone(), upgraded: false }));
    snapshot.apply(&Change::Credential(Box::new((&record).into())));
    record.id
}

fn sha256(text: &str) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref().to_vec()
}

#[test]
fn safety_13_a_hash_in_another_set_speaks_for_no_caller() {
    let set = |prefix, header| ImportedSet::new(prefix, header, Digest::Sha256, Part::Key).unwrap();
    let rightful = set("acme_", None);
    for other in [
        set("other_", None),
        set("ac", None),
        set("", Some("x-other-key")),
        set("acme_", Some("x-other-key")),
    ] {
        for other_first in [true, false] {
            let (snapshot, peppers) = snapshot();
            let order = if other_first { [&other, &rightful] } else { [&rightful, &other] };
            let ids: Vec<_> = order
                .iter()
                .zip(2..)
                .map(|(set, seed)| import(&snapshot, &peppers, set, "acme_1", seed))
                .collect();
            let expected = ids.get(usize::from(other_first)).copied();
            for source in [Source::Usual, Source::Anywhere] {
                let found = snapshot.find_imported(source, "acme_1").map(|found| found.known.id());
                assert_eq!(found, expected, "{other:?} {source:?}");
            }
        }
    }
    let (snapshot, peppers) = snapshot();
    for (set, seed) in [(set("", Some("x-one")), 2), (set("", Some("x-two")), 3)] {
        import(&snapshot, &peppers, &set, "secret", seed);
    }
    assert!(snapshot.find_imported(Source::Anywhere, "secret").is_none(), "where two say as much, nobody is");
    assert!(snapshot.find_imported(Source::Header("x-one"), "secret").is_some());
}

#[test]
fn an_origin_counts_as_long_as_a_client_that_lives_names_it() {
    let (snapshot, _) = snapshot();
    let parent = organisation();
    snapshot.apply(&Change::Owner(Box::new(parent.clone())));
    let client = |seed, origins: &[&str], disabled| {
        let id = OwnerId::random(OwnerKind::Client, &mut SeededEntropy::new(seed));
        let origins = origins.iter().map(|one| one.parse().unwrap()).collect();
        let terms = ClientTerms { origins, ..ClientTerms::default() };
        OwnerRecord {
            client: Some(Box::new(terms)),
            disabled_at: Some(Timestamp::from_millis(0)).filter(|_| disabled),
            ..OwnerRecord::new(id, parent.id, "app".into(), Timestamp::from_millis(0))
        }
    };
    let (one, two) = ("https://one.example", "https://two.example");
    for (record, expected) in [
        (client(2, &[one], false), [true, false]),
        (client(3, &[one, two], false), [true, true]),
        (client(2, &[], false), [true, true]),
        (client(3, &[two], false), [false, true]),
        (client(3, &[two], true), [false, false]),
        (client(3, &[two], false), [false, true]),
        (OwnerRecord { client: None, ..client(3, &[], false) }, [false, false]),
    ] {
        snapshot.apply(&Change::Owner(Box::new(record.clone())));
        let found = [one, two].map(|origin| snapshot.is_origin(&origin.parse().unwrap()));
        assert_eq!(found, expected, "{record:?}");
    }
    snapshot.apply(&Change::Owner(Box::new(client(2, &[one], false))));
    let gone = OwnerRecord { disabled_at: Some(Timestamp::from_millis(0)), ..parent };
    snapshot.apply(&Change::Owner(Box::new(gone)));
    assert!(!snapshot.is_origin(&one.parse().unwrap()), "of a disabled organisation");
}
