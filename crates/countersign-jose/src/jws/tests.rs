//! What a verifier meets: the rules of RFC 7515, RFC 7797 and RFC 8725, and the faults that others had.

use serde_json::{Value, json};

use super::{Compact, Error, Verified, parse_json, parse_json_detached, sign};
use crate::algorithm::{MacAlgorithm, SignatureAlgorithm};
use crate::base64url;
use crate::jwk::{MacKey, PublicKey, SigningKey};

const MAX: usize = 4096;

/// Returns a message in compact form with any header, signed by `key`.
fn forged(key: &SigningKey, header: &str, payload: &str) -> String {
    let input = format!("{}.{payload}", base64url::encode(header.as_bytes()));
    let signature = key.sign(input.as_bytes()).unwrap();
    format!("{input}.{}", base64url::encode(&signature))
}

fn verified(text: &str, key: &PublicKey) -> Result<Verified, Error> {
    Compact::parse(text, MAX)?.verify(key)
}

#[track_caller]
fn check<T>(found: Result<T, Error>, expected: Option<&str>) {
    match (found, expected) {
        (Ok(_), None) => {}
        (Err(error), Some(reason)) => assert!(error.to_string().contains(reason), "{error}"),
        (Ok(_), Some(reason)) => panic!("accepted instead of: {reason}"),
        (Err(error), None) => panic!("{error}"),
    }
}

#[test]
fn what_is_signed_is_verified_by_each_algorithm_and_by_no_other_key() {
    for algorithm in SignatureAlgorithm::ALL {
        let (key, other) =
            (SigningKey::generate(*algorithm).unwrap(), SigningKey::generate(*algorithm).unwrap());
        let token = sign(&key, "at+jwt", b"{}").unwrap();
        let found = verified(&token, key.public()).unwrap();
        assert_eq!((found.payload(), found.header().kid()), (&b"{}"[..], Some(key.kid())));
        assert!(found.header().is_typ("application/AT+jwt"));
        check(verified(&token, other.public()), Some("signature is wrong"));
        let truncated: String = token.chars().take(token.len() - 4).collect();
        check(verified(&truncated, key.public()), Some(""));
        let read = SigningKey::from_pkcs8(*algorithm, &key.to_pkcs8().unwrap()).unwrap();
        assert_eq!(read.public(), key.public());
        check(verified(&sign(&read, "JWT", b"").unwrap(), key.public()), None);
    }
}

#[test]
fn rfc8725_3_1_the_algorithm_is_the_keys_and_the_headers_is_compared_with_it() {
    let rsa = SigningKey::generate(SignatureAlgorithm::Rs256).unwrap();
    let as_pss =
        PublicKey::from_jwk(&without(rsa.public().to_jwk(), "alg"), &[SignatureAlgorithm::Ps256]).unwrap();
    check(verified(&sign(&rsa, "JWT", b"{}").unwrap(), &as_pss), Some("is RS256, and the key is for PS256"));
    let ec = SigningKey::generate(SignatureAlgorithm::Es256).unwrap();
    let lying = forged(&ec, r#"{"alg":"ES384"}"#, "e30");
    check(verified(&lying, ec.public()), Some("is ES384, and the key is for ES256"));
}

fn without(mut value: Value, name: &str) -> Value {
    value.as_object_mut().unwrap().remove(name);
    value
}

#[test]
fn cve_2015_2951_a_message_without_a_signature_is_refused() {
    let key = SigningKey::generate(SignatureAlgorithm::Es256).unwrap();
    for name in ["none", "None", "nOnE", "NONE"] {
        let header = base64url::encode(json!({ "alg": name }).to_string().as_bytes());
        check(verified(&format!("{header}.e30."), key.public()), Some("signs nothing"));
    }
    let token = sign(&key, "JWT", b"{}").unwrap();
    let (signed, _) = token.rsplit_once('.').unwrap();
    check(verified(&format!("{signed}."), key.public()), Some("signature is wrong"));
}

#[test]
fn cve_2016_10555_a_mac_made_with_a_public_key_is_refused() {
    let rsa = SigningKey::generate(SignatureAlgorithm::Rs256).unwrap();
    let public = rsa.public().to_jwk().to_string();
    let secret = json!({ "kty": "oct", "k": base64url::encode(public.as_bytes()) });
    let mac = MacKey::from_jwk(&secret, &[MacAlgorithm::Hs256]).unwrap();
    let input = format!("{}.e30", base64url::encode(br#"{"alg":"HS256"}"#));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, public.as_bytes());
    let tag = aws_lc_rs::hmac::sign(&key, input.as_bytes());
    let token = format!("{input}.{}", base64url::encode(tag.as_ref()));
    check(Compact::parse(&token, MAX).unwrap().verify_mac(&mac), None);
    check(verified(&token, rsa.public()), Some("is HS256, and the key is for RS256"));
}

#[test]
fn cve_2018_0114_keys_in_a_header_are_never_believed() {
    let (key, attacker) = (
        SigningKey::generate(SignatureAlgorithm::Es256).unwrap(),
        SigningKey::generate(SignatureAlgorithm::Es256).unwrap(),
    );
    let jwk = attacker.public().to_jwk();
    for header in [
        json!({ "alg": "ES256", "jwk": jwk }),
        json!({ "alg": "ES256", "jku": "https://evil.example/jwks.json" }),
        json!({ "alg": "ES256", "x5u": "https://evil.example/chain.pem" }),
        json!({ "alg": "ES256", "x5c": ["MIIB"] }),
    ] {
        check(
            verified(&forged(&attacker, &header.to_string(), "e30"), key.public()),
            Some("signature is wrong"),
        );
        check(verified(&forged(&key, &header.to_string(), "e30"), key.public()), None);
    }
}

#[test]
fn rfc7515_4_1_11_what_is_critical_is_understood_or_refused() {
    let key = SigningKey::generate(SignatureAlgorithm::EdDsa).unwrap();
    for (header, expected) in [
        (r#"{"alg":"EdDSA","crit":[]}"#, "is no list"),
        (r#"{"alg":"EdDSA","crit":"b64","b64":true}"#, "is no list"),
        (r#"{"alg":"EdDSA","crit":[1]}"#, "is no list"),
        (r#"{"alg":"EdDSA","crit":["alg"]}"#, "every reader knows"),
        (r#"{"alg":"EdDSA","crit":["zip"],"zip":"DEF"}"#, "every reader knows"),
        (r#"{"alg":"EdDSA","crit":["bork"],"bork":true}"#, "not understood"),
        (r#"{"alg":"EdDSA","crit":["b64","b64"],"b64":true}"#, "twice"),
        (r#"{"alg":"EdDSA","crit":["b64"]}"#, "does not have"),
        (r#"{"alg":"EdDSA","b64":false}"#, "does not list `b64`"),
        (r#"{"alg":"EdDSA","b64":"false","crit":["b64"]}"#, "true or false"),
    ] {
        check(verified(&forged(&key, header, "e30"), key.public()), Some(expected));
    }
    let understood = r#"{"alg":"EdDSA","b64":true,"crit":["b64"]}"#;
    check(verified(&forged(&key, understood, "e30"), key.public()), None);
}

#[test]
fn rfc7515_7_2_1_crit_and_b64_are_protected_and_headers_share_no_member() {
    let key = SigningKey::generate(SignatureAlgorithm::EdDsa).unwrap();
    let flattened = |header: Value| {
        let token = sign(&key, "JWT", b"{}").unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        json!({ "protected": parts[0], "payload": parts[1], "signature": parts[2], "header": header })
            .to_string()
    };
    let read = |header: Value| {
        parse_json(&flattened(header), MAX).map(|mut all| all.remove(0))?.verify(key.public())
    };
    check(read(json!({ "jwk": 1 })), None);
    check(read(json!({ "crit": ["b64"] })), Some("belong into the protected"));
    check(read(json!({ "b64": false })), Some("belong into the protected"));
    check(read(json!({ "alg": "EdDSA" })), Some("two of the message's headers"));
    check(read(json!([])), Some("expected an object"));
}

#[test]
fn rfc7515_4_a_header_has_one_reading() {
    let key = SigningKey::generate(SignatureAlgorithm::EdDsa).unwrap();
    for (header, expected) in [
        (r#"{"alg":"none","alg":"EdDSA"}"#, "twice"),
        (r#"{"alg":"EdDSA"} "#, ""),
        (r#"{"alg":"EdDSA"}x"#, "trailing"),
        (r#"["alg","EdDSA"]"#, "object"),
        ("{}", "no `alg`"),
        (r#"{"alg":1}"#, "`alg` to be text"),
        (r#"{"alg":"EdDSA","kid":1}"#, "`kid` to be text"),
        (r#"{"alg":"EdDSA","typ":["JWT"]}"#, "`typ` to be text"),
        (r#"{"alg":"ES256K"}"#, "ES256K is not supported"),
        (r#"{"alg":"eddsa"}"#, "unknown"),
    ] {
        let expected = Some(expected).filter(|expected| !expected.is_empty());
        check(verified(&forged(&key, header, "e30"), key.public()), expected);
    }
}

#[test]
fn cve_2022_21449_an_ecdsa_signature_is_two_numbers_of_full_length_and_neither_is_zero() {
    for algorithm in [SignatureAlgorithm::Es256, SignatureAlgorithm::Es384, SignatureAlgorithm::Es512] {
        let key = SigningKey::generate(algorithm).unwrap();
        let token = sign(&key, "JWT", b"{}").unwrap();
        let (input, signature) = token.rsplit_once('.').unwrap();
        let good = base64url::decode(signature).unwrap();
        let half = good.len() / 2;
        let (r, s) = good.split_at(half);
        let zero = vec![0; half];
        let der = [&[0x30, 0x80][..], &good].concat();
        for bad in [
            [&zero[..], &zero].concat(),
            [r, &zero].concat(),
            [&zero[..], s].concat(),
            [s, r].concat(),
            good[..good.len() - 1].to_vec(),
            [&good[..], &[0]].concat(),
            [&[0][..], r, &[0], s].concat(),
            der,
            Vec::new(),
        ] {
            let forged = format!("{input}.{}", base64url::encode(&bad));
            check(verified(&forged, key.public()), Some("signature is wrong"));
        }
    }
}

#[test]
fn cve_2025_30204_what_is_too_long_or_has_other_parts_is_refused_before_it_is_taken_apart() {
    for (text, expected) in [
        (".".repeat(MAX + 1), "at most 4096 bytes"),
        (".".repeat(MAX), "three parts"),
        (String::new(), "three parts"),
        ("e30".to_owned(), "three parts"),
        ("e30.e30".to_owned(), "three parts"),
        ("e30.e30.e30.e30".to_owned(), "three parts"),
        ("e30.e30.e30.e30.e30".to_owned(), "three parts"),
        ("..".to_owned(), "EOF"),
        (" eyJhbGciOiJFZERTQSJ9.e30.AA".to_owned(), "base64url"),
        ("eyJhbGciOiJFZERTQSJ9.e30=.AA".to_owned(), "payload is not base64url"),
        ("eyJhbGciOiJFZERTQSJ9.e30.AA\n".to_owned(), "signature is not base64url"),
        ("eyJhbGciOiJFZERTQSJ9.e30.AB".to_owned(), "signature is not base64url"),
    ] {
        check(Compact::parse(&text, MAX), Some(expected));
    }
}

#[test]
fn rfc7797_a_payload_is_attached_or_told_encoded_or_not() {
    let key = SigningKey::generate(SignatureAlgorithm::EdDsa).unwrap();
    let plain = r#"{"alg":"EdDSA","b64":false,"crit":["b64"]}"#;
    let token = forged(&key, plain, "$02 and so on");
    assert_eq!(verified(&token, key.public()).unwrap().payload(), b"$02 and so on");
    check(verified(&forged(&key, plain, "$.02"), key.public()), Some("three parts"));
    check(verified(&forged(&key, plain, "$\n02"), key.public()), Some("must encode"));

    let token = forged(&key, plain, "$.02");
    let detached = token.replace(".$.02.", "..");
    check(Compact::parse_detached(&detached, b"$.02", MAX).unwrap().verify(key.public()), None);
    check(Compact::parse_detached(&detached, b"$.03", MAX).unwrap().verify(key.public()), Some("wrong"));

    let token = sign(&key, "JWT", b"{}").unwrap();
    let detached = token.replace(".e30.", "..");
    check(Compact::parse_detached(&detached, b"{}", MAX).unwrap().verify(key.public()), None);
    check(Compact::parse_detached(&token, b"{}", MAX), Some("payload"));
    check(verified(&detached, key.public()), Some("signature is wrong"));
}

#[test]
fn rfc7515_7_2_each_signature_of_a_message_of_json_stands_for_itself() {
    let (one, two) = (
        SigningKey::generate(SignatureAlgorithm::Es256).unwrap(),
        SigningKey::generate(SignatureAlgorithm::EdDsa).unwrap(),
    );
    let entry = |key: &SigningKey| {
        let token = sign(key, "JWT", b"{}").unwrap();
        let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        json!({ "protected": parts[0], "signature": parts[2] })
    };
    let general = json!({ "payload": "e30", "signatures": [entry(&one), entry(&two)] });
    let all = parse_json(&general.to_string(), MAX).unwrap();
    for (signed, key) in all.into_iter().zip([&one, &two]) {
        check(signed.verify(key.public()), None);
    }
    let detached = json!({ "signatures": [entry(&one)] }).to_string();
    check(
        parse_json_detached(&detached, b"{}", MAX).map(|mut all| all.remove(0)).unwrap().verify(one.public()),
        None,
    );
    for (message, expected) in [
        (json!({ "payload": "e30", "signatures": [] }), "at most 16"),
        (json!({ "payload": "e30", "signatures": [1] }), "at most 16"),
        (json!({ "payload": "e30", "signatures": vec![entry(&one); 17] }), "at most 16"),
        (json!({ "payload": "e30", "signatures": [entry(&one)], "signature": "AA" }), "at most 16"),
        (json!({ "payload": "e30" }), "at most 16"),
        (json!({ "payload": 1, "signatures": [entry(&one)] }), "payload"),
        (json!({ "signatures": [entry(&one)] }), "payload"),
        (json!([]), "object"),
    ] {
        check(parse_json(&message.to_string(), MAX), Some(expected));
    }
}
