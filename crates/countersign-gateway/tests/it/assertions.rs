//! What upstreams are told and can believe: signed, for them alone, and no credential.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign_core::change::Change;
use countersign_core::context::{Clock as _, SeededEntropy};
use countersign_core::decision::Condition;
use countersign_core::id::CredentialId;
use countersign_core::signing_key::{KeyPurpose, SIGNING_KEY, SigningKeyRecord, Slot};
use countersign_core::timestamp::Timestamp;
use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::jwk::{JwkSet, SigningKey};
use countersign_jose::jws::Compact;
use countersign_jose::jwt::Claims;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::support::{NOW, World, any, route};

const SLOT: Slot = Slot { purpose: KeyPurpose::Assertion, algorithm: SignatureAlgorithm::Es256 };

/// Gives the gateway a key to sign with, and publishes it.
fn sign(world: &World, seed: u64) -> CredentialId {
    let key = SigningKey::generate(SLOT.algorithm).unwrap();
    let id = CredentialId::random(SIGNING_KEY, &mut SeededEntropy::new(seed));
    let key = key.named(id.to_string());
    let at = Timestamp::from_millis(0);
    let record = SigningKeyRecord {
        id,
        slot: SLOT,
        number: 1,
        version: 1,
        jwk: key.public().to_jwk().to_string(),
        created_at: at,
        active_at: at,
        retired_at: None,
        ends_at: None,
        revoked_at: None,
        rotate_at: Timestamp::from_millis(i64::MAX),
    };
    world.snapshot.apply(&Change::SigningKey(Box::new(record)));
    *world.signer.key.lock().unwrap() = Some(Arc::new(key));
    id
}

fn called(world: &World, key: &str) -> Answer {
    world.get("/orders", &[&format!("Authorization: Bearer {key}"), "Countersign-Assertion: forged"])
}

/// The assertion that the upstream received, if it received one.
fn asserted(answer: &Answer) -> Option<String> {
    let mut lines = answer.echoed().lines();
    let found = lines.find_map(|line| line.strip_prefix("countersign-assertion: ")).map(str::to_owned);
    assert!(lines.all(|line| !line.starts_with("countersign-assertion")), "it is told once");
    found
}

/// Verifies an assertion by what the gateway publishes, as an upstream would.
fn verified(world: &World, token: &str) -> Claims {
    let answer = world.get("/.countersign/jwks.json", &[]);
    assert_eq!((answer.status, answer.field("cache-control")), (200, Some("public, max-age=300")));
    let keys: JwkSet = JwkSet::parse(answer.body.as_bytes(), &[SLOT.algorithm]).unwrap();
    let message = Compact::parse(token, 8192).unwrap();
    let key = keys.find(message.header().kid(), SLOT.algorithm).unwrap();
    let verified = message.verify(key).unwrap();
    assert!(verified.header().is_typ("countersign-assertion+jwt"));
    Claims::parse(verified.payload()).unwrap()
}

#[test]
fn safety_12_an_upstream_is_told_by_a_signature_for_itself_and_a_minute() {
    let world = World::new();
    sign(&world, 1);
    let (record, key) = world.key(1);
    let claims = verified(&world, &asserted(&called(&world, &key)).unwrap());
    assert_eq!(claims.issuer.as_deref(), Some("https://auth.example.com"));
    assert_eq!(claims.audience.as_deref(), Some(&["orders".to_owned()][..]));
    assert_eq!(claims.subject, Some(record.owner.to_string()));
    let expected = json!({ "scope": "orders:read", "credential": record.id, "kind": "api_key",
        "organisation": record.owner });
    assert_eq!(Value::Object(claims.other.clone()), expected);
    let now = Duration::from_millis(u64::try_from(NOW).unwrap());
    assert!(claims.alive(now + Duration::from_secs(59), Duration::ZERO).is_ok());
    assert!(claims.alive(now + Duration::from_secs(60), Duration::ZERO).is_err());
}

#[test]
fn safety_12_one_assertion_serves_a_principal_for_half_its_life() {
    let world = World::new();
    sign(&world, 1);
    let (record, key) =
        world.key_with(1, |record| record.terms.scopes = "orders:read settle".parse().unwrap());
    let (_, other) = world.key(2);
    // One connection is one worker.
    let mut client = world.connect();
    let mut ask = |key: &str| asserted(&client.get("/orders", &[&format!("X-API-Key: {key}")])).unwrap();
    let first = ask(&key);
    assert_eq!(ask(&key), first);
    let others = ask(&other);
    assert_ne!(others, first);
    assert_eq!(world.signer.asked.load(Ordering::SeqCst), 2);
    // What was taken away is not asserted again.
    let mut changed = record.clone();
    (changed.terms.scopes, changed.version) = ("orders:read".parse().unwrap(), 2);
    world.tell(&changed);
    let after = ask(&key);
    assert_eq!(verified(&world, &after).other["scope"], "orders:read");
    world.clock.advance(Duration::from_secs(29));
    world.snapshot.mark_fresh(world.clock.monotonic());
    assert_eq!(ask(&key), after);
    world.clock.advance(Duration::from_secs(1));
    world.snapshot.mark_fresh(world.clock.monotonic());
    assert_ne!(ask(&key), after);
}

#[test]
fn safety_12_an_assertion_is_no_credential() {
    let world = World::new();
    world.snapshot.name_issuer("https://auth.example.com".into());
    sign(&world, 1);
    let (_, key) = world.key(1);
    let assertion = asserted(&called(&world, &key)).unwrap();
    for field in [format!("Authorization: Bearer {assertion}"), format!("X-API-Key: {assertion}")] {
        for path in ["/orders", "/open/x"] {
            assert_eq!(world.get(path, &[&field]).status, 401, "{path} {field}");
        }
    }
    let told = "Countersign-Assertion: ".to_owned() + &assertion;
    assert_eq!(world.get("/orders", &[&told]).status, 401, "nor is it one under its own name");
}

#[test]
fn nobody_is_asserted_who_presented_nothing_or_by_no_key() {
    let world = World::new();
    let (_, key) = world.key(1);
    assert_eq!(asserted(&called(&world, &key)), None, "no key signs, and what the caller wrote is gone");
    sign(&world, 1);
    assert_eq!(asserted(&world.get("/open/x", &["Countersign-Assertion: forged"])), None);
    assert!(asserted(&called(&world, &key)).is_some());
}

#[test]
fn a_key_that_was_revoked_is_not_published() {
    let world = World::new();
    let id = sign(&world, 1);
    sign(&world, 2);
    let published = || {
        let keys: Value = serde_json::from_str(&world.get("/.countersign/jwks.json", &[]).body).unwrap();
        keys["keys"].as_array().unwrap().len()
    };
    assert_eq!(published(), 2);
    let known = world.snapshot.signing_keys().into_iter().find(|key| key.id() == id).unwrap();
    let record = SigningKeyRecord { revoked_at: Some(world.clock.now()), version: 2, ..known.record.clone() };
    world.snapshot.apply(&Change::SigningKey(Box::new(record)));
    assert_eq!(published(), 1);
    world.clock.advance(Duration::from_secs(6));
    assert_eq!(world.get("/.countersign/jwks.json", &[]).status, 503, "what is too old is not said");
    let open = route("open", "/{**}", any(Condition::anonymous()));
    world.replace_routes(vec![open]);
    assert_eq!(world.get("/.countersign/jwks", &[]).status, 404, "nothing under our name is an upstream's");
}
