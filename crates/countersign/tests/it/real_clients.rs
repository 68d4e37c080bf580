//! Client libraries that the project did not write: Node's `oauth4webapi`, `openid-client` and `jose`, Python's Authlib
//! and `PyJWT`. `cargo xtask test` installs them into `target/clients`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Ground, Server};
use crate::linking::Pair;
use crate::oauth::{Client, call};

/// Where the programs lie, and where the libraries are installed; `None`: they are not, and nobody asked for them.
fn programs() -> Option<(PathBuf, PathBuf)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let installed = here.join("../../target/clients");
    if !installed.join("node_modules/jose").is_dir() || !installed.join("python/jwt").is_dir() {
        assert!(
            std::env::var("CI").is_err(),
            "CI needs the client libraries: cargo xtask test installs them"
        );
        // Skipped: `cargo xtask test` installs them.
        return None;
    }
    Some((here.join("tests/clients"), installed))
}

/// Runs a program beside the libraries, and demands that it says `good`.
#[track_caller]
fn run(program: &str, before: &[&str], environment: &[(&str, &str)]) {
    let Some((programs, installed)) = programs() else { return };
    let place = tempfile::TempDir::new_in(&installed).unwrap();
    for entry in std::fs::read_dir(programs).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), place.path().join(entry.file_name())).unwrap();
    }
    let interpreter = if program.ends_with(".py") { "python3" } else { "node" };
    let output = Command::new(interpreter)
        .current_dir(place.path())
        .args(before)
        .arg(program)
        .env("PYTHONPATH", installed.join("python"))
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), "good", "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

fn url<'a>(server: &'a Server, name: &str) -> &'a str {
    server.card[name].as_str().unwrap()
}

#[test]
fn oauth4webapi_openid_client_authlib_and_pyjwt_obtain_introspect_and_revoke_tokens() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let client = Client::register(&server, &json!({}));
    for rotated in [false, true] {
        if rotated {
            assert_eq!(server.manage("POST", "/v1/signing-keys/rotate", &json!({})).status, 201);
        }
        for program in ["oauth4webapi.mjs", "openid-client.mjs", "clients.py"] {
            run(
                program,
                &[],
                &[
                    ("ISSUER", url(&server, "issuer")),
                    ("AUDIENCE", url(&server, "gateway")),
                    ("CLIENT_ID", &client.id),
                    ("CLIENT_SECRET", &client.secret),
                ],
            );
        }
    }
}

/// Lets client libraries sign somebody in at `server`, who has a password there or at an identity provider of its.
fn sign_people_in(server: &Server, provider: &str) {
    let callback = "https://app.example/cb";
    let body = json!({ "name": "app", "redirect_uris": [callback], "token_endpoint_auth_method": "none",
        "scopes": ["orders:read"], "grant_types": ["authorization_code", "refresh_token",
            "urn:ietf:params:oauth:grant-type:device_code"] });
    let client = server.manage("POST", "/v1/clients", &body).json()["client_id"].clone();
    for program in ["openid-client-people.mjs", "oauth4webapi-people.mjs", "people.py"] {
        run(
            program,
            &[],
            &[
                ("ISSUER", url(server, "issuer")),
                ("CLIENT_ID", client.as_str().unwrap()),
                ("CALLBACK", callback),
                ("SCOPE", "openid orders:read offline_access"),
                ("PROVIDER", provider),
                ("USERNAME", "ana"),
                ("PASSWORD", "correct horse"),
                ("AUTHLIB_INSECURE_TRANSPORT", "1"),
            ],
        );
    }
}

#[test]
fn openid_client_oauth4webapi_and_authlib_sign_people_in_by_code_and_by_device() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let person = json!({ "username": "ana", "password": "correct horse" });
    assert_eq!(server.manage("POST", "/v1/users", &person).status, 201);
    sign_people_in(&server, "");
}

#[test]
fn openid_client_oauth4webapi_and_authlib_sign_people_in_who_are_known_at_another_provider() {
    let pair = Pair::start("create_people = true");
    let person = json!({ "username": "ana", "password": "correct horse" });
    assert_eq!(pair.idp.manage("POST", "/v1/users", &person).status, 201);
    sign_people_in(&pair.here, "corp");
    let people = pair.here.manage("GET", "/v1/users", &Value::Null).json();
    assert_eq!(people["data"].as_array().unwrap().len(), 1, "one person, whichever library: {people}");
}

#[test]
fn jose_and_pyjwt_verify_tokens_across_a_rotation_and_assertions() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let client = Client::register(&server, &json!({}));
    let before = client.token(&server);
    assert_eq!(server.manage("POST", "/v1/signing-keys/rotate", &json!({})).status, 201);
    let tokens = format!("{before} {}", client.token(&server));
    let seen = call(&server, &before).json();
    let assertion = seen["headers"]["countersign-assertion"].as_str().unwrap();
    let environment = [
        ("ISSUER", url(&server, "issuer")),
        ("AUDIENCE", url(&server, "gateway")),
        ("TOKENS", &tokens),
        ("GATEWAY", url(&server, "gateway")),
        ("ASSERTION", assertion),
        ("UPSTREAM", "default"),
    ];
    run("jose.mjs", &[], &environment);
    run("assertion.py", &[], &environment);
}

#[test]
fn jose_decrypts_and_verifies_tokens_that_are_for_its_resource_alone() {
    let place = Ground::new();
    let server = place.up("data", &[]);
    let key = server.management_key();
    let environment = [("ISSUER", url(&server, "issuer")), ("ADMIN", url(&server, "admin")), ("KEY", &key)];
    run("encrypted.mjs", &[], &environment);
}

#[test]
fn guide_samples_work_unchanged() {
    let place = Ground::new();
    let server = place.up(
        "data",
        &[
            "--https",
            "--issuer-url",
            "https://auth.example.com",
            "--resource",
            "https://api.example.com",
            "--signing-alg",
            "RS256",
        ],
    );
    let client = registered(&place);
    let port = |name: &str| server.address(name).rsplit(':').next().unwrap().to_owned();
    let connect = format!(
        "auth.example.com={} api.example.com={} admin.example.com={}",
        port("issuer"),
        port("gateway"),
        port("admin")
    );
    run(
        "guide_samples.mjs",
        &["--import", "./connect_to.mjs"],
        &[
            ("CONNECT_TO", &connect),
            ("NODE_EXTRA_CA_CERTS", place.path("data/ca.pem").to_str().unwrap()),
            ("ADMIN", url(&server, "admin")),
            ("KEY", &server.management_key()),
            ("CLIENT_ID", client["client_id"].as_str().unwrap()),
            ("CLIENT_SECRET", client["client_secret"].as_str().unwrap()),
        ],
    );
}

/// Registers a client by the command, over the local socket.
fn registered(place: &Ground) -> Value {
    let created = place.run(
        &[
            "client",
            "create",
            "--name",
            "billing",
            "--grant",
            "client_credentials",
            "--scope",
            "orders:read",
            "--audience",
            "https://api.example.com",
            "--data",
            "data",
            "--json",
        ],
        &[],
    );
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    serde_json::from_slice(&created.stdout).unwrap()
}
