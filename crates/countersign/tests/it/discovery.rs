//! Discovery agrees with behaviour: whatever a running server says of itself is tried, member by member.
//!
//! A member that has no proof here fails the test: whoever makes the server say more brings the proof along.

mod people;

use std::cell::RefCell;
use std::time::SystemTime;

use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::base64url;
use countersign_jose::jwk::{JwkSet, PublicKey, SigningKey};
use countersign_jose::jws::{self, Compact};
use serde_json::{Value, json};

use crate::harness::{Answer, Ground, Server, get, raw};
use crate::oauth::Client;

/// The default resource, and the one that is declared.
const DEFAULT: &str = "https://api.example.com";
const DECLARED: &str = "https://api.example.com/orders";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

const SETTINGS: &str = r#"
[[resource]]
id = "https://api.example.com/orders"
scopes = { "orders:read" = "See your orders", "orders:write" = "Change your orders" }

[[route]]
path = "/orders/{**}"
upstream = "default"
require = { access_token = { scope = "orders:read", audience = "https://api.example.com/orders" } }

[[route]]
path = "/{**}"
upstream = "default"
require = { access_token = { audience = "https://api.example.com", scope = "plain" } }
"#;

/// Every grant that is registered (IANA, OAuth Parameters, and the two that OAuth 2.1 left out).
const GRANTS: [&str; 9] = [
    "authorization_code",
    "client_credentials",
    "implicit",
    "password",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:saml2-bearer",
    "urn:ietf:params:oauth:grant-type:token-exchange",
];

/// Every method that is registered (RFC 7591 §4.2, OpenID Connect Core §9, RFC 8705).
const METHODS: [&str; 7] = [
    "client_secret_basic",
    "client_secret_jwt",
    "client_secret_post",
    "none",
    "private_key_jwt",
    "self_signed_tls_client_auth",
    "tls_client_auth",
];

/// What is proven of a member's value.
type Proof = fn(&World, &Value);

const SERVER: &[(&str, Proof)] = &[
    ("device_authorization_endpoint", devices),
    ("acr_values_supported", people::contexts),
    ("authorization_endpoint", people::authorization_endpoint),
    ("authorization_response_iss_parameter_supported", people::iss),
    ("claims_parameter_supported", people::claims_parameter),
    ("claims_supported", people::claims),
    ("code_challenge_methods_supported", people::challenge_methods),
    ("end_session_endpoint", people::end_session),
    ("id_token_signing_alg_values_supported", people::id_token_algorithms),
    ("prompt_values_supported", people::prompts),
    ("request_parameter_supported", |world, value| people::refused(world, value, "request")),
    ("request_uri_parameter_supported", |world, value| people::refused(world, value, "request_uri")),
    ("response_modes_supported", people::response_modes),
    ("subject_types_supported", people::subject_types),
    ("ui_locales_supported", people::languages),
    ("userinfo_endpoint", people::userinfo),
    ("grant_types_supported", grants),
    ("introspection_endpoint", introspection),
    ("introspection_endpoint_auth_methods_supported", |world, value| {
        world.methods(value, "/oauth/introspect")
    }),
    ("introspection_endpoint_auth_signing_alg_values_supported", |world, value| {
        world.algorithms(value, "/oauth/introspect");
    }),
    ("issuer", issuer),
    ("jwks_uri", keys),
    ("protected_resources", resources),
    ("response_types_supported", people::response_types),
    ("revocation_endpoint", revocation),
    ("revocation_endpoint_auth_methods_supported", |world, value| world.methods(value, "/oauth/revoke")),
    ("revocation_endpoint_auth_signing_alg_values_supported", |world, value| {
        world.algorithms(value, "/oauth/revoke");
    }),
    ("scopes_supported", scopes),
    ("token_endpoint", token_endpoint),
    ("token_endpoint_auth_methods_supported", |world, value| world.methods(value, "/oauth/token")),
    ("token_endpoint_auth_signing_alg_values_supported", |world, value| {
        world.algorithms(value, "/oauth/token");
    }),
];

/// What is proven of a resource.
type ResourceProof = fn(&World, &Value, &str);

const RESOURCE: &[(&str, ResourceProof)] = &[
    ("authorization_servers", authorization_servers),
    ("bearer_methods_supported", bearer_methods),
    ("resource", |world, value, path| {
        let token = world.token(value.as_str().unwrap());
        assert_eq!(world.call(path, &token).status, 200);
    }),
    ("scopes_supported", scopes_of_resource),
];

/// A running server, and clients of it.
struct World {
    server: Server,
    /// For both resources, with every scope.
    client: Client,
    /// Another server, where an app acts for a person.
    people: RefCell<crate::people::World>,
    /// Where that one is.
    _place: Ground,
}

impl World {
    fn start(place: &Ground) -> Self {
        let config = place.write("c.toml", SETTINGS).display().to_string();
        let server = place.up("data", &["--config", &config, "--resource", DEFAULT]);
        let client = Client::register(
            &server,
            &json!({ "scopes": ["orders:read", "orders:write", "plain"], "audiences": [DEFAULT, DECLARED] }),
        );
        let place = Ground::on_sqlite();
        let people = RefCell::new(crate::people::World::new(&place, &[], &people::about()));
        Self { server, client, people, _place: place }
    }

    /// Returns where a URL of the issuer's is, in a request.
    fn path(&self, url: &Value) -> String {
        let issuer = self.server.card["issuer"].as_str().unwrap();
        let path = url.as_str().unwrap().strip_prefix(issuer);
        path.unwrap_or_else(|| panic!("{url} is not at {issuer}")).to_owned()
    }

    fn ask(&self, client: &Client, more: &str) -> Answer {
        client.post(&self.server, "/oauth/token", &format!("grant_type=client_credentials{more}"))
    }

    fn token(&self, resource: &str) -> String {
        let answer = self.ask(&self.client, &format!("&resource={resource}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    fn call(&self, path: &str, token: &str) -> Answer {
        get(&self.server.address("gateway"), path, &format!("Authorization: Bearer {token}\r\n"))
    }

    fn post(&self, path: &str, fields: &str, form: &str) -> Answer {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        );
        raw(&self.server.address("issuer"), &head)
    }

    /// Registers a client for `method`, if it can be; with the key that signs for it.
    fn registered(&self, method: &str, algorithm: SignatureAlgorithm) -> Option<(Value, SigningKey)> {
        let key = SigningKey::generate(algorithm).unwrap();
        let is_public = method == "none";
        let mut body = json!({ "name": method, "token_endpoint_auth_method": method,
            "grant_types": [if is_public { "authorization_code" } else { "client_credentials" }] });
        if is_public {
            body["redirect_uris"] = json!(["https://app.example.com/cb"]);
        } else if method == "private_key_jwt" {
            body["jwks"] = json!({ "keys": [key.public().to_jwk()] });
        }
        let made = self.server.manage("POST", "/v1/clients", &body);
        assert!([201, 422].contains(&made.status) || made.status == 400, "{made:?}");
        (made.status == 201).then(|| (made.json(), key))
    }

    fn assertion(&self, client: &str, key: &SigningKey) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let claims = json!({ "iss": client, "sub": client, "aud": self.server.card["issuer"],
            "exp": now.as_secs() + 60, "jti": now.as_nanos().to_string() });
        jws::sign(key, "JWT", claims.to_string().as_bytes()).unwrap()
    }

    /// Asks an endpoint with what proves a client by `method`.
    fn proven(&self, path: &str, method: &str, client: &Value, key: &SigningKey) -> Answer {
        let (id, secret) = (client["client_id"].as_str().unwrap(), client["client_secret"].as_str());
        let asked = "grant_type=client_credentials&token=unknown";
        match method {
            "client_secret_basic" => {
                let known = Client { id: id.to_owned(), secret: secret.unwrap().to_owned() };
                known.post(&self.server, path, asked)
            }
            "client_secret_post" => {
                self.post(path, "", &format!("{asked}&client_id={id}&client_secret={}", secret.unwrap()))
            }
            "none" => self.post(path, "", &format!("{asked}&client_id={id}")),
            "private_key_jwt" => {
                let assertion = self.assertion(id, key);
                let proof = format!("client_assertion_type={ASSERTION}&client_assertion={assertion}");
                self.post(path, "", &format!("{asked}&{proof}"))
            }
            other => panic!("no way to prove a client by {other} is known here"),
        }
    }

    /// What is listed proves a client at the endpoint; nobody is registered for what is listed nowhere.
    fn methods(&self, value: &Value, path: &str) {
        let listed = texts(value);
        for method in METHODS {
            let made = self.registered(method, SignatureAlgorithm::Es256);
            let Some((client, key)) = made else {
                assert!(!listed.contains(&method), "{method} is listed at {path}, and no client can have it");
                continue;
            };
            let answer = self.proven(path, method, &client, &key);
            let error = answer.json_if_any()["error"].clone();
            if !listed.contains(&method) {
                // Whoever has proven nothing learns nothing (RFC 7662 §4).
                let refused = answer.status == 401 || answer.json() == json!({ "active": false });
                assert!(refused, "{method} is not listed at {path}: {answer:?}");
            } else if method == "none" && path == "/oauth/token" {
                // RFC 6749 §4.4.2: it is known who asks, and that the grant is not for public clients.
                assert_eq!((answer.status, error), (400, json!("unauthorized_client")), "{answer:?}");
            } else {
                assert_eq!(answer.status, 200, "{method} at {path}: {answer:?}");
            }
        }
        for method in listed {
            assert!(METHODS.contains(&method), "{method}: no proof");
        }
    }

    /// An assertion by what is listed proves its client; nobody is registered with a key for anything else.
    fn algorithms(&self, value: &Value, path: &str) {
        let listed = texts(value);
        for algorithm in SignatureAlgorithm::ALL {
            let (client, key) = self.registered("private_key_jwt", *algorithm).unwrap();
            let answer = self.proven(path, "private_key_jwt", &client, &key);
            assert_eq!(answer.status == 200, listed.contains(&algorithm.as_str()), "{algorithm}: {answer:?}");
            for other in ["none", "HS256", "RS1", "ES256K"] {
                assert!(!listed.contains(&other), "{other}");
                let assertion = self.assertion(client["client_id"].as_str().unwrap(), &key);
                let forged = assertion.split_once('.').unwrap().1;
                let header = json!({ "alg": other, "typ": "JWT", "kid": key.public().to_jwk()["kid"] });
                let header = base64url::encode(header.to_string().as_bytes());
                let proof = format!("client_assertion_type={ASSERTION}&client_assertion={header}.{forged}");
                let answer = self.post(path, "", &format!("grant_type=client_credentials&token=x&{proof}"));
                assert_eq!(answer.status, 401, "{other}: {answer:?}");
            }
        }
        for algorithm in listed {
            assert!(
                SignatureAlgorithm::ALL.iter().any(|one| one.as_str() == algorithm),
                "{algorithm}: no proof"
            );
        }
    }
}

#[track_caller]
fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect()
}

fn grants(world: &World, value: &Value) {
    let listed = texts(value);
    for grant in GRANTS {
        let answer = world.client.post(
            &world.server,
            "/oauth/token",
            &format!("grant_type={grant}&resource={DECLARED}"),
        );
        // A grant that a person gives is known by what it misses here; `real_clients` redeem one.
        let expected = match (listed.contains(&grant), grant) {
            (true, "client_credentials") => (200, Value::Null),
            (true, _) => (400, json!("invalid_request")),
            (false, _) => (400, json!("unsupported_grant_type")),
        };
        assert_eq!((answer.status, answer.json()["error"].clone()), expected, "{grant}: {answer:?}");
    }
    assert!(listed.iter().all(|grant| GRANTS.contains(grant)), "{listed:?}: no proof");
}

fn devices(world: &World, value: &Value) {
    let body = json!({ "name": "tv", "token_endpoint_auth_method": "none", "scopes": ["orders:read"],
        "audiences": [DECLARED], "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"] });
    let client = world.server.manage("POST", "/v1/clients", &body).json()["client_id"].clone();
    let asked = format!("client_id={}&scope=orders:read", client.as_str().unwrap());
    let begun = world.post(&world.path(value), "", &asked);
    assert_eq!(begun.status, 200, "{begun:?}");
    let poll = format!("{asked}&device_code={}", begun.json()["device_code"].as_str().unwrap());
    let poll = format!("{poll}&grant_type=urn:ietf:params:oauth:grant-type:device_code");
    let answer = world.post("/oauth/token", "", &poll);
    assert_eq!((answer.status, answer.json()["error"].clone()), (400, json!("authorization_pending")));
    let other = world.client.post(&world.server, &world.path(value), "scope=orders:read");
    assert_eq!(other.json()["error"], json!("unauthorized_client"), "{other:?}");
}

fn issuer(world: &World, value: &Value) {
    assert_eq!(value, &world.server.card["issuer"]);
    assert_eq!(&claims(&world.token(DECLARED))["iss"], value);
}

pub(crate) fn claims(token: &str) -> Value {
    serde_json::from_slice(&base64url::decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

fn keys(world: &World, value: &Value) {
    let published = get(&world.server.address("issuer"), &world.path(value), "");
    let set = JwkSet::<PublicKey>::parse(published.body.as_bytes(), SignatureAlgorithm::ALL).unwrap();
    for resource in [DEFAULT, DECLARED] {
        let token = world.token(resource);
        let message = Compact::parse(&token, 8192).unwrap();
        let key = set.find(message.header().kid(), SignatureAlgorithm::Es256).unwrap();
        assert!(message.clone().verify(key).is_ok(), "RFC 9068 §4");
    }
}

fn token_endpoint(world: &World, value: &Value) {
    let asked = format!("grant_type=client_credentials&resource={DECLARED}");
    assert_eq!(world.client.post(&world.server, &world.path(value), &asked).status, 200);
    assert_eq!(get(&world.server.address("issuer"), &world.path(value), "").status, 405, "RFC 6749 §3.2");
}

fn introspection(world: &World, value: &Value) {
    let told =
        world.client.post(&world.server, &world.path(value), &format!("token={}", world.token(DECLARED)));
    assert_eq!((told.status, &told.json()["active"]), (200, &json!(true)), "RFC 7662 §2.2");
}

fn revocation(world: &World, value: &Value) {
    let token = world.token(DECLARED);
    assert_eq!(world.call("/orders/1", &token).status, 200);
    let ended = world.client.post(&world.server, &world.path(value), &format!("token={token}"));
    assert_eq!((ended.status, world.call("/orders/1", &token).status), (200, 401), "RFC 7009 §2");
}

fn scopes(world: &World, value: &Value) {
    let of_people = people::scopes(world);
    assert!(of_people.iter().all(|scope| texts(value).contains(&scope.as_str())), "{value}");
    for scope in texts(value).into_iter().filter(|scope| !of_people.iter().any(|one| one == scope)) {
        let got = world.ask(&world.client, &format!("&resource={DECLARED}&scope={scope}"));
        assert_eq!((got.status, &got.json()["scope"]), (200, &json!(scope)), "{scope}");
    }
    let other = world.ask(&world.client, &format!("&resource={DECLARED}&scope=plain"));
    assert_eq!(other.json()["error"], "invalid_scope", "what no resource declares is not listed");
}

fn resources(world: &World, value: &Value) {
    let listed = texts(value);
    assert_eq!(listed.len(), 2, "{listed:?}");
    for resource in listed {
        assert_eq!(claims(&world.token(resource))["aud"], resource, "RFC 8707 §2");
    }
    for other in ["https://api.example.com/other", "https://other.example.com"] {
        let answer = world.ask(&world.client, &format!("&resource={other}"));
        assert_eq!(answer.json()["error"], "invalid_target", "{other}");
    }
}

fn authorization_servers(world: &World, value: &Value, _: &str) {
    for server in texts(value) {
        assert_eq!(&json!(server), &world.server.card["issuer"], "whose tokens are taken");
        let metadata = get(&world.server.address("issuer"), "/.well-known/oauth-authorization-server", "");
        assert_eq!(metadata.json()["issuer"], server, "RFC 8414 §3.3");
    }
}

fn bearer_methods(world: &World, value: &Value, path: &str) {
    let resource = if path == "/orders/1" { DECLARED } else { DEFAULT };
    let (listed, token, gateway) = (texts(value), world.token(resource), world.server.address("gateway"));
    let form = format!("access_token={token}");
    let body = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}",
        form.len()
    );
    let tried = [
        ("body", raw(&gateway, &body).status),
        ("header", world.call(path, &token).status),
        ("query", get(&gateway, &format!("{path}?{form}"), "").status),
    ];
    for (method, status) in tried {
        assert_eq!(status == 200, listed.contains(&method), "RFC 6750 §2: {method}: {status}");
    }
    assert!(
        listed.iter().all(|method| tried.iter().any(|(known, _)| known == method)),
        "{listed:?}: no proof"
    );
}

fn scopes_of_resource(world: &World, value: &Value, path: &str) {
    let resource = if path == "/orders/1" { DECLARED } else { DEFAULT };
    for scope in texts(value) {
        let got = world.ask(&world.client, &format!("&resource={resource}&scope={scope}"));
        assert_eq!(got.status, 200, "{scope} can be asked for at {resource}: {got:?}");
    }
    let challenge = get(&world.server.address("gateway"), path, "").header("www-authenticate").unwrap();
    let asked = challenge.split("scope=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(texts(value).contains(&asked), "what a route asks for is listed: {challenge}");
}

#[test]
fn rfc8414_2_whatever_the_issuer_says_of_itself_is_so() {
    let place = Ground::new();
    let world = World::start(&place);
    for document in ["oauth-authorization-server", "openid-configuration"] {
        let answer = get(&world.server.address("issuer"), &format!("/.well-known/{document}"), "");
        assert_eq!(answer.header("content-type").as_deref(), Some("application/json"), "RFC 8414 §3.2");
        let said = answer.json();
        for endpoint in ["token", "introspection", "revocation"] {
            let algorithms = &said[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")];
            assert!(algorithms.is_array(), "RFC 8414 §2: {endpoint} takes private_key_jwt");
        }
        for (member, value) in said.as_object().unwrap() {
            let proof = SERVER.iter().find(|(name, _)| name == member);
            let (_, proof) =
                proof.unwrap_or_else(|| panic!("{document} says `{member}`, which nothing here proves"));
            assert!(value != &json!([]), "RFC 8414 §3.2: {member}");
            proof(&world, value);
        }
    }
}

#[test]
fn rfc9728_2_whatever_the_gateway_says_of_a_resource_is_so() {
    let place = Ground::new();
    let world = World::start(&place);
    for (resource, path) in [(DEFAULT, "/things"), (DECLARED, "/orders/1")] {
        let challenge = get(&world.server.address("gateway"), path, "").header("www-authenticate").unwrap();
        let at = challenge.split("resource_metadata=\"").nth(1).unwrap().split('"').next().unwrap();
        let at = at.strip_prefix(DEFAULT).unwrap_or_else(|| panic!("{at}"));
        let answer = get(&world.server.address("gateway"), at, "");
        let said = answer.json();
        assert_eq!(said["resource"], resource, "RFC 9728 §3.3");
        for (member, value) in said.as_object().unwrap() {
            let proof = RESOURCE.iter().find(|(name, _)| name == member);
            let (_, proof) =
                proof.unwrap_or_else(|| panic!("{resource} says `{member}`, which nothing here proves"));
            proof(&world, value, path);
        }
    }
}
