//! What the user wrote: the file and the environment, checked against the register.
//!
//! Every mistake is reported, each with its line, its column and the nearest valid name.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::register::{SETTINGS, environment_variable, known_paths};

/// Variables that are no settings but belong to the product.
const OTHER_VARIABLES: [&str; 6] = [
    "COUNTERSIGN_ADMIN",
    "COUNTERSIGN_CLIENT_SECRET",
    "COUNTERSIGN_KEY",
    "COUNTERSIGN_DATA",
    "COUNTERSIGN_CONFIG",
    "COUNTERSIGN_MASTER_KEY",
];

/// The mistakes in a file or in the environment.
#[derive(Debug)]
pub(crate) struct Mistakes(pub(crate) Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Mistakes {}

/// The settings as written; absent ones are `None`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FileSettings {
    pub(crate) issuer: Listener,
    pub(crate) gateway: Listener,
    pub(crate) mtls: Listener,
    pub(crate) admin: Listener,
    pub(crate) store: StoreSettings,
    pub(crate) feed: FeedSettings,
    pub(crate) api_key: ApiKeySettings,
    pub(crate) client: ClientSettings,
    pub(crate) tenant: TenantSettings,
    pub(crate) password: PasswordSettings,
    pub(crate) session: SessionSettings,
    pub(crate) web_session: WebSessionSettings,
    pub(crate) self_service: SelfServiceSettings,
    pub(crate) mail: MailSettings,
    pub(crate) signing_key: SigningKeySettings,
    pub(crate) refresh_token: RefreshTokenSettings,
    pub(crate) device: DeviceSettings,
    pub(crate) retention: RetentionSettings,
    pub(crate) leaks: LeakSettings,
    pub(crate) egress: EgressSettings,
    pub(crate) log: Log,
    pub(crate) limits: LimitSettings,
    pub(crate) identity_provider: Vec<IdentityProviderSettings>,
    pub(crate) resource: Vec<toml::Table>,
    pub(crate) upstream: Vec<UpstreamSettings>,
    pub(crate) route: Vec<RouteSettings>,
    /// All of the above as written, the environment laid over it.
    #[serde(skip)]
    pub(crate) written: toml::Table,
}

/// One listener. Not every member is known for every listener; the register says which.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Listener {
    pub(crate) url: Option<String>,
    pub(crate) listen: Option<String>,
    pub(crate) danger_plaintext: bool,
    pub(crate) workers: Option<usize>,
    pub(crate) hosts: Vec<String>,
    pub(crate) trusted_proxies: Vec<String>,
    pub(crate) forwarded: Option<String>,
    pub(crate) drop_headers: Vec<String>,
    pub(crate) danger_pass_headers: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StoreSettings {
    pub(crate) url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FeedSettings {
    pub(crate) max_age: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ApiKeySettings {
    pub(crate) max_lifetime: Option<String>,
    pub(crate) rotation_overlap: Option<String>,
    pub(crate) warn_before: Option<String>,
}

/// What one client may keep.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ClientSettings {
    pub(crate) max_opaque_tokens: Option<u64>,
}

/// What one organisation may keep.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TenantSettings {
    pub(crate) max_keys: Option<u64>,
    pub(crate) max_owners: Option<u64>,
    pub(crate) max_opaque_tokens: Option<u64>,
}

/// What is asked of passwords.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PasswordSettings {
    pub(crate) min_length: Option<usize>,
    pub(crate) known: Option<PathBuf>,
}

/// How long people stay signed in.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SessionSettings {
    pub(crate) idle: Option<String>,
    pub(crate) lifetime: Option<String>,
}

/// What people may make for themselves.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SelfServiceSettings {
    pub(crate) api_keys: Option<OwnKeysSettings>,
    pub(crate) clients: Option<OwnClientsSettings>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OwnKeysSettings {
    pub(crate) scopes: Vec<String>,
    pub(crate) max_lifetime: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OwnClientsSettings {
    pub(crate) grants: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) audiences: Vec<String>,
}

/// How mail is sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MailSettings {
    pub(crate) url: Option<String>,
    pub(crate) from: Option<String>,
}

/// How long signing keys live.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SigningKeySettings {
    pub(crate) lifetime: Option<String>,
    pub(crate) published: Option<String>,
}

/// How long refresh tokens live.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RefreshTokenSettings {
    pub(crate) idle: Option<String>,
    pub(crate) absolute: Option<String>,
    pub(crate) retry: Option<String>,
}

/// How devices are connected.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DeviceSettings {
    pub(crate) code_lifetime: Option<String>,
}

/// How long is kept what grows.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RetentionSettings {
    pub(crate) audit: Option<String>,
    pub(crate) changes: Option<String>,
    pub(crate) decisions: Option<String>,
    pub(crate) marks: Option<String>,
    pub(crate) usage: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LeakSettings {
    pub(crate) github: bool,
    pub(crate) github_keys_url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EgressSettings {
    pub(crate) allow: Vec<String>,
    pub(crate) leaks: PurposeSettings,
    pub(crate) jwt: PurposeSettings,
    pub(crate) client_keys: PurposeSettings,
    pub(crate) identity_providers: PurposeSettings,
    pub(crate) extra_ca: Option<PathBuf>,
    pub(crate) timeout: Option<String>,
}

/// What may be called for one purpose, beside what may be called for all.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PurposeSettings {
    pub(crate) allow: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Log {
    pub(crate) format: Option<String>,
    pub(crate) level: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LimitSettings {
    pub(crate) connections: Option<usize>,
    pub(crate) header_timeout: Option<String>,
    pub(crate) idle_timeout: Option<String>,
    pub(crate) request_body: Option<u64>,
    pub(crate) body_timeout: Option<String>,
    pub(crate) http2_window: Option<u32>,
    pub(crate) upstream_connect: Option<String>,
    pub(crate) upstream_response: Option<String>,
    pub(crate) upload_rate: Option<u64>,
    pub(crate) upstream_requests: Option<usize>,
    pub(crate) upstream_lookup: Option<String>,
    pub(crate) upstream_lifetime: Option<String>,
    pub(crate) close_timeout: Option<String>,
    pub(crate) drain: Option<String>,
}

/// An upstream as written.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct UpstreamSettings {
    pub(crate) name: String,
    pub(crate) url: Option<String>,
    #[serde(default)]
    pub(crate) urls: Vec<String>,
    pub(crate) health: Option<HealthSettings>,
}

/// A health check as written.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct HealthSettings {
    pub(crate) path: String,
    pub(crate) interval: Option<String>,
    pub(crate) timeout: Option<String>,
    pub(crate) unhealthy_after: Option<u32>,
    pub(crate) healthy_after: Option<u32>,
}

/// A route as written.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RouteSettings {
    pub(crate) name: Option<String>,
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) methods: Vec<String>,
    #[serde(default)]
    pub(crate) hosts: Vec<String>,
    pub(crate) upstream: String,
    #[serde(default)]
    pub(crate) forward_credential: bool,
    #[serde(default)]
    pub(crate) preserve_host: bool,
    pub(crate) cost: Option<u32>,
    #[serde(default)]
    pub(crate) upgrade: Vec<String>,
    pub(crate) require: toml::Table,
    pub(crate) shadow: Option<ShadowSettings>,
}

/// An identity provider as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct IdentityProviderSettings {
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_secret_file: Option<PathBuf>,
    pub(crate) scopes: Option<Vec<String>>,
    pub(crate) trust_email: bool,
    pub(crate) create_people: bool,
}

/// What is tried beside a route's requirement.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ShadowSettings {
    pub(crate) require: toml::Table,
}

/// Reads the file's text and the environment.
///
/// # Errors
///
/// [`Mistakes`], all of them.
pub(crate) fn read(
    name: &str,
    text: &str,
    environment: &[(String, String)],
) -> Result<FileSettings, Mistakes> {
    let document = DeTable::parse(text).map_err(|error| Mistakes(vec![format!("{name}: {error}")]))?;
    let known = known_paths();
    let mut unknown = Vec::new();
    walk(document.get_ref(), "", &known, &mut |span, path| {
        let (line, column) = position(text, span.start);
        let told = format!("{name}:{line}:{column}: unknown setting `{path}`{}", suggestion(path, &known));
        unknown.push((span.start, told));
    });
    unknown.sort();
    let mut mistakes: Vec<_> = unknown.into_iter().map(|(_, told)| told).collect();
    check_environment(environment, &mut mistakes);
    if let Err(error) = toml::from_str::<FileSettings>(text) {
        mistakes.push(format!("{name}: {error}"));
    }
    if !mistakes.is_empty() {
        return Err(Mistakes(mistakes));
    }
    overlaid(name, text, environment)
}

fn overlaid(name: &str, text: &str, environment: &[(String, String)]) -> Result<FileSettings, Mistakes> {
    let one = |error: toml::de::Error| Mistakes(vec![format!("{name}: {error}")]);
    let mut table: toml::Table = toml::from_str(text).map_err(one)?;
    for setting in SETTINGS {
        let Some(variable) = environment_variable(setting.path) else { continue };
        let Some((_, value)) = environment.iter().find(|(name, _)| *name == variable) else { continue };
        insert(&mut table, setting.path, scalar(value));
    }
    let written = table.clone();
    FileSettings::deserialize(table.into_deserializer())
        .map(|settings| FileSettings { written, ..settings })
        .map_err(|error| Mistakes(vec![format!("environment: {}", error.message())]))
}

/// Reads a value from the environment: a TOML value if it is one, else text.
pub(crate) fn scalar(value: &str) -> toml::Value {
    let parsed: Option<toml::Table> = toml::from_str(&format!("value = {value}")).ok();
    parsed
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()))
}

fn insert(table: &mut toml::Table, path: &str, value: toml::Value) {
    let Some((section, name)) = path.split_once('.') else { return };
    let entry = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    if let Some(section) = entry.as_table_mut() {
        section.insert(name.to_owned(), value);
    }
}

fn check_environment(environment: &[(String, String)], mistakes: &mut Vec<String>) {
    let mut known: Vec<String> =
        SETTINGS.iter().filter_map(|setting| environment_variable(setting.path)).collect();
    known.extend(OTHER_VARIABLES.map(str::to_owned));
    for (name, _) in environment.iter().filter(|(name, _)| name.starts_with("COUNTERSIGN_")) {
        if !known.contains(name) {
            mistakes.push(format!("environment: unknown variable `{name}`{}", suggestion(name, &known)));
        }
    }
}

/// Visits every key whose path is not known; below an unknown key nothing is visited.
fn walk(table: &DeTable<'_>, prefix: &str, known: &[String], unknown: &mut dyn FnMut(Range<usize>, &str)) {
    for (key, value) in table {
        let path =
            if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        // A table whose names the operator chooses: nothing below it is looked at.
        if known.contains(&format!("{path}.*")) {
            continue;
        }
        let below = format!("{path}.");
        let in_array = format!("{path}[]");
        let is_known =
            known.iter().any(|one| *one == path || one.starts_with(&below) || one.starts_with(&in_array));
        if is_known {
            descend(value, &path, known, unknown);
        } else {
            unknown(key.span(), &path);
        }
    }
}

fn descend(
    value: &Spanned<DeValue<'_>>,
    path: &str,
    known: &[String],
    unknown: &mut dyn FnMut(Range<usize>, &str),
) {
    if let Some(table) = value.get_ref().as_table() {
        walk(table, path, known, unknown);
    } else if let Some(array) = value.get_ref().as_array() {
        for element in array {
            if let Some(table) = element.get_ref().as_table() {
                walk(table, &format!("{path}[]"), known, unknown);
            }
        }
    }
}

/// Finds where that stands of which a mistake speaks first: a setting, an upstream or a route. `None`: not in the file.
pub(crate) fn place_of(
    mistake: &str,
    text: &str,
    environment: &[(String, String)],
) -> Option<(usize, usize)> {
    let document = DeTable::parse(text).ok()?;
    let document = document.get_ref();
    let begins = |path: &str| mistake.strip_prefix(path).is_some_and(|rest| rest.starts_with(':'));
    let found = match SETTINGS.iter().find(|setting| begins(setting.path)) {
        Some(setting) => {
            let variable = environment_variable(setting.path);
            let overridden = environment.iter().any(|(name, _)| Some(name) == variable.as_ref());
            let (section, name) = setting.path.split_once('.').filter(|_| !overridden)?;
            document.get(section)?.get_ref().as_table()?.get_key_value(name)?.0.span()
        }
        None => {
            let of_upstream = |name: &str, _| mistake.starts_with(&format!("upstream `{name}`"));
            let of_route = |name: &str, number| {
                mistake.starts_with(&format!("{name} ("))
                    || (name.is_empty() && mistake.starts_with(&format!("route {number} (")))
            };
            let of_resource = |id: &str, number| {
                mistake.starts_with(&format!("resource `{id}`:"))
                    || mistake.starts_with(&format!("resource {number}:"))
            };
            let of_provider = |name: &str, number| {
                mistake.starts_with(&format!("identity provider `{name}`:"))
                    || mistake.starts_with(&format!("identity provider {number}:"))
            };
            let named = |list, is: &dyn Fn(&str, usize) -> bool| member(document, (list, "name"), is);
            named("upstream", &of_upstream)
                .or_else(|| named("route", &of_route))
                .or_else(|| named("identity_provider", &of_provider))
                .or_else(|| member(document, ("resource", "id"), &of_resource))?
        }
    };
    Some(position(text, found.start))
}

/// Finds the member of a list that `is` the one, by what names it and its number from 1.
fn member(
    document: &DeTable<'_>,
    (list, key): (&str, &str),
    is: &dyn Fn(&str, usize) -> bool,
) -> Option<Range<usize>> {
    let members = document.get(list)?.get_ref().as_array()?;
    let name = |member: &Spanned<DeValue<'_>>| {
        let name = member.get_ref().as_table()?.get(key)?.get_ref().as_str()?;
        Some(name.to_owned())
    };
    let one = members.iter().zip(1..).find(|(one, number)| is(&name(one).unwrap_or_default(), *number));
    one.map(|(one, _)| one.span())
}

/// Returns the line and the column, from 1, of a byte offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
    (line, column)
}

fn suggestion(path: &str, known: &[String]) -> String {
    let sections = known.iter().filter_map(|one| Some(one.rsplit_once('.')?.0));
    let candidates = known.iter().map(String::as_str).chain(sections);
    let nearest = candidates.map(|one| (strsim::damerau_levenshtein(path, one), one)).min();
    match nearest {
        // Beyond a third of the name a suggestion is a guess.
        Some((distance, one)) if distance * 3 <= path.len().max(3) => format!("; did you mean `{one}`?"),
        _ => siblings(path, known),
    }
}

fn siblings(path: &str, known: &[String]) -> String {
    let Some((section, _)) = path.rsplit_once('.') else {
        return String::new();
    };
    let names: Vec<&str> = known
        .iter()
        .filter_map(|one| one.strip_prefix(section)?.strip_prefix('.'))
        .filter(|name| !name.contains(['.', '[']))
        .collect();
    if names.is_empty() { String::new() } else { format!("; `{section}` knows: {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::{place_of, read};

    #[track_caller]
    fn mistakes(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
        let environment: Vec<_> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        read("countersign.toml", text, &environment).err().map_or_else(Vec::new, |mistakes| mistakes.0)
    }

    #[test]
    fn every_unknown_setting_is_told_with_position_and_suggestion() {
        let text = "[gatway]\nlisten = \"127.0.0.1:1\"\n\n[feed]\nmaxage = \"5s\"\n\n[[route]]\npath = \"/\"\nupstream = \"a\"\nrequire = { any = [ { api_key = { scop = \"x\" } } ] }\n";
        let found = mistakes(text, &[]);
        assert_eq!(found.len(), 3, "{found:#?}");
        assert_eq!(found[0], "countersign.toml:1:2: unknown setting `gatway`; did you mean `gateway`?");
        assert!(
            found[1].contains("5:1: unknown setting `feed.maxage`; did you mean `feed.max_age`?"),
            "{}",
            found[1]
        );
        assert!(found[2].contains("did you mean `route[].require.any[].api_key.scope`?"), "{}", found[2]);
    }

    #[test]
    fn what_the_operator_names_is_not_looked_at() {
        let text = |claims: &str| {
            format!("[[route]]\npath = \"/\"\nupstream = \"a\"\nrequire = {{ jwt = {{ {claims} }} }}\n")
        };
        assert_eq!(mistakes(&text("claims = { \"https://a/b\" = { c = 1 } }"), &[]), [""; 0]);
        assert!(
            mistakes(&text("claim = { a = 1 }"), &[])[0].contains("did you mean `route[].require.jwt.claim")
        );
    }

    #[test]
    fn a_wrong_type_or_broken_text_is_told_with_its_line() {
        for text in ["[gateway]\nworkers = \"many\"\n", "[gateway\n", "a = 1\na = 2\n"] {
            let found = mistakes(text, &[]);
            assert!(found.iter().any(|one| one.contains("line ")), "{found:#?}");
        }
    }

    #[test]
    fn a_value_that_means_nothing_is_told_with_its_place() {
        let text = "[feed]\nmax_age = \"x\"\n\n[[upstream]]\nname = \"a\"\nurl = \"x\"\n\n[[route]]\npath = \"/\"\n\n[[route]]\nname = \"b\"\n\n[[resource]]\nid = \"urn:x\"\n\n[[resource]]\n";
        let set = [("COUNTERSIGN_FEED_MAX_AGE".to_owned(), "x".to_owned())];
        for (mistake, environment, expected) in [
            ("feed.max_age: expected a whole number", &[][..], Some((2, 1))),
            ("feed.max_age: expected a whole number", &set[..], None),
            ("upstream `a`: `x` is no URL", &[][..], Some((4, 1))),
            ("route 1 (/): require: found 0 members", &[][..], Some((8, 1))),
            ("b (/): require: found 0 members", &[][..], Some((11, 1))),
            ("resource `urn:x`: it is there twice", &[][..], Some((14, 1))),
            ("resource 2: missing field `id`", &[][..], Some((17, 1))),
            ("limits.drain: it is not in the file", &[][..], None),
            ("something else", &[][..], None),
        ] {
            assert_eq!(place_of(mistake, text, environment), expected, "{mistake}");
        }
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let environment = [
            ("COUNTERSIGN_GATEWAY_LISTEN".to_owned(), "127.0.0.1:9".to_owned()),
            ("COUNTERSIGN_GATEWAY_WORKERS".to_owned(), "3".to_owned()),
        ];
        let settings = read("f", "[gateway]\nlisten = \"127.0.0.1:1\"\n", &environment).unwrap();
        assert_eq!(settings.gateway.listen.as_deref(), Some("127.0.0.1:9"));
        assert_eq!(settings.gateway.workers, Some(3));
        let found = mistakes("", &[("COUNTERSIGN_GATEWAY_LISTN", "x"), ("HOME", "/")]);
        assert_eq!(
            found,
            [
                "environment: unknown variable `COUNTERSIGN_GATEWAY_LISTN`; did you mean `COUNTERSIGN_GATEWAY_LISTEN`?"
            ]
        );
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct WebSessionSettings {
    pub(crate) idle: Option<String>,
    pub(crate) lifetime: Option<String>,
    pub(crate) token_lifetime: Option<String>,
}
