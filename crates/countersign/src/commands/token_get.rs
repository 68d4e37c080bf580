//! `countersign token get`: a client obtains a token, from any issuer that publishes its metadata.

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use serde_json::Value;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

use crate::cli::TokenGet;
use crate::client::over_web;
use crate::commands::offline;
use crate::environment;
use crate::output;

pub(crate) async fn run(get: TokenGet) -> Result<ExitCode> {
    let secret = secret(&get)?;
    let endpoint = token_endpoint(&get).await?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(endpoint.path())
        .header(header::AUTHORIZATION, basic(&get.client_id, &secret).as_str())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(form(&get))))?;
    let (status, body) = over_web(&endpoint, &get.data, request).await?;
    let answer: Value = serde_json::from_slice(&body).context("the token endpoint answers no JSON")?;
    let member = |name: &str| answer.get(name).and_then(Value::as_str);
    if !status.is_success() {
        let words = member("error_description").unwrap_or_default();
        bail!("{}: {words}", member("error").unwrap_or("the token endpoint refuses"));
    }
    let token = member("access_token").ok_or_else(|| anyhow!("the answer holds no access_token"))?;
    if get.json {
        output::line(&answer.to_string())?;
    } else {
        output::line(token)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn form(get: &TokenGet) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if !get.scopes.is_empty() {
        form.append_pair("scope", &get.scopes.join(" "));
    }
    if let Some(audience) = &get.audience {
        form.append_pair("resource", audience);
    }
    form.finish()
}

fn secret(get: &TokenGet) -> Result<Zeroizing<String>> {
    if let Some(file) = &get.client_secret_file {
        let text = Zeroizing::new(offline::read(file)?);
        let text = std::str::from_utf8(&text).with_context(|| format!("{}", file.display()))?;
        return Ok(Zeroizing::new(text.trim().to_owned()));
    }
    let from_environment = environment::variable("COUNTERSIGN_CLIENT_SECRET").map(Zeroizing::new);
    from_environment
        .context("name the client's secret by COUNTERSIGN_CLIENT_SECRET or --client-secret-file FILE")
}

/// RFC 6749 §2.3.1: both are form-encoded before they are joined.
fn basic(client: &str, secret: &str) -> Zeroizing<String> {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = Zeroizing::new(format!("{}:{}", encoded(client), encoded(secret)));
    Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
}

/// Asks the issuer for its token endpoint (RFC 8414 §3).
async fn token_endpoint(get: &TokenGet) -> Result<Url> {
    let issuer = get.issuer.as_str().trim_end_matches('/');
    let mut at = get.issuer.clone();
    let path = get.issuer.path().trim_end_matches('/').to_owned();
    at.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    let request = Request::builder().uri(at.path()).body(Full::default())?;
    let (status, body) = over_web(&at, &get.data, request).await?;
    if !status.is_success() {
        bail!("{at} answers {status}: is that an issuer?");
    }
    let metadata: Value = serde_json::from_slice(&body).with_context(|| format!("{at} answers no JSON"))?;
    let member = |name: &str| metadata.get(name).and_then(Value::as_str).unwrap_or_default();
    // RFC 8414 §3.3: it must be the issuer that was asked.
    if member("issuer").trim_end_matches('/') != issuer {
        bail!("{at} speaks for another issuer: {}", member("issuer"));
    }
    member("token_endpoint").parse().with_context(|| format!("{at} names no token_endpoint"))
}
