//! `countersign token get`: a client obtains a token, from any issuer that publishes its metadata.

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

use crate::cli::TokenGet;
use crate::commands::issuer::{Issuer, posted};
use crate::commands::offline;
use crate::environment;
use crate::output;
use crate::tokens::{Kept, Tokens};

pub(crate) async fn run(get: TokenGet) -> Result<ExitCode> {
    let answer = match &get.client_id {
        Some(client) => of_client(&get, client).await?,
        None => of_person(&get).await?,
    };
    if get.json {
        output::line(&answer.to_string())?;
    } else {
        let token = answer.get("access_token").and_then(Value::as_str);
        output::line(token.ok_or_else(|| anyhow!("the answer holds no access_token"))?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Obtains a token by a client's secret.
async fn of_client(get: &TokenGet, client: &str) -> Result<Value> {
    let secret = secret(get)?;
    let endpoint = Issuer::ask(&get.issuer, &get.data).await?.endpoint("token_endpoint")?;
    posted(&endpoint, &get.data, form(get), Some(basic(client, &secret).as_str())).await?.granted()
}

/// Returns the token of whoever has signed in, renewed where it is due. Of two that ask at once, one renews, and the other
/// finds what is new.
async fn of_person(get: &TokenGet) -> Result<Value> {
    if get.audience.is_some() || !get.scopes.is_empty() {
        bail!("--audience and --scope go with --client-id; a person says them to `countersign login`");
    }
    let mut tokens = Tokens::lock().await?;
    let sign_in = || anyhow!("nobody is signed in at {}: run `countersign login` first", get.issuer);
    let kept = tokens.of(get.issuer.as_str()).cloned().ok_or_else(sign_in)?;
    if kept.is_fresh() {
        return Ok(json!({ "access_token": kept.access_token, "token_type": "Bearer" }));
    }
    let Some(refresh_token) = &kept.refresh_token else { return Err(sign_in()) };
    let endpoint = Issuer::ask(&get.issuer, &get.data).await?.endpoint("token_endpoint")?;
    let form = Serializer::new(String::new())
        .append_pair("grant_type", "refresh_token")
        .append_pair("refresh_token", refresh_token)
        .append_pair("client_id", &kept.client_id)
        .finish();
    let answer = posted(&endpoint, &get.data, form, None).await?;
    if answer.error() == Some("invalid_grant") {
        tokens.forget(get.issuer.as_str());
        tokens.save()?;
        return Err(sign_in());
    }
    let answer = answer.granted()?;
    let fresh = Kept::of(&kept.client_id, &answer)?;
    // RFC 6749 §6: without a new one, the old one stays good.
    let refresh_token = fresh.refresh_token.clone().or(kept.refresh_token);
    tokens.keep(get.issuer.as_str(), Kept { refresh_token, ..fresh });
    tokens.save()?;
    let member = |name: &str| answer.get(name).cloned().unwrap_or(Value::Null);
    // What renews it stays where it is kept.
    Ok(json!({ "access_token": member("access_token"), "token_type": "Bearer",
        "expires_in": member("expires_in"), "scope": member("scope") }))
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
