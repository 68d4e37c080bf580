//! `countersign login`: a person signs in at an issuer with whatever browser is at hand, and the tokens are kept for
//! `token get` (RFC 8628).

use std::io::{IsTerminal as _, stderr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use qrcodegen::{QrCode, QrCodeEcc};
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use crate::cli::Login;
use crate::commands::issuer::{Issuer, posted};
use crate::output;
use crate::tokens::{Kept, Tokens};

/// What a device polls with.
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// How long a device waits where nothing is said (RFC 8628 §3.2).
const INTERVAL: u64 = 5;

pub(crate) async fn run(login: Login) -> Result<ExitCode> {
    let issuer = Issuer::ask(&login.issuer, &login.data).await?;
    let endpoint = issuer.endpoint("device_authorization_endpoint")?;
    let begun = posted(&endpoint, &login.data, asking(&login), None).await?.granted()?;
    announce(&login, &begun)?;
    let answer = wait(&login, &issuer, &begun).await?;
    let kept = Kept::of(&login.client_id, &answer)?;
    let mut tokens = Tokens::lock().await?;
    tokens.keep(login.issuer.as_str(), kept);
    tokens.save()?;
    if login.json {
        output::json(&json!({ "issuer": login.issuer.as_str(), "scope": answer.get("scope") }))?;
    } else {
        output::note(&format!("Signed in at {}. `countersign token get` prints a token.", login.issuer));
    }
    Ok(ExitCode::SUCCESS)
}

/// What is asked for.
fn asking(login: &Login) -> String {
    let scope =
        if login.scopes.is_empty() { "openid offline_access".to_owned() } else { login.scopes.join(" ") };
    let mut form = Serializer::new(String::new());
    form.append_pair("client_id", &login.client_id).append_pair("scope", &scope);
    if let Some(audience) = &login.audience {
        form.append_pair("resource", audience);
    }
    form.finish()
}

/// What is polled with.
fn polling(login: &Login, device_code: &str) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", GRANT).append_pair("device_code", device_code);
    form.append_pair("client_id", &login.client_id).finish()
}

fn text<'a>(answer: &'a Value, name: &str) -> Result<&'a str> {
    answer.get(name).and_then(Value::as_str).ok_or_else(|| anyhow!("the issuer's answer has no {name}"))
}

/// Tells the person where to go: to a terminal with a picture, to a program as a line of JSON.
fn announce(login: &Login, begun: &Value) -> Result<()> {
    let (code, page) = (text(begun, "user_code")?, text(begun, "verification_uri")?);
    let complete = begun.get("verification_uri_complete").and_then(Value::as_str).unwrap_or(page);
    if login.json {
        return output::json(
            &json!({ "user_code": code, "verification_uri": page, "verification_uri_complete": complete }),
        );
    }
    if stderr().is_terminal() {
        output::note(&picture(complete));
    }
    output::note(&format!("Open {page} and enter the code {code}\n(or open {complete})"));
    Ok(())
}

/// Draws a QR code, two rows of modules to a line, with the quiet zone of ISO/IEC 18004 §6.3.8.
fn picture(text: &str) -> String {
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Low) else { return String::new() };
    let (low, high) = (-4, code.size() + 4);
    let mut drawn = String::new();
    for y in (low..high).step_by(2) {
        for x in low..high {
            // Terminals are dark more often than not: what is light is drawn.
            drawn.push(match (code.get_module(x, y), code.get_module(x, y + 1)) {
                (true, true) => ' ',
                (true, false) => '\u{2584}',
                (false, true) => '\u{2580}',
                (false, false) => '\u{2588}',
            });
        }
        drawn.push('\n');
    }
    drawn
}

/// Polls until the person has decided (RFC 8628 §3.4, §3.5).
async fn wait(login: &Login, issuer: &Issuer, begun: &Value) -> Result<Value> {
    let number = |name: &str| begun.get(name).and_then(Value::as_u64);
    let mut interval = number("interval").unwrap_or(INTERVAL);
    let endpoint = issuer.endpoint("token_endpoint")?;
    let form = polling(login, text(begun, "device_code")?);
    loop {
        tokio::time::sleep(Duration::from_secs(interval)).await;
        let answer = posted(&endpoint, &login.data, form.clone(), None).await?;
        match answer.error() {
            None => return answer.granted(),
            Some("authorization_pending") => {}
            Some("slow_down") => interval += 5,
            Some("access_denied") => bail!("the request was denied"),
            Some("expired_token") => bail!("nobody has decided in time: try again"),
            Some(_) => return answer.granted(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::picture;

    #[test]
    fn a_picture_has_its_quiet_zone_and_as_many_columns_in_each_row() {
        let drawn = picture("https://auth.example.com/device?user_code=BCDF-GHJK");
        let rows: Vec<_> = drawn.lines().collect();
        // Version 3: 29 modules, and 4 on each side.
        assert!(rows.iter().all(|row| row.chars().count() == 37), "{drawn}");
        assert_eq!(rows.len(), 19);
        assert!(rows.iter().take(2).all(|row| row.chars().all(|one| one == '\u{2588}')), "{drawn}");
    }
}
