//! The settings about people who sign in.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs::File;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use countersign_core::client_terms::GrantType;
use countersign_core::context::{LEAST_PASSWORD, PeoplePolicy, WebSessionPolicy};

use countersign_core::scope::{Scope, ScopeSet};
use countersign_core::self_service::{OwnClients, OwnKeys, SelfService};

use super::file::{FileSettings, OwnClientsSettings, OwnKeysSettings};
use super::resolved::duration;

/// The most that `password.min_length` may ask for: nobody remembers more, and every password manager makes as many.
const MOST: usize = 64;
/// The longest life of a session token: that of an access token; what ends one is remembered for as long.
const LONGEST_TOKEN: Duration = Duration::from_secs(60 * 60);
/// The least of what people use.
const LEAST_SPAN: Duration = Duration::from_secs(60);

/// Resolves what decisions read.
pub(super) fn policy(file: &FileSettings) -> Result<PeoplePolicy> {
    let default = PeoplePolicy::default();
    let password_min_length = file.password.min_length.unwrap_or(default.password_min_length);
    if !(LEAST_PASSWORD..=MOST).contains(&password_min_length) {
        bail!("password.min_length: expected {LEAST_PASSWORD} to {MOST}, found {password_min_length}");
    }
    let known_passwords = file.password.known.clone();
    if let Some(list) = &known_passwords {
        File::open(list).with_context(|| format!("password.known: {} cannot be read", list.display()))?;
    }
    let sessions = &file.session;
    let session_idle = span("session.idle", sessions.idle.as_ref())?.unwrap_or(default.session_idle);
    let session_lifetime =
        span("session.lifetime", sessions.lifetime.as_ref())?.unwrap_or(default.session_lifetime);
    Ok(PeoplePolicy { password_min_length, known_passwords, session_idle, session_lifetime })
}

/// Resolves what decisions about sessions at web apps read.
pub(super) fn web_sessions(file: &FileSettings) -> Result<WebSessionPolicy> {
    let (settings, default) = (&file.web_session, WebSessionPolicy::default());
    let token_lifetime = span("web_session.token_lifetime", settings.token_lifetime.as_ref())?;
    let resolved = WebSessionPolicy {
        idle: span("web_session.idle", settings.idle.as_ref())?.unwrap_or(default.idle),
        lifetime: span("web_session.lifetime", settings.lifetime.as_ref())?.unwrap_or(default.lifetime),
        token_lifetime: token_lifetime.unwrap_or(default.token_lifetime),
    };
    if !(resolved.token_lifetime <= resolved.idle && resolved.token_lifetime <= LONGEST_TOKEN) {
        bail!("web_session.token_lifetime: expected at most web_session.idle and 1h");
    }
    Ok(resolved)
}

/// Resolves what people may make for themselves.
pub(super) fn self_service(file: &FileSettings) -> Result<SelfService> {
    let settings = &file.self_service;
    let (keys, clients) = (settings.api_keys.as_ref(), settings.clients.as_ref());
    Ok(SelfService {
        api_keys: keys.map(own_keys).transpose()?,
        clients: clients.map(own_clients).transpose()?,
    })
}

fn own_keys(settings: &OwnKeysSettings) -> Result<OwnKeys> {
    let scopes = scopes("self_service.api_keys.scopes", &settings.scopes)?;
    if scopes.is_empty() {
        bail!("self_service.api_keys.scopes: expected the scopes that a key of people's own may have");
    }
    let max_lifetime = span("self_service.api_keys.max_lifetime", settings.max_lifetime.as_ref())?;
    Ok(OwnKeys { scopes, max_lifetime })
}

fn own_clients(settings: &OwnClientsSettings) -> Result<OwnClients> {
    let grants: BTreeSet<GrantType> =
        each("self_service.clients.grants", &settings.grants)?.into_iter().collect();
    if grants.contains(&GrantType::DeviceCode) {
        bail!(
            "self_service.clients.grants: a client that a person has registered gets no grant for devices: its page would be \
             one that strangers send people to (SAFETY 23)"
        );
    }
    if !grants.contains(&GrantType::AuthorizationCode) {
        bail!("self_service.clients.grants: expected authorization_code among them");
    }
    let scopes = scopes("self_service.clients.scopes", &settings.scopes)?;
    Ok(OwnClients { grants, scopes, audiences: each("self_service.clients.audiences", &settings.audiences)? })
}

fn scopes(setting: &str, tokens: &[String]) -> Result<ScopeSet> {
    let scopes: Vec<Scope> = each(setting, tokens)?;
    ScopeSet::try_from(scopes).map_err(|error| anyhow!("{setting}: {error}"))
}

/// Reads each entry of a list.
fn each<T: FromStr<Err: Display>>(setting: &str, texts: &[String]) -> Result<Vec<T>> {
    texts.iter().map(|text| text.parse().map_err(|error| anyhow!("{setting}: {text:?}: {error}"))).collect()
}

/// Reads how long something lasts that people use: less than a minute, and nobody could.
fn span(setting: &str, text: Option<&String>) -> Result<Option<Duration>> {
    match duration(setting, text)? {
        Some(value) if value < LEAST_SPAN => bail!("{setting}: expected at least 1m, found {value:?}"),
        value => Ok(value),
    }
}
