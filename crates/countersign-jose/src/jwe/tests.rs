//! What a reader of encrypted messages meets (RFC 7516, RFC 7518 §4 and §5), and the faults that others had.

use serde_json::{Value, json};

use super::{Compact, Decrypted, Error, Told, encrypt, parse_json};
use crate::algorithm::{ContentEncryption, KeyManagement};
use crate::base64url;
use crate::jwk::{DecryptionKey, EncryptionKey, JwkSet};

const MAX: usize = 8192;

/// RFC 8037 appendix A.6: Bob's key.
fn x25519() -> Value {
    json!({
        "kty": "OKP", "crv": "X25519", "kid": "Bob",
        "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08",
        "d": "XasIfmJKikt54X-Lg4AO5m87sSkmGLb9HC-LJ_-I4Os",
    })
}

/// RFC 7518 appendix C: Bob's key.
fn p256() -> Value {
    json!({
        "kty": "EC", "crv": "P-256",
        "x": "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
        "y": "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",
        "d": "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw",
    })
}

/// RFC 7516 appendix A.1: the recipient's key.
fn rsa() -> Value {
    json!({
        "kty": "RSA",
        "n": "oahUIoWw0K0usKNuOR6H4wkf4oBUXHTxRvgb48E-BVvxkeDNjbC4he8rUWcJoZmds2h7M70imEVhRU5djINXtqllXI4DFqcI1DgjT9LewND8MW2Krf3Spsk_ZkoFnilakGygTwpZ3uesH-PFABNIUYpOiN15dsQRkgr0vEhxN92i2asbOenSZeyaxziK72UwxrrKoExv6kc5twXTq4h-QChLOln0_mtUZwfsRaMStPs6mS6XrgxnxbWhojf663tuEQueGC-FCMfra36C9knDFGzKsNa7LZK2djYgyD3JR_MB_4NUJW_TqOQtwHYbxevoJArm-L5StowjzGy-_bq6Gw",
        "e": "AQAB",
        "d": "kLdtIj6GbDks_ApCSTYQtelcNttlKiOyPzMrXHeI-yk1F7-kpDxY4-WY5NWV5KntaEeXS1j82E375xxhWMHXyvjYecPT9fpwR_M9gV8n9Hrh2anTpTD93Dt62ypW3yDsJzBnTnrYu1iwWRgBKrEYY46qAZIrA2xAwnm2X7uGR1hghkqDp0Vqj3kbSCz1XyfCs6_LehBwtxHIyh8Ripy40p24moOAbgxVw3rxT_vlt3UVe4WO3JkJOzlpUf-KTVI2Ptgm-dARxTEtE-id-4OJr0h-K-VFs3VSndVTIznSxfyrj8ILL6MG_Uv8YAu7VILSB3lOW085-4qE3DzgrTjgyQ",
        "p": "1r52Xk46c-LsfB5P442p7atdPUrxQSy4mti_tZI3Mgf2EuFVbUoDBvaRQ-SWxkbkmoEzL7JXroSBjSrK3YIQgYdMgyAEPTPjXv_hI2_1eTSPVZfzL0lffNn03IXqWF5MDFuoUYE0hzb2vhrlN_rKrbfDIwUbTrjjgieRbwC6Cl0",
        "q": "wLb35x7hmQWZsWJmB_vle87ihgZ19S8lBEROLIsZG4ayZVe9Hi9gDVCOBmUDdaDYVTSNx_8Fyw1YYa9XGrGnDew00J28cRUoeBB_jKI1oma0Orv1T9aXIWxKwd4gvxFImOWr3QRL9KEBRzk2RatUBnmDZJTIAfwTs0g68UZHvtc",
        "dp": "ZK-YwE7diUh0qR1tR7w8WHtolDx3MZ_OTowiFvgfeQ3SiresXjm9gZ5KLhMXvo-uz-KUJWDxS5pFQ_M0evdo1dKiRTjVw_x4NyqyXPM5nULPkcpU827rnpZzAJKpdhWAgqrXGKAECQH0Xt4taznjnd_zVpAmZZq60WPMBMfKcuE",
        "dq": "Dq0gfgJ1DdFGXiLvQEZnuKEN0UUmsJBxkjydc3j4ZYdBiMRAy86x0vHCjywcMlYYg4yoC4YZa9hNVcsjqA3FeiL19rk8g6Qn29Tt0cj8qqyFpz9vNDBUfCAiJVeESOjJDZPYHdHY8v1b-o-Z2X5tvLx-TCekf7oxyeKDUqKWjis",
        "qi": "VIMpMYbPf47dT1w_zDUXfPimsSegnMOA1zTaX7aGk_8urY6R8-ZW1FxU7AlWAyLWybqq6t16VFd7hQd0y6flUK4SlOydB61gwanOsXGOAOv82cHq0E3eL4HrtZkUuKvnPrMnsUUFlfUdybVzxyjz9JF_XyaY14ardLSjf4L_FNY",
    })
}

fn shared(length: usize) -> Value {
    json!({ "kty": "oct", "k": base64url::encode(&vec![7; length]) })
}

fn with(mut value: Value, member: &str, to: impl Into<Value>) -> Value {
    let to = to.into();
    let members = value.as_object_mut().unwrap();
    if to.is_null() {
        members.remove(member)
    } else {
        members.insert(member.to_owned(), to)
    };
    value
}

fn sealed(jwk: &Value, alg: KeyManagement, enc: ContentEncryption) -> String {
    let told = Told { content_type: Some("JWT"), issuer: Some("https://issuer.example") };
    encrypt(&EncryptionKey::from_jwk(jwk, &[alg]).unwrap(), enc, told, b"plain").unwrap()
}

fn opened(text: &str, jwk: &Value, alg: KeyManagement) -> Result<Decrypted, Error> {
    Compact::parse(text, MAX)?.decrypt(&DecryptionKey::from_jwk(jwk, &[alg])?)
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
fn what_is_encrypted_is_decrypted_by_each_algorithm_and_no_change_goes_unnoticed() {
    for (jwk, alg) in [
        (rsa(), KeyManagement::RsaOaep256),
        (x25519(), KeyManagement::EcdhEs),
        (x25519(), KeyManagement::EcdhEsA128Kw),
        (p256(), KeyManagement::EcdhEs),
        (p256(), KeyManagement::EcdhEsA256Kw),
        (shared(16), KeyManagement::A128Kw),
        (shared(32), KeyManagement::A256Kw),
    ] {
        for enc in ContentEncryption::ALL {
            let text = sealed(&jwk, alg, *enc);
            let found = opened(&text, &jwk, alg).unwrap();
            assert_eq!((found.plaintext(), found.header().cty()), (&b"plain"[..], Some("JWT")));
            let parts: Vec<&str> = text.split('.').collect();
            for place in 1..5 {
                let Some(flipped) = flipped(parts[place]) else { continue };
                let mut changed = parts.clone();
                changed[place] = &flipped;
                check(opened(&changed.join("."), &jwk, alg), Some("cannot be decrypted"));
            }
        }
    }
}

/// Flips the first bit of a part that is not empty.
fn flipped(part: &str) -> Option<String> {
    let mut bytes = base64url::decode(part).unwrap();
    *bytes.first_mut()? ^= 0x80;
    Some(base64url::encode(&bytes))
}

#[test]
fn rfc7518_4_5_a_shared_key_is_the_contents_key_and_has_its_length() {
    for enc in ContentEncryption::ALL {
        let jwk = shared(enc.length());
        check(opened(&sealed(&jwk, KeyManagement::Dir, *enc), &jwk, KeyManagement::Dir), None);
    }
    let text = sealed(&shared(32), KeyManagement::Dir, ContentEncryption::A256Gcm);
    check(opened(&text, &shared(16), KeyManagement::Dir), Some("`enc` is A256GCM, which the key is not for"));
    let only = with(shared(32), "alg", "A128CBC-HS256");
    check(opened(&text, &only, KeyManagement::Dir), Some("`enc` is A256GCM, which the key is not for"));
    let with_key = text.replacen("..", ".AAAA.", 1);
    check(opened(&with_key, &shared(32), KeyManagement::Dir), Some("where its algorithm has none"));
    let short = with(shared(16), "alg", "A256GCM");
    assert!(DecryptionKey::from_jwk(&short, KeyManagement::ALL).is_err());
    assert!(DecryptionKey::from_jwk(&only, &[KeyManagement::A256Kw]).is_err());
    let refused = encrypt(
        &EncryptionKey::from_jwk(&only, &[KeyManagement::Dir]).unwrap(),
        ContentEncryption::A256Gcm,
        Told::default(),
        b"",
    );
    check(refused, Some("which the key is not for"));
}

#[test]
fn rfc7516_11_5_a_key_that_does_not_unwrap_fails_as_a_tag_does() {
    let (jwk, alg) = (shared(16), KeyManagement::A128Kw);
    let text = sealed(&jwk, alg, ContentEncryption::A128CbcHs256);
    let parts: Vec<&str> = text.split('.').collect();
    for key in
        ["", "AAAA", &base64url::encode(&[0; 40]), &base64url::encode(&[0; 24]), &base64url::encode(&[0; 41])]
    {
        let changed = [parts[0], key, parts[2], parts[3], parts[4]].join(".");
        check(opened(&changed, &jwk, alg), Some("cannot be decrypted"));
    }
    for (iv, ciphertext, tag) in [
        ("", parts[3], parts[4]),
        (parts[2], "", parts[4]),
        (parts[2], parts[3], ""),
        ("AAAA", "AAAA", "AAAA"),
    ] {
        check(
            opened(&[parts[0], parts[1], iv, ciphertext, tag].join("."), &jwk, alg),
            Some("cannot be decrypted"),
        );
    }
    let gcm = sealed(&jwk, alg, ContentEncryption::A128Gcm);
    let parts: Vec<&str> = gcm.split('.').collect();
    let tag = base64url::decode(parts[4]).unwrap();
    for tag in [&tag[..12], &tag[..4], &[]] {
        let changed = [parts[0], parts[1], parts[2], parts[3], &base64url::encode(tag)].join(".");
        check(opened(&changed, &jwk, alg), Some("cannot be decrypted"));
    }
    check(opened(&gcm, &with(jwk, "k", base64url::encode(&[8; 16])), alg), Some("cannot be decrypted"));
}

/// Replaces the header of a message.
fn headed(text: &str, header: &Value) -> String {
    let (_, rest) = text.split_once('.').unwrap();
    format!("{}.{rest}", base64url::encode(header.to_string().as_bytes()))
}

#[test]
fn rfc7518_4_6_the_other_sides_key_is_on_our_curve() {
    let text = sealed(&p256(), KeyManagement::EcdhEs, ContentEncryption::A128Gcm);
    let header = |epk: Value| headed(&text, &json!({ "alg": "ECDH-ES", "enc": "A128GCM", "epk": epk }));
    let point = |x: &str, y: &str| json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
    let (x, y) = (p256()["x"].as_str().unwrap().to_owned(), p256()["y"].as_str().unwrap().to_owned());
    let zero = base64url::encode(&[0; 32]);
    for epk in [
        Value::Null,
        json!("epk"),
        json!({}),
        point(&x, &x),
        point(&zero, &zero),
        point(&x, ""),
        with(point(&x, &y), "crv", "P-384"),
        with(x25519(), "d", Value::Null),
        json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }),
    ] {
        check(opened(&header(epk.clone()), &p256(), KeyManagement::EcdhEs), Some("`epk`"));
    }
    let low_order = json!({ "kty": "OKP", "crv": "X25519", "x": zero });
    check(opened(&header(low_order), &x25519(), KeyManagement::EcdhEs), Some("`epk`"));
}

#[test]
fn what_inflates_or_hashes_at_a_strangers_word_is_refused_by_name() {
    let text = sealed(&shared(16), KeyManagement::A128Kw, ContentEncryption::A128Gcm);
    for (header, expected) in [
        // CVE-2024-28180 and CVE-2024-28122.
        (json!({ "alg": "A128KW", "enc": "A128GCM", "zip": "DEF" }), "decompression"),
        // GHSA-2c7c-3mj9-8fqh and CVE-2023-49290.
        (
            json!({ "alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2_000_000_000, "p2s": "AA" }),
            "PBES2-HS256+A128KW is not supported",
        ),
        (json!({ "alg": "RSA1_5", "enc": "A128GCM" }), "RSA1_5 is not supported"),
        (json!({ "alg": "RSA-OAEP", "enc": "A128GCM" }), "RSA-OAEP is not supported"),
        (json!({ "alg": "A128GCMKW", "enc": "A128GCM" }), "A128GCMKW is not supported"),
        (json!({ "alg": "none", "enc": "A128GCM" }), "signs nothing"),
        (json!({ "alg": "A128KW", "enc": "none" }), "signs nothing"),
        (json!({ "alg": "A128KW", "enc": "A128KW" }), "`enc`: the algorithm is unknown"),
        (json!({ "alg": "HS256", "enc": "A128GCM" }), "unknown or serves another purpose"),
        (json!({ "alg": "A128KW" }), "no `enc`"),
        (json!({ "alg": "A128KW", "enc": "A128GCM", "crit": ["b64"], "b64": true }), "not understood"),
        (json!({ "alg": "A128KW", "enc": "A128GCM", "crit": ["zip"], "zip": "DEF" }), "every reader knows"),
        (json!({ "alg": "A128KW", "enc": "A128GCM", "kid": 1 }), "`kid` to be text"),
        (json!({ "alg": "A128KW", "enc": "A128GCM", "apu": "=" }), "`apu` to be base64url"),
        (json!({ "alg": "A256KW", "enc": "A128GCM" }), "is A256KW, and the key is for A128KW"),
        (json!({ "alg": "dir", "enc": "A128GCM" }), "is dir, and the key is for A128KW"),
    ] {
        check(opened(&headed(&text, &header), &shared(16), KeyManagement::A128Kw), Some(expected));
    }
}

#[test]
fn rfc7516_7_1_a_message_has_five_parts_and_a_bounded_size() {
    for (text, expected) in [
        (".".repeat(MAX + 1), "at most 8192 bytes"),
        (".".repeat(MAX), "five parts"),
        ("e30.e30.e30".to_owned(), "five parts"),
        ("e30.e30.e30.e30.e30.e30".to_owned(), "five parts"),
        ("....".to_owned(), "EOF"),
        (String::new(), "five parts"),
    ] {
        check(Compact::parse(&text, MAX), Some(expected));
    }
}

/// A message of JSON with one recipient, made of one in compact form.
fn flattened(text: &str) -> Value {
    let parts: Vec<&str> = text.split('.').collect();
    json!({ "protected": parts[0], "encrypted_key": parts[1], "iv": parts[2], "ciphertext": parts[3], "tag": parts[4] })
}

#[test]
fn rfc7516_7_2_each_recipient_of_a_message_of_json_reads_it_by_itself() {
    let jwk = shared(16);
    let key = || DecryptionKey::from_jwk(&jwk, &[KeyManagement::A128Kw]).unwrap();
    let message = flattened(&sealed(&jwk, KeyManagement::A128Kw, ContentEncryption::A128Gcm));
    let read = |message: &Value| parse_json(&message.to_string(), MAX);
    check(read(&message).map(|mut all| all.remove(0)).unwrap().decrypt(&key()), None);
    let wrapped = message["encrypted_key"].clone();
    let general = with(message.clone(), "encrypted_key", Value::Null);
    let listed = |recipients: Value| with(general.clone(), "recipients", recipients);
    let both =
        listed(json!([{ "encrypted_key": "AAAA", "header": { "kid": "x" } }, { "encrypted_key": wrapped }]));
    let mut all = read(&both).unwrap();
    check(all.remove(1).decrypt(&key()), None);
    check(all.remove(0).decrypt(&key()), Some("cannot be decrypted"));
    let changed = with(message.clone(), "aad", "AAAA");
    check(read(&changed).map(|mut all| all.remove(0)).unwrap().decrypt(&key()), Some("cannot be decrypted"));
    for (message, expected) in [
        (listed(json!([])), "at most 16"),
        (listed(json!([1])), "at most 16"),
        (listed(json!(vec![json!({}); 17])), "at most 16"),
        (with(message.clone(), "recipients", json!([{}])), "at most 16"),
        (with(message.clone(), "header", json!({ "alg": "A128KW" })), "two of the message's headers"),
        (with(message.clone(), "header", json!({ "crit": ["x"] })), "belong into the protected"),
        (with(message.clone(), "unprotected", json!({ "zip": "DEF" })), "decompression"),
        (with(message.clone(), "tag", Value::Null), "expected an object"),
        (with(message.clone(), "iv", 1), "expected an object"),
        (with(message.clone(), "aad", "="), "additional data is not base64url"),
    ] {
        check(read(&message), Some(expected));
    }
    let direct = flattened(&sealed(&jwk, KeyManagement::Dir, ContentEncryption::A128Gcm));
    let twice = with(with(direct, "encrypted_key", Value::Null), "recipients", json!([{}, {}]));
    check(read(&twice), Some("one recipient"));
}

#[test]
fn rfc7517_4_a_key_opens_what_it_says() {
    let read =
        |jwk: &Value| DecryptionKey::from_jwk(jwk, KeyManagement::ALL).map_err(|error| error.to_string());
    for (jwk, expected) in [
        (with(with(x25519(), "alg", "ECDH-ES"), "use", "sig"), "`use` to be `enc`"),
        (with(with(x25519(), "alg", "ECDH-ES"), "key_ops", json!(["sign"])), "`key_ops`"),
        (with(x25519(), "alg", "A128KW"), "does not fit"),
        (with(x25519(), "alg", "ECDH-ES+A192KW"), "ECDH-ES+A192KW is not supported"),
        (x25519(), "fits several"),
        (with(with(x25519(), "alg", "ECDH-ES"), "d", Value::Null), "no `d`"),
        (with(with(x25519(), "alg", "ECDH-ES"), "x", base64url::encode(&[9; 32])), "no valid key"),
        (with(with(p256(), "alg", "ECDH-ES"), "d", "AAAA"), "length of its curve"),
        (with(rsa(), "alg", "RSA-OAEP"), "RSA-OAEP is not supported"),
        (with(rsa(), "alg", "RSA1_5"), "RSA1_5 is not supported"),
        (with(rsa(), "qi", Value::Null), "no `qi`"),
        (with(rsa(), "dp", rsa()["dq"].clone()), "no valid key"),
        (with(rsa(), "oth", json!([])), "not supported"),
        (with(with(p256(), "alg", "ECDH-ES"), "d", base64url::encode(&[0; 32])), "no valid key"),
        (json!({ "kty": "OKP", "crv": "Ed25519", "x": "AAAA" }), "not among those allowed"),
        (json!({ "kty": "oct", "k": "AAAA" }), "not among those allowed"),
        (json!({ "kty": "oct", "k": "AAAA", "alg": "HS256" }), "unknown or serves another purpose"),
    ] {
        assert!(read(&jwk).unwrap_err().contains(expected), "{jwk}");
    }
    let set = json!({ "keys": [p256(), shared(32)] });
    let set = JwkSet::<DecryptionKey>::from_value(&set, KeyManagement::ALL).unwrap();
    let found: Vec<KeyManagement> = set.keys().iter().map(|key| key.algorithm()).collect();
    assert_eq!(
        found,
        [
            KeyManagement::EcdhEs,
            KeyManagement::EcdhEsA128Kw,
            KeyManagement::EcdhEsA256Kw,
            KeyManagement::A256Kw,
            KeyManagement::Dir
        ]
    );
    assert!(!format!("{set:?}").contains("[7, 7"));
}
