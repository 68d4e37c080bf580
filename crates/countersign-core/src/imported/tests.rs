//! Sets of imported keys as tables.

use crate::api_key;
use crate::context::{Context, Policy, SeededEntropy};
use crate::decision::Permit;
use crate::effect::Effect;
use crate::environment::Environment;
use crate::exchange::{Act, System};
use crate::id::{OwnerId, OwnerKind};
use crate::imported::{AlreadyUpgraded, Declaration, PreparedSet, may_take_over, read_digest};
use crate::imported_set::{
    Digest, Encoding, Imported, ImportedSet, MAX_IMPORTED_SETS, NotAnImportedSet, Part, Source, Upgrade,
};
use crate::question::FoundFirstUse;
use crate::record::{CredentialRecord, OwnerRecord, TakenOver, Terms};
use crate::refusal::Refusal;
use crate::scope::ScopeSet;
use crate::secret::{Pepper, Peppers, Secret, SecretHash};
use crate::takeover::not_taken_over;
use crate::testing::Caller;
use crate::timestamp::Timestamp;

fn peppers() -> Peppers {
    Peppers::new(Pepper::new(1, &Secret::new([1; 32])), Vec::new())
}

#[test]
fn a_declaration_that_recognises_nothing_or_too_much_is_refused() {
    let declared = |prefix: &str, header: Option<&str>| {
        ImportedSet::new(prefix, header, Digest::Sha256, Part::Key).map(|set| set.header)
    };
    assert_eq!(declared("acme_", None), Ok(None));
    assert_eq!(declared("", Some("X-Acme-Key")), Ok(Some("x-acme-key".into())));
    assert_eq!(declared("", Some("apikey-key")), Ok(Some("apikey-key".into())));
    for prefix in ["", "a", "acme key", "ä_", "a,b", &"a".repeat(33)] {
        assert_eq!(declared(prefix, None), Err(NotAnImportedSet::Prefix), "{prefix}");
    }
    for prefix in ["cs", "cs_", "cs_live_", "cs_x"] {
        assert_eq!(declared(prefix, None), Err(NotAnImportedSet::Reserved), "{prefix}");
    }
    for header in
        ["authorization", "cookie", "host", "x-api-key", "x-forwarded-for", "x_acme_key", "x acme", ""]
    {
        assert_eq!(declared("acme_", Some(header)), Err(NotAnImportedSet::Header), "{header}");
    }
}

#[test]
fn a_set_claims_only_what_is_its_own() {
    let usual = ImportedSet::new("acme_", None, Digest::Sha256, Part::Key).unwrap();
    let own = ImportedSet::new("", Some("X-Acme-Key"), Digest::Sha256, Part::Key).unwrap();
    for (set, source, text, expected) in [
        (&usual, Source::Usual, "acme_1", true),
        (&usual, Source::Usual, "acme_", false),
        (&usual, Source::Usual, "Acme_1", false),
        (&usual, Source::Header("x-acme-key"), "acme_1", false),
        (&usual, Source::Anywhere, "acme_1", true),
        (&own, Source::Usual, "anything", false),
        (&own, Source::Header("x-acme-key"), "anything", true),
        (&own, Source::Header("x-other-key"), "anything", false),
    ] {
        assert_eq!(set.claims(source, text), expected, "{set:?} {source:?} {text}");
    }
}

#[test]
fn rfc4648_hashes_are_read_in_their_encoding_and_their_length() {
    let zeros = [0_u8; 32];
    let hex = "00".repeat(32);
    let base64 = "A".repeat(43);
    for (text, encoding, expected) in [
        (hex.as_str(), Encoding::Hex, true),
        (base64.as_str(), Encoding::Base64, true),
        (&format!("{base64}="), Encoding::Base64, true),
        (&format!("{base64}="), Encoding::Base64Url, true),
        (hex.get(1..).unwrap(), Encoding::Hex, false),
        (&"0g".repeat(32), Encoding::Hex, false),
        (&"+0".repeat(32), Encoding::Hex, false),
        (hex.as_str(), Encoding::Base64, false),
        ("", Encoding::Hex, false),
    ] {
        let read = read_digest(text, &Digest::Sha256, encoding);
        assert_eq!(read.as_deref() == Ok(zeros.as_slice()), expected, "{text} {encoding:?}");
    }
    assert!(read_digest(&"00".repeat(32), &Digest::Sha512, Encoding::Hex).is_err());
}

#[test]
fn fips180_4_and_rfc4231_hashes_match_their_published_values() {
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    // FIPS 180-4's example "abc".
    let set = ImportedSet::new("x-", None, Digest::Sha256, Part::Secret).unwrap();
    let set = PreparedSet::new(set, &peppers()).unwrap();
    let found = hex(set.digest(Source::Usual, "x-abc").unwrap());
    assert_eq!(found, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    // RFC 4231 §4.3, test case 2.
    let key = Secret::new(b"Jefe".to_vec());
    let digest = sealed("x-", &key);
    let set = ImportedSet::new("x-", None, digest, Part::Secret).unwrap();
    let set = PreparedSet::new(set, &peppers()).unwrap();
    let found = hex(set.digest(Source::Usual, "x-what do ya want for nothing?").unwrap());
    assert_eq!(found, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

fn sealed(prefix: &str, key: &Secret<Vec<u8>>) -> Digest {
    let mut entropy = SeededEntropy::new(7);
    ImportedSet::seal_hmac_key(peppers().current(), prefix, None, key, &mut entropy).unwrap()
}

#[test]
fn safety_14_a_sealed_key_opens_only_under_its_pepper_and_for_its_set() {
    let key = Secret::new(b"old pepper".to_vec());
    let Digest::HmacSha256(sealed) = sealed("x-", &key) else { panic!("it is no HMAC") };
    let opens = |peppers: &Peppers, prefix: &str| {
        let set = ImportedSet::new(prefix, None, Digest::HmacSha256(sealed.clone()), Part::Key).unwrap();
        PreparedSet::new(set, peppers).is_some()
    };
    assert!(opens(&peppers(), "x-"));
    assert!(!opens(&peppers(), "y-"), "moved to another row");
    assert!(!opens(&Peppers::new(Pepper::new(1, &Secret::new([2; 32])), Vec::new()), "x-"));
    assert!(!sealed.contains("pepper"));
}

fn organisation(seed: u64) -> OwnerRecord {
    let id = OwnerId::random(OwnerKind::Organisation, &mut SeededEntropy::new(seed));
    OwnerRecord::new(id, id, "acme".to_owned(), Timestamp::from_millis(0))
}

/// A client of an organisation.
fn client(organisation: &OwnerRecord, seed: u64) -> OwnerRecord {
    let id = OwnerId::random(OwnerKind::Client, &mut SeededEntropy::new(seed));
    OwnerRecord { id, ..organisation.clone() }
}

fn caller(owner: &OwnerRecord, scopes: &str) -> Permit {
    Caller::of(owner).holding(scopes).permit()
}

fn key_of(owner: &OwnerRecord, key_set: &str) -> CredentialRecord {
    let terms = Terms::new("old".into(), key_set.parse().unwrap(), Environment::Live, ScopeSet::default());
    CredentialRecord::draft(api_key::KIND.id_prefix, owner, None, terms)
}

#[test]
fn safety_13_only_who_reaches_every_key_of_a_set_imports_into_it() {
    let (a, b) = (organisation(1), organisation(2));
    let (one, two) = (client(&a, 3), client(&a, 4));
    let declared = |owners: &[&OwnerRecord]| {
        let name = "acme".parse().unwrap();
        let first = owners.first().unwrap();
        let first = Declaration::new(&name, first.organisation, first.id);
        owners.iter().fold(first, |known, owner| {
            assert!(!known.covers(&"other".parse().unwrap(), owner.organisation, owner.id));
            known.with(&name, owner.organisation, owner.id)
        })
    };
    let (of_a, of_both, of_one, of_two) =
        (declared(&[&a]), declared(&[&a, &b]), declared(&[&one]), declared(&[&one, &two]));
    let rows = [
        ("a tenant, no set", &a, "", "acme", None, false),
        ("a tenant, its own set", &a, "", "acme", Some(&of_a), true),
        ("a tenant, the sets of its clients", &a, "", "acme", Some(&of_two), true),
        ("a tenant, its own set under another name", &a, "", "partner", Some(&of_a), false),
        ("a tenant, another's set", &b, "", "acme", Some(&of_a), false),
        ("a tenant, a set of several", &a, "", "acme", Some(&of_both), false),
        ("a client, its own set", &one, "", "acme", Some(&of_one), true),
        ("a client, another client's set", &two, "", "acme", Some(&of_one), false),
        ("a client, a set of several clients", &one, "", "acme", Some(&of_two), false),
        ("a client, its organisation's set", &one, "", "acme", Some(&of_a), false),
        ("an operator, no set", &b, "operator", "acme", None, true),
        ("an operator, a set of several", &b, "operator", "acme", Some(&of_both), true),
        ("an operator, another name", &b, "operator", "partner", Some(&of_a), true),
    ];
    for (what, owner, scopes, key_set, declared, may) in rows {
        let asked = may_take_over(&caller(owner, scopes), &key_set.parse().unwrap(), declared, 1);
        assert_eq!(asked, if may { Ok(()) } else { Err(Refusal::SetNotDeclared) }, "{what}");
    }
    let operator = caller(&a, "operator");
    let name = "acme".parse().unwrap();
    assert_eq!(may_take_over(&operator, &name, None, MAX_IMPORTED_SETS), Err(Refusal::TooManySets));
    assert_eq!(may_take_over(&operator, &name, Some(&of_a), MAX_IMPORTED_SETS), Ok(()));
}

#[test]
fn a_secret_lives_once_and_only_its_owner_is_told() {
    let hash = |byte: u8| SecretHash::from_bytes(&[byte; 32]).unwrap();
    let (a, b) = (organisation(1), organisation(2));
    let one = client(&a, 3);
    let taken = |owner: &OwnerRecord| TakenOver {
        lookup: hash(1),
        digest: hash(9),
        organisation: owner.organisation,
        owner: owner.id,
        at: Timestamp::from_millis(0),
    };
    let rows = [
        ("it is new", &a, "", &a, 1, None, Ok(())),
        ("the same owner, the same set", &a, "", &a, 1, Some(&a), Err(Refusal::TakenOver)),
        ("the same owner, another set", &a, "", &a, 2, Some(&a), Err(Refusal::TakenOver)),
        ("another owner of the tenant", &a, "", &one, 2, Some(&a), Err(Refusal::HashRefused)),
        ("another tenant, another set: not told", &b, "", &b, 2, Some(&a), Ok(())),
        ("another tenant, the same set", &b, "", &b, 1, Some(&a), Err(Refusal::HashRefused)),
        ("an operator, for the same owner", &b, "operator", &a, 2, Some(&a), Err(Refusal::TakenOver)),
        ("an operator, for another", &a, "operator", &b, 2, Some(&a), Err(Refusal::HashRefused)),
    ];
    for (what, who, scopes, owner, lookup, earlier, expected) in rows {
        let earlier: Vec<_> = earlier.into_iter().map(taken).collect();
        let judged = not_taken_over(&caller(who, scopes), owner, &hash(lookup), &earlier);
        assert_eq!(judged, expected, "{what}");
    }
}

#[test]
fn a_secret_that_lived_before_ends_at_its_first_use() {
    let hash = |byte: u8| SecretHash::from_bytes(&[byte; 32]).unwrap();
    let (a, b, now) = (organisation(1), organisation(2), Timestamp::from_millis(5));
    let mut record = key_of(&a, "acme");
    let set = ImportedSet::new("acme_", None, Digest::Sha256, Part::Key).unwrap();
    record.lookup = hash(1);
    record.terms.imported = Some(Box::new(Imported { set, upgraded: false }));
    let seen = |wrapped| Upgrade::assertion(record.id, hash(wrapped), vec![hash(2), hash(3)], 7);
    let remembered = |owner: &OwnerRecord| TakenOver {
        lookup: hash(2),
        digest: hash(2),
        organisation: owner.organisation,
        owner: owner.id,
        at: now,
    };
    let kinds = |wrapped, taken: &[TakenOver]| {
        let found = FoundFirstUse { taken: taken.to_vec(), record: Some(record.clone()) };
        let (peppers, mut entropy, policy) = (peppers(), SeededEntropy::new(1), Policy::default());
        let mut context =
            Context { now, entropy: &mut entropy, peppers: &peppers, policy: &policy, address: None };
        let outcome = seen(wrapped).decide(&mut context, &System, found);
        outcome.answer.map(|()| (outcome.effects, outcome.audit.action.into_owned()))
    };
    let mut next = record.clone();
    next.lookup = hash(2);
    next.pepper = 7;
    next.version += 1;
    next.terms.imported.as_mut().unwrap().upgraded = true;
    let advance = Effect::Advance(next.into());
    let upgraded = |effects| Ok((effects, "api_key.upgrade".to_owned()));
    assert_eq!(kinds(1, &[]), upgraded(vec![Effect::TakeOver(remembered(&a)), advance.clone()]));
    assert_eq!(kinds(1, &[remembered(&b)]), upgraded(vec![advance]), "another tenant's is no hindrance");
    let ended = vec![Effect::Revoke { credential: record.id, at: now }];
    let taken = [remembered(&b), remembered(&client(&a, 3))];
    assert_eq!(kinds(1, &taken), Ok((ended, "api_key.revoke".to_owned())));
    assert!(!seen(2).is_filed(&AlreadyUpgraded), "nobody was refused anything");
    assert_eq!(
        kinds(2, &taken),
        Err(AlreadyUpgraded),
        "it was upgraded meanwhile, and what is remembered is itself"
    );
}

#[test]
fn a_hash_is_bound_to_its_set() {
    let set = |prefix, header, digest, of| ImportedSet::new(prefix, header, digest, of).unwrap();
    let sets = [
        set("acme_", None, Digest::Sha256, Part::Key),
        set("acme", None, Digest::Sha256, Part::Key),
        set("acme_", Some("x-acme-key"), Digest::Sha256, Part::Key),
        set("acme_", None, Digest::Sha512, Part::Key),
        set("acme_", None, Digest::HmacSha256("sealed".into()), Part::Key),
        set("acme_", None, Digest::Sha256, Part::Secret),
    ];
    for (index, one) in sets.iter().enumerate() {
        for other in sets.iter().skip(index + 1) {
            assert_ne!(one.bound(b"digest"), other.bound(b"digest"), "{one:?} {other:?}");
        }
    }
}
