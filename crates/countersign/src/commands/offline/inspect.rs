//! `countersign token inspect`: what a token says of itself, plainly marked as verified by nobody.
//!
//! It reads what verifying refuses too, such as `none`: whoever looks at a token wants to see why it is refused.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use countersign_jose::{base64url, json};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{given_or_read, now, told};
use crate::cli::TokenInspect;
use crate::output;

/// Claims that are times (RFC 7519 §4.1, OpenID Connect Core §2).
const TIMES: [&str; 4] = ["auth_time", "exp", "iat", "nbf"];

/// What stands above everything that is shown.
const UNVERIFIED: &str =
    "UNVERIFIED: this is what the token says of itself; `token verify` tells whether it is true";

pub(crate) fn run(inspect: TokenInspect) -> Result<ExitCode> {
    match given_or_read(inspect.token).and_then(|text| shown(&text)) {
        Ok(shown) if inspect.json => output::json(&shown)?,
        Ok(shown) => output::line(&for_people(&shown, now()))?,
        Err(reason) => {
            output::note(&format!("refused: {}", told(&reason)));
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the headers of a token, and its claims unless it is encrypted.
fn shown(text: &str) -> Result<Value> {
    let Parts { headers, payload } = if text.starts_with('{') { of_json(text)? } else { of_compact(text)? };
    let mut shown = json!({ "verified": false, "encrypted": payload.is_none(), "headers": headers });
    let claims = payload.map(|payload| json::object(&payload)).transpose();
    // A payload that is no claims is none of inspect's business: its signature may still be good.
    if let (Ok(Some(claims)), Some(members)) = (claims, shown.as_object_mut()) {
        members.insert("times".to_owned(), times(&claims).into());
        members.insert("claims".to_owned(), claims.into());
    }
    Ok(shown)
}

/// What stands in a token.
struct Parts {
    /// One for each signature or recipient
    headers: Vec<Value>,
    /// The payload, unless it is encrypted
    payload: Option<Vec<u8>>,
}

fn of_compact(text: &str) -> Result<Parts> {
    let parts: Vec<&str> = text.splitn(6, '.').collect();
    let header = header(parts.first().copied().unwrap_or_default())?;
    match parts.as_slice() {
        [_, payload, _] => Ok(Parts { headers: vec![header], payload: Some(payload_of(payload)) }),
        [_, _, _, _, _] => Ok(Parts { headers: vec![header], payload: None }),
        _ => bail!("expected three parts (signed) or five (encrypted) with dots between them"),
    }
}

fn of_json(text: &str) -> Result<Parts> {
    let message = json::object(text.as_bytes())?;
    let many = message.get("signatures").or_else(|| message.get("recipients")).and_then(Value::as_array);
    let each = many.map_or(&[][..], Vec::as_slice).iter().filter_map(Value::as_object);
    let headers = std::iter::once(&message).chain(each).filter_map(|members| joined(members).transpose());
    let payload = message.get("payload").and_then(Value::as_str).map(payload_of);
    Ok(Parts { headers: headers.collect::<Result<_>>()?, payload })
}

/// Joins the headers of one signature or recipient, if it has any.
fn joined(members: &Map<String, Value>) -> Result<Option<Value>> {
    let protected = members.get("protected").and_then(Value::as_str).map(header).transpose()?;
    let others = ["unprotected", "header"].iter().filter_map(|name| members.get(*name).cloned());
    let all: Vec<Value> = protected.into_iter().chain(others).collect();
    let joined: Map<String, Value> =
        all.iter().filter_map(Value::as_object).flat_map(|header| header.clone()).collect();
    Ok(if all.is_empty() { None } else { Some(joined.into()) })
}

fn header(text: &str) -> Result<Value> {
    let bytes = base64url::decode(text).context("the header")?;
    Ok(json::object(&bytes).context("the header")?.into())
}

/// Returns a payload; one that is not base64url is as it is (RFC 7797).
fn payload_of(text: &str) -> Vec<u8> {
    base64url::decode(text).unwrap_or_else(|_| text.as_bytes().to_vec())
}

/// Returns the times among claims, as people read them.
fn times(claims: &Map<String, Value>) -> Map<String, Value> {
    let time = |name: &&str| Some(((*name).to_owned(), at(claims.get(*name)?)?.into()));
    TIMES.iter().filter_map(time).collect()
}

fn at(seconds: &Value) -> Option<String> {
    let seconds = seconds.as_i64().or_else(|| {
        let whole = Duration::try_from_secs_f64(seconds.as_f64()?).ok()?.as_secs();
        i64::try_from(whole).ok()
    })?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()?.format(&Rfc3339).ok()
}

fn for_people(shown: &Value, now: Duration) -> String {
    let mut lines = vec![UNVERIFIED.to_owned()];
    let section = |lines: &mut Vec<String>, title: &str, members: Option<&Value>| {
        let Some(members) = members.and_then(Value::as_object) else { return };
        lines.push(title.to_owned());
        let width = members.keys().map(String::len).max().unwrap_or(0);
        for (name, value) in members {
            let time = shown.pointer(&format!("/times/{name}")).filter(|_| title == "claims");
            let time = time.and_then(Value::as_str).map(|time| format!("  {time}, {}", away(value, now)));
            lines.push(printable(&format!("  {name:width$}  {value}{}", time.unwrap_or_default())));
        }
    };
    for header in shown.get("headers").and_then(Value::as_array).into_iter().flatten() {
        section(&mut lines, "header", Some(header));
    }
    section(&mut lines, "claims", shown.get("claims"));
    if shown.get("encrypted") == Some(&Value::Bool(true)) {
        lines.push("The content is encrypted: `token decrypt` reads it with the key".to_owned());
    }
    lines.join("\n")
}

/// Says how far from now a time is.
fn away(seconds: &Value, now: Duration) -> String {
    let distance = seconds.as_f64().unwrap_or_default() - now.as_secs_f64();
    let (past, mut rest) = (distance < 0.0, distance.abs());
    let mut unit = "seconds";
    for (longer, factor) in [("minutes", 60.0), ("hours", 60.0), ("days", 24.0), ("years", 365.25)] {
        if rest < factor * 2.0 {
            break;
        }
        (rest, unit) = (rest / factor, longer);
    }
    if past { format!("{rest:.0} {unit} ago") } else { format!("in {rest:.0} {unit}") }
}

/// Escapes what a terminal would obey: a token is a stranger's text.
fn printable(text: &str) -> String {
    let shown = |character: char| {
        let obeyed = character.is_control()
            || matches!(character, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if obeyed { character.escape_unicode().to_string() } else { character.to_string() }
    };
    text.chars().map(shown).collect()
}
