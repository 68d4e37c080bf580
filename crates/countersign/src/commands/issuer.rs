//! An issuer as commands call it: its metadata (RFC 8414), and forms that are posted to its endpoints.

use std::path::Path;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use serde_json::Value;
use url::Url;

use crate::client::over_web;

/// What an issuer says of itself.
pub(crate) struct Issuer(Value);

impl Issuer {
    /// Asks an issuer for its metadata (RFC 8414 §3).
    ///
    /// # Errors
    ///
    /// If nobody answers, or somebody who speaks for another.
    pub(crate) async fn ask(issuer: &Url, data: &Path) -> Result<Self> {
        let mut at = issuer.clone();
        let path = issuer.path().trim_end_matches('/').to_owned();
        at.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
        let request = Request::builder().uri(at.path()).body(Full::default())?;
        let (status, body) = over_web(&at, data, request).await?;
        if !status.is_success() {
            bail!("{at} answers {status}: is that an issuer?");
        }
        let metadata: Value =
            serde_json::from_slice(&body).with_context(|| format!("{at} answers no JSON"))?;
        let named = metadata.get("issuer").and_then(Value::as_str).unwrap_or_default();
        // RFC 8414 §3.3: it must be the issuer that was asked.
        if named.trim_end_matches('/') != issuer.as_str().trim_end_matches('/') {
            bail!("{at} speaks for another issuer: {named}");
        }
        Ok(Self(metadata))
    }

    /// Returns one of its endpoints.
    ///
    /// # Errors
    ///
    /// If it names none.
    pub(crate) fn endpoint(&self, name: &str) -> Result<Url> {
        let text = self.0.get(name).and_then(Value::as_str);
        text.and_then(|text| text.parse().ok()).with_context(|| format!("the issuer names no {name}"))
    }
}

/// What an endpoint answers.
pub(crate) struct Answered {
    status: StatusCode,
    body: Value,
}

impl Answered {
    /// Returns the registered name of what is wrong, if something is.
    pub(crate) fn error(&self) -> Option<&str> {
        let named = self.body.get("error").and_then(Value::as_str);
        (!self.status.is_success()).then(|| named.unwrap_or("the issuer refuses"))
    }

    /// Returns what was asked for.
    ///
    /// # Errors
    ///
    /// The issuer's refusal, in its words.
    pub(crate) fn granted(self) -> Result<Value> {
        let Some(error) = self.error() else { return Ok(self.body) };
        let words = self.body.get("error_description").and_then(Value::as_str).unwrap_or_default();
        bail!("{error}: {words}")
    }
}

/// Posts a form, with what proves the client in its field, if it is there.
///
/// # Errors
///
/// If nobody answers, or no JSON.
pub(crate) async fn posted(
    endpoint: &Url,
    data: &Path,
    form: String,
    proof: Option<&str>,
) -> Result<Answered> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(endpoint.path())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(proof) = proof {
        request = request.header(header::AUTHORIZATION, proof);
    }
    let (status, body) = over_web(endpoint, data, request.body(Full::new(Bytes::from(form)))?).await?;
    let body = serde_json::from_slice(&body).with_context(|| format!("{endpoint} answers no JSON"))?;
    Ok(Answered { status, body })
}
