//! People's part in a real browser: Debian's Chromium, driven by the programs of `tests/browser`.
//!
//! `cargo xtask test` installs the browser and, into `target/clients`, what drives it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::harness::{Ground, Server};

/// Where Debian puts the browser.
const CHROMIUM: &str = "/usr/bin/chromium";

/// A resource that says in its own words what people allow, and its route.
const SETTINGS: &str = r#"
[[resource]]
id = "https://api.example.com"
scopes = { "orders:read" = "See your orders", "orders:write" = "Change your orders" }

[[route]]
path = "/{**}"
upstream = "default"
require = { access_token = { audience = "https://api.example.com", scope = "orders:read" } }
"#;

/// Tells whether there is a browser, and what drives it.
pub(crate) fn is_installed() -> bool {
    installed().is_some()
}

/// Where what drives the browser is installed; `None`: it is not, and nobody asked for it.
fn installed() -> Option<PathBuf> {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/clients");
    if Path::new(CHROMIUM).exists() && installed.join("node_modules/playwright-core").is_dir() {
        return Some(installed);
    }
    assert!(std::env::var("CI").is_err(), "CI needs a browser: cargo xtask test installs it");
    // Skipped: `cargo xtask test` installs them.
    None
}

/// Runs a program that drives the browser, and demands that it says `good`.
#[track_caller]
pub(crate) fn run(program: &str, server: &Server, environment: &[(&str, &str)]) {
    let Some(installed) = installed() else { return };
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let place = tempfile::TempDir::new_in(installed).unwrap();
    for entry in std::fs::read_dir(programs).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), place.path().join(entry.file_name())).unwrap();
    }
    let url = |name: &str| server.card[name].as_str().unwrap().to_owned();
    let output = Command::new("node")
        .current_dir(place.path())
        .arg(program)
        .env("HOME", place.path())
        .env("CHROMIUM", CHROMIUM)
        .envs([("ISSUER", url("issuer")), ("GATEWAY", url("gateway")), ("ADMIN", url("admin"))])
        .env("KEY", server.management_key())
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), "good", "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_person_who_finds_nothing_gets_a_page_in_their_language() {
    let place = Ground::new();
    run("nothing_here.mjs", &place.up("data", &[]), &[]);
}

#[test]
fn whoever_touches_what_a_browser_keeps_for_scripts_is_seen() {
    let place = Ground::on_sqlite();
    run("storage.mjs", &place.up("data", &[]), &[]);
}

/// What a browser keeps for scripts, which nothing of ours has to do with: any script on a page reads it.
const KEPT_FOR_SCRIPTS: [&str; 5] =
    ["localStorage", "sessionStorage", "indexedDB", "CacheStorage", "document.cookie"];

/// Reads every file of a folder of the repository, and of the folders in it.
fn files(folder: &Path, read: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, read);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            read.push((path, text));
        }
    }
}

/// Takes the samples out of a guide; what is not one is prose.
fn samples(text: &str) -> String {
    text.split("```").skip(1).step_by(2).collect()
}

#[test]
fn no_page_script_or_sample_of_ours_names_what_a_browser_keeps_for_scripts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut read = Vec::new();
    // What is served and what serves it, the demonstrations among it; and what people are told to write.
    for folder in ["templates", "assets", "messages", "src"] {
        files(&root.join("crates/countersign-server").join(folder), &mut read);
    }
    for folder in ["crates/countersign/src", "crates/countersign-gateway/src", "crates/countersign-edge/src"]
    {
        files(&root.join(folder), &mut read);
    }
    let pages = read.len();
    files(&root.join("docs/guide"), &mut read);
    read.push((root.join("README.md"), std::fs::read_to_string(root.join("README.md")).unwrap()));
    assert!(pages > 100 && read.len() > pages + 4, "they were found: {pages}, {}", read.len());
    let front_end = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/front_end.mjs");
    read.push((front_end.clone(), std::fs::read_to_string(front_end).unwrap()));
    for (path, text) in read {
        let text = if path.extension().is_some_and(|kind| kind == "md") { samples(&text) } else { text };
        let found = KEPT_FOR_SCRIPTS.iter().find(|name| text.to_lowercase().contains(&name.to_lowercase()));
        assert_eq!(found, None, "{}", path.display());
    }
}

#[test]
fn six_steps_from_an_application_to_its_api_in_a_browser() {
    let place = Ground::new();
    let config = place.write("c.toml", SETTINGS);
    run("web_flow.mjs", &place.up("data", &["--config", config.to_str().unwrap()]), &[]);
}

#[test]
fn people_see_their_account_and_take_back_what_they_allowed() {
    let place = Ground::new();
    let offered = "
[self_service]
api_keys = { scopes = ['orders:read'], max_lifetime = '90d' }
clients = { grants = ['authorization_code'], scopes = ['orders:read'], audiences = ['https://api.example.com'] }
";
    let config = place.write("c.toml", &format!("{SETTINGS}{offered}"));
    run("account.mjs", &place.up("data", &["--config", config.to_str().unwrap()]), &[]);
}

/// Browsers tell the two apart by their hosts, whose cookies the ports of a host would share.
#[test]
fn a_countersign_at_a_countersign_in_a_browser() {
    let (elsewhere, place) = (Ground::new(), Ground::new());
    let idp = elsewhere.up("data", &[]);
    let issuer = idp.card["issuer"].as_str().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = free.local_addr().unwrap().to_string();
    drop(free);
    let ours = format!("http://{listen}");
    let client = idp.manage(
        "POST",
        "/v1/clients",
        &json!({ "name": "House", "grant_types": ["authorization_code"],
                 "redirect_uris": [format!("{ours}/federation/corp/callback")] }),
    );
    let client = client.json();
    place.write("secret", client["client_secret"].as_str().unwrap());
    let settings = format!(
        "{SETTINGS}
[egress.identity_providers]
allow = ['127.0.0.0/8', '::1']

[[identity_provider]]
name = 'corp'
title = 'Example Corp'
issuer = '{issuer}'
client_id = '{}'
client_secret_file = 'secret'
trust_email = true
create_people = true
",
        client["client_id"].as_str().unwrap()
    );
    place.write("c.toml", &settings);
    let arguments = ["--config", "c.toml", "--issuer-listen", &listen, "--issuer-url", &ours];
    let server = place.up("data", &arguments);
    let (admin, key) = (idp.card["admin"].as_str().unwrap().to_owned(), idp.management_key());
    let environment = [("ISSUER", &*ours), ("IDP", issuer), ("IDP_ADMIN", &admin), ("IDP_KEY", &key)];
    run("federation.mjs", &server, &environment);
}

#[test]
fn rfc8628_a_device_is_connected_in_a_browser() {
    let place = Ground::new();
    let config = place.write("c.toml", SETTINGS);
    run("device_flow.mjs", &place.up("data", &["--config", config.to_str().unwrap()]), &[]);
}

#[test]
fn a_password_is_replaced_and_an_address_confirmed_by_mailed_links_in_a_browser() {
    let place = Ground::new();
    let mail = place.path("mail").display().to_string();
    place.write("c.toml", &format!("[mail]\nurl = \"file:{mail}\"\n"));
    run("mail_links.mjs", &place.up("data", &["--config", "c.toml"]), &[("MAIL", &mail)]);
}

#[test]
fn people_at_a_web_app_of_the_house_and_other_sites_that_try_to_use_them() {
    let place = Ground::new();
    let config = place.write("c.toml", "");
    let config = config.to_str().unwrap();
    run("web_app.mjs", &place.up("data", &["--config", config]), &[("CONFIG", config)]);
}
