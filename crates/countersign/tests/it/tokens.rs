//! PRODUCT §4: tokens are verified, decrypted and shown with no server, one by one and in batches.

use std::io::Write;
use std::process::{Output, Stdio};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use countersign_jose::algorithm::{ContentEncryption, KeyManagement, SignatureAlgorithm};
use countersign_jose::jwk::{EncryptionKey, SigningKey};
use countersign_jose::{base64url, jwe};
use serde_json::{Value, json};

use crate::harness::Ground;

/// The time at which the tests' tokens are valid.
const NOW: u64 = 1_700_000_000;

/// Who issues tokens, as they are or as nobody should.
struct Issuer {
    key: SigningKey,
    pair: EcdsaKeyPair,
}

impl Issuer {
    fn new() -> Self {
        let key = SigningKey::generate(SignatureAlgorithm::Es256).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.to_pkcs8().unwrap()).unwrap();
        Self { key, pair }
    }

    fn jwks(&self) -> Value {
        json!({ "keys": [self.key.public().to_jwk()] })
    }

    fn header(&self) -> Value {
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": self.key.kid() })
    }

    /// Signs a token with any header.
    fn forge(&self, header: &Value, payload: &str) -> String {
        let input = input(&header.to_string(), payload);
        let signature = self.pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", base64url::encode(signature.as_ref()))
    }

    fn token(&self, claims: &Value) -> String {
        self.forge(&self.header(), &claims.to_string())
    }
}

fn input(header: &str, payload: &str) -> String {
    format!("{}.{}", base64url::encode(header.as_bytes()), base64url::encode(payload.as_bytes()))
}

fn claims() -> Value {
    json!({
        "iss": "https://auth.example.com", "aud": ["https://api.example.com"], "sub": "client_1",
        "exp": NOW + 900, "nbf": NOW, "iat": NOW,
    })
}

fn with(mut value: Value, member: &str, to: Value) -> Value {
    value.as_object_mut().unwrap().insert(member.to_owned(), to);
    value
}

fn without(mut value: Value, member: &str) -> Value {
    value.as_object_mut().unwrap().remove(member);
    value
}

fn run(place: &Ground, arguments: &[&str], stdin: &str) -> Output {
    let mut command = place.command(arguments, &[]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let text = stdin.to_owned();
    let writer = std::thread::spawn(move || drop(input.write_all(text.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// Answers the cases of a batch.
#[track_caller]
fn batch(verb: &str, lines: &[String]) -> Vec<Value> {
    let output = run(&Ground::on_sqlite(), &["token", verb, "--batch"], &(lines.join("\n") + "\n"));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), lines.len());
    answers
}

/// What a verifier meets: a name, the case, and the reason; none if it is accepted.
type Row = (&'static str, Value, Option<&'static str>);

/// The attacks on JOSE libraries that reach whoever verifies a token: rows 47 to 57 of the corpus.
struct Corpus {
    issuer: Issuer,
    attacker: Issuer,
    rsa: SigningKey,
}

impl Corpus {
    fn case(&self, token: &str) -> Value {
        json!({
            "op": "token.verify", "jwks": self.issuer.jwks(), "token": token, "at": NOW, "alg": ["ES256"],
            "issuer": "https://auth.example.com", "audience": "https://api.example.com", "typ": "at+jwt",
        })
    }

    fn signed(&self, claims: &Value) -> Value {
        self.case(&self.issuer.token(claims))
    }

    fn headed(&self, header: &Value) -> Value {
        self.case(&self.issuer.forge(header, &claims().to_string()))
    }

    fn embedded(&self, name: &str, value: Value) -> Value {
        self.case(&self.attacker.forge(&with(self.issuer.header(), name, value), &claims().to_string()))
    }

    fn unsigned(&self, algorithm: &str) -> String {
        let header = with(self.issuer.header(), "alg", algorithm.into());
        format!("{}.", input(&header.to_string(), &claims().to_string()))
    }

    /// Returns a token whose MAC is made with the issuer's public RSA key.
    fn confused(&self) -> Value {
        let public = self.rsa.public().to_jwk();
        let input =
            input(&json!({ "alg": "HS256", "kid": self.rsa.kid() }).to_string(), &claims().to_string());
        let key = hmac::Key::new(hmac::HMAC_SHA256, public.to_string().as_bytes());
        let token = format!("{input}.{}", base64url::encode(hmac::sign(&key, input.as_bytes()).as_ref()));
        without(with(self.case(&token), "jwks", json!({ "keys": [public] })), "alg")
    }

    fn shapes(&self) -> Vec<Row> {
        let good = self.issuer.token(&claims());
        let (signed_part, _) = good.rsplit_once('.').unwrap();
        let confused = self.confused();
        vec![
            ("a good token", self.case(&good), None),
            ("47 CVE-2015-2951 none", self.case(&self.unsigned("none")), Some("signs nothing")),
            ("47 CVE-2015-2951 nOnE", self.case(&self.unsigned("nOnE")), Some("signs nothing")),
            ("47 no signature", self.case(&format!("{signed_part}.")), Some("signature is wrong")),
            ("48 CVE-2016-10555 RS/HS confusion", confused.clone(), Some("kid")),
            (
                "48 not allowed",
                with(confused, "alg", json!(["RS256"])),
                Some("HS256, which is not among those allowed"),
            ),
            (
                "48 CVE-2026-22817 the header chooses",
                self.headed(&with(self.issuer.header(), "alg", "ES384".into())),
                Some("ES384"),
            ),
            (
                "54 CVE-2022-21449 r = s = 0",
                self.case(&format!("{signed_part}.{}", base64url::encode(&[0; 64]))),
                Some("signature is wrong"),
            ),
            (
                "55 encrypted where signed is asked for",
                self.case("e30.e30.e30.e30.e30"),
                Some("decrypt it first"),
            ),
            ("56 CVE-2025-30204 dots", self.case(&".".repeat(900_000)), Some("three parts")),
            ("changed", self.case(&good.replacen('e', "f", 2)), Some("")),
            ("space", self.case(&format!("{good}\n")), Some("base64url")),
        ]
    }

    fn headers(&self) -> Vec<Row> {
        vec![
            (
                "49 CVE-2018-0114 jwk",
                self.embedded("jwk", self.attacker.key.public().to_jwk()),
                Some("signature is wrong"),
            ),
            (
                "49 CVE-2026-27962 jku",
                self.embedded("jku", "https://evil.example/".into()),
                Some("signature is wrong"),
            ),
            ("49 x5c", self.embedded("x5c", json!(["MIIB"])), Some("signature is wrong")),
            (
                "50 kid as a path",
                self.headed(&with(self.issuer.header(), "kid", "../../../dev/null".into())),
                Some("no key with the message's `kid`"),
            ),
            (
                "50 kid as SQL",
                self.headed(&with(self.issuer.header(), "kid", "x' UNION SELECT 'a".into())),
                Some("no key with the message's `kid`"),
            ),
            (
                "50 kid of a wrong type",
                self.headed(&with(self.issuer.header(), "kid", json!([]))),
                Some("`kid` to be text"),
            ),
            (
                "51 CVE-2026-32597 crit",
                self.headed(&with(with(self.issuer.header(), "crit", json!(["x"])), "x", true.into())),
                Some("not understood"),
            ),
            ("51 empty crit", self.headed(&with(self.issuer.header(), "crit", json!([]))), Some("`crit`")),
            ("57 an ID token", self.headed(&with(self.issuer.header(), "typ", "JWT".into())), Some("`typ`")),
            ("57 no typ", self.headed(&without(self.issuer.header(), "typ")), Some("`typ`")),
        ]
    }

    fn claims(&self) -> Vec<Row> {
        let good = self.issuer.token(&claims());
        vec![
            (
                "52 CVE-2026-25537 exp is text",
                self.signed(&with(claims(), "exp", "never".into())),
                Some("`exp` to be a number"),
            ),
            ("52 nbf is text", self.signed(&with(claims(), "nbf", "0".into())), Some("`nbf` to be a number")),
            (
                "52 exp is null",
                self.signed(&with(claims(), "exp", Value::Null)),
                Some("`exp` to be a number"),
            ),
            ("52 no exp", self.signed(&without(claims(), "exp")), Some("no `exp`")),
            (
                "53 CVE-2020-26160 another aud",
                self.signed(&with(claims(), "aud", json!(["x"]))),
                Some("`aud` does not list"),
            ),
            ("53 empty aud", self.signed(&with(claims(), "aud", json!([]))), Some("`aud` does not list")),
            ("53 CVE-2026-55669 no aud", self.signed(&without(claims(), "aud")), Some("no `aud`")),
            ("53 aud is a number", self.signed(&with(claims(), "aud", json!([1]))), Some("`aud` to be text")),
            ("53 no iss", self.signed(&without(claims(), "iss")), Some("no `iss`")),
            (
                "53 another iss",
                self.signed(&with(claims(), "iss", "https://auth.example.com/".into())),
                Some("`iss` is not"),
            ),
            ("expired", with(self.case(&good), "at", json!(NOW + 900)), Some("expired")),
            ("not yet valid", with(self.case(&good), "at", json!(NOW - 1)), Some("not valid yet")),
            (
                "a member twice",
                self.case(
                    &self.issuer.forge(&self.issuer.header(), r#"{"exp":1700000900,"exp":9700000900}"#),
                ),
                Some("twice"),
            ),
        ]
    }
}

#[test]
fn every_forged_token_of_the_corpus_is_refused_by_name() {
    let rsa = SigningKey::generate(SignatureAlgorithm::Rs256).unwrap();
    let corpus = Corpus { issuer: Issuer::new(), attacker: Issuer::new(), rsa };
    let rows = [corpus.shapes(), corpus.headers(), corpus.claims()].concat();
    let lines: Vec<String> = rows.iter().map(|(_, case, _)| case.to_string()).collect();
    for ((name, _, expected), answer) in rows.iter().zip(batch("verify", &lines)) {
        check(name, &answer, *expected);
    }
}

#[track_caller]
fn check(name: &str, answer: &Value, expected: Option<&str>) {
    assert_eq!(answer["accepted"], json!(expected.is_none()), "{name}: {answer}");
    if let Some(reason) = expected {
        assert!(answer["reason"].as_str().unwrap().contains(reason), "{name}: {answer}");
    }
}

#[test]
fn a_batch_answers_each_line_and_goes_on() {
    let issuer = Issuer::new();
    let verify =
        json!({ "op": "token.verify", "jwks": issuer.jwks(), "token": issuer.token(&claims()), "at": NOW });
    // RFC 7638 §3.1 with the key of RFC 8037 appendix A.
    let thumbprint = json!({ "op": "jwk.thumbprint", "jwk": {
        "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    } });
    let binary = issuer.forge(&issuer.header(), "not claims").replace("bm90IGNsYWltcw", "_w");
    let (signed, _) = binary.rsplit_once('.').unwrap();
    let signature = issuer.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    let binary = format!("{signed}.{}", base64url::encode(signature.as_ref()));
    let bare = with(with(verify.clone(), "no_claims", true.into()), "token", binary.into());
    let flattened = {
        let token = issuer.token(&claims());
        let parts: Vec<&str> = token.split('.').collect();
        json!({ "protected": parts[0], "payload": parts[1], "signature": parts[2] })
    };
    for (name, line, expected) in [
        ("a token", verify.to_string(), Ok(json!({ "accepted": true, "payload": claims() }))),
        (
            "no op is the command's",
            without(verify.clone(), "op").to_string(),
            Ok(json!({ "accepted": true, "payload": claims() })),
        ),
        (
            "an object of JSON",
            with(verify.clone(), "token", flattened).to_string(),
            Ok(json!({ "accepted": true, "payload": claims() })),
        ),
        ("a bare signature", bare.to_string(), Ok(json!({ "accepted": true, "payload_base64": "/w==" }))),
        (
            "a thumbprint",
            thumbprint.to_string(),
            Ok(json!({ "accepted": true, "payload": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" })),
        ),
        (
            "claims that are none",
            without(with(bare.clone(), "no_claims", false.into()), "at").to_string(),
            Err("claims"),
        ),
        (
            "an issuer without claims",
            with(bare.clone(), "issuer", "x".into()).to_string(),
            Err("without claims"),
        ),
        ("no JSON", "{".to_owned(), Err("the line")),
        ("an array", "[]".to_owned(), Err("the line")),
        ("a member twice", r#"{"op":"token.verify","op":"jwk.thumbprint"}"#.to_owned(), Err("twice")),
        ("an unknown op", r#"{"op":"token.mint"}"#.to_owned(), Err("`op` is none of")),
        ("an op of no text", r#"{"op":1}"#.to_owned(), Err("`op` is no text")),
        (
            "an unknown member",
            with(verify.clone(), "aud", "x".into()).to_string(),
            Err("unknown field `aud`"),
        ),
        (
            "a path is no set",
            with(verify.clone(), "jwks", "/etc/hostname".into()).to_string(),
            Err("JWK Set"),
        ),
        ("no algorithm is allowed", with(verify.clone(), "alg", json!([])).to_string(), Err("no algorithm")),
        (
            "an algorithm that is none",
            with(verify.clone(), "alg", json!(["none"])).to_string(),
            Err("signs nothing"),
        ),
        ("too long", format!("{{\"op\":\"{}\"}}", "x".repeat(3 << 20)), Err("longer than")),
        ("the end", verify.to_string(), Ok(json!({ "accepted": true, "payload": claims() }))),
    ] {
        let answers = batch("verify", &[line, verify.to_string()]);
        match expected {
            Ok(expected) => assert_eq!(answers[0], expected, "{name}"),
            Err(reason) => check(name, &answers[0], Some(reason)),
        }
        assert_eq!(answers[1]["accepted"], json!(true), "after {name}");
    }
}

#[test]
fn safety_21_a_batch_reads_no_path_and_no_url() {
    let (place, issuer) = (Ground::on_sqlite(), Issuer::new());
    let file = place.write("jwks.json", &issuer.jwks().to_string());
    let token = place.write("token", &issuer.token(&claims()));
    let (file, token) = (file.to_str().unwrap(), token.to_str().unwrap());
    let case =
        json!({ "op": "token.verify", "jwks": issuer.jwks(), "token": issuer.token(&claims()), "at": NOW });
    let fetched =
        issuer.forge(&with(issuer.header(), "jku", format!("file://{file}").into()), &claims().to_string());
    let rows = [
        ("the set by its path", with(case.clone(), "jwks", file.into()), Some("JWK Set")),
        ("the set by a URL", with(case.clone(), "jwks", format!("file://{file}").into()), Some("JWK Set")),
        ("the token by its path", with(case.clone(), "token", token.into()), Some("three parts")),
        ("the token by standard input", with(case.clone(), "token", "-".into()), Some("three parts")),
        (
            "the set where the token says",
            with(with(case, "token", fetched.into()), "jwks", json!({ "keys": [] })),
            Some("kid"),
        ),
    ];
    let lines: Vec<String> = rows.iter().map(|(_, case, _)| case.to_string()).collect();
    for ((name, _, expected), answer) in rows.iter().zip(batch("verify", &lines)) {
        check(name, &answer, *expected);
    }
}

#[test]
fn whoever_waits_for_an_answer_gets_it_before_the_next_case() {
    use std::io::{BufRead, BufReader};
    let place = Ground::on_sqlite();
    let mut command = place.command(&["token", "verify", "--batch"], &[]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    for _ in 0..3 {
        input.write_all(b"{}\n").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert!(line.contains("missing field"), "{line}");
    }
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn verify_tells_by_its_exit_status_whether_a_token_or_its_command_is_wrong() {
    let (place, issuer) = (Ground::on_sqlite(), Issuer::new());
    place.write("jwks.json", &issuer.jwks().to_string());
    place.write("broken.json", "{\"keys\":[],\"keys\":[]}");
    let (token, at) = (issuer.token(&claims()), NOW.to_string());
    let verify = |arguments: &[&str], stdin: &str| {
        run(&place, &[&["token", "verify", "--jwks", "jwks.json"], arguments].concat(), stdin)
    };
    let good = verify(&["--at", &at, "--alg", "ES256", "--typ", "at+jwt", &token], "");
    assert_eq!((good.status.code(), good.stdout), (Some(0), claims().to_string().into_bytes()));
    for (arguments, stdin, status, reason) in [
        (&["--at", &at][..], token.as_str(), 0, ""),
        (&["--at", &at, "-"], &format!("{token}\n"), 0, ""),
        (&["--no-claims", &token], "", 0, ""),
        (&[&token], "", 1, "refused: the token has expired"),
        (&["--at", &at, "--audience", "x", &token], "", 1, "`aud`"),
        (&["--at", &at, "--alg", "RS256", &token], "", 1, "not among those allowed"),
        (&["--at", &at, "nonsense"], "", 1, "three parts"),
        (&["--at", &at, "--alg", "none", &token], "", 2, "signs nothing"),
        (&["--at", "soon", &token], "", 2, "--at"),
        (&["--no-claims", "--issuer", "x", &token], "", 2, "cannot be used with"),
        (&["--batch"], "", 2, "cannot be used with"),
    ] {
        let output = verify(arguments, stdin);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {output:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(reason), "{arguments:?}: {told}");
        assert!(status == 0 || output.stdout.is_empty(), "{arguments:?}");
    }
    for file in ["nowhere.json", "broken.json"] {
        let output = run(&place, &["token", "verify", "--jwks", file, &token], "");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(file), "{output:?}");
    }
    assert_eq!(run(&place, &["token", "verify", &token], "").status.code(), Some(2));
}

#[test]
fn inspect_shows_what_nobody_has_verified_and_says_so() {
    let (place, issuer) = (Ground::on_sqlite(), Issuer::new());
    let hostile = with(claims(), "name", "\u{1b}[2J\u{9b}1m\u{202e}".into());
    let token = format!("{}.", input(r#"{"alg":"none"}"#, &hostile.to_string()));
    let shown = run(&place, &["token", "inspect", &token], "");
    let text = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(shown.status.code(), Some(0));
    assert!(text.starts_with("UNVERIFIED") && text.contains("\"none\""), "{text}");
    assert!(text.contains("1700000900  2023-11-14T22:28:20Z, ") && text.contains("years ago"), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{text}");
    let shown = run(&place, &["token", "inspect", "--json", "-"], &issuer.token(&claims()));
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!((&shown["verified"], &shown["claims"]["sub"]), (&json!(false), &json!("client_1")));
    assert_eq!(
        (&shown["headers"][0]["alg"], &shown["times"]["nbf"]),
        (&json!("ES256"), &json!("2023-11-14T22:13:20Z"))
    );
    for nonsense in ["nonsense", "a.b.c", "{}x", ""] {
        assert_eq!(run(&place, &["token", "inspect"], nonsense).status.code(), Some(1), "{nonsense}");
    }
}

/// RFC 8037 appendix A.6: Bob's key.
fn bob() -> Value {
    json!({
        "kty": "OKP", "crv": "X25519", "kid": "Bob", "alg": "ECDH-ES+A256KW",
        "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08", "d": "XasIfmJKikt54X-Lg4AO5m87sSkmGLb9HC-LJ_-I4Os",
    })
}

fn sealed(plaintext: &[u8]) -> String {
    let key = EncryptionKey::from_jwk(&bob(), KeyManagement::ALL).unwrap();
    jwe::encrypt(&key, ContentEncryption::A256Gcm, jwe::Told::default(), plaintext).unwrap()
}

#[test]
fn decrypt_prints_the_plaintext_as_it_is() {
    let place = Ground::on_sqlite();
    place.write("bob.json", &json!({ "keys": [bob()] }).to_string());
    place.write("public.json", &json!({ "keys": [without(bob(), "d")] }).to_string());
    let token = sealed(b"\x00\xffany bytes\n");
    let decrypt = |jwks: &str, stdin: &str| run(&place, &["token", "decrypt", "--jwks", jwks], stdin);
    let good = decrypt("bob.json", &token);
    assert_eq!((good.status.code(), good.stdout), (Some(0), b"\x00\xffany bytes\n".to_vec()));
    for (jwks, token, status, reason) in [
        ("public.json", token.as_str(), 1, "the key has no `d`"),
        ("bob.json", "e30.e30.e30", 1, "five parts"),
        ("nowhere.json", &token, 2, "nowhere.json"),
    ] {
        let output = decrypt(jwks, token);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), told.contains(reason)), (Some(status), true), "{told}");
    }
}

#[test]
fn a_batch_decrypts_too() {
    let (case, json) =
        (json!({ "op": "token.decrypt", "jwks": { "keys": [bob()] }, "token": sealed(b"plain") }), json!({}));
    let header = |header: Value| {
        let token = case["token"].as_str().unwrap();
        let (_, rest) = token.split_once('.').unwrap();
        with(
            case.clone(),
            "token",
            format!("{}.{rest}", base64url::encode(header.to_string().as_bytes())).into(),
        )
    };
    let zip = header(json!({ "alg": "ECDH-ES+A256KW", "enc": "A256GCM", "kid": "Bob", "zip": "DEF" }));
    let pbes2 =
        header(json!({ "alg": "PBES2-HS256+A128KW", "enc": "A256GCM", "p2c": 2_000_000_000, "p2s": "AAAA" }));
    let rows = [
        ("a message", case.clone(), None),
        ("bytes", with(case.clone(), "token", sealed(b"\xff").into()), None),
        ("55 CVE-2024-28180 zip", zip, Some("decompression")),
        ("55 CVE-2023-49290 PBES2", pbes2, Some("PBES2-HS256+A128KW is not supported")),
        ("55 CVE-2026-34986 nonsense", with(case.clone(), "token", "e30.....".into()), Some("five parts")),
        (
            "another key",
            with(case.clone(), "jwks", json!({ "keys": [with(bob(), "kid", "Eve".into())] })),
            Some("`kid`"),
        ),
        ("no set", with(case, "jwks", json), Some("JWK Set")),
    ];
    let lines: Vec<String> = rows.iter().map(|(_, case, _)| case.to_string()).collect();
    let answers = batch("decrypt", &lines);
    for ((name, _, expected), answer) in rows.iter().zip(&answers) {
        check(name, answer, *expected);
    }
    assert_eq!(answers[0]["payload"], json!("plain"));
    assert_eq!(answers[1]["payload_base64"], json!("/w=="));
}
