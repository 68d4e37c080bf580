//! What a route makes of tokens of other issuers, as tables: each row is a token that differs in one thing.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::base64url;
use countersign_jose::jwk::{JwkSet, SigningKey};
use serde_json::{Map, Value, json};

use crate::authenticators::GATEWAY;
use crate::carried::{DeclaredSets, RequestHead};
use crate::context::{Context, Policy, SeededEntropy};
use crate::credential::Proven;
use crate::decision::{Decision, Requirement, decide};
use crate::few::Few;
use crate::imported_set::Source;
use crate::ledger::{Found, FoundKey, Lookup};
use crate::presentation::recognise;
use crate::principal::{Principal, Subject};
use crate::secret::{Pepper, Peppers, Secret};
use crate::standing::Watch;
use crate::testing::{NOW, head, headers, scopes};
use crate::timestamp::Timestamp;

use super::KIND;

const ISSUER: &str = "https://login.example.com";
const NOW_SECONDS: i64 = NOW.millis() / 1000;

/// Routes take the tokens of [`ISSUER`] and of another one.
struct Issuers;

impl DeclaredSets for Issuers {
    fn claims(&self, _: Source<'_>, text: &str) -> bool {
        text.starts_with("acme_")
    }

    fn is_issuer(&self, issuer: &str) -> bool {
        issuer == "https://auth.example.com"
    }

    fn takes_tokens_of(&self, issuer: &str) -> bool {
        [ISSUER, "https://other.example.com"].contains(&issuer)
    }
}

/// A token that is about to be made, and the keys that its issuer publishes.
struct Forge {
    key: SigningKey,
    header: Value,
    claims: Value,
}

impl Forge {
    fn new() -> Self {
        let key = SigningKey::generate(SignatureAlgorithm::Es256).unwrap();
        let header = json!({ "alg": "ES256", "kid": key.kid(), "typ": "JWT" });
        let claims = json!({
            "iss": ISSUER, "aud": "https://api.example.com", "sub": "ana", "exp": NOW_SECONDS + 300,
            "iat": NOW_SECONDS, "scope": "orders:read settle", "role": "admin", "groups": ["a", "b"],
        });
        Self { key, header, claims }
    }

    fn token(&self) -> String {
        self.signed_as(&self.header.to_string(), &self.claims.to_string())
    }

    fn signed_as(&self, header: &str, claims: &str) -> String {
        let input = [header, claims].map(|part| base64url::encode(part.as_bytes())).join(".");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.key.to_pkcs8().unwrap())
            .unwrap();
        let signature = pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", base64url::encode(signature.as_ref()))
    }

    fn keys(&self) -> JwkSet {
        let set = json!({ "keys": [self.key.public().to_jwk()] });
        JwkSet::from_value(&set, SignatureAlgorithm::ALL).unwrap()
    }
}

/// Asks for a token of [`ISSUER`] for the API, and whatever else `further` says.
fn asking(further: Value) -> Map<String, Value> {
    let Value::Object(mut settings) =
        json!({ "issuer": ISSUER, "audience": "https://api.example.com", "algorithms": ["ES256", "RS256"] })
    else {
        panic!("a table")
    };
    let Value::Object(further) = further else { panic!("a table") };
    settings.extend(further);
    settings
}

/// Takes the walk of a request that carries `token`; an error is the code of what stands against it.
fn walk(settings: &Map<String, Value>, token: &str, keys: &JwkSet) -> Result<Principal, &'static str> {
    walk_known(settings, token, keys, false)
}

/// Takes the walk with a token whose signature was found good before, or not.
fn walk_known(
    settings: &Map<String, Value>,
    token: &str,
    keys: &JwkSet,
    is_good: bool,
) -> Result<Principal, &'static str> {
    let requirement = Requirement::Any(vec![KIND.condition(settings).unwrap()]);
    let headers = headers(&[("authorization", &format!("Bearer {token}"))]);
    let head = RequestHead { sets: &Issuers, ..head(&headers) };
    let presentation = recognise(GATEWAY, &head, &requirement).map_err(|rejection| rejection.code())?;
    let presented = presentation.members().next().unwrap().presented();
    let Lookup::ForeignKey(asked) = presented.lookup() else { panic!("a foreign key is asked for") };
    let found = FoundKey { key: keys.find(asked.kid, asked.algorithm).cloned(), is_good };
    let (mut entropy, policy) = (SeededEntropy::new(1), Policy::default());
    let peppers = Peppers::new(Pepper::new(1, &Secret::new([1; 32])), Vec::new());
    let mut context =
        Context { now: NOW, entropy: &mut entropy, peppers: &peppers, policy: &policy, address: None };
    let verified = presented.verify(&mut context, Found::ForeignKey(found), None).unwrap();
    let Proven { principal, uses } = verified.map_err(|unproven| unproven.rejection.code())?;
    assert_eq!(uses.len(), usize::from(!is_good), "a good signature is noted once");
    match decide(Some(Few::one(principal)), &requirement) {
        Decision::Permit(permit) => Ok(permit.principal().clone()),
        Decision::Deny(denial) => Err(denial.code()),
        Decision::Challenge(_) => Err("challenge"),
    }
}

#[track_caller]
fn check(further: Value, change: impl FnOnce(&mut Forge), expected: Result<(), &str>) {
    let mut forge = Forge::new();
    let keys = forge.keys();
    change(&mut forge);
    let found = walk(&asking(further.clone()), &forge.token(), &keys).map(drop);
    assert_eq!(found, expected, "{} {}", forge.header, forge.claims);
    // SAFETY 24: a signature that was found good before spares no other check.
    let seen = walk_known(&asking(further), &forge.token(), &keys, true).map(drop);
    let altered = expected == Err("wrong_signature");
    assert!(seen == expected || altered, "{seen:?}: {} {}", forge.header, forge.claims);
}

#[track_caller]
fn check_claim(name: &str, value: Value, expected: Result<(), &str>) {
    check(json!({}), |forge| forge.claims[name] = value, expected);
}

#[track_caller]
fn check_header(name: &str, value: Value, expected: Result<(), &str>) {
    check(json!({}), |forge| forge.header[name] = value, expected);
}

#[test]
fn rfc7519_4_1_3_a_token_is_for_the_routes_audience_one_or_among_many() {
    check_claim("aud", json!(["https://other", "https://api.example.com"]), Ok(()));
    for wrong in [json!("https://other"), json!(["https://other"]), json!("https://api.example.com/")] {
        check_claim("aud", wrong, Err("wrong_audience"));
    }
    // CVE-2020-26160: neither an empty list nor another type is an absence of the check.
    check_claim("aud", json!([]), Err("malformed"));
    for wrong in [json!(null), json!([1]), json!({ "a": 1 })] {
        check_claim("aud", wrong, Err("unrecognised"));
    }
    check(json!({}), |forge| drop(forge.claims.as_object_mut().unwrap().remove("aud")), Err("malformed"));
}

#[test]
fn rfc7519_4_1_4_a_token_has_an_end_and_a_beginning_give_or_take_the_leeway() {
    for (name, seconds, expected) in [
        ("exp", 0, Ok(())),
        ("exp", -59, Ok(())),
        ("exp", -60, Err("expired")),
        ("nbf", 60, Ok(())),
        ("nbf", 61, Err("not_yet_valid")),
        ("iat", 60, Ok(())),
        ("iat", 61, Err("not_yet_valid")),
        ("iat", -1_000_000, Ok(())),
    ] {
        check_claim(name, json!(NOW_SECONDS + seconds), expected);
    }
    check(json!({}), |forge| drop(forge.claims.as_object_mut().unwrap().remove("exp")), Err("malformed"));
    // CVE-2026-25537: what is of a wrong type is no absence.
    for name in ["exp", "nbf", "iat", "sub", "iss"] {
        check_claim(name, json!({ "never": true }), Err("unrecognised"));
    }
    check_claim("exp", json!("never"), Err("unrecognised"));
    check_claim("exp", json!(1e300), Ok(()));
}

#[test]
fn rfc8725_3_1_the_algorithm_is_the_keys_and_one_that_the_route_names() {
    check(json!({ "algorithms": ["ES384"] }), |_| {}, Err("wrong_algorithm"));
    for alg in ["RS256", "ES384", "EdDSA"] {
        check_header("alg", json!(alg), Err("wrong_algorithm"));
    }
    // CVE-2016-10555 and its like: a MAC under the public key.
    for alg in ["HS256", "HS512"] {
        check_header("alg", json!(alg), Err("wrong_algorithm"));
    }
    // CVE-2015-2951: `none` in any spelling is no signature.
    for alg in ["none", "None", "nOnE", "", "es256"] {
        check_header("alg", json!(alg), Err("unrecognised"));
    }
    let forge = Forge::new();
    let (header, claims) = (r#"{"alg":"none"}"#, forge.claims.to_string());
    let [header, claims] = [header, &claims].map(|part| base64url::encode(part.as_bytes()));
    assert_eq!(
        walk(&asking(json!({})), &format!("{header}.{claims}."), &forge.keys()).unwrap_err(),
        "unrecognised"
    );
}

#[test]
fn rfc7515_4_1_4_a_kid_is_an_opaque_name() {
    for kid in ["../../etc/passwd", "' OR 1=1 --", "", "\u{0}"] {
        check_header("kid", json!(kid), Err("unknown_key"));
    }
    check_header("kid", json!(1), Err("unrecognised"));
    // One key without a name is the one that is meant; of two, none is tried.
    check(json!({}), |forge| drop(forge.header.as_object_mut().unwrap().remove("kid")), Ok(()));
    let (mut forge, other) = (Forge::new(), Forge::new());
    forge.header.as_object_mut().unwrap().remove("kid");
    let both = json!({ "keys": [forge.key.public().to_jwk(), other.key.public().to_jwk()] });
    let both = JwkSet::from_value(&both, SignatureAlgorithm::ALL).unwrap();
    assert_eq!(walk(&asking(json!({})), &forge.token(), &both).unwrap_err(), "ambiguous_key");
}

#[test]
fn cve_2018_0114_a_key_that_comes_with_the_token_verifies_nothing() {
    let (mut forge, keys) = (Forge::new(), Forge::new().keys());
    for (name, value) in [
        ("jwk", forge.key.public().to_jwk()),
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!(["MIIB"])),
    ] {
        forge.header = json!({ "alg": "ES256", "typ": "JWT", name: value, "kid": keys.keys()[0].kid() });
        assert_eq!(walk(&asking(json!({})), &forge.token(), &keys).unwrap_err(), "wrong_signature");
    }
}

#[test]
fn rfc7515_a_token_that_was_altered_is_none() {
    let forge = Forge::new();
    let (token, keys, settings) = (forge.token(), forge.keys(), asking(json!({})));
    assert!(walk(&settings, &token, &keys).is_ok());
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let promoted = base64url::encode(forge.claims.to_string().replace("ana", "bob").as_bytes());
    for (altered, expected) in [
        (format!("{header}.{promoted}.{signature}"), "wrong_signature"),
        (format!("{header}.{claims}."), "wrong_signature"),
        // CVE-2022-21449: r and s of nothing.
        (format!("{header}.{claims}.{}", base64url::encode(&[0; 64])), "wrong_signature"),
        (format!("{header}.{claims}.{signature}="), "unrecognised"),
        (format!("{header}.{claims}.{signature}.{signature}"), "unrecognised"),
        (format!("{header}.{claims}.{signature}+junk"), "unrecognised"),
        (format!("{header}..{signature}"), "unrecognised"),
        (".".repeat(10_000), "unrecognised"),
    ] {
        assert_eq!(walk(&settings, &altered, &keys).unwrap_err(), expected, "{altered}");
    }
    let twice =
        forge.signed_as(&forge.header.to_string(), r#"{"iss":"https://login.example.com","iss":"x"}"#);
    assert_eq!(walk(&settings, &twice, &keys).unwrap_err(), "unrecognised", "a member that is there twice");
    check_header("crit", json!(["exp"]), Err("unrecognised"));
    check_header("b64", json!(false), Err("unrecognised"));
    check_header("zip", json!("DEF"), Ok(()));
}

#[test]
fn rfc8725_3_11_the_type_is_one_that_the_route_takes() {
    for (typ, usual, access) in [
        (json!("JWT"), Ok(()), Err("wrong_type")),
        (json!("jwt"), Ok(()), Err("wrong_type")),
        (json!("at+jwt"), Ok(()), Ok(())),
        (json!("application/at+jwt"), Ok(()), Ok(())),
        (json!("logout+jwt"), Err("wrong_type"), Err("wrong_type")),
        (json!("dpop+jwt"), Err("wrong_type"), Err("wrong_type")),
    ] {
        check_header("typ", typ.clone(), usual);
        check(json!({ "typ": "at+jwt" }), |forge| forge.header["typ"] = typ, access);
    }
    let without = |forge: &mut Forge| drop(forge.header.as_object_mut().unwrap().remove("typ"));
    check(json!({}), without, Ok(()));
    check(json!({ "typ": "at+jwt" }), without, Err("wrong_type"));
}

#[test]
fn safety_12_what_an_upstream_is_told_is_never_a_credential() {
    for typ in ["countersign-assertion+jwt", "application/Countersign-Assertion+JWT"] {
        check_header("typ", json!(typ), Err("wrong_type"));
        let settings = asking(json!({ "typ": typ }));
        let error = KIND.condition(&settings).unwrap_err();
        assert!(error.to_string().contains("SAFETY 12"), "{error}");
    }
}

#[test]
fn a_route_takes_the_tokens_of_its_issuer_alone() {
    check_claim("iss", json!("https://other.example.com"), Err("wrong_issuer"));
    for issuer in ["https://login.example.com/", "https://LOGIN.example.com", "https://evil.example", ""] {
        check_claim("iss", json!(issuer), Err("unrecognised"));
    }
}

#[test]
fn rfc6750_3_1_scopes_and_claims_are_what_a_token_may_lack() {
    check(json!({ "scope": "orders:read" }), |_| {}, Ok(()));
    check(json!({ "scope": ["orders:read", "settle"] }), |_| {}, Ok(()));
    check(json!({ "scope": "orders:write" }), |_| {}, Err("insufficient_scope"));
    check_claim("scope", json!(["orders:read"]), Err("malformed"));
    check_claim("scope", json!("a \"b\""), Err("malformed"));
    for (claims, expected) in [
        (json!({ "role": "admin" }), Ok(())),
        (json!({ "role": "admin", "groups": "b" }), Ok(())),
        (json!({ "groups": ["a", "b"] }), Ok(())),
        (json!({ "groups": ["b", "a"] }), Err("wrong_claim")),
        (json!({ "groups": "c" }), Err("wrong_claim")),
        (json!({ "role": "adm" }), Err("wrong_claim")),
        (json!({ "role": ["admin"] }), Err("wrong_claim")),
        (json!({ "verified": true }), Err("wrong_claim")),
    ] {
        check(json!({ "claims": claims }), |_| {}, expected);
    }
}

#[test]
fn what_is_proven_is_the_issuers_word_about_its_subject() {
    let forge = Forge::new();
    let principal = walk(&asking(json!({})), &forge.token(), &forge.keys()).unwrap();
    let subject = Subject::Foreign { issuer: ISSUER.into(), subject: "ana".into() };
    assert_eq!(principal.subject(), Some(&subject));
    assert_eq!(subject.to_string(), "https://login.example.com#ana");
    assert_eq!((principal.owner(), principal.client(), principal.credential()), (None, None, None));
    assert_eq!(*principal.scopes(), scopes("orders:read settle"));
}

#[test]
fn safety_18_what_a_token_has_opened_ends_with_the_token() {
    let forge = Forge::new();
    let principal = walk(&asking(json!({})), &forge.token(), &forge.keys()).unwrap();
    let known = crate::testing::Ground::new().store.snapshot();
    known.mark_fresh(crate::timestamp::Monotonic(0));
    assert!(principal.standing().may_end());
    for (seconds, monotonic, expected) in
        [(300 + 59, 0, None), (300 + 60, 0, Some("expired")), (0, 10_000_000, Some("unavailable"))]
    {
        let now = Timestamp::from_millis((NOW_SECONDS + seconds) * 1000);
        let monotonic = crate::timestamp::Monotonic(monotonic);
        let watch = Watch { known: &known, now, monotonic, address: None };
        assert_eq!(principal.standing().end(&watch), expected, "{seconds}");
    }
}

#[test]
fn whose_tokens_for_whom_and_how_they_are_signed_is_set_or_an_error() {
    let read = |change: fn(&mut Map<String, Value>)| {
        let mut settings = asking(json!({}));
        change(&mut settings);
        KIND.condition(&settings).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(read(|_| {}), Ok(()));
    for name in ["issuer", "audience", "algorithms"] {
        let mut settings = asking(json!({}));
        settings.remove(name);
        let error = KIND.condition(&settings).unwrap_err().to_string();
        assert!(error.starts_with(&format!("jwt.{name}: it must be set")), "{error}");
    }
    type Change = fn(&mut Map<String, Value>);
    let wrong: [(Change, &str); 10] = [
        (|one| one["issuer"] = json!("http://login.example.com"), "jwt.issuer: expected an https URL"),
        (|one| one["issuer"] = json!("https://login.example.com?a"), "jwt.issuer: expected an https URL"),
        (|one| one["issuer"] = json!("login"), "another name beside `jwks`"),
        (|one| one["audience"] = json!(""), "jwt.audience: expected text"),
        (|one| one["audience"] = json!(["a"]), "jwt.audience: expected text"),
        (|one| one["algorithms"] = json!([]), "jwt.algorithms: expected a list"),
        (|one| one["algorithms"] = json!(["HS256"]), "`HS256` is a MAC"),
        (|one| one["algorithms"] = json!(["none"]), "signs nothing"),
        (|one| drop(one.insert("jwks".into(), json!("http://a/jwks"))), "jwt.jwks: expected an https URL"),
        (|one| drop(one.insert("claims".into(), json!("admin"))), "jwt.claims: expected a table"),
    ];
    for (change, words) in wrong {
        let error = read(change).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    let named = |one: &mut Map<String, Value>| {
        one["issuer"] = json!("accounts.example.com");
        one.insert("jwks".into(), json!("https://keys.example.com/jwks"));
    };
    assert_eq!(read(named), Ok(()), "an issuer that is no URL, with its keys");
}
