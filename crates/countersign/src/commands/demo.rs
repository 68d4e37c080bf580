//! `countersign demo`: scenarios, both sides played. `developer-key`: a provider and a developer play an API key's whole life, and then somebody
//! tries to break in. Everything is real: a node of its own with listeners, HTTP requests, refusals.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use clap::Parser;
use countersign_core::base62;
use countersign_core::resource::Declared;
use http::{Method, Request, header};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::cli::{Demo, Up};
use crate::client::{self, Connection};
use crate::commands::{demo_app, demo_cli, demo_service, demo_web};
use crate::data_directory::DataDirectory;
use crate::node::{Node, NodeConfig};
use crate::output;
use crate::running::Running;
use crate::settings::resolved::Settings;
use crate::system::SystemEntropy;

/// How long the demo waits for a key of one second to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// The scenario of services that call each other.
const SERVICE: &str = "service-to-service";
/// That of an app of somebody else, which acts for a person.
const APP: &str = "third-party-app";
/// That of the provider's own web app.
const WEB: &str = "first-party-web";
/// That of a tool without a browser.
const CLI: &str = "cli";

const SETTINGS: &str = r#"
[[route]]
name = "orders"
path = "/orders/{**}"
methods = ["GET"]
upstream = "default"
require = { api_key = { scope = "orders:read" } }

[[route]]
name = "refunds"
path = "/refunds/{**}"
upstream = "default"
require = { api_key = { scope = "refunds:write" } }
"#;

pub(crate) async fn run(demo: &Demo) -> Result<ExitCode> {
    let settings = match demo.scenario.as_str() {
        "developer-key" => SETTINGS,
        SERVICE | APP | CLI => demo_service::SETTINGS,
        WEB => demo_web::SETTINGS,
        other => {
            bail!("unknown scenario `{other}`; there are: developer-key, {SERVICE}, {APP}, {WEB}, {CLI}")
        }
    };
    let directory = Scratch::make()?;
    let running = start(&directory.0, settings).await?;
    let connection = Connection::Socket(crate::data_directory::socket(&directory.0.join("data")));
    let (gateway, issuer) = (running.urls.gateway.clone(), running.urls.issuer.clone());
    let mut story = Story { json: demo.json, step: 0, failed: 0, gateway, issuer: issuer.clone() };
    let told = match demo.scenario.as_str() {
        SERVICE => demo_service::play(&mut story, &connection, &issuer).await,
        APP => demo_app::play(&mut story, &connection, &issuer).await,
        WEB => demo_web::play(&mut story, &connection, &issuer).await,
        CLI => demo_cli::play(&mut story, &connection, &issuer).await,
        _ => developer_key(&mut story, &connection).await,
    };
    running.stop(Duration::from_secs(5)).await?;
    told?;
    story.end()
}

/// A directory that is removed when the demo ends.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self> {
        let name = format!("countersign-demo-{}", base62::random(&mut SystemEntropy, 12));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _removed = std::fs::remove_dir_all(&self.0);
    }
}

async fn start(scratch: &Path, settings: &str) -> Result<Running> {
    let config = scratch.join("countersign.toml");
    std::fs::write(&config, settings)?;
    let data = scratch.join("data");
    let up = parse_up(&config, &data)?;
    let settings = Settings::read(&up, &[])?;
    let Ok(directory) = DataDirectory::open(&data)? else { bail!("the demo's directory is in use") };
    let place = NodeConfig {
        store: None,
        danger_store_plaintext: false,
        master_key: crate::master_key::Origin::DataDirectory,
        feed_max_age: settings.feed_max_age,
        policy: settings.policy.clone(),
        retention: settings.retention.clone(),
        body_timeout: settings.limits.body,
        declared: Declared::default(),
    };
    Running::start(Node::open(directory, &place).await?, settings, &up).await
}

/// What `up` would be told.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    up: Up,
}

fn parse_up(config: &Path, data: &Path) -> Result<Up> {
    let (config, data) = (config.display().to_string(), data.display().to_string());
    let mut arguments = vec!["up", "--config", &config, "--data", &data];
    for listener in ["--issuer-listen", "--gateway-listen", "--mtls-listen", "--admin-listen"] {
        arguments.extend([listener, "127.0.0.1:0"]);
    }
    Ok(Arguments::try_parse_from(arguments)?.up)
}

async fn developer_key(story: &mut Story, provider: &Connection) -> Result<()> {
    story.scene("The provider mints a key for a developer")?;
    let asked = json!({ "name": "acme's build server", "scopes": ["orders:read"], "expires_in": "90d" });
    let minted = story.manage(provider, Method::POST, "/v1/keys", Some(&asked)).await?;
    let (id, key) = (text(&minted, "id")?, text(&minted, "key")?);

    story.scene("The developer calls the API")?;
    let answer = story.call("with the key", "/orders/42", Some(&key), 200, "").await?;
    story.check(
        "the upstream sees who called",
        answer.pointer("/headers/countersign-credential") == Some(&json!(id)),
    )?;
    story.check("and never the key", !answer.to_string().contains(&key))?;

    story.scene("The provider rotates the key; both work during the overlap")?;
    let rotated = story
        .manage(provider, Method::POST, &format!("/v1/keys/{id}/rotate"), Some(&json!({ "overlap": "1h" })))
        .await?;
    let (successor, fresh) = (text(&rotated, "id")?, text(&rotated, "key")?);
    story.call("with the old key", "/orders/42", Some(&key), 200, "").await?;
    story.call("with the new key", "/orders/42", Some(&fresh), 200, "").await?;

    story.scene("Now somebody tries to break in")?;
    break_in(story, &fresh).await?;
    expired(story, provider).await?;

    story.scene("The provider revokes the old key")?;
    story.manage(provider, Method::POST, &format!("/v1/keys/{id}/revoke"), None).await?;
    story.call("the very next request with it", "/orders/42", Some(&key), 401, "invalid_token").await?;
    story.call("the successor goes on working", "/orders/42", Some(&fresh), 200, "").await?;
    story.manage(provider, Method::DELETE, &format!("/v1/keys/{successor}"), None).await?;
    story.call("and once it is deleted too", "/orders/42", Some(&fresh), 401, "invalid_token").await?;
    Ok(())
}

async fn break_in(story: &mut Story, key: &str) -> Result<()> {
    let (prefix, _) = key.rsplit_once('_').ok_or_else(|| anyhow!("a key without a prefix"))?;
    let body = base62::random(&mut SystemEntropy, 43);
    let guessed = format!("{prefix}_{body}{}", countersign_core::key_string::checksum(&body));
    let damaged: String = key
        .chars()
        .rev()
        .enumerate()
        .map(|(at, letter)| if at == 0 { other(letter) } else { letter })
        .collect();
    let damaged: String = damaged.chars().rev().collect();
    story.call("without a key", "/orders/42", None, 401, "").await?;
    story
        .call("with a guessed key of the right shape", "/orders/42", Some(&guessed), 401, "invalid_token")
        .await?;
    story.call("with a wrong checksum", "/orders/42", Some(&damaged), 401, "invalid_token").await?;
    story.call("beyond the key's scope", "/refunds/42", Some(key), 403, "insufficient_scope").await?;
    story.call("with the key in the query", &format!("/orders/42?api_key={key}"), None, 401, "").await?;
    story.call("around the route", "/refunds/..%2forders/42", Some(key), 400, "").await?;
    Ok(())
}

fn other(letter: char) -> char {
    if letter == '0' { '1' } else { '0' }
}

async fn expired(story: &mut Story, provider: &Connection) -> Result<()> {
    let asked = json!({ "name": "a short life", "scopes": ["orders:read"], "expires_in": "1s" });
    let minted = story.manage(provider, Method::POST, "/v1/keys", Some(&asked)).await?;
    let key = text(&minted, "key")?;
    let ended = tokio::time::timeout(PATIENCE, async {
        while story.send("/orders/42", Some(&key)).await?.0 == 200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::Ok(())
    });
    ended.await.context("the key of one second did not end")??;
    story.call("with a key that has expired", "/orders/42", Some(&key), 401, "invalid_token").await?;
    Ok(())
}

pub(super) fn text(value: &Value, member: &str) -> Result<String> {
    value
        .get(member)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| anyhow!("the answer has no `{member}`"))
}

/// Tells what happens, and counts what did not go as it should.
pub(crate) struct Story {
    json: bool,
    step: usize,
    failed: usize,
    gateway: String,
    issuer: String,
}

impl Story {
    /// Returns the gateway's URL.
    pub(super) fn gateway(&self) -> &str {
        &self.gateway
    }

    /// Returns the issuer's URL.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Enters a person; returns their id.
    pub(super) async fn person(&self, provider: &Connection, name: &str, password: &str) -> Result<String> {
        if !self.json {
            output::line(&format!("   provider   POST /v1/users {{\"username\":\"{name}\",…}}"))?;
        }
        let body = json!({ "username": name, "password": password });
        text(&provider.call(Method::POST, "/v1/users", Some(&body)).await?, "id")
    }

    /// Posts a form to the issuer, and tells what it was answered.
    pub(super) async fn post(
        &mut self,
        path: &str,
        what: &str,
        form: &str,
        (status, code): (u16, &str),
    ) -> Result<Value> {
        let authority = self.issuer.trim_start_matches("http://");
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::HOST, authority)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form.to_owned())))?;
        let (found, _, answer) = client::plain(authority, request).await?;
        let error = answer.get("error").and_then(Value::as_str).unwrap_or_default();
        self.told(&format!("POST {path}"), what, (found, error), found == status && error == code)?;
        Ok(answer)
    }

    pub(super) fn scene(&mut self, title: &str) -> Result<()> {
        self.step += 1;
        if self.json { Ok(()) } else { output::line(&format!("\n{}. {title}", self.step)) }
    }

    pub(super) async fn manage(
        &self,
        provider: &Connection,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        if !self.json {
            let sent = body.map_or_else(String::new, |body| format!(" {body}"));
            output::line(&format!("   provider   {method} {path}{sent}"))?;
        }
        let answer = provider.call(method, path, body).await?;
        if let (false, Some(hint)) = (self.json, answer.get("hint").and_then(Value::as_str)) {
            output::line(&format!(
                "              -> {} {hint}",
                answer.get("state").and_then(Value::as_str).unwrap_or_default()
            ))?;
        }
        Ok(answer)
    }

    /// Sends a request to the gateway; the answer's status, challenge and body.
    async fn send(&self, path: &str, key: Option<&str>) -> Result<(u16, String, Value)> {
        let authority = self.gateway.trim_start_matches("http://");
        let mut request = Request::builder().uri(path).header(header::HOST, authority);
        if let Some(key) = key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        client::plain(authority, request.body(Full::new(Bytes::new()))?).await
    }

    pub(super) async fn call(
        &mut self,
        what: &str,
        path: &str,
        key: Option<&str>,
        status: u16,
        code: &str,
    ) -> Result<Value> {
        let (found, challenge, body) = self.send(path, key).await?;
        let right = found == status && challenge.contains(code);
        let shown = masked(path, key);
        if self.json {
            output::json(
                &json!({ "step": self.step, "request": shown, "what": what, "status": found, "expected": status, "ok": right }),
            )?;
        } else {
            let mark = if right { "ok  " } else { "BAD " };
            output::line(&format!("   {mark} GET {shown}  {what}  ->  {found} {challenge}"))?;
        }
        self.failed += usize::from(!right);
        Ok(body)
    }

    pub(super) fn check(&mut self, what: &str, right: bool) -> Result<()> {
        self.failed += usize::from(!right);
        if self.json {
            return output::json(&json!({ "step": self.step, "what": what, "ok": right }));
        }
        output::line(&format!("   {} {what}", if right { "ok  " } else { "BAD " }))
    }

    /// Tells of a request to the issuer, what it was answered, and whether that is right.
    pub(super) fn told(
        &mut self,
        request: &str,
        what: &str,
        (status, error): (u16, &str),
        right: bool,
    ) -> Result<()> {
        self.failed += usize::from(!right);
        if self.json {
            let told =
                json!({ "step": self.step, "request": request, "what": what, "status": status, "ok": right });
            return output::json(&told);
        }
        let mark = if right { "ok  " } else { "BAD " };
        output::line(&format!("   {mark} {request}  {what}  ->  {status} {error}"))
    }

    fn end(self) -> Result<ExitCode> {
        if self.failed == 0 {
            output::note("\nEverything went as it should: each attempt to break in was refused.");
            return Ok(ExitCode::SUCCESS);
        }
        output::note(&format!("\n{} steps did not go as they should.", self.failed));
        Ok(ExitCode::FAILURE)
    }
}

fn masked(path: &str, key: Option<&str>) -> String {
    let shown = path.split_once('=').map_or_else(|| path.to_owned(), |(before, _)| format!("{before}=…"));
    if key.is_some_and(|key| key.contains('.')) {
        return format!("{shown} (a token)");
    }
    let hint = key
        .and_then(|key| key.rsplit_once('_'))
        .map_or_else(|| "no key".to_owned(), |(prefix, _)| format!("{prefix}_…"));
    format!("{shown} [{hint}]")
}
