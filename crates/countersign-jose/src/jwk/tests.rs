//! What a reader of keys meets (RFC 7517, RFC 7518 §6, RFC 7638, RFC 8037).

use serde_json::{Value, json};

use super::{Error, JwkSet, MacKey, NotFound, PublicKey, SigningKey, thumbprint};
use crate::algorithm::{MacAlgorithm, SignatureAlgorithm};
use crate::base64url;

const ALL: &[SignatureAlgorithm] = SignatureAlgorithm::ALL;

/// The first key of RFC 7517 appendix A.1.
fn p256() -> Value {
    json!({
        "kty": "EC", "crv": "P-256",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    })
}

/// The key of RFC 7638 §3.1.
fn rsa() -> Value {
    json!({
        "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    })
}

/// The key of RFC 8037 appendix A.2.
fn ed25519() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
}

fn with(mut jwk: Value, member: &str, value: impl Into<Value>) -> Value {
    let value = value.into();
    let members = jwk.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(member);
    } else {
        members.insert(member.to_owned(), value);
    }
    jwk
}

#[track_caller]
fn check(jwk: &Value, expected: Result<SignatureAlgorithm, &str>) {
    match (PublicKey::from_jwk(jwk, ALL), expected) {
        (Ok(key), Ok(algorithm)) => assert_eq!(key.algorithm(), algorithm),
        (Err(error), Err(reason)) => assert!(error.to_string().contains(reason), "{error}"),
        (found, expected) => panic!("{found:?} instead of {expected:?}"),
    }
}

#[test]
fn a_key_knows_exactly_one_algorithm() {
    check(&p256(), Ok(SignatureAlgorithm::Es256));
    check(&ed25519(), Ok(SignatureAlgorithm::EdDsa));
    check(&with(ed25519(), "alg", "Ed25519"), Ok(SignatureAlgorithm::EdDsa));
    check(&rsa(), Ok(SignatureAlgorithm::Rs256));
    check(&with(rsa(), "alg", Value::Null), Err("fits several"));
    check(&with(rsa(), "alg", "ES256"), Err("does not fit"));
    check(&with(p256(), "alg", "ES384"), Err("does not fit"));
    check(&with(p256(), "alg", "none"), Err("signs nothing"));
    check(&with(p256(), "alg", "HS256"), Err("unknown or serves another purpose"));
    check(&with(rsa(), "alg", "RSA-OAEP"), Err("RSA-OAEP is not supported"));
    let allowed = [SignatureAlgorithm::Ps384, SignatureAlgorithm::Es256];
    let read = |jwk: &Value| PublicKey::from_jwk(jwk, &allowed).map(|key| key.algorithm());
    assert_eq!(read(&with(rsa(), "alg", Value::Null)).unwrap(), SignatureAlgorithm::Ps384);
    assert!(matches!(read(&rsa()), Err(Error::AlgorithmNotAllowed)));
    assert!(matches!(read(&ed25519()), Err(Error::AlgorithmNotAllowed)));
}

#[test]
fn rfc7517_4_2_and_4_3_a_key_is_used_for_what_it_says() {
    check(&with(p256(), "use", "sig"), Ok(SignatureAlgorithm::Es256));
    check(&with(p256(), "use", "enc"), Err("`use` to be `sig`"));
    check(&with(p256(), "use", 1), Err("`use` to be text"));
    check(&with(p256(), "key_ops", json!(["verify"])), Ok(SignatureAlgorithm::Es256));
    check(&with(p256(), "key_ops", json!(["sign", "verify"])), Ok(SignatureAlgorithm::Es256));
    for operations in [json!(["sign"]), json!([]), json!(["verify", "verify"]), json!(["deriveKey"])] {
        check(&with(p256(), "key_ops", operations), Err("does not list `verify`"));
    }
    check(&with(p256(), "key_ops", "verify"), Err("a list of names"));
}

#[test]
fn rfc7518_6_2_1_a_point_has_full_coordinates_and_lies_on_its_curve() {
    let x = base64url::decode("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4").unwrap();
    check(&with(p256(), "y", Value::Null), Err("no `y`"));
    check(&with(p256(), "x", "MKBC="), Err("`x` is not base64url"));
    check(&with(p256(), "x", base64url::encode(&x[1..])), Err("length of its curve"));
    check(&with(p256(), "x", base64url::encode(&[&[0], &x[..]].concat())), Err("length of its curve"));
    check(&with(p256(), "y", base64url::encode(&x)), Err("no valid key"));
    check(
        &with(with(p256(), "x", base64url::encode(&[0; 32])), "y", base64url::encode(&[0; 32])),
        Err("no valid key"),
    );
    check(&with(p256(), "crv", "P-384"), Err("length of its curve"));
    check(&with(p256(), "crv", "secp256k1"), Err("not supported"));
    check(&with(ed25519(), "crv", "X25519"), Err("not among those allowed"));
    check(&with(ed25519(), "x", "AAAA"), Err("length of its curve"));
    check(&with(p256(), "kty", Value::Null), Err("no `kty`"));
    check(&with(p256(), "kty", "DSA"), Err("not supported"));
    check(&json!({ "kty": "oct", "k": "AAAA" }), Err("symmetric"));
    check(&json!("EC"), Err("objects"));
}

#[test]
fn rfc7518_3_3_a_modulus_has_2048_bits_and_an_exponent_is_sane() {
    let n = base64url::decode(rsa()["n"].as_str().unwrap()).unwrap();
    check(&with(rsa(), "n", base64url::encode(&n[1..])), Err("2048 to 8192 bits, found 2040"));
    check(&with(rsa(), "n", base64url::encode(&[0xff; 1025])), Err("2048 to 8192 bits, found 8200"));
    check(&with(rsa(), "n", base64url::encode(&[&[0], &n[..]].concat())), Err("no valid key"));
    check(&with(rsa(), "n", ""), Err("no valid key"));
    let even: Vec<u8> = n.iter().copied().take(255).chain([0]).collect();
    check(&with(rsa(), "n", base64url::encode(&even)), Err("no valid key"));
    for e in [&[0_u8][..], &[1], &[2], &[1, 0], &[0, 1, 0, 1], &[1, 0, 0, 0, 0, 1], &[]] {
        check(&with(rsa(), "e", base64url::encode(e)), Err("no valid key"));
    }
    check(&with(rsa(), "e", "Aw"), Ok(SignatureAlgorithm::Rs256));
}

#[test]
fn rfc7518_3_2_a_mac_key_is_as_long_as_its_hash() {
    let key =
        |length: usize| json!({ "kty": "oct", "k": base64url::encode(&vec![7; length]), "alg": "HS256" });
    assert!(MacKey::from_jwk(&key(32), &[MacAlgorithm::Hs256]).is_ok());
    assert!(matches!(
        MacKey::from_jwk(&key(31), &[MacAlgorithm::Hs256]),
        Err(Error::Length { found: 31, .. })
    ));
    assert!(matches!(MacKey::from_jwk(&key(32), &[MacAlgorithm::Hs512]), Err(Error::AlgorithmNotAllowed)));
    let any = with(key(48), "alg", Value::Null);
    let set = JwkSet::<MacKey>::from_value(&json!({ "keys": [any, rsa()] }), MacAlgorithm::ALL).unwrap();
    let found: Vec<MacAlgorithm> = set.keys().iter().map(|key| key.algorithm()).collect();
    assert_eq!(found, [MacAlgorithm::Hs256, MacAlgorithm::Hs384]);
    assert_eq!(format!("{:?}", set.keys()[0]), "MacKey { algorithm: Hs256, kid: None, .. }");
}

#[test]
fn rfc7638_3_1_a_thumbprint_is_of_the_key_and_nothing_else() {
    let expected = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
    assert_eq!(thumbprint(&rsa()).unwrap(), expected);
    assert_eq!(PublicKey::from_jwk(&rsa(), ALL).unwrap().thumbprint(), expected);
    // RFC 8037 appendix A.3.
    let expected = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
    assert_eq!(thumbprint(&with(ed25519(), "d", "private")).unwrap(), expected);
    assert_eq!(PublicKey::from_jwk(&ed25519(), ALL).unwrap().thumbprint(), expected);
    let key = PublicKey::from_jwk(&p256(), ALL).unwrap();
    assert_eq!(thumbprint(&p256()).unwrap(), key.thumbprint());
    assert!(matches!(thumbprint(&with(p256(), "crv", "P-257")), Err(Error::Unsupported)));
    assert!(matches!(thumbprint(&with(p256(), "x", "\"")), Err(Error::Base64("x"))));
    assert!(matches!(thumbprint(&with(rsa(), "e", Value::Null)), Err(Error::Missing("e"))));
    assert!(matches!(thumbprint(&json!([])), Err(Error::Missing("kty"))));
}

#[test]
fn what_is_written_is_read_again_and_has_nothing_private() {
    for algorithm in ALL {
        let key = SigningKey::generate(*algorithm).unwrap();
        let jwk = key.public().to_jwk();
        assert_eq!(&PublicKey::from_jwk(&jwk, ALL).unwrap(), key.public());
        assert_eq!((jwk["kid"].as_str(), jwk["use"].as_str()), (Some(key.kid()), Some("sig")));
        assert_eq!((jwk["alg"].as_str(), key.kid()), (Some(algorithm.as_str()), &*key.public().thumbprint()));
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(jwk.get(private).is_none());
        }
        let der = key.to_pkcs8().unwrap();
        let text = format!("{key:?}");
        assert!(!text.contains(&format!("{:?}", &der[..8])) && text.len() < 250, "{text}");
        let other = if *algorithm == SignatureAlgorithm::Es256 {
            SignatureAlgorithm::Es384
        } else {
            SignatureAlgorithm::Es256
        };
        assert!(matches!(SigningKey::from_pkcs8(other, &der), Err(Error::Parameters)));
    }
    assert!(SigningKey::from_pkcs8(SignatureAlgorithm::Rs256, b"").is_err());
}

#[test]
fn rfc7517_5_what_a_reader_does_not_know_is_passed_over_by_name() {
    let named = |jwk: Value, kid: &str| with(jwk, "kid", kid);
    let keys = json!({ "keys": [
        named(p256(), "a"),
        named(with(p256(), "use", "enc"), "b"),
        named(json!({ "kty": "FUTURE" }), "c"),
        named(json!({ "kty": "oct", "k": "AAAA" }), "d"),
        1,
    ], "more": true });
    let set = JwkSet::<PublicKey>::parse(keys.to_string().as_bytes(), ALL).unwrap();
    assert_eq!(set.keys().len(), 1);
    let passed: Vec<Option<&str>> = set.passed_over().iter().map(|passed| passed.kid.as_deref()).collect();
    assert_eq!(passed, [Some("b"), Some("c"), Some("d"), None]);
    for wrong in ["{}", "[]", r#"{"keys":{}}"#, "1", r#"{"keys":[],"keys":[]}"#] {
        assert!(JwkSet::<PublicKey>::parse(wrong.as_bytes(), ALL).is_err(), "{wrong}");
    }
    let many = json!({ "keys": vec![json!({}); 257] });
    assert!(matches!(JwkSet::<PublicKey>::from_value(&many, ALL), Err(Error::Set)));
}

#[test]
fn rfc8725_3_10_a_message_means_one_key_and_no_other_is_tried() {
    let (first, second) = (
        SigningKey::generate(SignatureAlgorithm::Es256).unwrap(),
        SigningKey::generate(SignatureAlgorithm::Es256).unwrap(),
    );
    let any_rsa = with(with(rsa(), "alg", Value::Null), "kid", "rsa");
    let keys = [first.public().to_jwk(), second.public().to_jwk(), any_rsa, with(ed25519(), "kid", "okp")];
    let set = JwkSet::<PublicKey>::from_value(&json!({ "keys": keys }), ALL).unwrap();
    let find = |kid, algorithm| set.find(kid, algorithm).map(|key| key.thumbprint());
    assert_eq!(find(Some(second.kid()), SignatureAlgorithm::Es256).unwrap(), second.kid());
    assert_eq!(find(Some("rsa"), SignatureAlgorithm::Ps512), find(Some("rsa"), SignatureAlgorithm::Rs256));
    assert_eq!(find(None, SignatureAlgorithm::EdDsa).unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    for (kid, algorithm, expected) in [
        (Some(first.kid()), SignatureAlgorithm::EdDsa, NotFound::Algorithm),
        (Some("rsa"), SignatureAlgorithm::Es256, NotFound::Algorithm),
        (Some("../../etc/passwd"), SignatureAlgorithm::Es256, NotFound::Kid),
        (Some("' OR 1=1 --"), SignatureAlgorithm::EdDsa, NotFound::Kid),
        (Some(""), SignatureAlgorithm::EdDsa, NotFound::Kid),
        (None, SignatureAlgorithm::Es256, NotFound::Ambiguous),
        (None, SignatureAlgorithm::Es384, NotFound::Algorithm),
    ] {
        assert_eq!(find(kid, algorithm), Err(expected), "{kid:?}");
    }
    let twice = json!({ "keys": [with(p256(), "kid", "a"), with(with(p256(), "kid", "a"), "use", "sig")] });
    let set = JwkSet::<PublicKey>::from_value(&twice, ALL).unwrap();
    assert_eq!(set.find(Some("a"), SignatureAlgorithm::Es256).unwrap_err(), NotFound::Ambiguous);
}

#[test]
fn a_key_without_a_name_is_meant_where_no_record_has_the_name() {
    let set = |keys: Value| JwkSet::<PublicKey>::from_value(&json!({ "keys": keys }), ALL).unwrap();
    let unnamed = set(json!([p256(), ed25519(), with(rsa(), "kid", "rsa")]));
    let find =
        |set: &JwkSet, kid, algorithm| set.find(kid, algorithm).map(|key| key.kid().map(str::to_owned));
    assert_eq!(find(&unnamed, Some("x"), SignatureAlgorithm::Es256), Ok(None));
    assert_eq!(find(&unnamed, Some("x"), SignatureAlgorithm::Rs256), Err(NotFound::Algorithm));
    assert_eq!(find(&unnamed, Some("rsa"), SignatureAlgorithm::Es256), Err(NotFound::Algorithm));
    let passed_over = set(json!([p256(), { "kty": "oct", "kid": "x" }]));
    assert_eq!(find(&passed_over, Some("x"), SignatureAlgorithm::Es256), Err(NotFound::Kid));
    let two = set(json!([p256(), with(p256(), "use", "sig")]));
    assert_eq!(find(&two, Some("x"), SignatureAlgorithm::Es256), Err(NotFound::Ambiguous));
}

#[test]
fn cve_2017_15361_a_modulus_of_the_weak_kind_is_refused() {
    // No key of anybody: a number that is a power of 65537 modulo each of the primes.
    let weak = "i9UqaaLioT9vzPDLgnLyga6LEE8LiQhSCGKRbjym47hLVZqwatSRyamUrc9Wu4c2jp9tUHUXsCruZc4xC-FyXW8KFn5kTkI4lGoPbAOzSfuRYQlAvW7lm9ksgP7nkT0Fk5P0gWX5yf1gv2n6japGREPeWupcaEG1ltGZDLy8dS3NaoasGbdfD-BqJSSwLoJrVqztKgFVtC2YROPUe2ETwXW9iEgG5pIMQPM4FvAZSSaiDvJ6J5xZJ6BlkpLNEOs4fE5CBCXKbs1_JXUy_DoksKXCSJg9Sr0kLLxHK6va4mjQNgOPw0gO_vhNPgLjN4dTfZAz9HvZ2eHhJCRNYczaSw";
    check(&with(rsa(), "n", weak), Err("ROCA"));
}
