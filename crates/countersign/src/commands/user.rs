//! `countersign user …`

use std::io::{BufRead as _, stdin};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use http::Method;
use serde_json::{Map, Value, json};

use crate::cli::{Remote, User, UserCreate, UserUpdate};
use crate::commands::key::{segment, without_null};
use crate::commands::{call, list, object};
use crate::listing::Columns;
use crate::output;

const COLUMNS: Columns = &[
    ("ID", "id"),
    ("USERNAME", "username"),
    ("NAME", "name"),
    ("EMAIL", "email"),
    ("ORGANISATION", "organisation"),
    ("DISABLED", "disabled_at"),
];

pub(crate) async fn run(command: User) -> Result<ExitCode> {
    match command {
        User::Create(create) => enter(&create).await,
        User::List { remote } => list(&remote, "/v1/users", COLUMNS).await,
        User::Show { id, remote } => {
            object(&remote, &call(&remote, Method::GET, &path(&id, "")?, None).await?)
        }
        User::Update(update) => amend(&update).await,
        User::Disable { id, remote } => {
            object(&remote, &call(&remote, Method::POST, &path(&id, "/disable")?, None).await?)
        }
        User::Enable { id, remote } => {
            object(&remote, &call(&remote, Method::POST, &path(&id, "/enable")?, None).await?)
        }
        User::Reset { id, password_stdin, remote } => {
            let body = without_null(json!({ "password": password(password_stdin)? }));
            object(&remote, &call(&remote, Method::POST, &path(&id, "/reset")?, Some(&body)).await?)
        }
        User::Mail { id, link, remote } => {
            let body = json!({ "link": link });
            done(&remote, &call(&remote, Method::POST, &path(&id, "/mail")?, Some(&body)).await?)
        }
        User::Roles { id, roles, organisation, leave, remote } => {
            let mut body = without_null(json!({ "organisation": organisation }));
            if let Some(members) = body.as_object_mut() {
                members.insert("roles".to_owned(), if leave { Value::Null } else { roles.into() });
            }
            done(&remote, &call(&remote, Method::POST, &path(&id, "/roles")?, Some(&body)).await?)
        }
        User::Delete { id, remote } => {
            done(&remote, &call(&remote, Method::DELETE, &path(&id, "")?, None).await?)
        }
    }
}

fn path(id: &str, verb: &str) -> Result<String> {
    segment("/v1/users", id, verb)
}

/// Prints what there is.
fn done(remote: &Remote, answer: &Value) -> Result<ExitCode> {
    if answer.is_null() { Ok(ExitCode::SUCCESS) } else { object(remote, answer) }
}

/// Reads a password where no other process can see it: its line's end is not part of it.
fn password(from_stdin: bool) -> Result<Option<String>> {
    if !from_stdin {
        return Ok(None);
    }
    let mut line = String::new();
    stdin().lock().read_line(&mut line).context("cannot read the password from standard input")?;
    let password = line.strip_suffix('\n').unwrap_or(&line);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        bail!("expected a password on standard input, found an empty line");
    }
    Ok(Some(password.to_owned()))
}

async fn enter(create: &UserCreate) -> Result<ExitCode> {
    let body = without_null(json!({
        "username": create.username,
        "name": create.name,
        "organisation": create.organisation,
        "roles": create.roles,
        "email": create.email,
        "email_verified": create.email_verified,
        "profile": claims(&create.profile)?,
        "password": password(create.password_stdin)?,
    }));
    let answer = call(&create.remote, Method::POST, "/v1/users", Some(&body)).await?;
    let member = |name: &str| answer.get(name).cloned().unwrap_or(Value::Null);
    if create.remote.json {
        output::json(&json!({ "id": member("id"), "username": member("username") }))?;
    } else {
        output::note(&format!("{} may sign in; the id:", member("username").as_str().unwrap_or_default()));
        output::line(member("id").as_str().unwrap_or_default())?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn amend(update: &UserUpdate) -> Result<ExitCode> {
    let profile = claims(&update.profile)?.into_iter();
    let taken = |(claim, value): (String, Value)| (claim, if value == "" { Value::Null } else { value });
    let mut body = without_null(json!({ "name": update.name, "email_verified": update.email_verified }));
    if let Some(members) = body.as_object_mut() {
        members.insert("profile".to_owned(), Value::Object(profile.map(taken).collect()));
        if let Some(email) = &update.email {
            let email = if email == "none" { Value::Null } else { email.as_str().into() };
            members.insert("email".to_owned(), email);
        }
    }
    object(&update.remote, &call(&update.remote, Method::PATCH, &path(&update.id, "")?, Some(&body)).await?)
}

fn claims(pairs: &[String]) -> Result<Map<String, Value>> {
    let claim = |pair: &String| {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| anyhow!("--profile {pair}: expected CLAIM=VALUE"))?;
        Ok((name.to_owned(), value.into()))
    };
    pairs.iter().map(claim).collect()
}
