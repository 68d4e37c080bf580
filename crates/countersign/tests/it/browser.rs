//! People's part in a real browser: Debian's Chromium, driven by the programs of `tests/browser`.
//!
//! `cargo xtask test` installs the browser and, into `target/clients`, what drives it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
fn six_steps_from_an_application_to_its_api_in_a_browser() {
    let place = Ground::new();
    let config = place.write("c.toml", SETTINGS);
    run("web_flow.mjs", &place.up("data", &["--config", config.to_str().unwrap()]), &[]);
}

#[test]
fn people_see_their_account_and_take_back_what_they_allowed() {
    let place = Ground::new();
    let config = place.write("c.toml", SETTINGS);
    run("account.mjs", &place.up("data", &["--config", config.to_str().unwrap()]), &[]);
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
