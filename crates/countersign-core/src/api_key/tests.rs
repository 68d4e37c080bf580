//! The rules of API keys as tables, and the lifecycle that they share with every kind of key.

use std::sync::Arc;
use std::time::Duration;

use crate::api_key;
use crate::api_key::{ApiKey, Create, Idempotency, Verification, verify_key};
use crate::authority::Authority;
use crate::context::{Context, Policy, SeededEntropy};
use crate::credential::{Authenticator, Rejection};
use crate::decision::{Condition, Decision, Permit, Requirement, decide};
use crate::effect::Effect;
use crate::environment::Environment;
use crate::exchange::Act;
use crate::id::{CredentialId, OwnerId, OwnerKind};
use crate::key_string::KeyString;
use crate::known::KnownOwner;
use crate::ledger::{Found, Lookup};
use crate::lifecycle::{Amend, Forget, Revoke, Rotate};
use crate::management_key;
use crate::meter::Allowance;
use crate::minting::{Expiry, Minted};
use crate::owner::Enter;
use crate::principal::{Principal, Proof};
use crate::record::{CredentialRecord, MarkRecord, OwnerRecord, State};
use crate::refusal::Refusal;
use crate::scope::Grantable;
use crate::secret::{Pepper, Peppers, Secret};
use crate::snapshot::{Change, Snapshot};
use crate::switching::Switch;
use crate::tally::{Kept, Tally};
use crate::timestamp::Timestamp;
use crate::verification::stands_at;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);

struct World {
    peppers: Arc<Peppers>,
    policy: Policy,
    entropy: SeededEntropy,
    organisation: OwnerRecord,
}

impl World {
    fn new() -> Self {
        let mut entropy = SeededEntropy::new(42);
        let organisation = organisation(&mut entropy);
        let peppers = Arc::new(Peppers::new(Pepper::new(1, &Secret::new([7; 32])), Vec::new()));
        Self { peppers, policy: Policy::default(), entropy, organisation }
    }

    fn at(&mut self, now: Timestamp) -> Context<'_> {
        Context {
            now,
            entropy: &mut self.entropy,
            peppers: &self.peppers,
            policy: &self.policy,
            address: None,
        }
    }

    fn caller(&self, scopes: &str, grantable: &str) -> Permit {
        permit(Arc::new(KnownOwner::new(self.organisation.id, None, true)), scopes, grantable)
    }

    fn found(&self) -> Found {
        let owner = Some(Box::new(self.organisation.clone()));
        Found::Creation {
            owner,
            organisation: None,
            earlier: None,
            made: None,
            taken: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// What a rotation of `record` finds.
    fn succession(&self, record: &CredentialRecord) -> Found {
        let owner = Some(Box::new(self.organisation.clone()));
        Found::Rotation {
            record: Some(Box::new(record.clone())),
            owner,
            organisation: None,
            tally: Tally::default(),
        }
    }

    fn mint(&mut self, create: &Create) -> Minted {
        let (caller, found) = (self.caller("keys:write", "*"), self.found());
        create.decide(&mut self.at(NOW), &caller, found).answer.unwrap()
    }

    /// What a presented key is found to be, after `record` has reached the verifiers.
    fn known(&self, record: &CredentialRecord, key: &KeyString) -> Found {
        let snapshot = Snapshot::new(Arc::clone(&self.peppers), HOUR);
        snapshot.apply(&Change::Owner(Box::new(self.organisation.clone())));
        snapshot.apply(&Change::Credential(Box::new(record.clone())));
        Found::Key(snapshot.find(api_key::KIND.id_prefix, key))
    }
}

fn organisation(entropy: &mut SeededEntropy) -> OwnerRecord {
    let id = OwnerId::random(OwnerKind::Organisation, entropy);
    OwnerRecord {
        id,
        organisation: id,
        name: "acme".into(),
        version: 1,
        created_at: NOW,
        disabled_at: None,
        disabled_by: None,
    }
}

fn permit(owner: Arc<KnownOwner>, scopes: &str, grantable: &str) -> Permit {
    let principal = Principal::assertion(Proof {
        scheme: management_key::SCHEME,
        credential: Some(CredentialId::random(management_key::KIND.id_prefix, &mut SeededEntropy::new(5))),
        owner: Some(owner),
        prefix: None,
        environment: Environment::Live,
        scopes: Arc::new(scopes.parse().unwrap()),
        grantable: Arc::new(Grantable::new(grantable.parse().unwrap())),
    });
    let Decision::Permit(permit) =
        decide(Some(principal), &Requirement::Any(vec![Condition::of(management_key::SCHEME)]))
    else {
        panic!("not permitted")
    };
    permit
}

fn create() -> Create {
    Create {
        name: "ci".into(),
        owner: None,
        prefix: None,
        environment: Environment::Live,
        scopes: "orders:read".parse().unwrap(),
        allowances: Vec::new(),
        allow_from: Vec::new(),
        metadata: serde_json::Map::new(),
        not_before: None,
        expiry: Expiry::Unspecified,
        imported: None,
        idempotency: None,
    }
}

/// An amendment that changes nothing.
fn keep(id: CredentialId) -> Amend {
    Amend {
        kind: &api_key::KIND,
        id,
        name: None,
        scopes: None,
        metadata: None,
        allowances: None,
        allow_from: None,
        expiry: Expiry::Unspecified,
        switch: None,
    }
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
        let mut world = World::new();
        let prefix = prefix.map(|prefix| prefix.parse().unwrap());
        let minted = world.mint(&Create { environment, prefix, ..create() });
        let key = text(&minted);
        assert!(key.starts_with(expected), "{expected}");
        assert_eq!(key.len(), expected.len() + 49);
        let parsed = KeyString::parse(&key).unwrap();
        assert_eq!(minted.record.lookup, parsed.hash(world.peppers.current()));
        assert_eq!(minted.record.terms.hint, parsed.hint());
        assert!(!format!("{:?}", minted).contains(&key), "a minted key does not print");
    }
}

#[test]
fn creation_is_refused_with_the_first_reason() {
    let rows: Vec<(Create, &str, Refusal)> = vec![
        (Create { name: String::new(), ..create() }, "*", Refusal::Name),
        (Create { name: "a\nb".into(), ..create() }, "*", Refusal::Name),
        (Create { name: "x".repeat(101), ..create() }, "*", Refusal::Name),
        (Create { name: "a\u{202e}b".into(), ..create() }, "*", Refusal::Name),
        (create(), "orders:write", Refusal::ExcessScope("orders:read".parse().unwrap())),
        (create(), "", Refusal::ExcessScope("orders:read".parse().unwrap())),
        (Create { prefix: Some("cs_mgmt".parse().unwrap()), ..create() }, "*", Refusal::ReservedPrefix),
        (Create { prefix: Some("cs_test".parse().unwrap()), ..create() }, "*", Refusal::ReservedPrefix),
        (Create { prefix: Some("cs".parse().unwrap()), ..create() }, "*", Refusal::ReservedPrefix),
        (Create { expiry: Expiry::At(NOW), ..create() }, "*", Refusal::EmptyLife),
        (
            Create { expiry: Expiry::After(HOUR), not_before: Some(later(HOUR)), ..create() },
            "*",
            Refusal::EmptyLife,
        ),
    ];
    for (create, grantable, expected) in rows {
        let mut world = World::new();
        let (caller, found) = (world.caller("keys:write", grantable), world.found());
        let outcome = create.decide(&mut world.at(NOW), &caller, found);
        assert_eq!(outcome.audit.reason.as_deref(), Some(expected.code()));
        assert!(outcome.effects.is_empty());
        assert_eq!(outcome.answer.unwrap_err(), expected);
    }
}

#[test]
fn safety_13_nobody_creates_for_another_tenant() {
    let mut world = World::new();
    let stranger = organisation(&mut world.entropy);
    let caller = permit(Arc::new(KnownOwner::new(stranger.id, None, true)), "keys:write", "*");
    let found = world.found();
    let outcome = create().decide(&mut world.at(NOW), &caller, found);
    assert_eq!(outcome.answer.unwrap_err(), Refusal::OwnerNotFound);
    let operator = permit(Arc::new(KnownOwner::new(stranger.id, None, true)), "operator keys:write", "*");
    let found = world.found();
    assert!(create().decide(&mut world.at(NOW), &operator, found).answer.is_ok());
}

#[test]
fn a_disabled_owner_gets_no_key() {
    let mut world = World::new();
    world.organisation.disabled_at = Some(NOW);
    let (caller, found) = (world.caller("keys:write", "*"), world.found());
    let outcome = create().decide(&mut world.at(NOW), &caller, found);
    assert_eq!(outcome.answer.unwrap_err(), Refusal::OwnerDisabled);
}

#[test]
fn the_operators_maximum_lifetime_holds() {
    let mut world = World::new();
    world.policy.api_key_max_lifetime = Some(HOUR);
    assert_eq!(world.mint(&create()).record.expires_at, Some(later(HOUR)));
    let (caller, found) = (world.caller("keys:write", "*"), world.found());
    let asked = Create { expiry: Expiry::After(HOUR * 2), ..create() };
    let outcome = asked.decide(&mut world.at(NOW), &caller, found);
    assert_eq!(outcome.answer.unwrap_err(), Refusal::LifetimeExceedsPolicy(HOUR));
}

#[test]
fn safety_9_a_repeated_idempotency_key_shows_no_secret_again() {
    let mut world = World::new();
    let idempotency = Some(Idempotency { key: "k".into(), fingerprint: "f1".into() });
    let asked = Create { idempotency, ..create() };
    assert!(matches!(asked.lookup(&world.at(NOW)), Lookup::Creation { mark: Some(_), .. }));
    let (caller, found) = (world.caller("keys:write", "*"), world.found());
    let first = asked.decide(&mut world.at(NOW), &caller, found);
    let Some(Effect::Mark(mark)) = first.effects.first().cloned() else { panic!("the mark comes first") };
    let record = first.answer.unwrap().record;
    let again = |world: &World, mark: MarkRecord| Found::Creation {
        owner: Some(Box::new(world.organisation.clone())),
        organisation: None,
        earlier: Some(mark),
        made: Some(Box::new(record.clone())),
        taken: Vec::new(),
        tally: Tally::default(),
    };
    let found = again(&world, mark.clone());
    let repeated = asked.decide(&mut world.at(NOW), &caller, found);
    assert!(repeated.effects.is_empty());
    let repeated = repeated.answer.unwrap();
    assert_eq!(repeated.record.id, record.id);
    assert!(repeated.key.is_none());
    let other =
        Create { idempotency: Some(Idempotency { key: "k".into(), fingerprint: "f2".into() }), ..create() };
    let found = again(&world, mark);
    assert_eq!(
        other.decide(&mut world.at(NOW), &caller, found).answer.unwrap_err(),
        Refusal::IdempotencyMismatch
    );
}

#[test]
fn every_state_of_a_key_has_its_rejection() {
    type Change = fn(&mut CredentialRecord);
    let rows: [(Change, Result<(), Rejection>); 6] = [
        (|_| {}, Ok(())),
        (|record| record.revoked_at = Some(NOW), Err(Rejection::Revoked)),
        (|record| record.disabled_at = Some(NOW), Err(Rejection::Disabled)),
        (|record| record.expires_at = Some(NOW), Err(Rejection::Expired)),
        (|record| record.terms.not_before = Some(later(HOUR)), Err(Rejection::NotYetValid)),
        (
            |record| {
                record.revoked_at = Some(NOW);
                record.expires_at = Some(NOW);
            },
            Err(Rejection::Revoked),
        ),
    ];
    for (change, expected) in rows {
        let mut world = World::new();
        let minted = world.mint(&create());
        let mut record = minted.record.clone();
        change(&mut record);
        let key = text(&minted);
        let found = world.known(&record, &KeyString::parse(&key).unwrap());
        if let Found::Key(Some(known)) = &found {
            assert_eq!(stands_at(NOW, known), expected.is_ok(), "{expected:?}");
        }
        let presented = ApiKey.recognise(&key, None).unwrap().unwrap();
        let outcome = presented.verify(&mut world.at(NOW), found);
        assert_eq!(
            outcome.answer.map(|principal| assert_eq!(principal.owner(), Some(world.organisation.id))),
            expected
        );
    }
}

#[test]
fn a_disabled_owner_ends_all_of_its_keys() {
    let mut world = World::new();
    let minted = world.mint(&create());
    world.organisation.disabled_at = Some(NOW);
    let key = text(&minted);
    let found = world.known(&minted.record, &KeyString::parse(&key).unwrap());
    let outcome = ApiKey.recognise(&key, None).unwrap().unwrap().verify(&mut world.at(NOW), found);
    assert_eq!(outcome.answer.unwrap_err(), Rejection::OwnerDisabled);
}

#[test]
fn the_verify_api_answers_stable_codes_and_no_other_tenants_existence() {
    let mut world = World::new();
    let minted = world.mint(&create());
    let key = KeyString::parse(&text(&minted)).unwrap();
    let stranger = organisation(&mut world.entropy);
    let ours = world.caller("keys:verify", "");
    let theirs = permit(Arc::new(KnownOwner::new(stranger.id, None, true)), "keys:verify", "");
    let scopes = |text: &str| Verification { scopes: text.parse().unwrap(), ..Verification::default() };
    let test = Verification { environment: Environment::Test, ..Verification::default() };
    let other_set = Verification { prefix: Some("shss".parse().unwrap()), ..Verification::default() };
    let rows = [
        (&ours, scopes(""), Ok(())),
        (&ours, scopes("orders:read"), Ok(())),
        (&ours, scopes("orders:write"), Err("insufficient_scope")),
        (&ours, test, Err("wrong_environment")),
        (&ours, other_set, Err("wrong_key_set")),
        (&theirs, scopes(""), Err("unknown")),
    ];
    for (caller, asked, expected) in rows {
        let found = world.known(&minted.record, &key);
        let answer = verify_key(&world.at(NOW), caller, found, &asked);
        assert_eq!(answer.map(|_| ()), expected, "{asked:?}");
    }
}

#[test]
fn a_rotation_never_extends_the_old_key() {
    let day = HOUR * 24;
    let rows: [(Option<Duration>, Option<Duration>, Duration); 3] = [
        // the old key's own end, the overlap asked for, when the old key ends
        (Some(HOUR), Some(day), HOUR),
        (Some(day * 90), Some(HOUR), HOUR),
        (None, None, day),
    ];
    for (life, overlap, old_ends) in rows {
        let mut world = World::new();
        let minted =
            world.mint(&Create { expiry: life.map_or(Expiry::Unspecified, Expiry::After), ..create() });
        let caller = world.caller("keys:write", "*");
        let rotate =
            Rotate { kind: &api_key::KIND, id: minted.record.id, overlap, expiry: Expiry::Unspecified };
        let found = world.succession(&minted.record);
        let outcome = rotate.decide(&mut world.at(NOW), &caller, found);
        let [Effect::Within { .. }, Effect::Advance(_), Effect::Insert(_)] = outcome.effects.as_slice()
        else {
            panic!("{:?}", outcome.effects)
        };
        let rotated = outcome.answer.unwrap();
        assert_eq!(rotated.replaced.expires_at, Some(later(old_ends)));
        assert_eq!(rotated.replaced.terms.replaced_by, Some(rotated.minted.record.id));
        assert_eq!(
            rotated.minted.record.expires_at, minted.record.expires_at,
            "the successor inherits the end"
        );
        assert_eq!(rotated.minted.record.terms.scopes, minted.record.terms.scopes);
        assert_ne!(rotated.minted.record.lookup, minted.record.lookup);
    }
}

#[test]
fn a_rotated_key_only_runs_out_and_a_disabled_one_stays_so() {
    let mut world = World::new();
    let mut record = world.mint(&create()).record;
    let caller = world.caller("keys:write", "*");
    let rotate = Rotate { kind: &api_key::KIND, id: record.id, overlap: None, expiry: Expiry::Unspecified };
    record.disabled_at = Some(NOW);
    let found = world.succession(&record);
    let rotated = rotate.decide(&mut world.at(NOW), &caller, found).answer.unwrap();
    assert_eq!(rotated.minted.record.disabled_at, Some(NOW));
    let found = world.succession(&rotated.replaced);
    assert_eq!(rotate.decide(&mut world.at(NOW), &caller, found).answer.unwrap_err(), Refusal::Superseded);
    let prolong = Amend { expiry: Expiry::After(HOUR * 48), ..keep(record.id) };
    let found = Found::Record(Some(Box::new(rotated.replaced.clone())));
    assert_eq!(prolong.decide(&mut world.at(NOW), &caller, found).answer.unwrap_err(), Refusal::Superseded);
}

#[test]
fn acts_on_another_tenants_key_find_nothing_and_on_a_revoked_one_are_refused() {
    let mut world = World::new();
    let minted = world.mint(&create());
    let stranger = organisation(&mut world.entropy);
    let theirs = permit(Arc::new(KnownOwner::new(stranger.id, None, true)), "keys:write", "*");
    let ours = world.caller("keys:write", "*");
    let mut revoked = minted.record.clone();
    revoked.revoked_at = Some(NOW);
    let id = minted.record.id;
    let amend = keep(id);
    let rotate = Rotate { kind: &api_key::KIND, id, overlap: None, expiry: Expiry::Unspecified };
    let rows =
        [(&theirs, minted.record.clone(), Refusal::NotFound), (&ours, revoked.clone(), Refusal::Revoked)];
    for (caller, record, expected) in rows {
        let found = || Found::Record(Some(Box::new(record.clone())));
        assert_eq!(amend.decide(&mut world.at(NOW), caller, found()).answer.unwrap_err(), expected);
        let found = world.succession(&record);
        assert_eq!(rotate.decide(&mut world.at(NOW), caller, found).answer.unwrap_err(), expected);
    }
    let found = || Found::Record(Some(Box::new(minted.record.clone())));
    assert_eq!(
        Revoke { kind: &api_key::KIND, id }.decide(&mut world.at(NOW), &theirs, found()).answer.unwrap_err(),
        Refusal::NotFound
    );
    assert_eq!(
        Forget { kind: &api_key::KIND, id }.decide(&mut world.at(NOW), &theirs, found()).answer.unwrap_err(),
        Refusal::NotFound
    );
    // Revoking twice is no error, and the first revocation's time stands.
    let again = Revoke { kind: &api_key::KIND, id }.decide(
        &mut world.at(later(HOUR)),
        &ours,
        Found::Record(Some(Box::new(revoked))),
    );
    assert_eq!(again.answer.unwrap().revoked_at, Some(NOW));
}

#[test]
fn an_amendment_changes_what_it_names_and_grants_nothing_beyond_the_caller() {
    let mut world = World::new();
    let minted = world.mint(&create());
    let caller = world.caller("keys:write", "orders:*");
    let keep = keep(minted.record.id);
    let found = || Found::Record(Some(Box::new(minted.record.clone())));
    let asked = Amend { scopes: Some("settle".parse().unwrap()), ..keep.clone() };
    let refused = asked.decide(&mut world.at(NOW), &caller, found()).answer.unwrap_err();
    assert_eq!(refused, Refusal::ExcessScope("settle".parse().unwrap()));
    let asked = Amend { name: Some("deploy".into()), switch: Some(Switch::Disabled), ..keep };
    let amended = asked.decide(&mut world.at(NOW), &caller, found()).answer.unwrap();
    assert_eq!((amended.terms.name.as_str(), amended.disabled_at), ("deploy", Some(NOW)));
    assert_eq!(amended.version, minted.record.version + 1);
    assert_eq!(amended.terms.scopes, minted.record.terms.scopes);
}

#[test]
fn safety_13_widening_a_key_is_granting_it_once_more() {
    let restricted = || Create {
        allow_from: vec!["10.0.0.0/8".parse().unwrap()],
        allowances: vec![Allowance {
            name: "burst".parse().unwrap(),
            amount: 1,
            every: "1s".parse().unwrap(),
        }],
        expiry: Expiry::After(HOUR),
        ..create()
    };
    let excess = || Refusal::ExcessScope("orders:read".parse().unwrap());
    type Change = fn(Amend) -> Amend;
    let rows: &[(Change, bool)] = &[
        (|keep| Amend { allow_from: Some(Vec::new()), ..keep }, true),
        (|keep| Amend { allowances: Some(Vec::new()), ..keep }, true),
        (|keep| Amend { expiry: Expiry::Never, ..keep }, true),
        (|keep| Amend { expiry: Expiry::After(HOUR * 2), ..keep }, true),
        (|keep| Amend { switch: Some(Switch::Enabled), ..keep }, true),
        (|keep| Amend { scopes: Some("orders:read settle".parse().unwrap()), ..keep }, true),
        (|keep| Amend { expiry: Expiry::After(HOUR / 2), ..keep }, false),
        (|keep| Amend { scopes: Some("".parse().unwrap()), ..keep }, false),
        (|keep| Amend { switch: Some(Switch::Disabled), ..keep }, false),
        (|keep| Amend { allow_from: Some(vec!["10.0.0.1".parse().unwrap()]), ..keep }, false),
    ];
    for (change, widening) in rows {
        let mut world = World::new();
        let mut record = world.mint(&restricted()).record;
        (record.disabled_at, record.terms.disabled_by) = (Some(NOW), Some(Authority::Organisation));
        let asked = change(keep(record.id));
        let tenant = world.caller("keys:write", "settle");
        let found = || Found::Record(Some(Box::new(record.clone())));
        let answer = asked.decide(&mut world.at(NOW), &tenant, found()).answer;
        assert_eq!(answer.err(), widening.then(excess), "{asked:?}");
        let grantor = world.caller("keys:write", "orders:* settle");
        let answer = asked.decide(&mut world.at(NOW), &grantor, found()).answer;
        assert!(answer.is_ok(), "{asked:?}");
    }
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
        let mut world = World::new();
        let scopes = || "".parse().unwrap();
        let asked = Create { prefix: Some("partner".parse().unwrap()), scopes: scopes(), ..create() };
        let mut record = world.mint(&asked).record;
        record.expires_at = Some(later(HOUR));
        let refusal = (!allowed).then(|| Refusal::ExcessPrefix("partner".parse().unwrap()));
        let (caller, found) = (world.caller("keys:write", grantable), world.found());
        let minted = asked.decide(&mut world.at(NOW), &caller, found);
        assert_eq!(minted.answer.err(), refusal, "mint: {grantable}");
        let rotate =
            Rotate { kind: &api_key::KIND, id: record.id, overlap: None, expiry: Expiry::Unspecified };
        let found = world.succession(&record);
        let rotated = rotate.decide(&mut world.at(NOW), &caller, found);
        assert_eq!(rotated.answer.err(), refusal, "rotate: {grantable}");
        let prolong = Amend { expiry: Expiry::After(HOUR * 2), ..keep(record.id) };
        let found = Found::Record(Some(Box::new(record.clone())));
        let prolonged = prolong.decide(&mut world.at(NOW), &caller, found);
        assert_eq!(prolonged.answer.err(), refusal, "prolong: {grantable}");
        let shorten = Amend { expiry: Expiry::After(HOUR / 2), ..keep(record.id) };
        let found = Found::Record(Some(Box::new(record)));
        assert!(shorten.decide(&mut world.at(NOW), &caller, found).answer.is_ok(), "{grantable}");
    }
    for environment in [Environment::Live, Environment::Test] {
        let mut world = World::new();
        let asked = Create { environment, scopes: "".parse().unwrap(), ..create() };
        let (caller, found) = (world.caller("keys:write", ""), world.found());
        assert!(asked.decide(&mut world.at(NOW), &caller, found).answer.is_ok(), "its own set is free");
    }
}

#[test]
fn a_rotation_holds_to_the_conditions_of_minting() {
    type Change = fn(&mut World, &mut CredentialRecord);
    let limit = |hours: u32| -> Refusal { Refusal::LifetimeExceedsPolicy(HOUR * hours) };
    type Row = (Change, Expiry, &'static str, Result<Option<Duration>, Refusal>);
    let rows: [Row; 9] = [
        (|_, _| {}, Expiry::Unspecified, "*", Ok(None)),
        (|_, _| {}, Expiry::Unspecified, "settle", Err(Refusal::ExcessScope("orders:read".parse().unwrap()))),
        (
            |world, _| world.organisation.disabled_at = Some(NOW),
            Expiry::Unspecified,
            "*",
            Err(Refusal::OwnerDisabled),
        ),
        (
            |_, record| record.terms.prefix = "cs_old".parse().unwrap(),
            Expiry::Unspecified,
            "*",
            Err(Refusal::ReservedPrefix),
        ),
        (|_, record| record.expires_at = Some(NOW), Expiry::Unspecified, "*", Err(Refusal::EmptyLife)),
        (|world, _| world.policy.api_key_max_lifetime = Some(HOUR), Expiry::Unspecified, "*", Ok(Some(HOUR))),
        (
            |world, record| {
                world.policy.api_key_max_lifetime = Some(HOUR * 2);
                record.expires_at = Some(later(HOUR));
            },
            Expiry::Unspecified,
            "*",
            Ok(Some(HOUR)),
        ),
        (
            |world, _| world.policy.api_key_max_lifetime = Some(HOUR),
            Expiry::After(HOUR * 2),
            "*",
            Err(limit(1)),
        ),
        (|world, _| world.policy.api_key_max_lifetime = Some(HOUR), Expiry::Never, "*", Err(limit(1))),
    ];
    for (change, expiry, grantable, expected) in rows {
        let mut world = World::new();
        let mut record = world.mint(&create()).record;
        change(&mut world, &mut record);
        let caller = world.caller("keys:write", grantable);
        let (rotate, found) = (
            Rotate { kind: &api_key::KIND, id: record.id, overlap: None, expiry },
            world.succession(&record),
        );
        let answer = rotate.decide(&mut world.at(NOW), &caller, found).answer;
        let end = answer.map(|rotated| rotated.minted.record.expires_at);
        assert_eq!(end, expected.map(|life| life.map(later)), "{expiry:?} {grantable}");
    }
}

#[test]
fn a_client_of_a_disabled_organisation_gets_no_key_by_any_act() {
    let mut world = World::new();
    let record = world.mint(&create()).record;
    let mut client = world.organisation.clone();
    client.id = OwnerId::random(OwnerKind::Client, &mut world.entropy);
    world.organisation.disabled_at = Some(NOW);
    let caller = world.caller("keys:write", "*");
    let (owner, organisation) = (Some(Box::new(client)), Some(Box::new(world.organisation.clone())));
    let rotate = Rotate { kind: &api_key::KIND, id: record.id, overlap: None, expiry: Expiry::Unspecified };
    let found = Found::Rotation {
        record: Some(Box::new(record)),
        owner: owner.clone(),
        organisation: organisation.clone(),
        tally: Tally::default(),
    };
    let rotated = rotate.decide(&mut world.at(NOW), &caller, found);
    assert_eq!(rotated.answer.unwrap_err(), Refusal::OwnerDisabled);
    let found = Found::Creation {
        owner,
        organisation,
        earlier: None,
        made: None,
        taken: Vec::new(),
        tally: Tally::default(),
    };
    let minted = create().decide(&mut world.at(NOW), &caller, found);
    assert_eq!(minted.answer.unwrap_err(), Refusal::OwnerDisabled);
}

#[test]
fn a_rotation_without_overlap_revokes() {
    for policy in [false, true] {
        let mut world = World::new();
        let record = world.mint(&create()).record;
        let overlap = (!policy).then_some(Duration::ZERO);
        if policy {
            world.policy.rotation_overlap = Duration::ZERO;
        }
        let caller = world.caller("keys:write", "*");
        let rotate = Rotate { kind: &api_key::KIND, id: record.id, overlap, expiry: Expiry::Unspecified };
        let found = world.succession(&record);
        let replaced = rotate.decide(&mut world.at(NOW), &caller, found).answer.unwrap().replaced;
        assert_eq!((replaced.revoked_at, replaced.expires_at), (Some(NOW), record.expires_at));
        let behind = Timestamp::from_millis(NOW.millis() - 30_000);
        assert_eq!(replaced.life().state(behind), State::Revoked, "whatever the clock says");
    }
}

#[test]
fn an_end_that_is_taken_away_obeys_the_longest_life() {
    let mut world = World::new();
    let record = world.mint(&Create { expiry: Expiry::After(HOUR), ..create() }).record;
    let caller = world.caller("keys:write", "*");
    let asked = Amend { expiry: Expiry::Never, ..keep(record.id) };
    let found = || Found::Record(Some(Box::new(record.clone())));
    assert_eq!(asked.decide(&mut world.at(NOW), &caller, found()).answer.unwrap().expires_at, None);
    world.policy.api_key_max_lifetime = Some(HOUR);
    let refused = asked.decide(&mut world.at(NOW), &caller, found()).answer.unwrap_err();
    assert_eq!(refused, Refusal::LifetimeExceedsPolicy(HOUR));
}

#[test]
fn a_tenant_mints_and_rotates_up_to_its_cap_and_an_operator_beyond() {
    let mut world = World::new();
    world.policy.tenant_max_keys = 3;
    let record = world.mint(&create()).record;
    let rotate = Rotate { kind: &api_key::KIND, id: record.id, overlap: None, expiry: Expiry::Unspecified };
    let full = Refusal::Full(Kept::Credentials, 3);
    for (scopes, credentials, expected) in [
        ("keys:write", 2, None),
        ("keys:write", 3, Some(&full)),
        ("keys:write", 4, Some(&full)),
        ("operator keys:write", 4, None),
    ] {
        let caller = world.caller(scopes, "*");
        let tally = Tally { credentials, members: 1_000_000 };
        let owner = || Some(Box::new(world.organisation.clone()));
        let found = Found::Creation {
            owner: owner(),
            organisation: None,
            earlier: None,
            made: None,
            taken: Vec::new(),
            tally,
        };
        let successor = Found::Rotation {
            record: Some(Box::new(record.clone())),
            owner: owner(),
            organisation: None,
            tally,
        };
        let created = create().decide(&mut world.at(NOW), &caller, found);
        let rotated = rotate.decide(&mut world.at(NOW), &caller, successor);
        assert_eq!(created.answer.as_ref().err(), expected, "{scopes} {credentials}");
        assert_eq!(rotated.answer.as_ref().err(), expected, "{scopes} {credentials}");
        // What was room for has to be room still when it is committed.
        let within = Effect::Within { organisation: world.organisation.id, kept: Kept::Credentials, most: 3 };
        let tenant = expected.is_none() && !scopes.contains("operator");
        for effects in [&created.effects, &rotated.effects] {
            assert_eq!(effects.contains(&within), tenant, "{scopes} {credentials}");
        }
    }
}

#[test]
fn a_tenant_enters_clients_up_to_its_cap_and_an_operator_beyond() {
    let mut world = World::new();
    world.policy.tenant_max_owners = 3;
    let organisation = world.organisation.id;
    let enter = Enter { kind: OwnerKind::Client, name: "c".into(), organisation: Some(organisation) };
    let full = Refusal::Full(Kept::Members, 3);
    for (scopes, members, expected) in
        [("owners:write", 2, None), ("owners:write", 3, Some(&full)), ("operator owners:write", 3, None)]
    {
        let caller = world.caller(scopes, "*");
        let tally = Tally { credentials: 1_000_000, members };
        let owner = Some(Box::new(world.organisation.clone()));
        let found = Found::Creation {
            owner,
            organisation: None,
            earlier: None,
            made: None,
            taken: Vec::new(),
            tally,
        };
        let entered = enter.decide(&mut world.at(NOW), &caller, found);
        assert_eq!(entered.answer.as_ref().err(), expected, "{scopes} {members}");
        let within = Effect::Within { organisation, kept: Kept::Members, most: 3 };
        let tenant = expected.is_none() && !scopes.contains("operator");
        assert_eq!(entered.effects.contains(&within), tenant, "{scopes} {members}");
    }
}
