//! What an access token proves, as tables: forged ones, ended ones, and those of others.

use std::sync::Arc;

use countersign_jose::jwk::SigningKey;
use countersign_jose::jws;
use serde_json::{Map, Value, json};

use crate::api_key;
use crate::assertion;
use crate::authenticators::GATEWAY;
use crate::carried::Carried;
use crate::change::Change;
use crate::context::Context;
use crate::decision::{Challenge, Requirement};
use crate::effect::Use;
use crate::good_signatures::{Reading, Signed, SignedBy};
use crate::id::{CredentialId, OwnerId, OwnerKind};
use crate::kind::Kind;
use crate::ledger::{Answer as _, FoundToken, Lookup, TokenAsked, TokenProof};
use crate::principal::Principal;
use crate::record::{EndedToken, OwnerRecord};
use crate::rejection::Rejection;
use crate::scheme::Scheme;
use crate::signing_key::{KeyPurpose, KnownKey, SIGNING_KEY, SigningKeyRecord};
use crate::snapshot::Snapshot;
use crate::standing::Watch;
use crate::testing::{Ground, HOUR, ISSUER, NOW, signing_key};
use crate::timestamp::{Monotonic, Timestamp};
use crate::token::{AccessClaims, Generations, TOKEN, TokenDigest};

use super::kind::KIND;
use super::wire::{ROW, TYPE, told};

mod delegated;

/// A client with a token, and the key that signs.
struct World {
    ground: Ground,
    client: OwnerRecord,
    pair: SigningKey,
    claims: AccessClaims,
}

impl World {
    fn new() -> Self {
        let mut ground = Ground::new();
        let organisation = ground.organisation.clone();
        let client = ground.member(OwnerKind::Client, &organisation);
        let (record, pair) = signing_key(KeyPurpose::AccessToken, 1);
        ground.store.tables().signing_keys.insert(record.id, record);
        let claims = AccessClaims {
            id: CredentialId::random(TOKEN, &mut ground.entropy),
            client: client.id,
            subject: client.id,
            audience: "https://api.example.com".into(),
            scopes: Arc::new("orders:read".parse().unwrap()),
            issued_at: NOW,
            expires_at: NOW.plus(HOUR),
            generations: Generations { incarnation: 0, organisation: 0, client: 0 },
            delegation: None,
            further: Map::from_iter([("role".to_owned(), json!("service"))]),
        };
        Self { ground, client, pair, claims }
    }

    fn signed(&self) -> String {
        self.signed_as(TYPE, &self.claims.to_json(ISSUER))
    }

    fn signed_as(&self, typ: &str, claims: &Map<String, Value>) -> String {
        jws::sign(&self.pair, typ, &serde_json::to_vec(claims).unwrap()).unwrap()
    }

    /// With these claims instead; `null` takes one away.
    fn with(&self, changes: &Value) -> String {
        let mut claims = self.claims.to_json(ISSUER);
        for (name, value) in changes.as_object().unwrap() {
            claims.remove(name);
            if !value.is_null() {
                claims.insert(name.clone(), value.clone());
            }
        }
        self.signed_as(TYPE, &claims)
    }

    fn present(&mut self, token: &str) -> Result<(), &'static str> {
        let field = format!("Bearer {token}");
        let presented = self.ground.present(GATEWAY, &[("authorization", field.as_str())]);
        match presented {
            Ok(principal) => {
                let principal = principal.unwrap();
                assert_eq!(principal.scheme(), Scheme::new("access_token", None));
                assert_eq!(principal.client(), Some(self.client.id));
                assert_eq!(principal.owner(), Some(self.client.id));
                assert_eq!(principal.audience(), Some("https://api.example.com"));
                assert_eq!(principal.credential(), Some(self.claims.id));
                Ok(())
            }
            Err(rejection) => Err(rejection.code()),
        }
    }
}

#[test]
fn rfc9068_4_a_token_proves_its_client_by_its_signature() {
    let mut world = World::new();
    let token = world.signed();
    assert_eq!(world.present(&token), Ok(()));
}

#[test]
fn rfc9068_4_what_is_no_access_token_of_ours_is_refused_with_its_reason() {
    let mut world = World::new();
    let (good, claims) = (world.signed(), world.claims.to_json(ISSUER));
    let other = signing_key(KeyPurpose::AccessToken, 2).1;
    let unknown = jws::sign(&other, TYPE, &serde_json::to_vec(&claims).unwrap()).unwrap();
    let (head, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let cut = signature.get(..signature.len() - 4).unwrap();
    let forged_scope = world.with(&json!({ "scope": "everything" }));
    let forged_payload = forged_scope.split('.').nth(1).unwrap();
    let stranger = OwnerId::random(OwnerKind::Client, &mut world.ground.entropy);
    for (token, expected) in [
        (unknown, "unknown_key"),
        (format!("{head}.{forged_payload}.{signature}"), "signature"),
        (format!("{head}.{payload}.{}AAAA", cut), "signature"),
        (world.signed_as("JWT", &claims), "wrong_type"),
        (world.signed_as("id+jwt", &claims), "wrong_type"),
        (world.with(&json!({ "jti": null })), "claims"),
        (world.with(&json!({ "jti": "key_0000000000000000000000" })), "claims"),
        (world.with(&json!({ "exp": null })), "claims"),
        (world.with(&json!({ "iat": null })), "claims"),
        (world.with(&json!({ "aud": null })), "claims"),
        (world.with(&json!({ "aud": ["https://api.example.com", "https://b.example"] })), "claims"),
        (world.with(&json!({ "client_id": null })), "claims"),
        (world.with(&json!({ "gen": null })), "claims"),
        (world.with(&json!({ "gen": [0, 0] })), "claims"),
        (world.with(&json!({ "gen": [0, 0, "0"] })), "claims"),
        (world.with(&json!({ "scope": 1 })), "claims"),
        (world.with(&json!({ "client_id": stranger.to_string() })), "unknown"),
        (world.with(&json!({ "exp": NOW.millis() / 1000 })), "expired"),
        (world.with(&json!({ "iat": NOW.millis() / 1000 + 61 })), "not_yet_valid"),
        (world.with(&json!({ "iss": "https://evil.example" })), "unrecognised"),
        (world.with(&json!({ "iss": null })), "unrecognised"),
        // CVE-2026-25537: a wrong type is an error, never an absence.
        (world.with(&json!({ "exp": "never" })), "unrecognised"),
        (format!("{head}.{payload}"), "unrecognised"),
        (format!("{good}.x"), "unrecognised"),
        (".".repeat(5_000_000), "unrecognised"),
    ] {
        assert_eq!(world.present(&token), Err(expected), "{:.200}", token);
    }
}

#[test]
fn attack_50_a_kid_is_a_name_and_nothing_else() {
    let mut world = World::new();
    let (algorithm, pair) = (world.pair.algorithm(), world.pair.to_pkcs8().unwrap());
    let claims = serde_json::to_vec(&world.claims.to_json(ISSUER)).unwrap();
    let own = world.pair.kid().to_owned();
    let longer = format!("{own}0");
    for kid in ["../../../dev/null", "' OR 1=1 --", "", "\u{0}", "https://evil.example/jwks", &longer] {
        let named = SigningKey::from_pkcs8(algorithm, &pair).unwrap().named(kid.to_owned());
        let token = jws::sign(&named, TYPE, &claims).unwrap();
        assert_eq!(world.present(&token), Err("unknown_key"), "the very key, called {kid}");
    }
    let named = SigningKey::from_pkcs8(algorithm, &pair).unwrap().named(own);
    assert_eq!(world.present(&jws::sign(&named, TYPE, &claims).unwrap()), Ok(()));
}

#[test]
fn attack_57_what_was_signed_to_be_something_else_is_no_access_token() {
    let mut world = World::new();
    let claims = world.claims.to_json(ISSUER);
    for typ in
        ["", "JWT", "id+jwt", "rt+jwt", "logout+jwt", "dpop+jwt", "oauth-authz-req+jwt", "at", "at+jwt2"]
    {
        let token = world.signed_as(typ, &claims);
        assert_eq!(world.present(&token), Err("wrong_type"), "{typ}");
    }
    for typ in [assertion::TYPE, "application/countersign-assertion+jwt"] {
        let token = world.signed_as(typ, &claims);
        assert_eq!(world.present(&token), Err("wrong_type"), "SAFETY 12: {typ}");
    }
    for typ in ["AT+JWT", "application/at+jwt"] {
        let token = world.signed_as(typ, &claims);
        assert_eq!(world.present(&token), Ok(()), "RFC 9068 §4: {typ}");
    }
}

#[test]
fn a_token_of_a_key_for_another_purpose_is_refused() {
    let mut world = World::new();
    let (record, pair) = signing_key(KeyPurpose::Assertion, 3);
    world.ground.store.tables().signing_keys.insert(record.id, record);
    world.pair = pair;
    let token = world.signed();
    assert_eq!(world.present(&token), Err("unknown_key"), "SAFETY 12: an assertion's key signs no token");
}

#[test]
fn safety_17_a_token_ends_with_whatever_it_hangs_on() {
    type End = fn(&mut World);
    let ends: [(&str, End, &str); 9] = [
        ("its key is revoked", |world| world.key(|key| key.revoked_at = Some(NOW)), "key_revoked"),
        ("its key has ended", |world| world.key(|key| key.ends_at = Some(NOW)), "key_revoked"),
        (
            "it is ended",
            |world| {
                let ended = EndedToken { token: world.claims.id, until: NOW.plus(HOUR) };
                world.ground.store.tables().ended.push(ended);
            },
            "revoked",
        ),
        ("its client's generation", |world| world.raise(world.client.id), "revoked"),
        ("its organisation's generation", |world| world.raise(world.client.organisation), "revoked"),
        ("the incarnation", |world| world.ground.store.tables().incarnation = 1, "revoked"),
        (
            "its client is disabled",
            |world| {
                let client = world.client.clone();
                world.ground.disable(&client);
            },
            "owner_disabled",
        ),
        (
            "its organisation is disabled",
            |world| {
                let organisation = world.ground.organisation.clone();
                world.ground.disable(&organisation);
            },
            "owner_disabled",
        ),
        ("its time", |world| world.ground.now = NOW.plus(HOUR), "expired"),
    ];
    for (what, end, expected) in ends {
        let mut world = World::new();
        let token = world.signed();
        assert_eq!(world.present(&token), Ok(()), "{what}");
        end(&mut world);
        assert_eq!(world.present(&token), Err(expected), "{what}");
    }
}

#[test]
fn a_retired_key_is_believed_until_what_it_signed_has_ended() {
    let mut world = World::new();
    let token = world.signed();
    world.key(|key| (key.retired_at, key.ends_at) = (Some(NOW), Some(NOW.plus(HOUR))));
    assert_eq!(world.present(&token), Ok(()));
}

#[test]
fn safety_24_a_signature_that_was_found_good_is_all_that_is_remembered() {
    let world = World::new();
    let token = world.signed();
    let snapshot = world.ground.store.snapshot();
    let digest = TokenDigest::of(&token);
    let key = *world.ground.store.tables().signing_keys.keys().next().unwrap();
    let reading = Reading::of(Arc::new(()));
    let good =
        Signed { digest, by: SignedBy::Ours(key), until: NOW.plus(HOUR), reading, length: token.len() };
    snapshot.settle(NOW, &[Use::GoodSignature(Box::new(good))]).unwrap();
    let found = |snapshot: &Snapshot, key| {
        let asked = TokenAsked::Signed { key, claims: &world.claims, digest: &digest };
        FoundToken::of(snapshot.look_up(&Lookup::Token(asked))).unwrap()
    };
    let is_good = |found: &FoundToken| matches!(found.proof, TokenProof::Signature { is_good: true, .. });
    assert!(is_good(&found(&snapshot, key)));
    let other = CredentialId::random(SIGNING_KEY, &mut world.ground.entropy.clone());
    assert!(!is_good(&found(&snapshot, other)), "by another key it is checked");
    assert!(super::judge(NOW, &world.claims, &found(&snapshot, key)).is_ok());
    snapshot.apply(&Change::Incarnation(1));
    let now = found(&snapshot, key);
    let judged = super::judge(NOW, &world.claims, &now);
    assert_eq!(judged.err().map(Rejection::code), Some("revoked"));
}

#[test]
fn safety_24_a_token_that_was_read_before_is_proven_by_its_key_like_a_new_one() {
    let world = World::new();
    let (token, snapshot) = (world.signed(), world.ground.store.snapshot());
    let prove = |change: fn(&mut FoundToken)| {
        let told = told(&token, &snapshot).unwrap().unwrap();
        let mut found = FoundToken::of(snapshot.look_up(&told.lookup())).unwrap();
        change(&mut found);
        let proven = told.proven(NOW, &found);
        proven.map(|(claims, noted)| (claims.id, noted)).map_err(Rejection::code)
    };
    let (id, noted) = prove(|_| {}).unwrap();
    assert_eq!(id, world.claims.id);
    snapshot.settle(NOW, &[noted.unwrap()]).unwrap();
    assert!(prove(|_| {}).is_ok_and(|(id, noted)| id == world.claims.id && noted.is_none()));
    // That its text was read spares no check of a signature that is not known to be good.
    let unproven = |found: &mut FoundToken| {
        if let TokenProof::Signature { is_good, .. } = &mut found.proof {
            *is_good = false;
        }
    };
    assert!(prove(unproven).is_ok_and(|(_, noted)| noted.is_some()));
    let foreign = |found: &mut FoundToken| {
        let (record, pair) = signing_key(KeyPurpose::AccessToken, 7);
        let key = KnownKey { record, public: pair.public().clone() };
        found.proof = TokenProof::Signature { key: Some(Arc::new(key)), is_good: false };
    };
    assert_eq!(prove(foreign).err(), Some("signature"));
}

#[test]
fn safety_24_what_was_read_of_one_issuers_token_is_none_of_another_issuers() {
    let world = World::new();
    let (token, snapshot) = (world.signed(), world.ground.store.snapshot());
    let digest = TokenDigest::of(&token);
    let by = SignedBy::Ours(*world.ground.store.tables().signing_keys.keys().next().unwrap());
    let good = Signed {
        digest,
        by,
        until: NOW.plus(HOUR),
        reading: Reading::of(Arc::new("another room's")),
        length: 0,
    };
    snapshot.settle(NOW, &[Use::GoodSignature(Box::new(good))]).unwrap();
    assert!(told(&token, &snapshot).is_none());
}

/// Proves a token by what a snapshot knows.
fn proven(world: &mut World, snapshot: &Snapshot) -> Principal {
    let token = world.signed();
    let presented = (ROW.recognise)(Carried::Bearer(&token), snapshot).unwrap().unwrap();
    let found = snapshot.look_up(&presented.lookup());
    let Ground { entropy, peppers, policy, .. } = &mut world.ground;
    let mut context = Context { now: NOW, entropy, peppers, policy, address: None };
    presented.verify(&mut context, found, None).unwrap().unwrap().principal
}

#[test]
fn safety_18_what_a_token_has_opened_ends_with_whatever_the_token_hangs_on() {
    type Changes = fn(&World) -> Vec<Change>;
    let rows: [(&str, Changes, i64, Option<&str>); 10] = [
        ("nothing", |_| Vec::new(), 0, None),
        ("its last moment", |_| Vec::new(), 3_599_999, None),
        ("its end", |_| Vec::new(), 3_600_000, Some("expired")),
        (
            "its key is revoked",
            |world| world.key_as(|key| key.revoked_at = Some(NOW)),
            0,
            Some("key_revoked"),
        ),
        ("its key retires", |world| world.key_as(|key| key.retired_at = Some(NOW)), 0, None),
        (
            "it is ended",
            |world| vec![Change::Ended(EndedToken { token: world.claims.id, until: NOW.plus(HOUR) })],
            0,
            Some("revoked"),
        ),
        ("everything is", |_| vec![Change::Incarnation(1)], 0, Some("revoked")),
        (
            "its client's tokens are",
            |world| world.client_as(|client| client.generation += 1),
            0,
            Some("revoked"),
        ),
        (
            "its organisation's are",
            |world| {
                let organisation = world.ground.organisation.clone();
                let generation = organisation.generation + 1;
                vec![Change::Owner(Box::new(OwnerRecord { generation, ..organisation }))]
            },
            0,
            Some("revoked"),
        ),
        (
            "its client is disabled",
            |world| world.client_as(|client| client.disabled_at = Some(NOW)),
            0,
            Some("owner_disabled"),
        ),
    ];
    for (what, changes, later, expected) in rows {
        let mut world = World::new();
        let snapshot = world.ground.store.snapshot();
        snapshot.mark_fresh(Monotonic(0));
        let principal = proven(&mut world, &snapshot);
        assert!(principal.standing().may_end() && !principal.standing().note_use(NOW));
        for change in changes(&world) {
            snapshot.apply(&change);
        }
        let now = Timestamp::from_millis(NOW.millis() + later);
        let watch =
            |monotonic| Watch { known: &snapshot, now, monotonic: Monotonic(monotonic), address: None };
        assert_eq!(principal.standing().end(&watch(0)), expected, "{what}");
        assert_eq!(principal.standing().end(&watch(10_000_000)), Some("unavailable"), "SAFETY 4: {what}");
    }
}

#[test]
fn rfc6750_3_a_challenge_says_which_scope_is_enough_where_one_token_will_do() {
    let asking = |kind: &Kind| {
        let Value::Object(settings) = json!({ "scope": "orders:read" }) else { panic!("a table") };
        kind.condition(&settings).unwrap()
    };
    let (token, key) = (|| asking(&KIND), || asking(&api_key::KIND));
    for (asked, expected) in [(vec![token()], "orders:read"), (vec![key()], ""), (vec![token(), key()], "")] {
        let challenge = Challenge::of(&Requirement::Any(asked));
        assert_eq!(challenge.scope.to_string(), expected, "{challenge:?}");
    }
}

#[test]
fn rfc7519_4_1_6_a_token_from_the_future_is_refused_beyond_the_leeway() {
    for (seconds, expected) in [(60, Ok(())), (61, Err("not_yet_valid"))] {
        let mut world = World::new();
        let token = world.with(&json!({ "iat": NOW.millis() / 1000 + seconds }));
        assert_eq!(world.present(&token), expected, "{seconds}");
    }
}

impl World {
    fn key_as(&self, change: impl FnOnce(&mut SigningKeyRecord)) -> Vec<Change> {
        let mut record = self.ground.store.tables().signing_keys.values().next().unwrap().clone();
        change(&mut record);
        vec![Change::SigningKey(Box::new(record))]
    }

    fn client_as(&self, change: impl FnOnce(&mut OwnerRecord)) -> Vec<Change> {
        let mut record = self.client.clone();
        change(&mut record);
        vec![Change::Owner(Box::new(record))]
    }

    fn key(&mut self, change: impl FnOnce(&mut SigningKeyRecord)) {
        change(self.ground.store.tables().signing_keys.values_mut().next().unwrap());
    }

    fn raise(&mut self, owner: OwnerId) {
        self.ground.store.tables().owners.get_mut(&owner).unwrap().generation += 1;
    }
}
