//! Access tokens that only their resource can read (RFC 7519 §5.2), as its users run them.

use std::process::Output;

use countersign_jose::algorithm::{ContentEncryption, KeyManagement};
use countersign_jose::jwk::EncryptionKey;
use countersign_jose::{base64url, jwe};
use countersign_testkit::Postgres;
use serde_json::{Value, json};

use crate::harness::{Ground, Server, eventually, get};
use crate::oauth::{Client, ENDS, call, end, refused, two_nodes};

const RESOURCE: &str = "https://private.example";

/// RFC 8037 appendix A.6: Bob's key.
fn private() -> Value {
    json!({ "kty": "OKP", "crv": "X25519", "kid": "Bob", "use": "enc", "alg": "ECDH-ES+A256KW",
        "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08", "d": "XasIfmJKikt54X-Lg4AO5m87sSkmGLb9HC-LJ_-I4Os" })
}

fn public() -> Value {
    let mut key = private();
    key.as_object_mut().unwrap().remove("d");
    key
}

/// A route that takes tokens for the resource, and sends them on to who can read them.
fn configuration(place: &Ground) -> String {
    let file = place.write(
        "c.toml",
        &format!(
            "[[route]]\nname = \"orders\"\npath = \"/orders/{{**}}\"\nupstream = \"default\"\n\
             forward_credential = true\n\
             require = {{ access_token = {{ scope = \"orders:read\", audience = \"{RESOURCE}\" }} }}\n"
        ),
    );
    place.write("public.json", &json!({ "keys": [public()] }).to_string());
    place.write("private.json", &json!({ "keys": [private()] }).to_string());
    file.display().to_string()
}

fn command(place: &Ground, arguments: &[&str]) -> Output {
    place.run(&[arguments, &["--data", "data", "--json"]].concat(), &[])
}

/// Starts a node whose resource is declared by the command.
fn up(place: &Ground) -> Server {
    let server = place.up("data", &["--config", &configuration(place)]);
    let created = command(place, &["resource", "create", "--id", RESOURCE, "--jwks", "public.json"]);
    assert!(created.status.success(), "{created:?}");
    server
}

fn client(server: &Server) -> Client {
    Client::register(server, &json!({ "audiences": [RESOURCE] }))
}

fn kid(token: &str) -> String {
    let head = base64url::decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&head).unwrap()["kid"].as_str().unwrap().to_owned()
}

fn decrypted(place: &Ground, token: &str) -> String {
    let output = place.run(&["token", "decrypt", "--jwks", "private.json", token], &[]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn rfc7519_5_2_an_encrypted_token_is_decrypted_and_verified_by_its_resource_alone() {
    let place = Ground::new();
    let server = up(&place);
    let token = client(&server).token(&server);
    assert_eq!((token.split('.').count(), kid(&token)), (5, "Bob".to_owned()));
    let signed = decrypted(&place, &token);
    place.write("keys.json", &get(&server.address("issuer"), "/.well-known/jwks.json", "").body);
    let issuer = server.card["issuer"].as_str().unwrap().trim_end_matches('/').to_owned();
    let verify = ["token", "verify", "--jwks", "keys.json", "--audience", RESOURCE, "--typ", "at+jwt"];
    let verified = place.run(&[&verify[..], &["--issuer", &issuer, &signed]].concat(), &[]);
    assert!(verified.status.success(), "{verified:?}");
    let claims: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!((&claims["aud"], &claims["scope"]), (&json!(RESOURCE), &json!("orders:read")));
    let answer = call(&server, &token);
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = &answer.json()["headers"];
    assert_eq!(seen["authorization"], format!("Bearer {token}"), "it arrives as it was issued");
    assert_eq!(seen["countersign-credential"], claims["jti"]);
    assert_eq!(call(&server, &signed).status, 200, "who can read it holds what is in it");
}

#[test]
fn rfc9068_4_an_altered_or_forged_encrypted_token_is_refused() {
    let place = Ground::new();
    let server = up(&place);
    let client = client(&server);
    let token = client.token(&server);
    let parts: Vec<&str> = token.split('.').collect();
    for at in 1..5 {
        let part = parts[at];
        let mut altered = parts.clone();
        let first = if part.starts_with('A') { "B" } else { "A" };
        let part = format!("{first}{}", &part[1..]);
        altered[at] = &part;
        let altered = altered.join(".");
        refused(&server, &altered);
        assert!(!client.is_active(&server, &altered));
    }
    // Everybody knows the public key, and who issues.
    let key = EncryptionKey::from_jwk(&public(), &[KeyManagement::EcdhEsA256Kw]).unwrap();
    let issuer = server.card["issuer"].as_str().unwrap().trim_end_matches('/');
    for (issuer, inner) in [(Some(issuer), decrypted(&place, &token)), (None, decrypted(&place, &token))] {
        let told = jwe::Told { content_type: Some("JWT"), issuer };
        let forged = jwe::encrypt(&key, ContentEncryption::A256Gcm, told, inner.as_bytes()).unwrap();
        refused(&server, &forged);
        assert!(!client.is_active(&server, &forged));
    }
    assert_eq!(call(&server, &token).status, 200);
}

#[test]
fn an_encrypted_token_ends_in_each_way_at_the_next_request() {
    let place = Ground::new();
    let server = up(&place);
    for how in ENDS {
        let client = client(&server);
        let token = client.token(&server);
        assert_eq!(call(&server, &token).status, 200, "{how}");
        assert!(client.is_active(&server, &token), "{how}");
        end(&server, &client, &token, how);
        refused(&server, &token);
    }
    let client = client(&server);
    let token = client.token(&server);
    let signed_by = kid(&decrypted(&place, &token));
    let revoked = server.manage("POST", &format!("/v1/signing-keys/{signed_by}/revoke"), &Value::Null);
    assert_eq!(revoked.json()["state"], "revoked");
    refused(&server, &token);
    assert!(!client.is_active(&server, &token));
    assert_eq!(call(&server, &client.token(&server)).status, 200, "another key signs");
}

#[test]
fn a_resource_gets_another_key_or_none_without_a_restart() {
    let place = Ground::new();
    let server = up(&place);
    let client = client(&server);
    let before = client.token(&server);
    let mut next = public();
    next["kid"] = json!("next");
    place.write("next.json", &json!({ "keys": [next] }).to_string());
    let updated = command(&place, &["resource", "update", RESOURCE, "--jwks", "next.json"]);
    assert!(updated.status.success(), "{updated:?}");
    assert_eq!(kid(&client.token(&server)), "next");
    let updated = command(&place, &["resource", "update", RESOURCE, "--jwks", "none"]);
    assert!(updated.status.success(), "{updated:?}");
    let plain = client.token(&server);
    assert_eq!(plain.split('.').count(), 3);
    assert_eq!((call(&server, &before).status, call(&server, &plain).status), (200, 200));
    for (file, words) in [("private.json", "the private key stays with the resource"), ("c.toml", "no JSON")]
    {
        let refused = command(&place, &["resource", "update", RESOURCE, "--jwks", file]);
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && told.contains(words), "{file}: {told}");
    }
}

#[test]
fn a_resource_of_the_file_declares_its_key() {
    let place = Ground::new();
    let file = configuration(&place);
    let declared = |more: &str| {
        let text = std::fs::read_to_string(&file).unwrap();
        let declared = format!(
            "{text}\n[[resource]]\nid = \"{RESOURCE}\"\n[[resource.jwks.keys]]\nkty = \"OKP\"\ncrv = \"X25519\"\n\
             kid = \"file\"\nuse = \"enc\"\nx = \"3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08\"\n{more}"
        );
        place.write("declared.toml", &declared).display().to_string()
    };
    let refused =
        place.try_up("refused", &["--config", &declared("d = \"x\"\n")], &[]).map(drop).unwrap_err();
    assert!(refused.contains("the private key stays with the resource"), "{refused}");
    let server = place.up("data", &["--config", &declared("")]);
    let token = client(&server).token(&server);
    assert_eq!(kid(&token), "file");
    assert_eq!(call(&server, &token).status, 200);
}

#[test]
fn an_encrypted_token_of_one_node_is_good_at_the_other_until_it_ends() {
    let Some(postgres) = Postgres::start() else { return };
    let place = Ground::on_sqlite();
    let config = configuration(&place);
    let (one, two) = two_nodes(&place, &postgres.url(), &["--config", &config]);
    let body = json!({ "id": RESOURCE, "jwks": { "keys": [public()] } });
    assert_eq!(one.manage("POST", "/v1/resources", &body).status, 201);
    for how in ENDS {
        let client = client(&one);
        let token = client.token(&one);
        assert_eq!(token.split('.').count(), 5);
        assert_eq!(call(&two, &token).status, 200, "{how}: issued at one, good at the other");
        end(&one, &client, &token, how);
        let took = eventually(how, || call(&two, &token).status == 401);
        assert!(took.as_millis() < 1000, "{how}: {took:?}");
    }
}
