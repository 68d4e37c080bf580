//! What a client is issued, as a table.

use std::sync::Arc;
use std::time::Duration;

use countersign_jose::algorithm::{ContentEncryption, KeyManagement};
use countersign_jose::jwk::{DecryptionKey, SigningKey};
use countersign_jose::{jwe, jws};
use serde_json::{Value, json};

use super::{Draft, Issuer, Written};
use crate::access_token;
use crate::authenticators::GATEWAY;
use crate::client_terms::{AuthMethod, ClientTerms, GrantType};
use crate::exchange::issue;
use crate::grant::{Form, GrantError, parse};
use crate::grants::GRANTS;
use crate::id::{CredentialId, OwnerId};
use crate::issuance::Issuance;
use crate::ledger::Unavailable;
use crate::principal::Principal;
use crate::record::EndedToken;
use crate::rejection::Rejection;
use crate::resource::{Declared, Resource, Resources, SigningAlgorithm};
use crate::secret::Secret;
use crate::signing_key::KeyPurpose;
use crate::testing::{Ground, HOUR, ISSUER, NOW, at_once, signing_key};

mod devices;
mod people;
mod sessions;

const DEFAULT: &str = "https://localhost/";
const ORDERS: &str = "https://api.example.com";
const ENCRYPTED: &str = "https://private.example";

/// RFC 8037 appendix A.6: Bob's key.
fn private() -> Value {
    json!({ "kty": "OKP", "crv": "X25519", "kid": "Bob", "use": "enc",
        "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08", "d": "XasIfmJKikt54X-Lg4AO5m87sSkmGLb9HC-LJ_-I4Os" })
}

fn public() -> Value {
    let mut key = private();
    key.as_object_mut().unwrap().remove("d");
    key
}

struct World {
    ground: Ground,
    resources: Resources,
    signs: bool,
    pair: Arc<SigningKey>,
}

/// Signs and encrypts as the server does.
fn write(draft: &Draft<'_>, pair: &SigningKey) -> Option<Written> {
    let told = jwe::Told { content_type: Some("JWT"), issuer: Some(ISSUER) };
    let claims = serde_json::to_vec(&draft.claims).ok()?;
    let key = pair.kid().parse().ok()?;
    assert_eq!(draft.slot.purpose, KeyPurpose::AccessToken);
    let signed = jws::sign(pair, draft.typ, &claims).ok()?;
    let text = match draft.reader {
        Some(reader) => jwe::encrypt(reader, ContentEncryption::A256Gcm, told, signed.as_bytes()).ok()?,
        None => signed,
    };
    Some(Written { key, text: Secret::new(text) })
}

impl World {
    fn new() -> Self {
        let orders: Resource = serde_json::from_value(json!({
            "id": ORDERS,
            "scopes": { "orders:read": "See orders", "settle": "Settle" },
            "access_token": { "lifetime": "10m" },
            "claims": { "role": "service", "team": { "metadata": "team" }, "none": { "metadata": "none" } },
        }))
        .unwrap();
        let opaque: Resource = serde_json::from_value(json!({
            "id": "https://opaque.example",
            "scopes": { "a": "A" },
            "access_token": { "kind": "opaque" },
        }))
        .unwrap();
        let encrypted: Resource = serde_json::from_value(json!({
            "id": ENCRYPTED,
            "jwks": { "keys": [public()] },
        }))
        .unwrap();
        let resources = Resources::default();
        let default = Some(Arc::new(Resource::any(DEFAULT.parse().unwrap(), SigningAlgorithm::Es256)));
        let named = vec![Arc::new(orders), Arc::new(opaque), Arc::new(encrypted)];
        resources.declare(Declared { default, named });
        let (ground, (record, pair)) = (Ground::new(), signing_key(KeyPurpose::AccessToken, 1));
        ground.store.tables().signing_keys.insert(record.id, record);
        Self { ground, resources, signs: true, pair: Arc::new(pair) }
    }

    fn ask(
        &mut self,
        client: &Principal,
        parameters: &[(&str, &str)],
    ) -> Result<Result<Issuance, GrantError>, Unavailable> {
        let pairs = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let request = match Form::new(pairs).and_then(|form| parse(GRANTS, &form)) {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        let (signs, pair) = (self.signs, Arc::clone(&self.pair));
        let writer =
            move |draft: &Draft<'_>| write(draft, &pair).filter(|_| signs).ok_or(Unavailable::NoSigningKey);
        let issuer = Issuer { url: ISSUER, resources: &self.resources, incarnation: 3, writer: &writer };
        let store = std::mem::replace(&mut self.ground, Ground::new());
        let mut ground = store;
        let outcome = {
            let Ground { now, address, policy, peppers, entropy, store, .. } = &mut ground;
            let mut context =
                crate::context::Context { now: *now, entropy, peppers, policy, address: *address };
            at_once(issue(&*store, &mut context, &issuer, client, &*request))
        };
        self.ground = ground;
        outcome
    }

    /// Presents a token at the gateway; returns its client and its name.
    fn presented(&mut self, token: &str) -> Result<(Option<OwnerId>, Option<CredentialId>), &'static str> {
        let field = format!("Bearer {token}");
        let principal = self.ground.present(GATEWAY, &[("authorization", &field)]);
        let principal = principal.map_err(Rejection::code)?.unwrap();
        assert_eq!(principal.audience(), Some(ENCRYPTED));
        Ok((principal.client(), principal.credential()))
    }

    /// Asks with `grant_type=client_credentials`; what was issued as `aud scope`.
    fn issued(&mut self, client: &Principal, asked: &[(&str, &str)]) -> Result<String, &'static str> {
        let mut parameters = vec![("grant_type", "client_credentials")];
        parameters.extend(asked);
        let issued = self.ask(client, &parameters).unwrap().map_err(GrantError::code)?;
        Ok(format!("{} {}", issued.claims.audience, issued.claims.scopes))
    }
}

fn terms(scopes: &str, audiences: &[&str]) -> ClientTerms {
    ClientTerms {
        grants: [GrantType::ClientCredentials].into(),
        scopes: scopes.parse().unwrap(),
        audiences: audiences.iter().map(|one| one.parse().unwrap()).collect(),
        metadata: serde_json::Map::from_iter([("team".to_owned(), json!("billing"))]),
        ..ClientTerms::default()
    }
}

#[test]
fn rfc6749_3_3_and_rfc8707_2_a_client_gets_what_it_is_registered_for() {
    let both = &[ORDERS, "https://opaque.example"];
    type Row<'a> = (&'a str, &'a [&'a str], &'a [(&'a str, &'a str)], Result<&'a str, &'a str>);
    let rows: [Row<'_>; 19] = [
        ("a b", &[], &[], Ok("https://localhost/ a b")),
        ("a b", &[], &[("scope", "b")], Ok("https://localhost/ b")),
        ("a b", &[], &[("audience", DEFAULT)], Ok("https://localhost/ a b")),
        ("a b", &[], &[("audience", ORDERS)], Err("invalid_target")),
        ("orders:read", &[ORDERS], &[], Ok("https://api.example.com orders:read")),
        ("orders:read", &[ORDERS], &[("resource", ORDERS)], Ok("https://api.example.com orders:read")),
        ("orders:read", &[ORDERS], &[("audience", ORDERS)], Ok("https://api.example.com orders:read")),
        (
            "orders:read",
            &[ORDERS],
            &[("audience", ORDERS), ("resource", ORDERS)],
            Ok("https://api.example.com orders:read"),
        ),
        ("orders:read", &[ORDERS], &[("audience", ORDERS), ("resource", DEFAULT)], Err("invalid_target")),
        ("orders:read", &[ORDERS], &[("resource", "https://api.example.com/")], Err("invalid_target")),
        ("orders:read", &[ORDERS], &[("resource", "https://nowhere.example")], Err("invalid_target")),
        ("orders:read", &[ORDERS], &[("resource", DEFAULT)], Err("invalid_target")),
        ("orders:read", &[ORDERS], &[("scope", "settle")], Err("invalid_scope")),
        ("orders:read x", &[ORDERS], &[("scope", "x")], Err("invalid_scope")),
        ("orders:read x", &[ORDERS], &[], Ok("https://api.example.com orders:read")),
        ("orders:read", &[ORDERS], &[("scope", "orders:read \u{7}")], Err("invalid_scope")),
        // SAFETY 12: with more than one resource, one is named.
        ("orders:read a", both, &[], Err("invalid_target")),
        ("orders:read a", both, &[("audience", ORDERS)], Ok("https://api.example.com orders:read")),
        ("orders:read a", both, &[("resource", "https://opaque.example")], Ok("https://opaque.example a")),
    ];
    for (scopes, audiences, asked, expected) in rows {
        let mut world = World::new();
        let (_, client) = world.ground.client(terms(scopes, audiences));
        let issued = world.issued(&client, asked);
        assert_eq!(issued.as_deref().map_err(|error| *error), expected, "{scopes} {audiences:?} {asked:?}");
    }
}

#[test]
fn rfc6749_4_4_the_grant_is_for_confidential_clients_that_are_registered_for_it() {
    let mut world = World::new();
    let good = terms("a", &[]);
    for (terms, expected) in [
        (good.clone(), Ok("https://localhost/ a")),
        (
            ClientTerms { grants: [GrantType::AuthorizationCode].into(), ..good.clone() },
            Err("unauthorized_client"),
        ),
        (ClientTerms { auth_method: AuthMethod::None, ..good.clone() }, Err("unauthorized_client")),
    ] {
        let (_, client) = world.ground.client(terms);
        assert_eq!(world.issued(&client, &[]).as_deref().map_err(|error| *error), expected);
    }
    let stranger = crate::testing::Caller::of(&world.ground.organisation).principal();
    assert_eq!(world.issued(&stranger, &[]), Err("unauthorized_client"), "an owner that is no client");
    for grant in ["password", "implicit", "token", "x"] {
        let (_, client) = world.ground.client(good.clone());
        let refused = world.ask(&client, &[("grant_type", grant)]).unwrap().err();
        assert_eq!(refused.map(GrantError::code), Some("unsupported_grant_type"), "{grant}");
    }
}

#[test]
fn a_client_that_is_disabled_after_it_was_proven_gets_nothing() {
    let mut world = World::new();
    let (record, _) = world.ground.client(terms("a", &[]));
    world.ground.disable(&record);
    let owner = world.ground.store.snapshot().owner(record.id).unwrap();
    let proof = crate::principal::Proof {
        owner: Some(owner),
        client: Some(record.id),
        ..crate::principal::Proof::nothing(crate::scheme::Scheme::ANONYMOUS)
    };
    let client = Principal::assertion(proof);
    assert_eq!(world.issued(&client, &[]), Err("unauthorized_client"));
    let line = world.ground.store.lines().1.unwrap();
    assert_eq!((line.action.as_ref(), line.reason.as_deref()), ("token.issue", Some("unauthorized_client")));
}

#[test]
fn rfc9068_2_2_a_token_says_what_it_must_and_what_the_resource_asks_for() {
    let mut world = World::new();
    world.ground.now = NOW.plus(Duration::from_millis(900));
    let (record, client) = world.ground.client(terms("orders:read", &[ORDERS]));
    let issued = world.ask(&client, &[("grant_type", "client_credentials")]).unwrap().unwrap();
    assert_eq!(issued.token.expose().split('.').count(), 3);
    assert!(world.ground.store.tables().artifacts.is_empty(), "nothing is stored of it");
    let claims = issued.claims.to_json(ISSUER);
    let second = NOW.millis() / 1000;
    let expected = json!({
        "iss": ISSUER,
        "sub": record.id.to_string(),
        "client_id": record.id.to_string(),
        "aud": ORDERS,
        "iat": second,
        "exp": second + 600,
        "jti": issued.claims.id.to_string(),
        "scope": "orders:read",
        "gen": [3, 0, 0],
        "role": "service",
        "team": "billing",
    });
    assert_eq!(Value::Object(claims), expected);
    let line = world.ground.store.lines().0.unwrap();
    assert_eq!(line.action, "token.issue");
    assert_eq!(line.subject.as_deref(), Some(issued.claims.id.to_string().as_str()));
}

#[test]
fn an_opaque_token_is_stored_as_a_hash_and_proves_what_it_says() {
    let mut world = World::new();
    world.ground.store.tables().incarnation = 3;
    let (record, client) = world.ground.client(terms("a", &["https://opaque.example"]));
    let issued = world.ask(&client, &[("grant_type", "client_credentials")]).unwrap().unwrap();
    let text = issued.token;
    let stored = world.ground.store.tables().artifacts.clone();
    assert!(!format!("{stored:?}").contains(text.expose().as_str()), "SAFETY 25");
    let field = format!("Bearer {}", text.expose());
    let principal = world.ground.present(GATEWAY, &[("authorization", &field)]).unwrap().unwrap();
    assert_eq!(principal.scheme(), access_token::SCHEME);
    assert_eq!((principal.client(), principal.credential()), (Some(record.id), Some(issued.claims.id)));
    // CVE-2026-27840: a shortened token is none.
    let shorter = field.get(..field.len() - 1).unwrap();
    assert!(world.ground.present(GATEWAY, &[("authorization", shorter)]).is_err());
}

#[test]
fn rfc9068_2_1_an_encrypted_token_is_read_by_its_resource_and_known_by_its_digest() {
    let mut world = World::new();
    world.ground.store.tables().incarnation = 3;
    let (record, client) = world.ground.client(terms("a", &[ENCRYPTED]));
    let issued = world.ask(&client, &[("grant_type", "client_credentials")]).unwrap().unwrap();
    let text = issued.token.expose().clone();
    let message = jwe::Compact::parse(&text, 8192).unwrap();
    let header = message.header().clone();
    assert_eq!((header.cty(), header.kid(), header.typ()), (Some("JWT"), Some("Bob"), None), "RFC 7519 §5.2");
    assert_eq!(
        (header.algorithm(), header.content()),
        (KeyManagement::EcdhEsA256Kw, ContentEncryption::A256Gcm)
    );
    assert_eq!(header.other().get("iss"), Some(&json!(ISSUER)), "RFC 7519 §5.3");
    let opened =
        message.decrypt(&DecryptionKey::from_jwk(&private(), &[header.algorithm()]).unwrap()).unwrap();
    let inner = jws::Compact::parse(str::from_utf8(opened.plaintext()).unwrap(), 8192).unwrap();
    let signed = inner.verify(world.pair.public()).unwrap();
    assert!(signed.header().is_typ("at+jwt"));
    assert_eq!(signed.payload(), serde_json::to_vec(&issued.claims.to_json(ISSUER)).unwrap());
    assert!(!format!("{:?}", world.ground.store.tables().artifacts).contains(&text), "SAFETY 25");
    assert_eq!(world.presented(&text), Ok((Some(record.id), Some(issued.claims.id))));
    let line = world.ground.store.lines().0.unwrap();
    assert_eq!(line.action, "token.issue");
}

#[test]
fn rfc9068_4_an_encrypted_token_that_was_not_issued_here_is_refused() {
    let mut world = World::new();
    world.ground.store.tables().incarnation = 3;
    let (_, client) = world.ground.client(terms("a", &[ENCRYPTED]));
    let issued = world.ask(&client, &[("grant_type", "client_credentials")]).unwrap().unwrap();
    let good = issued.token.expose().clone();
    let parts: Vec<&str> = good.split('.').collect();
    let altered = |at: usize| {
        let part = parts[at];
        let first = if part.starts_with('A') { "B" } else { "A" };
        let mut parts = parts.clone();
        let changed = format!("{first}{}", part.get(1..).unwrap());
        parts[at] = &changed;
        parts.join(".")
    };
    // Everybody knows the public key.
    let forged = |issuer| {
        let key = countersign_jose::jwk::EncryptionKey::from_jwk(&public(), &[KeyManagement::EcdhEsA256Kw])
            .unwrap();
        let told = jwe::Told { content_type: Some("JWT"), issuer };
        jwe::encrypt(&key, ContentEncryption::A256Gcm, told, b"eyJhbGciOiJub25lIn0.e30.").unwrap()
    };
    let header = |header: Value| {
        let head = countersign_jose::base64url::encode(header.to_string().as_bytes());
        format!("{head}.{}", parts[1..].join("."))
    };
    for (text, expected) in [
        (altered(1), "unknown"),
        (altered(2), "unknown"),
        (altered(3), "unknown"),
        (altered(4), "unknown"),
        (forged(Some(ISSUER)), "unknown"),
        (forged(Some("https://evil.example")), "unrecognised"),
        (forged(None), "unrecognised"),
        (altered(0), "unrecognised"),
        (header(json!({ "alg": "dir", "enc": "A256GCM", "iss": ISSUER })), "unknown"),
        (header(json!({ "alg": "none", "enc": "A256GCM", "iss": ISSUER })), "unrecognised"),
        (header(json!({ "alg": "ECDH-ES", "enc": "A256GCM", "iss": [ISSUER] })), "unrecognised"),
        (header(json!({ "alg": "dir", "enc": "A256GCM", "iss": ISSUER, "zip": "DEF" })), "unrecognised"),
        (format!("{good}A"), "unknown"),
        (format!("{good}.A"), "unrecognised"),
        (format!("{}.{}", good, "A".repeat(12 * 1024)), "unrecognised"),
        (parts[..4].join("."), "unrecognised"),
    ] {
        assert_eq!(world.presented(&text), Err(expected), "{text:.300}");
    }
    assert!(world.presented(&good).is_ok());
}

#[test]
fn safety_17_an_encrypted_token_ends_with_whatever_it_hangs_on() {
    type End = fn(&mut World, CredentialId);
    let ends: [(&str, End, &str); 5] = [
        (
            "its key is revoked",
            |world, _| {
                let key: CredentialId = world.pair.kid().parse().unwrap();
                world.ground.store.tables().signing_keys.get_mut(&key).unwrap().revoked_at = Some(NOW);
            },
            "key_revoked",
        ),
        ("its key is not known", |world, _| world.ground.store.tables().signing_keys.clear(), "key_revoked"),
        (
            "it is ended",
            |world, token| {
                let ended = EndedToken { token, until: NOW.plus(HOUR) };
                world.ground.store.tables().ended.push(ended);
            },
            "revoked",
        ),
        ("the incarnation", |world, _| world.ground.store.tables().incarnation = 4, "revoked"),
        ("its time", |world, _| world.ground.now = NOW.plus(HOUR), "expired"),
    ];
    for (what, end, expected) in ends {
        let mut world = World::new();
        world.ground.store.tables().incarnation = 3;
        let (_, client) = world.ground.client(terms("a", &[ENCRYPTED]));
        let issued = world.ask(&client, &[("grant_type", "client_credentials")]).unwrap().unwrap();
        let text = issued.token.expose().clone();
        assert!(world.presented(&text).is_ok(), "{what}");
        end(&mut world, issued.claims.id);
        assert_eq!(world.presented(&text), Err(expected), "{what}");
    }
}

#[test]
fn without_a_signing_key_nothing_is_issued_and_nothing_committed() {
    let mut world = World::new();
    world.signs = false;
    let (_, client) = world.ground.client(terms("a", &[]));
    let asked = world.ask(&client, &[("grant_type", "client_credentials")]);
    assert_eq!(asked.err(), Some(Unavailable::NoSigningKey));
    assert_eq!(world.ground.store.tables().committed.len(), 0);
}

#[test]
fn opaque_and_encrypted_tokens_are_kept_up_to_the_caps_of_their_client_and_of_its_tenant() {
    for (client_most, tenant_most, setting) in
        [(2, 9, "client.max_opaque_tokens"), (9, 2, "tenant.max_opaque_tokens")]
    {
        let mut world = World::new();
        world.ground.policy.client_max_opaque_tokens = client_most;
        world.ground.policy.tenant_max_opaque_tokens = tenant_most;
        let (_, client) =
            world.ground.client(terms("a orders:read", &["https://opaque.example", ENCRYPTED, ORDERS]));
        let [opaque, encrypted, signed] =
            ["https://opaque.example", ENCRYPTED, ORDERS].map(|audience| [("audience", audience)]);
        assert!(world.issued(&client, &opaque).is_ok() && world.issued(&client, &encrypted).is_ok());
        assert_eq!(world.issued(&client, &encrypted), Err("temporarily_unavailable"), "it is kept too");
        let full = world.ask(&client, &[("grant_type", "client_credentials"), opaque[0]]).unwrap();
        let Err(GrantError::Full(full)) = full else { panic!("{full:?}") };
        assert_eq!((full.setting(), full.wait()), (setting, Duration::from_secs(900)));
        assert!(
            full.to_string()
                .contains(&format!("2 opaque or encrypted tokens live already, as many as {setting}"))
        );
        let line = world.ground.store.lines().1.unwrap();
        assert_eq!((line.action.as_ref(), line.reason.as_deref()), ("token.issue", Some("too_many")));
        assert!(line.details.contains(&("setting".into(), setting.to_owned())), "{line:?}");
        assert_eq!(world.ground.store.tables().artifacts.len(), 2);
        assert!(world.issued(&client, &signed).is_ok(), "nothing is kept of a signed one");
        // Another client of the tenant has a cap of its own, and the tenant's with it.
        let (_, other) = world.ground.client(terms("a", &["https://opaque.example"]));
        assert_eq!(world.issued(&other, &[]).is_ok(), client_most == 2);
        world.ground.store.tables().artifacts.clear();
        assert!(world.issued(&client, &opaque).is_ok(), "what has ended makes room");
    }
}
