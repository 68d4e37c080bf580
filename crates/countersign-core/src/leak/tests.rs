use super::{AlreadyEnded, End, Held};
use crate::audit::AuditEvent;
use crate::effect::{Effect, Outcome};
use crate::exchange::Act;
use crate::record::CredentialRecord;
use crate::testing::{Ground, NOW};

/// A key of either kind, and its text.
fn held(management: bool) -> (Ground, CredentialRecord, String) {
    let mut ground = Ground::new();
    let owner = ground.organisation.clone();
    let (record, key) =
        if management { ground.management_key(&owner, "", "") } else { ground.api_key(&owner, "") };
    (ground, record, key)
}

/// What is decided about a report.
fn reported(ground: &mut Ground, key: &str, words: &[(&'static str, &str)]) -> Outcome<(), AlreadyEnded> {
    let held = Held::find(&ground.store.snapshot(), key).unwrap();
    let words = words.iter().map(|(name, word)| (*name, (*word).to_owned())).collect();
    let found = ground.store.stored(held.id());
    End { words }.decide(&mut ground.context(), &held, found)
}

fn word<'a>(audit: &'a AuditEvent, name: &str) -> Option<&'a str> {
    audit.details.iter().find(|(one, _)| one == name).map(|(_, word)| word.as_str())
}

#[test]
fn safety_16_only_the_whole_key_ends_it() {
    for (management, action) in [(false, "api_key.leaked"), (true, "management_key.leaked")] {
        let (mut ground, record, key) = held(management);
        let outcome = reported(&mut ground, &key, &[("reporter", "192.0.2.1")]);
        assert_eq!(outcome.answer, Ok(()));
        assert_eq!(outcome.effects, [Effect::Revoke { credential: record.id, at: NOW }]);
        assert_eq!(outcome.audit.action, action);
        assert_eq!(outcome.audit.subject, Some(record.id.to_string()));
        assert_eq!(outcome.audit.organisation, Some(record.organisation), "the owner reads it");
        assert!(!format!("{:?}", outcome.audit).contains(&key));
        let hash: String = record.lookup.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        for text in [
            "",
            key.get(..40).unwrap(),
            &record.terms.hint,
            &record.id.to_string(),
            &hash,
            &format!("{key}x"),
        ] {
            assert!(Held::find(&ground.store.snapshot(), text).is_none(), "{text}");
        }
    }
}

#[test]
fn a_report_that_is_repeated_changes_nothing() {
    let (mut ground, record, key) = held(false);
    let (held, act) = (Held::find(&ground.store.snapshot(), &key).unwrap(), End { words: Vec::new() });
    assert!(!held.has_ended());
    assert_eq!(ground.perform(&held, &act), Ok(()));
    assert!(Held::find(&ground.store.snapshot(), &key).unwrap().has_ended());
    assert_eq!(ground.perform(&held, &act), Err(AlreadyEnded));
    ground.store.tables().credentials.remove(&record.id);
    assert_eq!(ground.perform(&held, &act), Err(AlreadyEnded), "it is gone");
    let tables = ground.store.tables();
    assert_eq!((tables.committed.len(), tables.filed.len()), (1, 0), "and fills nobody's audit");
}

#[test]
fn a_reporters_words_are_kept_short_and_without_control_characters() {
    let (mut ground, _, key) = held(false);
    for (said, kept) in [
        ("https://x\u{7}y", Some("https://xy".to_owned())),
        ("", None),
        (&"u".repeat(300), Some("u".repeat(300))),
        (&"u".repeat(301), Some("u".repeat(300))),
    ] {
        let outcome = reported(&mut ground, &key, &[("url", said)]);
        assert_eq!(word(&outcome.audit, "url"), kept.as_deref(), "{said}");
    }
}
