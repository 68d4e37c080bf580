//! Clients that prove themselves, or not, as tables. Rows 34 to 38 are those of the attack corpus.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::jwk::SigningKey;
use countersign_jose::jws::sign;
use serde_json::{Value, json};

use super::private_key_jwt::VERIFIED;
use super::{CLIENT_AUTHENTICATION, ClientRequest, Confidential, KIND, MISSING, recognise};
use crate::audit::Verdict;
use crate::client_terms::{AuthMethod, ClientTerms, GrantType};
use crate::effect::Use;
use crate::exchange::authenticate;
use crate::grant::Form;
use crate::id::{OwnerId, OwnerKind};
use crate::ledger::Lookup;
use crate::principal::{Principal, Subject};
use crate::record::OwnerRecord;
use crate::rejection::Rejection;
use crate::testing::{Ground, NOW, at_once, headers};

const ISSUER: &str = "https://auth.example.com";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client with a secret, and who else may be named.
struct Stage {
    ground: Ground,
    client: OwnerRecord,
    secret: String,
}

impl Stage {
    fn new(method: AuthMethod) -> Self {
        let mut ground = Ground::new();
        let organisation = ground.organisation.clone();
        let member = ground.member(OwnerKind::Client, &organisation);
        let mut stage = Self { client: member, secret: String::new(), ground };
        stage.register(|terms| terms.auth_method = method);
        stage.secret = stage.secret_of(&stage.client.clone());
        stage
    }

    /// Registers the client anew.
    fn register(&mut self, change: impl FnOnce(&mut ClientTerms)) {
        let mut terms =
            ClientTerms { grants: [GrantType::ClientCredentials].into(), ..ClientTerms::default() };
        change(&mut terms);
        self.client.client = Some(Box::new(terms));
        self.ground.store.keep_owner(&self.client);
    }

    fn secret_of(&mut self, owner: &OwnerRecord) -> String {
        self.ground.secret(&KIND, owner).1
    }

    fn authenticate(
        &mut self,
        fields: &[(&str, &str)],
        form: &[(&str, &str)],
    ) -> Result<Principal, Rejection> {
        let headers = headers(fields);
        let form = Form::new(form.iter().map(|(name, value)| ((*name).into(), (*value).into()))).unwrap();
        let presented = recognise(ClientRequest { headers: &headers, form: &form, issuer: ISSUER })?;
        let Ground { now, address, policy, peppers, entropy, store, .. } = &mut self.ground;
        let mut context = crate::context::Context { now: *now, entropy, peppers, policy, address: *address };
        at_once(authenticate(store, &mut context, &*presented)).unwrap()
    }

    #[track_caller]
    fn check(&mut self, fields: &[(&str, &str)], form: &[(&str, &str)], expected: Result<&str, &str>) {
        let found = self.authenticate(fields, form);
        let found = found.map(|principal| {
            assert_eq!(principal.client(), Some(self.client.id));
            assert_eq!(principal.subject(), Some(&Subject::Owner(self.client.id)));
            assert_eq!(principal.owner(), Some(self.client.id));
            // What a secret has proven ends with the secret.
            let by_secret = principal.scheme().name().starts_with("client_secret");
            assert_eq!(principal.standing().may_end(), by_secret);
            principal.scheme().name()
        });
        assert_eq!(found.map_err(Rejection::code), expected, "{fields:?} {form:?}");
    }

    fn basic(&self, client: &str, secret: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("{client}:{secret}")))
    }

    fn good(&self) -> String {
        self.basic(&self.client.id.to_string(), &self.secret)
    }
}

fn stranger() -> String {
    OwnerId::random(OwnerKind::Client, &mut crate::context::SeededEntropy::new(9)).to_string()
}

#[test]
fn rfc6749_2_3_1_a_secret_comes_in_the_field_or_in_the_body_as_it_is_registered() {
    use AuthMethod::{ClientSecret, ClientSecretBasic, ClientSecretPost, None, PrivateKeyJwt};
    let (basic, post, wrong) =
        ("client_secret_basic", "client_secret_post", Err("wrong_client_authentication"));
    for (method, by_field, by_body) in [
        (ClientSecret, Ok(basic), Ok(post)),
        (ClientSecretBasic, Ok(basic), wrong),
        (ClientSecretPost, wrong, Ok(post)),
        (PrivateKeyJwt, wrong, wrong),
        (None, wrong, wrong),
    ] {
        let mut stage = Stage::new(method);
        let (id, good, secret) = (stage.client.id.to_string(), stage.good(), stage.secret.clone());
        stage.check(&[("authorization", &good)], &[], by_field);
        stage.check(&[("authorization", &good)], &[("client_id", &id)], by_field);
        stage.check(&[], &[("client_id", &id), ("client_secret", &secret)], by_body);
    }
}

#[test]
fn attack_34_more_than_one_method_is_refused_whichever_is_good() {
    let mut stage = Stage::new(AuthMethod::ClientSecret);
    let (id, good, secret) = (stage.client.id.to_string(), stage.good(), stage.secret.clone());
    let ambiguous = Err(Rejection::AMBIGUOUS.code());
    let field: &[(&str, &str)] = &[("authorization", &good)];
    stage.check(field, &[("client_secret", &secret), ("client_id", &id)], ambiguous);
    stage.check(field, &[("client_assertion_type", JWT_BEARER), ("client_assertion", "a.b.c")], ambiguous);
    stage.check(field, &[("client_assertion", "e30.e30.")], ambiguous);
    let body = [("client_id", &*id), ("client_secret", &*secret), ("client_assertion", "e30.e30.")];
    stage.check(&[], &body, ambiguous);
    stage.check(field, &[("client_id", &stranger())], ambiguous);
    stage.check(&[("authorization", &good), ("authorization", &good)], &[], ambiguous);
}

#[test]
fn attack_37_loosely_encoded_credentials_are_refused() {
    let mut stage = Stage::new(AuthMethod::ClientSecretBasic);
    let (id, secret) = (stage.client.id.to_string(), stage.secret.clone());
    let encode = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let whole = STANDARD.encode(format!("{id}:{secret}"));
    let ok = Ok("client_secret_basic");
    let malformed = Err("malformed");
    let escaped: String = id.bytes().map(|byte| format!("%{byte:02x}")).collect();
    for (value, expected) in [
        (format!("Basic {whole}"), ok),
        (format!("bAsIc {whole}"), ok),
        (encode(&format!("{escaped}:{secret}")), ok),
        (format!("Basic  {whole}"), malformed),
        (format!("Basic {whole} "), malformed),
        (format!("Basic {whole}="), malformed),
        ("Basic YTpiYg".into(), malformed),
        // The last character holds bits that no byte has.
        ("Basic YTpiYh==".into(), malformed),
        ("Basic YTpi_w==".into(), malformed),
        (encode(&id), malformed),
        (encode(&format!("{id}:%")), malformed),
        (encode(&format!("{id}:%4")), malformed),
        (encode(&format!("{id}:%zz")), malformed),
        (encode(&format!("{id}:%ff")), malformed),
        (format!("Basic {}", STANDARD.encode([b"a:".as_slice(), &[0xff]].concat())), malformed),
        (encode(&format!("{id}:{}", "x".repeat(1024))), malformed),
        ("Basic".into(), malformed),
        ("Basic ".into(), malformed),
        // Once: what is encoded twice is another secret.
        (encode(&format!("{}:{secret}", escaped.replace('%', "%25"))), Err("unknown")),
        (encode(&format!("{id}:{secret}:")), Err("unknown")),
        (encode(&format!("{id}: {secret}")), Err("unknown")),
        (format!("Bearer {secret}"), Err("unrecognised")),
        (format!("Digest {whole}"), Err("unrecognised")),
    ] {
        stage.check(&[("authorization", &value)], &[], expected);
    }
    stage.check(&[], &[], Err(MISSING.code()));
}

#[test]
fn attack_38_an_unknown_client_and_a_wrong_secret_are_one_answer() {
    let mut stage = Stage::new(AuthMethod::ClientSecret);
    let (id, good) = (stage.client.id.to_string(), stage.secret.clone());
    let organisation = stage.ground.organisation.clone();
    let other = stage.ground.member(OwnerKind::Client, &organisation);
    let others = stage.secret_of(&other);
    let key = stage.ground.api_key(&stage.client.clone(), "").1;
    let (stranger, other) = (stranger(), other.id.to_string());
    for (client, secret) in [
        (&*stranger, &*good),
        (&stranger, "cs_secret_"),
        (&id, "cs_secret_"),
        (&id, "x"),
        (&id, &others),
        (&id, &key),
        (&other, &good),
        ("", &good),
        ("acme", &good),
        (&organisation.id.to_string(), &good),
    ] {
        let asked = stage.ground.store.tables().asked;
        let basic = stage.basic(client, secret);
        stage.check(&[("authorization", &basic)], &[], Err("unknown"));
        let tables = stage.ground.store.tables();
        assert_eq!(tables.asked, asked + 1, "one question, whatever is wrong");
        let line = tables.filed.last().unwrap();
        assert_eq!((&*line.action, line.verdict), ("client.authenticate", Verdict::Refused));
        assert!(!format!("{line:?}").contains(&good), "SAFETY 25");
    }
    let good = stage.good();
    stage.check(&[("authorization", &good)], &[], Ok("client_secret_basic"));
}

#[test]
fn attack_38_what_is_looked_up_depends_on_the_form_alone() {
    let questions = |client: &str, secret: &str| {
        let form = Form::new([
            ("client_id".to_owned(), client.to_owned()),
            ("client_secret".to_owned(), secret.to_owned()),
        ]);
        let (form, headers) = (form.unwrap(), http::HeaderMap::new());
        let presented = recognise(ClientRequest { headers: &headers, form: &form, issuer: ISSUER }).unwrap();
        let Lookup::Client { secret: Some((kind, text)), once: None, .. } = presented.lookup() else {
            panic!("another question")
        };
        (kind, text.len())
    };
    // A text that cannot be a secret is hashed and looked up like one that could.
    assert_eq!(questions("client_1", "x"), (KIND.id_prefix, 1));
    assert_eq!(questions(&stranger(), &"x".repeat(59)), (KIND.id_prefix, 59));
}

#[test]
fn a_client_or_secret_that_has_ended_proves_nothing() {
    let mut stage = Stage::new(AuthMethod::ClientSecret);
    let good = stage.good();
    let organisation = stage.ground.organisation.clone();
    let client = stage.client.clone();
    stage.ground.disable(&client);
    stage.check(&[("authorization", &good)], &[], Err("owner_disabled"));
    stage.ground.store.keep_owner(&client);
    stage.ground.disable(&organisation);
    stage.check(&[("authorization", &good)], &[], Err("owner_disabled"));
    stage.ground.store.keep_owner(&organisation);
    stage.ground.store.keep_owner(&OwnerRecord { client: None, ..client.clone() });
    stage.check(&[("authorization", &good)], &[], Err("unknown"));
    stage.ground.store.keep_owner(&client);
    stage.check(&[("authorization", &good)], &[], Ok("client_secret_basic"));
    let id = stage.authenticate(&[("authorization", &good)], &[]).unwrap().credential().unwrap();
    stage.ground.store.change(id, |secret| secret.expires_at = Some(NOW));
    stage.check(&[("authorization", &good)], &[], Err("expired"));
    stage.ground.store.change(id, |secret| secret.revoked_at = Some(NOW));
    stage.check(&[("authorization", &good)], &[], Err("revoked"));
    let second = stage.secret_of(&client);
    let basic = stage.basic(&client.id.to_string(), &second);
    stage.check(&[("authorization", &basic)], &[], Ok("client_secret_basic"));
}

#[test]
fn rfc6749_2_1_a_public_client_is_named_and_never_confidential() {
    let mut stage = Stage::new(AuthMethod::None);
    let id = stage.client.id.to_string();
    stage.check(&[], &[("client_id", &id)], Ok("none"));
    let public = stage.authenticate(&[], &[("client_id", &id)]).unwrap();
    assert!(Confidential::of(&public).is_none() && public.credential().is_none());
    stage.check(&[], &[("client_id", &stranger())], Err("unknown"));
    stage.check(&[], &[("client_id", "acme")], Err("unknown"));
    let client = stage.client.clone();
    stage.ground.disable(&client);
    stage.check(&[], &[("client_id", &id)], Err("owner_disabled"));
    let mut stage = Stage::new(AuthMethod::ClientSecret);
    let (id, good) = (stage.client.id.to_string(), stage.good());
    stage.check(&[], &[("client_id", &id)], Err("wrong_client_authentication"));
    let proven = stage.authenticate(&[("authorization", &good)], &[]).unwrap();
    assert_eq!(Confidential::of(&proven).map(|one| one.principal().client()), Some(proven.client()));
    let key = crate::testing::Caller::of(&stage.client).principal();
    assert!(Confidential::of(&key).is_none(), "a key of the client is not the client at the issuer");
}

/// A client that signs, and its key.
fn signing() -> (Stage, SigningKey) {
    let key = SigningKey::generate(SignatureAlgorithm::Es256).unwrap();
    let (stage, _) = registered_with(&key);
    (stage, key)
}

fn registered_with(key: &SigningKey) -> (Stage, String) {
    let mut stage = Stage::new(AuthMethod::PrivateKeyJwt);
    let jwks = json!({ "keys": [key.public().to_jwk()] }).to_string();
    stage.register(|terms| {
        terms.auth_method = AuthMethod::PrivateKeyJwt;
        terms.jwks = Some(jwks.parse().unwrap());
    });
    let id = stage.client.id.to_string();
    (stage, id)
}

fn typed(text: &str) -> [(&str, &str); 2] {
    [("client_assertion_type", JWT_BEARER), ("client_assertion", text)]
}

fn seconds(offset: i64) -> i64 {
    NOW.millis() / 1000 + offset
}

fn claims(client: &str, change: &Value) -> Value {
    let mut claims = json!({ "iss": client, "sub": client, "aud": ISSUER, "exp": seconds(60), "jti": "one" });
    for (name, value) in change.as_object().unwrap() {
        let claims = claims.as_object_mut().unwrap();
        if value.is_null() {
            claims.remove(name)
        } else {
            claims.insert(name.clone(), value.clone())
        };
    }
    claims
}

#[track_caller]
fn check_claims(change: &Value, expected: Result<&str, &str>) {
    let (mut stage, key) = signing();
    let id = stage.client.id.to_string();
    let text = sign(&key, "JWT", claims(&id, change).to_string().as_bytes()).unwrap();
    stage.check(&[], &typed(&text), expected);
}

#[test]
fn rfc7523_3_an_assertion_says_who_for_whom_and_until_when() {
    let (ok, malformed, life) = (Ok("private_key_jwt"), Err("malformed"), Err("client_assertion_life"));
    let audience = Err("client_assertion_audience");
    check_claims(&json!({}), ok);
    check_claims(&json!({ "nbf": seconds(-5), "iat": seconds(-5) }), ok);
    // Attack row 35: `aud` is the issuer, alone and as text.
    for aud in [
        json!([ISSUER]),
        json!([ISSUER, "https://evil.example"]),
        json!(format!("{ISSUER}/")),
        json!(format!("{ISSUER}/oauth/token")),
        json!("https://evil.example"),
        json!(""),
        Value::Null,
    ] {
        check_claims(&json!({ "aud": aud }), audience);
    }
    check_claims(&json!({ "aud": 1 }), malformed);
    for exp in [json!(seconds(-31)), json!(seconds(-3600)), json!(seconds(700)), Value::Null] {
        check_claims(&json!({ "exp": exp }), life);
    }
    check_claims(&json!({ "exp": seconds(-20) }), ok);
    check_claims(&json!({ "exp": seconds(600) }), ok);
    check_claims(&json!({ "exp": "never" }), malformed);
    check_claims(&json!({ "nbf": seconds(60) }), life);
    for wrong in [
        json!({ "jti": null }),
        json!({ "jti": "" }),
        json!({ "jti": "x".repeat(257) }),
        json!({ "jti": 1 }),
        json!({ "iss": null }),
        json!({ "iss": ISSUER }),
        json!({ "sub": null }),
        json!({ "sub": "acme" }),
    ] {
        check_claims(&wrong, malformed);
    }
}

#[test]
fn rfc7523_3_an_assertion_is_signed_by_the_clients_own_key() {
    let (mut stage, key) = signing();
    let id = stage.client.id.to_string();
    let payload = claims(&id, &json!({})).to_string();
    let signed = |key: &SigningKey, typ: &str| sign(key, typ, payload.as_bytes()).unwrap();
    let (good, signature) = (signed(&key, "client-authentication+jwt"), Err("client_assertion_signature"));
    let stranger = SigningKey::generate(SignatureAlgorithm::Es256).unwrap();
    stage.check(&[], &typed(&signed(&stranger, "JWT")), signature);
    let other = SigningKey::generate(SignatureAlgorithm::EdDsa).unwrap();
    stage.check(&[], &typed(&signed(&other, "JWT")), signature);
    stage.check(&[], &typed(&signed(&key, "at+jwt")), Err("client_assertion_type"));
    let (head, _) = good.rsplit_once('.').unwrap();
    stage.check(&[], &typed(&format!("{head}.")), signature);
    for text in ["", "a.b.c", head, &format!("{good}.{good}"), &"x".repeat(9000)] {
        let form = typed(text);
        let form: &[_] = if text.is_empty() { &form[..1] } else { &form };
        stage.check(&[], form, Err("malformed"));
    }
    let none = format!("eyJhbGciOiJub25lIn0.{}.", head.split('.').nth(1).unwrap());
    stage.check(&[], &typed(&none), Err("malformed"));
    stage.check(&[], &[("client_assertion", &good)], Err("malformed"));
    let saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
    stage.check(&[], &[("client_assertion_type", saml), ("client_assertion", &good)], Err("malformed"));
    let named = |name| [typed(&good).as_slice(), &[("client_id", name)]].concat();
    stage.check(&[], &named("acme"), Err("malformed"));
    stage.check(&[], &named(&id), Ok("private_key_jwt"));
}

/// Authenticates, and counts the signatures that were verified.
fn work(stage: &mut Stage, text: &str, expected: Result<&str, &str>) -> u32 {
    let before = VERIFIED.get();
    stage.check(&[], &typed(text), expected);
    VERIFIED.get() - before
}

#[test]
fn attack_38_one_signature_is_verified_whoever_is_named() {
    for &algorithm in SignatureAlgorithm::ALL {
        let key = SigningKey::generate(algorithm).unwrap();
        let (mut stage, id) = registered_with(&key);
        let signed = |client: &str, kid: &str| {
            let key =
                SigningKey::from_pkcs8(algorithm, &key.to_pkcs8().unwrap()).unwrap().named(kid.to_owned());
            sign(&key, "JWT", claims(client, &json!({})).to_string().as_bytes()).unwrap()
        };
        let (good, wrong) = (signed(&id, key.kid()), Err("client_assertion_signature"));
        let (message, signature) = good.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { 'B' } else { 'A' };
        let altered = format!("{message}.{first}{}", signature.get(1..).unwrap());
        assert_eq!(work(&mut stage, &good, Ok("private_key_jwt")), 1, "{algorithm}");
        assert_eq!(work(&mut stage, &altered, wrong), 1, "{algorithm}: another signature");
        assert_eq!(work(&mut stage, &signed(&id, "other"), wrong), 1, "{algorithm}: an unknown key");
        assert_eq!(work(&mut stage, &signed(&stranger(), key.kid()), Err("unknown")), 1, "{algorithm}");
        assert_eq!(work(&mut stage, &signed("acme", key.kid()), Err("unknown")), 1, "{algorithm}");
        stage.register(|terms| terms.auth_method = AuthMethod::ClientSecret);
        let method = Err("wrong_client_authentication");
        assert_eq!(work(&mut stage, &signed(&id, key.kid()), method), 1, "{algorithm}: another method");
        let client = stage.client.clone();
        stage.ground.disable(&client);
        assert_eq!(work(&mut stage, &good, Err("owner_disabled")), 1, "{algorithm}: disabled");
    }
}

#[test]
fn attack_36_an_assertion_counts_once() {
    let (mut stage, key) = signing();
    let id = stage.client.id.to_string();
    let text = sign(&key, "JWT", claims(&id, &json!({})).to_string().as_bytes()).unwrap();
    let form = typed(&text);
    stage.check(&[], &form, Ok("private_key_jwt"));
    stage.check(&[], &form, Err("client_assertion_replayed"));
    let again =
        sign(&key, "JWT", claims(&id, &json!({ "exp": seconds(90) })).to_string().as_bytes()).unwrap();
    stage.check(&[], &typed(&again), Err("client_assertion_replayed"));
    let settled = &stage.ground.store.tables().settled;
    let [Use::Mark { until, .. }] = settled.as_slice() else { panic!("{settled:?}") };
    assert!(*until >= NOW.plus(Duration::from_secs(60 + 60)), "it is remembered past the window");
}

#[test]
fn a_name_of_the_register_is_a_registered_method() {
    for (position, method) in CLIENT_AUTHENTICATION.iter().enumerate() {
        assert!(method.name.parse::<AuthMethod>().is_ok(), "{method:?}");
        assert!(CLIENT_AUTHENTICATION.iter().skip(position + 1).all(|other| other.name != method.name));
    }
}
