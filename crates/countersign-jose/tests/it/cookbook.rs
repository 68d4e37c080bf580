//! RFC 7520, 7797 and 8037 and others as files: each passes, or is refused by name, or belongs to another room.
//!
//! The files are read where they lie beside the repository (`shared/vectors/jose-cookbook`). Where they are not, the
//! examples in `standards.rs` must do.

use std::fs;
use std::path::{Path, PathBuf};

use countersign_jose::algorithm::{KeyManagement, MacAlgorithm, SignatureAlgorithm};
use countersign_jose::base64url;
use countersign_jose::jwk::{DecryptionKey, JwkSet, MacKey, PublicKey, thumbprint};
use serde_json::{Value, json};

use crate::reading::{decrypted, verified};

/// What is expected of a file.
enum Expected {
    /// It is of other standards than this crate's
    Elsewhere,
    /// All of its messages are read
    Passes,
    /// All of its messages are refused, for a reason that has these words
    Refused(&'static str),
}

use Expected::{Elsewhere, Passes, Refused};

/// Every file, and what is expected of it.
const FILES: &[(&str, Expected)] = &[
    ("6.nesting_signatures_and_encryption.json", Passes),
    ("LICENSE", Elsewhere),
    ("curve25519/ecdh-es.json", Passes),
    ("curve25519/jws.json", Passes),
    ("jwe/5_1.key_encryption_using_rsa_v15_and_aes-hmac-sha2.json", Refused("RSA1_5 is not supported")),
    ("jwe/5_10.including_additional_authentication_data.json", Passes),
    ("jwe/5_11.protecting_specific_header_fields.json", Passes),
    ("jwe/5_12.protecting_content_only.json", Passes),
    ("jwe/5_13.encrypting_to_multiple_recipients.json", Refused("RSA1_5 is not supported")),
    ("jwe/5_2.key_encryption_using_rsa-oaep_with_aes-gcm.json", Refused("RSA-OAEP is not supported")),
    (
        "jwe/5_3.key_wrap_using_pbes2-aes-keywrap_with-aes-cbc-hmac-sha2.json",
        Refused("PBES2-HS512+A256KW is not supported"),
    ),
    ("jwe/5_4.key_agreement_with_key_wrapping_using_ecdh-es_and_aes-keywrap_with_aes-gcm.json", Passes),
    ("jwe/5_5.key_agreement_using_ecdh-es_with_aes-cbc-hmac-sha2.json", Passes),
    ("jwe/5_6.direct_encryption_using_aes-gcm.json", Passes),
    (
        "jwe/5_7.key_wrap_using_aes-gcm_keywrap_with_aes-cbc-hmac-sha2.json",
        Refused("A256GCMKW is not supported"),
    ),
    ("jwe/5_8.key_wrap_using_aes-keywrap_with_aes-gcm.json", Passes),
    ("jwe/5_9.compressed_content.json", Refused("decompression")),
    ("jwk/3_1.ec_public_key.json", Passes),
    ("jwk/3_2.ec_private_key.json", Passes),
    ("jwk/3_3.rsa_public_key.json", Passes),
    ("jwk/3_4.rsa_private_key.json", Passes),
    ("jwk/3_5.symmetric_key_mac_computation.json", Passes),
    ("jwk/3_6.symmetric_key_encryption.json", Passes),
    ("jws/4_1.rsa_v15_signature.json", Passes),
    ("jws/4_2.rsa-pss_signature.json", Passes),
    ("jws/4_3.ecdsa_signature.json", Passes),
    ("jws/4_4.hmac-sha2_integrity_protection.json", Passes),
    ("jws/4_5.signature_with_detached_content.json", Passes),
    ("jws/4_6.protecting_specific_header_fields.json", Passes),
    ("jws/4_7.protecting_content_only.json", Passes),
    ("jws/4_8.multiple_signatures.json", Passes),
    ("latchset/COPYING", Elsewhere),
    ("latchset/rfc7515_A.1.jwk", Passes),
    ("latchset/rfc7515_A.1.jwsc", Passes),
    ("latchset/rfc7515_A.2.jwk", Passes),
    ("latchset/rfc7515_A.2.jwsc", Passes),
    ("latchset/rfc7515_A.3.jwk", Passes),
    ("latchset/rfc7515_A.3.jwsc", Passes),
    ("latchset/rfc7515_A.4.jwk", Passes),
    ("latchset/rfc7515_A.4.jwsc", Passes),
    ("latchset/rfc7515_A.5.jwsc", Refused("signs nothing")),
    ("latchset/rfc7515_A.6.1.jwk", Passes),
    ("latchset/rfc7515_A.6.2.jwk", Passes),
    ("latchset/rfc7515_A.6.jwkset", Passes),
    ("latchset/rfc7515_A.6.jwsg", Passes),
    // Another file's name, which is the key of the message beside it.
    ("latchset/rfc7515_A.7.jwk", Elsewhere),
    ("latchset/rfc7515_A.7.jwsf", Passes),
    ("latchset/rfc7517_A.1.jwkset", Passes),
    ("latchset/rfc7517_A.2.jwkset", Passes),
    ("latchset/rfc7517_A.3.jwkset", Passes),
    ("latchset/rfc7517_B.jwk", Passes),
    ("latchset/rfc7638_3.1.jwk", Passes),
    ("latchset/rfc7638_3.1.thp", Passes),
    ("rfc/rfc7515-appendix-e-negative.json", Refused("not understood")),
    ("rfc/rfc7516-appendix-a.json", Passes),
    // An agreement that is no message: a test beside the derivation has it.
    ("rfc/rfc7518-appendix-c.json", Elsewhere),
    ("rfc/rfc7519-appendix-a.json", Passes),
    ("rfc/rfc7636-appendix-b.json", Elsewhere),
    ("rfc/rfc8037-appendix-a.json", Passes),
    ("rfc/rfc8705-appendix-a.json", Elsewhere),
    ("rfc/rfc9421-appendix-b.json", Elsewhere),
    ("rfc/rfc9449-dpop.json", Passes),
    // A draft's: what became RFC 7797 §6 lists `b64` in `crit`.
    ("rfc7797/4.2.hmac-sha2_b64_false.json", Refused("does not list `b64`")),
    ("rfc7797/hmac-sha2_b64_false.json", Passes),
];

#[test]
fn every_vector_passes_or_is_refused_by_name() {
    let Some(folder) = folder() else {
        eprintln!("skipped: no folder above this crate has shared/vectors/jose-cookbook");
        return;
    };
    let mut names: Vec<String> = files(&folder).iter().map(|path| relative(&folder, path)).collect();
    names.sort_unstable();
    assert_eq!(names, FILES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (name, expected) in FILES {
        let answers = if matches!(expected, Elsewhere) { Vec::new() } else { answers(&folder.join(name)) };
        assert!(matches!(expected, Elsewhere) || !answers.is_empty(), "{name}: nothing was read");
        for answer in answers {
            match (expected, answer) {
                (Passes, Ok(())) => {}
                (Refused(words), Err(reason)) => assert!(reason.contains(words), "{name}: {reason}"),
                (_, answer) => panic!("{name}: {answer:?}"),
            }
        }
    }
}

fn folder() -> Option<PathBuf> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above.map(|folder| folder.join("shared/vectors/jose-cookbook")).find(|folder| folder.is_dir())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn relative(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned()
}

type Answer = Result<(), String>;

/// Reads all that a file holds.
fn answers(path: &Path) -> Vec<Answer> {
    let text = fs::read_to_string(path).unwrap();
    match path.extension().and_then(|extension| extension.to_str()).unwrap() {
        "json" => of_json(&serde_json::from_str(&text).unwrap(), path),
        "jwk" => vec![key(&serde_json::from_str(&text).unwrap())],
        "jwkset" => {
            let set: Value = serde_json::from_str(&text).unwrap();
            set["keys"].as_array().unwrap().iter().map(key).collect()
        }
        "thp" => {
            let jwk = fs::read_to_string(path.with_extension("jwk")).unwrap();
            vec![same(thumbprint(&serde_json::from_str(&jwk).unwrap()).unwrap(), text.trim())]
        }
        _ => vec![verified(&keys_beside(path), text.trim(), None).map(|_| ())],
    }
}

/// Returns the keys of a message that stands in a file of its own.
fn keys_beside(path: &Path) -> Value {
    if let Ok(set) = fs::read_to_string(path.with_extension("jwkset")) {
        return serde_json::from_str(&set).unwrap();
    }
    let Ok(text) = fs::read_to_string(path.with_extension("jwk")) else {
        return json!({ "keys": [] });
    };
    let text = if text.starts_with('{') {
        text
    } else {
        fs::read_to_string(path.with_file_name(text.trim())).unwrap()
    };
    json!({ "keys": [serde_json::from_str::<Value>(&text).unwrap()] })
}

fn same(found: impl AsRef<[u8]>, expected: impl AsRef<[u8]>) -> Answer {
    if found.as_ref() == expected.as_ref() {
        Ok(())
    } else {
        Err("read, and another than expected".to_owned())
    }
}

/// Reads a key as each kind that it may be; one is enough.
fn key(jwk: &Value) -> Answer {
    let set = json!({ "keys": [jwk] });
    let public = JwkSet::<PublicKey>::from_value(&set, SignatureAlgorithm::ALL).unwrap();
    let mac = JwkSet::<MacKey>::from_value(&set, MacAlgorithm::ALL).unwrap();
    let private = JwkSet::<DecryptionKey>::from_value(&set, KeyManagement::ALL).unwrap();
    thumbprint(jwk).map_err(|error| error.to_string())?;
    let encrypts = countersign_jose::jwk::EncryptionKey::from_jwk(jwk, &[KeyManagement::EcdhEs]).is_ok();
    let read = !public.keys().is_empty() || !mac.keys().is_empty() || !private.keys().is_empty() || encrypts;
    if read { Ok(()) } else { Err(format!("{public:?} {mac:?} {private:?}")) }
}

fn of_json(file: &Value, path: &Path) -> Vec<Answer> {
    match path.file_name().and_then(|name| name.to_str()).unwrap() {
        "6.nesting_signatures_and_encryption.json" => {
            let mut answers = signed(&file["sign"]);
            let refused = sealed(&file["encrypt"])
                .into_iter()
                .map(|answer| refused(answer, "RSA-OAEP is not supported"));
            answers.extend(refused);
            answers
        }
        "rfc7515-appendix-e-negative.json" => vec![plain(&json!([]), &file["token"])],
        "rfc7516-appendix-a.json" => file["cases"].as_array().unwrap().iter().map(rfc7516_a).collect(),
        "rfc7519-appendix-a.json" => rfc7519_a(file),
        "rfc8037-appendix-a.json" => vec![
            plain(&json!([file["public_jwk"]]), &file["jws"]),
            same(thumbprint(&file["public_jwk"]).unwrap(), file["thumbprint"].as_str().unwrap()),
        ],
        "rfc9449-dpop.json" => file["valid_proofs"].as_array().unwrap().iter().flat_map(rfc9449).collect(),
        _ if file.get("kty").is_some() => vec![key(file)],
        _ if file.get("signing").is_some() => signed(file),
        _ => sealed(file),
    }
}

fn list(value: &Value) -> Value {
    if value.is_array() { value.clone() } else { json!([value]) }
}

fn set(keys: &Value) -> Value {
    json!({ "keys": list(keys) })
}

/// Returns the messages of a file: its compact form, and both of JSON, where it has them.
fn messages(file: &Value) -> Vec<String> {
    let outputs = ["compact", "json", "json_flat"].iter().filter_map(|form| file["output"].get(*form));
    outputs.map(|form| form.as_str().map_or_else(|| form.to_string(), str::to_owned)).collect()
}

fn plain(keys: &Value, message: &Value) -> Answer {
    verified(&set(keys), message.as_str().unwrap(), None).map(|_| ())
}

fn refused(answer: Answer, words: &str) -> Answer {
    match answer {
        Err(reason) if reason.contains(words) => Ok(()),
        answer => Err(format!("{answer:?}")),
    }
}

/// RFC 7520 §4, RFC 7797 §4.
fn signed(file: &Value) -> Vec<Answer> {
    let payload = file["input"]["payload"].as_str().unwrap();
    let is_detached = file["title"] == "Signature with Detached Content";
    let detached = is_detached.then_some(payload.as_bytes());
    let read = |message: String| same(verified(&set(&file["input"]["key"]), &message, detached)?, payload);
    messages(file).into_iter().map(read).collect()
}

/// RFC 7520 §5.
fn sealed(file: &Value) -> Vec<Answer> {
    // PBES2 has a password where others have keys.
    let keys = file["input"].get("key").cloned().unwrap_or(json!([]));
    let plaintext = file["input"]["plaintext"].as_str().unwrap();
    let read = |message: String| same(decrypted(&set(&keys), &message)?, plaintext);
    messages(file).into_iter().map(read).collect()
}

fn rfc7516_a(case: &Value) -> Answer {
    let keys = set(case.get("keys").unwrap_or_else(|| &case["key"]));
    let message = case["jwe"].as_str().map_or_else(|| case["jwe"].to_string(), str::to_owned);
    let found =
        decrypted(&keys, &message).map(|plaintext| same(plaintext, case["plaintext"].as_str().unwrap()));
    match case["name"].as_str().unwrap().get(..3).unwrap() {
        "A.1" => refused(found.map(|_| ()), "RSA-OAEP is not supported"),
        "A.2" | "A.4" => refused(found.map(|_| ()), "RSA1_5 is not supported"),
        _ => found?,
    }
}

fn rfc7519_a(file: &Value) -> Vec<Answer> {
    let cases = file["cases"].as_array().unwrap();
    let encrypted = cases.iter().map(|case| {
        let found = decrypted(&set(&case["decryption_key"]), case["token"].as_str().unwrap()).map(|_| ());
        refused(found, "RSA1_5 is not supported")
    });
    let inner = plain(&list(&cases[1]["verification_key"]), &cases[1]["inner_jws"]);
    let unsecured = refused(plain(&json!([]), &file["section_6.1_unsecured"]["token"]), "signs nothing");
    encrypted.chain([inner, unsecured]).collect()
}

/// RFC 9449: the key is in the header, where this standard alone wants it.
fn rfc9449(proof: &Value) -> [Answer; 2] {
    let text = proof["proof"].as_str().unwrap();
    let (header, _) = text.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&base64url::decode(header).unwrap()).unwrap();
    let jkt = proof["jkt"].as_str().unwrap();
    [plain(&list(&header["jwk"]), &proof["proof"]), same(thumbprint(&header["jwk"]).unwrap(), jkt)]
}
