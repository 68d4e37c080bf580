//! What the upstream of a running node is told, verified by the node's own command line and by what it publishes.

use serde_json::{Value, json};

use crate::harness::{Ground, Server, get};

const ISSUER: &str = "https://auth.example.com";

fn minted(server: &Server) -> String {
    let made = server.manage("POST", "/v1/keys", &json!({ "name": "ci", "scopes": ["orders:read"] }));
    made.json()["key"].as_str().unwrap_or_else(|| panic!("{made:?}")).to_owned()
}

/// Calls with a credential, and returns the assertion that the built-in echo received.
fn asserted(server: &Server, key: &str) -> String {
    let answer = server.call("/orders", Some(key));
    let told: Value = answer.json()["headers"]["countersign-assertion"].clone();
    told.as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

#[test]
fn safety_12_an_upstream_verifies_who_called_by_what_the_gateway_publishes() {
    let place = Ground::new();
    let server = place.up("data", &["--issuer-url", ISSUER]);
    let key = minted(&server);
    let assertion = asserted(&server, &key);
    let keys = get(&server.address("gateway"), "/.countersign/jwks.json", "");
    let keys = place.write("keys.json", &keys.body).display().to_string();
    let verify = |token: &str, audience: &str| {
        let arguments = ["token", "verify", "--jwks", &keys, "--issuer", ISSUER, "--audience", audience];
        let more = ["--typ", "countersign-assertion+jwt", "--alg", "ES256", token];
        place.run(&[arguments.as_slice(), more.as_slice()].concat(), &[])
    };
    let verified = verify(&assertion, "default");
    assert!(verified.status.success(), "{verified:?}");
    let claims: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!((&claims["scope"], &claims["kind"]), (&json!("orders:read"), &json!("api_key")));
    assert_eq!(verify(&assertion, "billing").status.code(), Some(1), "it is for no other upstream");
    assert_eq!(server.call("/orders", Some(&assertion)).status, 401, "it is no credential");
    // Another start signs with the same key.
    assert!(server.stop().success());
    let server = place.up("data", &["--issuer-url", ISSUER]);
    assert!(verify(&asserted(&server, &key), "default").status.success());
}
