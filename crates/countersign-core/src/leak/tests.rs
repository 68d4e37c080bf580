use std::sync::Arc;
use std::time::Duration;

use super::{Held, end};
use crate::context::SeededEntropy;
use crate::effect::Effect;
use crate::environment::Environment;
use crate::id::{CredentialId, CredentialKind, OwnerId, OwnerKind};
use crate::key_string::KeyString;
use crate::record::{CredentialRecord, OwnerRecord, Terms};
use crate::secret::{Pepper, Peppers, Secret};
use crate::snapshot::{Change, Snapshot};
use crate::timestamp::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn world() -> (Snapshot, CredentialRecord, String) {
    let mut entropy = SeededEntropy::new(1);
    let peppers = Arc::new(Peppers::new(Pepper::new(1, &Secret::new([1; 32])), Vec::new()));
    let id = OwnerId::random(OwnerKind::Organisation, &mut entropy);
    let owner = OwnerRecord {
        id,
        organisation: id,
        name: "acme".into(),
        version: 1,
        created_at: NOW,
        disabled_at: None,
        disabled_by: None,
    };
    let prefix = "cs_live".parse().unwrap();
    let key = KeyString::mint(&prefix, &mut entropy);
    let record = CredentialRecord {
        id: CredentialId::random(CredentialKind::ApiKey, &mut entropy),
        lookup: key.hash(peppers.current()),
        pepper: 1,
        organisation: id,
        owner: id,
        version: 1,
        created_at: NOW,
        expires_at: None,
        disabled_at: None,
        revoked_at: None,
        last_used_at: None,
        terms: Terms {
            hint: key.hint(),
            ..Terms::new("ci".into(), prefix, Environment::Live, Default::default())
        },
    };
    let snapshot = Snapshot::new(peppers, Duration::from_secs(5));
    snapshot.apply(&Change::Owner(Box::new(owner)));
    snapshot.apply(&Change::Credential(Box::new(record.clone())));
    (snapshot, record, key.into_secret().expose().clone())
}

#[test]
fn safety_16_only_the_whole_key_ends_it() {
    let (snapshot, record, key) = world();
    let held = Held::find(&snapshot, &key).unwrap();
    let outcome = end(NOW, &held, &[("reporter", "192.0.2.1"), ("url", "https://x\u{7}y")]).unwrap();
    assert_eq!(outcome.effects, [Effect::Revoke { credential: record.id, at: NOW }]);
    assert_eq!(outcome.audit.action, "api_key.leaked");
    assert!(outcome.audit.details.iter().any(|(name, word)| *name == "url" && word == "https://xy"));
    assert!(!format!("{:?}", outcome.audit).contains(&key));
    let hash: String = record.lookup.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    for text in
        ["", key.get(..40).unwrap(), &record.terms.hint, &record.id.to_string(), &hash, &format!("{key}x")]
    {
        assert!(Held::find(&snapshot, text).is_none(), "{text}");
    }
}

#[test]
fn a_report_that_is_repeated_changes_nothing() {
    let (snapshot, mut record, key) = world();
    record.revoked_at = Some(NOW);
    snapshot.apply(&Change::Credential(Box::new(record)));
    assert!(end(NOW, &Held::find(&snapshot, &key).unwrap(), &[]).is_none());
}
