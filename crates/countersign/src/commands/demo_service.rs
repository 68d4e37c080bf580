//! `countersign demo service-to-service`: a service obtains tokens by client credentials and calls another, and then
//! somebody tries to break in.

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::client::{self, Connection};
use crate::commands::demo::{Story, text};

/// The routes of the scenario.
pub(crate) const SETTINGS: &str = r#"
[[route]]
name = "orders"
path = "/orders/{**}"
methods = ["GET"]
upstream = "default"
require = { access_token = { scope = "orders:read" } }

[[route]]
name = "refunds"
path = "/refunds/{**}"
upstream = "default"
require = { access_token = { scope = "refunds:write" } }
"#;

/// The service, and where it obtains tokens.
struct Service {
    issuer: String,
    id: String,
    secret: String,
}

pub(crate) async fn play(story: &mut Story, provider: &Connection, issuer: &str) -> Result<()> {
    story.scene("The provider registers a service")?;
    let asked =
        json!({ "name": "billing", "grant_types": ["client_credentials"], "scopes": ["orders:read"] });
    let made = story.manage(provider, Method::POST, "/v1/clients", Some(&asked)).await?;
    let (id, secret) = (text(&made, "client_id")?, text(&made, "client_secret")?);
    let mut service = Service { issuer: issuer.to_owned(), id, secret };

    story.scene("The service obtains a token and calls the API")?;
    let token = service.token(story, "by client credentials").await?;
    let answer = story.call("with the token", "/orders/42", Some(&token), 200, "").await?;
    let seen = answer.pointer("/headers/countersign-client");
    story.check("the upstream sees which client called", seen == Some(&json!(service.id)))?;
    story.check("and never the token", !answer.to_string().contains(&token))?;

    story.scene("Now somebody tries to break in")?;
    break_in(story, &service, &token).await?;

    story.scene("The service's secret is rotated; both work during the overlap")?;
    let path = format!("/v1/clients/{}/rotate-secret", service.id);
    let rotated = story.manage(provider, Method::POST, &path, Some(&json!({ "overlap": "1h" }))).await?;
    service.token(story, "by the old secret").await?;
    service.secret = text(&rotated, "client_secret")?;
    let next = service.token(story, "by the new secret").await?;

    story.scene("The service ends its first token")?;
    service.ask(story, "at its word", "/oauth/revoke", &format!("token={token}"), (200, "")).await?;
    story.call("the very next request with it", "/orders/42", Some(&token), 401, "invalid_token").await?;
    story.call("the other token goes on working", "/orders/42", Some(&next), 200, "").await?;

    story.scene("The provider ends everything that the service was issued, and then the service")?;
    let body = json!({ "client": service.id });
    story.manage(provider, Method::POST, "/v1/tokens/revoke", Some(&body)).await?;
    story.call("the very next request", "/orders/42", Some(&next), 401, "invalid_token").await?;
    let last = service.token(story, "once more").await?;
    story.call("a token that is issued now is good", "/orders/42", Some(&last), 200, "").await?;
    story.manage(provider, Method::POST, &format!("/v1/clients/{}/disable", service.id), None).await?;
    story
        .call("and refused once the service is disabled", "/orders/42", Some(&last), 401, "invalid_token")
        .await?;
    let grant = "grant_type=client_credentials";
    service.ask(story, "which gets no other", "/oauth/token", grant, (401, "invalid_client")).await?;
    Ok(())
}

async fn break_in(story: &mut Story, service: &Service, token: &str) -> Result<()> {
    let grant = "grant_type=client_credentials";
    let guesser = Service {
        issuer: service.issuer.clone(),
        id: service.id.clone(),
        secret: "cs_secret_guessed".to_owned(),
    };
    guesser.ask(story, "with a guessed secret", "/oauth/token", grant, (401, "invalid_client")).await?;
    let wider = format!("{grant}&scope=refunds:write");
    service.ask(story, "for more than it may", "/oauth/token", &wider, (400, "invalid_scope")).await?;
    let other = format!("{grant}&resource=https://elsewhere.example");
    service.ask(story, "for another resource", "/oauth/token", &other, (400, "invalid_target")).await?;
    let password = "grant_type=password&username=a&password=b";
    let refused = (400, "unsupported_grant_type");
    service.ask(story, "by a password", "/oauth/token", password, refused).await?;
    story.call("without a token", "/orders/42", None, 401, "").await?;
    for (what, forged) in forgeries(token)? {
        story.call(what, "/orders/42", Some(&forged), 401, "invalid_token").await?;
    }
    story.call("beyond the token's scope", "/refunds/42", Some(token), 403, "insufficient_scope").await?;
    story.call("with the token in the query", "/orders/42?access_token=x", None, 401, "").await?;
    Ok(())
}

/// Tokens that somebody makes of one that was seen.
fn forgeries(token: &str) -> Result<Vec<(&'static str, String)>> {
    let (head, rest) = token.split_once('.').context("a token in three parts")?;
    let (payload, signature) = rest.split_once('.').context("a token in three parts")?;
    let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?;
    if let Some(members) = claims.as_object_mut() {
        members.insert("scope".to_owned(), json!("orders:read refunds:write"));
    }
    let widened = URL_SAFE_NO_PAD.encode(claims.to_string());
    let unsigned = URL_SAFE_NO_PAD.encode(r#"{"typ":"at+jwt","alg":"none"}"#);
    Ok(vec![
        ("with more scope than was issued", format!("{head}.{widened}.{signature}")),
        ("with no signature at all", format!("{unsigned}.{widened}.")),
        ("with half a signature", format!("{head}.{payload}.{}", signature.get(..43).unwrap_or_default())),
    ])
}

impl Service {
    async fn token(&self, story: &mut Story, what: &str) -> Result<String> {
        let answer =
            self.ask(story, what, "/oauth/token", "grant_type=client_credentials", (200, "")).await?;
        text(&answer, "access_token")
    }

    /// Posts a form to the issuer, with the secret in the field (RFC 6749 §2.3.1).
    async fn ask(
        &self,
        story: &mut Story,
        what: &str,
        path: &str,
        form: &str,
        (status, code): (u16, &str),
    ) -> Result<Value> {
        let authority = self.issuer.trim_start_matches("http://");
        let pair = STANDARD.encode(format!("{}:{}", self.id, self.secret));
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::HOST, authority)
            .header(header::AUTHORIZATION, format!("Basic {pair}"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form.to_owned())))?;
        let (found, _, answer) = client::plain(authority, request).await?;
        let error = answer.get("error").and_then(Value::as_str).unwrap_or_default();
        story.told(&format!("POST {path}"), what, (found, error), found == status && error == code)?;
        Ok(answer)
    }
}
