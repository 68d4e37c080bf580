//! What is meant: file, environment and flags together, every value parsed.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use countersign_core::authenticators::GATEWAY;
use countersign_core::context::Policy;
use countersign_core::decision::{Agreement, Condition, ForeignIssuer, Issuer, Requirement};
use countersign_core::duration::{format_duration, parse_duration};
use countersign_core::network::AddressBlock;
use countersign_core::presentation::kinds_of;
use countersign_core::scheme::Scheme;
use countersign_core::{access_token, api_key};
use countersign_edge::endpoint::ListenerName;
use countersign_edge::host::canonical;
use countersign_edge::limits::Limits;
use countersign_gateway::address::HealthCheck;
use countersign_gateway::pace::Pace;
use countersign_gateway::route::{Protocol, Trust};
use countersign_gateway::upstream::UpstreamLimits;
use countersign_server::identity_provider::ProviderSpec;
use countersign_store::Retention;
use toml::{Table, Value};
use url::Url;

use super::defaults::{COST, DRAIN, EGRESS_TIMEOUT, FEED_MAX_AGE, GITHUB_KEYS, WARN_BEFORE};
use super::file::{
    self, EgressSettings, FileSettings, HealthSettings, LeakSettings, Listener, MailSettings, RouteSettings,
    UpstreamSettings,
};
use super::resources::ResourceSpec;
use super::{gateway, identity_providers, people, retention};
use crate::cli::Up;
use crate::log::LogSettings;

/// RFC 9113 §6.9.2: the window of a connection begins with this and cannot be made smaller.
const LEAST_WINDOW: u32 = 65_535;
/// RFC 9113 §6.9.1: a window is at most 2^31-1 bytes; this much for each connection is a mistake already.
const MOST_WINDOW: u32 = 64 * 1024 * 1024;
/// The file that is read when none is named.
pub(crate) const DEFAULT_FILE: &str = "countersign.toml";
/// What the upstream of `--upstream`, or the built-in echo, is called.
pub(crate) const DEFAULT_UPSTREAM: &str = "default";

/// Everything that can be set.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) issuer: ListenerAddress,
    pub(crate) gateway: ListenerAddress,
    pub(crate) mtls: ListenerAddress,
    pub(crate) admin: ListenerAddress,
    pub(crate) mail: MailSettings,
    pub(crate) issuer_url: Option<Url>,
    /// How browsers know the gateway.
    pub(crate) gateway_url: Option<String>,
    pub(crate) admin_hosts: Vec<String>,
    pub(crate) workers: Option<usize>,
    pub(crate) trust: Trust,
    pub(crate) store: Option<String>,
    pub(crate) feed_max_age: Duration,
    pub(crate) policy: Policy,
    pub(crate) retention: Retention,
    pub(crate) warn_before: Duration,
    /// Where GitHub publishes its keys; `None`: its reports are not taken.
    pub(crate) github_keys: Option<Url>,
    pub(crate) egress: EgressSpec,
    pub(crate) log: LogSettings,
    pub(crate) limits: Limits,
    pub(crate) upstream_limits: UpstreamLimits,
    pub(crate) drain: Duration,
    pub(crate) resources: ResourceSpec,
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) routes: Vec<RouteSpec>,
    /// Where else people may sign in.
    pub(crate) identity_providers: Vec<ProviderSpec>,
    /// Whose tokens the routes take, beside our own; each once.
    pub(crate) foreign_issuers: Vec<ForeignIssuer>,
    /// The file and the environment, as written.
    pub(crate) written: Table,
}

/// Where a listener listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListenerAddress {
    /// The setting's section.
    pub(crate) name: &'static str,
    /// The address.
    pub(crate) address: SocketAddr,
    /// Whether it may speak in clear beyond loopback.
    pub(crate) danger_plaintext: bool,
}

/// What the product itself may call, and how.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EgressSpec {
    pub(crate) allow: Vec<AddressBlock>,
    pub(crate) leaks: Vec<AddressBlock>,
    pub(crate) jwt: Vec<AddressBlock>,
    pub(crate) client_keys: Vec<AddressBlock>,
    pub(crate) identity_providers: Vec<AddressBlock>,
    pub(crate) extra_ca: Option<PathBuf>,
    pub(crate) timeout: Duration,
}

/// Where permitted requests go.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Upstream {
    pub(crate) name: String,
    pub(crate) urls: Vec<Url>,
    pub(crate) health: Option<HealthCheck>,
}

impl Upstream {
    /// Returns the addresses for people.
    pub(crate) fn words(&self) -> String {
        self.urls.iter().map(Url::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// A route whose requirement is parsed.
#[derive(Debug, Clone)]
pub(crate) struct RouteSpec {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) methods: Vec<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) upstream: String,
    pub(crate) forward_credential: bool,
    pub(crate) preserve_host: bool,
    pub(crate) cost: u32,
    pub(crate) upgrade: Vec<Protocol>,
    pub(crate) requirement: Requirement,
    pub(crate) shadow: Option<Requirement>,
    /// The requirement in the words of the file, for lists.
    pub(crate) words: String,
}

impl Settings {
    /// Reads the file that `up` names, the environment and the flags.
    ///
    /// # Errors
    ///
    /// Every mistake in the file and in the environment, or the first one in what they mean.
    pub(crate) fn read(up: &Up, environment: &[(String, String)]) -> Result<Self> {
        let (name, text) = read_text(up.config.as_deref())?;
        let file = file::read(&name, &text, environment)?;
        Self::resolve(file, up).map_err(|error| {
            let mistake = format!("{error:#}");
            match file::place_of(&mistake, &text, environment) {
                Some((line, column)) => anyhow!("{name}:{line}:{column}: {mistake}"),
                None => anyhow!(mistake),
            }
        })
    }

    /// Reads what was written, and the flags.
    ///
    /// # Errors
    ///
    /// The first mistake in what they mean.
    pub(crate) fn resolve(file: FileSettings, up: &Up) -> Result<Self> {
        check_bounds(&file)?;
        let upstreams = upstreams(&file.upstream, up.upstream.as_deref())?;
        let policy = policy(&file)?;
        let resources = ResourceSpec::read(&file.resource, up)?;
        let routes = routes(&file.route, &resources)?;
        let issuer_url = up.issuer_url.as_ref().or(file.issuer.url.as_ref());
        Ok(Self {
            issuer: address(ListenerName::Issuer, &file.issuer, up.issuer_listen.as_ref())?,
            gateway: address(ListenerName::Gateway, &file.gateway, up.gateway_listen.as_ref())?,
            mtls: address(ListenerName::Mtls, &file.mtls, up.mtls_listen.as_ref())?,
            admin: address(ListenerName::Admin, &file.admin, up.admin_listen.as_ref())?,
            gateway_url: file.gateway.url.clone(),
            issuer_url: issuer_url
                .map(|url| url.parse().with_context(|| format!("issuer.url: {url}")))
                .transpose()?,
            admin_hosts: file.admin.hosts,
            trust: gateway::trust(&file.gateway)?,
            workers: file.gateway.workers,
            store: up.store.clone().or(file.store.url),
            mail: file.mail,
            feed_max_age: duration("feed.max_age", file.feed.max_age.as_ref())?.unwrap_or(FEED_MAX_AGE),
            policy,
            retention: retention::retention(&file.retention)?,
            warn_before: duration("api_key.warn_before", file.api_key.warn_before.as_ref())?
                .unwrap_or(WARN_BEFORE),
            github_keys: github_keys(&file.leaks)?,
            egress: egress(&file.egress)?,
            log: LogSettings::read(file.log.format.as_deref(), file.log.level.as_deref())?,
            limits: limits(&file.limits)?,
            upstream_limits: upstream_limits(&file.limits)?,
            drain: duration("limits.drain", file.limits.drain.as_ref())?.unwrap_or(DRAIN),
            foreign_issuers: foreign_issuers(&routes)?,
            identity_providers: identity_providers::read(&file.identity_provider)?,
            resources,
            routes,
            upstreams,
            written: file.written,
        })
    }
}

/// Names the file that is read: `path`, or the default one if there is one.
pub(crate) fn present(path: Option<PathBuf>) -> Option<PathBuf> {
    path.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|default| default.exists()))
}

/// Reads the settings file.
///
/// # Errors
///
/// If a named file cannot be read, and every mistake in it.
pub(crate) fn read_file(path: Option<&Path>, environment: &[(String, String)]) -> Result<FileSettings> {
    let (name, text) = read_text(path)?;
    Ok(file::read(&name, &text, environment)?)
}

/// Reads the name and the text of the settings file; without one the text is empty.
fn read_text(path: Option<&Path>) -> Result<(String, String)> {
    let Some(path) = present(path.map(Path::to_path_buf)) else {
        return Ok((DEFAULT_FILE.to_owned(), String::new()));
    };
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok((path.display().to_string(), text))
}

fn address(listener: ListenerName, settings: &Listener, flag: Option<&String>) -> Result<ListenerAddress> {
    let (name, default) = (listener.name(), listener.default_address().unwrap_or_default());
    let text = flag.or(settings.listen.as_ref()).map_or(default, String::as_str);
    let address = text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    let address = address
        .ok_or_else(|| anyhow!("{name}.listen: expected an address such as {default}, found `{text}`"))?;
    Ok(ListenerAddress { name, address, danger_plaintext: settings.danger_plaintext })
}

/// Refuses values with which nothing would be served, and that nobody means.
fn check_bounds(file: &FileSettings) -> Result<()> {
    let within = |setting: &str, value: Option<usize>, most: usize| match value {
        Some(value) if value == 0 || value > most => bail!("{setting}: expected 1 to {most}, found {value}"),
        _ => Ok(()),
    };
    within("limits.connections", file.limits.connections, 1_000_000)?;
    let window = file.limits.http2_window;
    if window.is_some_and(|window| !(LEAST_WINDOW..=MOST_WINDOW).contains(&window)) {
        bail!("limits.http2_window: expected {LEAST_WINDOW} to {MOST_WINDOW}, found {}", window.unwrap_or(0));
    }
    within("limits.upstream_requests", file.limits.upstream_requests, 1_000_000)?;
    within("gateway.workers", file.gateway.workers, 1_024)?;
    for (setting, text) in [
        ("feed.max_age", &file.feed.max_age),
        ("api_key.max_lifetime", &file.api_key.max_lifetime),
        ("egress.timeout", &file.egress.timeout),
        ("limits.header_timeout", &file.limits.header_timeout),
        ("limits.idle_timeout", &file.limits.idle_timeout),
        ("limits.body_timeout", &file.limits.body_timeout),
        ("limits.upstream_connect", &file.limits.upstream_connect),
        ("limits.upstream_response", &file.limits.upstream_response),
        ("limits.upstream_lookup", &file.limits.upstream_lookup),
        ("limits.upstream_lifetime", &file.limits.upstream_lifetime),
        ("limits.close_timeout", &file.limits.close_timeout),
    ] {
        if duration(setting, text.as_ref())?.is_some_and(|value| value.is_zero()) {
            bail!("{setting}: expected more than nothing");
        }
    }
    if let Some(host) = file.admin.hosts.iter().find(|host| host.contains('*')) {
        bail!("admin.hosts: expected names, found `{host}`: a pattern would let any page's host in");
    }
    if let Some(host) = file.admin.hosts.iter().find(|host| canonical(host).is_none()) {
        bail!("admin.hosts: expected names such as admin.example.com or [2001:db8::1], found `{host}`");
    }
    Ok(())
}

pub(super) fn duration(setting: &str, text: Option<&String>) -> Result<Option<Duration>> {
    text.map(|text| parse_duration(text).map_err(|error| anyhow!("{setting}: {error}, found `{text}`")))
        .transpose()
}

/// Reads what the operator allows.
///
/// # Errors
///
/// The setting that is no duration.
pub(crate) fn policy(file: &FileSettings) -> Result<Policy> {
    let default = Policy::default();
    let overlap = duration("api_key.rotation_overlap", file.api_key.rotation_overlap.as_ref())?;
    let keys = &file.signing_key;
    let signing_key_lifetime = duration("signing_key.lifetime", keys.lifetime.as_ref())?;
    let signing_key_lifetime = signing_key_lifetime.unwrap_or(default.signing_key_lifetime);
    let signing_key_published = duration("signing_key.published", keys.published.as_ref())?;
    let signing_key_published = signing_key_published.unwrap_or(default.signing_key_published);
    if signing_key_published >= signing_key_lifetime {
        bail!("signing_key.published: expected less than signing_key.lifetime, or no key would ever sign");
    }
    let refresh = refresh(file, &default)?;
    Ok(Policy {
        device_code_lifetime: device_code(file)?.unwrap_or(default.device_code_lifetime),
        refresh_idle: refresh.idle,
        refresh_absolute: refresh.absolute,
        refresh_retry: refresh.retry,
        signing_key_lifetime,
        signing_key_published,
        api_key_max_lifetime: duration("api_key.max_lifetime", file.api_key.max_lifetime.as_ref())?,
        rotation_overlap: overlap.unwrap_or(default.rotation_overlap),
        idempotency_window: retention::marks(&file.retention)?.unwrap_or(default.idempotency_window),
        tenant_max_keys: file.tenant.max_keys.unwrap_or(default.tenant_max_keys),
        tenant_max_owners: file.tenant.max_owners.unwrap_or(default.tenant_max_owners),
        client_max_opaque_tokens: file.client.max_opaque_tokens.unwrap_or(default.client_max_opaque_tokens),
        tenant_max_opaque_tokens: file.tenant.max_opaque_tokens.unwrap_or(default.tenant_max_opaque_tokens),
        people: people::policy(file)?,
        web_sessions: people::web_sessions(file)?,
        self_service: people::self_service(file)?,
    })
}

/// The shortest and the longest life of a device code: shorter, and nobody finds their telephone; longer, and whoever sends
/// strangers a code has time to wait (RFC 8628 §5.4); bounds, not clauses.
const DEVICE_CODE: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(60 * 60)];

fn device_code(file: &FileSettings) -> Result<Option<Duration>> {
    let [least, most] = DEVICE_CODE;
    let lifetime = duration("device.code_lifetime", file.device.code_lifetime.as_ref())?;
    if lifetime.is_some_and(|lifetime| !(least..=most).contains(&lifetime)) {
        bail!("device.code_lifetime: expected {} to {}", format_duration(least), format_duration(most));
    }
    Ok(lifetime)
}

/// The longest time within which an answer is repeated: what is sealed under a token that a thief may have is not kept long;
/// a bound, not a clause.
const LONGEST_RETRY: Duration = Duration::from_secs(5 * 60);

struct Refresh {
    idle: Duration,
    absolute: Duration,
    retry: Duration,
}

fn refresh(file: &FileSettings, default: &Policy) -> Result<Refresh> {
    let settings = &file.refresh_token;
    let refresh = Refresh {
        idle: duration("refresh_token.idle", settings.idle.as_ref())?.unwrap_or(default.refresh_idle),
        absolute: duration("refresh_token.absolute", settings.absolute.as_ref())?
            .unwrap_or(default.refresh_absolute),
        retry: duration("refresh_token.retry", settings.retry.as_ref())?.unwrap_or(default.refresh_retry),
    };
    if refresh.idle > refresh.absolute {
        bail!("refresh_token.idle: expected at most refresh_token.absolute");
    }
    if refresh.retry > LONGEST_RETRY {
        bail!("refresh_token.retry: expected at most {}", format_duration(LONGEST_RETRY));
    }
    Ok(refresh)
}

fn github_keys(settings: &LeakSettings) -> Result<Option<Url>> {
    let text = settings.github_keys_url.as_deref().unwrap_or(GITHUB_KEYS);
    let url: Url = text.parse().with_context(|| format!("leaks.github_keys_url: `{text}` is no URL"))?;
    if !matches!(url.scheme(), "https" | "http")
        || url.host().is_none()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        bail!("leaks.github_keys_url: expected an https URL without a user name or password");
    }
    Ok(settings.github.then_some(url))
}

fn blocks(setting: &str, texts: &[String]) -> Result<Vec<AddressBlock>> {
    let block = |text: &String| {
        let block: AddressBlock =
            text.parse().map_err(|error| anyhow!("{setting}: {error}, found `{text}`"))?;
        if block.is_everything() {
            bail!("{setting}: `{text}` allows everything: name what is to be called");
        }
        Ok(block)
    };
    texts.iter().map(block).collect()
}

fn egress(settings: &EgressSettings) -> Result<EgressSpec> {
    Ok(EgressSpec {
        allow: blocks("egress.allow", &settings.allow)?,
        leaks: blocks("egress.leaks.allow", &settings.leaks.allow)?,
        jwt: blocks("egress.jwt.allow", &settings.jwt.allow)?,
        client_keys: blocks("egress.client_keys.allow", &settings.client_keys.allow)?,
        identity_providers: blocks("egress.identity_providers.allow", &settings.identity_providers.allow)?,
        extra_ca: settings.extra_ca.clone(),
        timeout: duration("egress.timeout", settings.timeout.as_ref())?.unwrap_or(EGRESS_TIMEOUT),
    })
}

/// Reads the bounds of listeners.
///
/// # Errors
///
/// The setting that is no duration.
pub(crate) fn limits(settings: &file::LimitSettings) -> Result<Limits> {
    let default = Limits::default();
    let pause = duration("limits.idle_timeout", settings.idle_timeout.as_ref())?;
    Ok(Limits {
        connections: settings.connections.unwrap_or(default.connections),
        head: duration("limits.header_timeout", settings.header_timeout.as_ref())?.unwrap_or(default.head),
        idle: pause.unwrap_or(default.idle),
        body: duration("limits.body_timeout", settings.body_timeout.as_ref())?.unwrap_or(default.body),
        window_bytes: settings.http2_window.unwrap_or(default.window_bytes),
        body_pause: pause.unwrap_or(default.body_pause),
        write_pause: pause.unwrap_or(default.write_pause),
        closing: duration("limits.close_timeout", settings.close_timeout.as_ref())?
            .unwrap_or(default.closing),
        body_bytes: settings.request_body.unwrap_or(default.body_bytes),
        ..default
    })
}

fn upstream_limits(settings: &file::LimitSettings) -> Result<UpstreamLimits> {
    let default = UpstreamLimits::default();
    let pause = duration("limits.idle_timeout", settings.idle_timeout.as_ref())?;
    let connect = duration("limits.upstream_connect", settings.upstream_connect.as_ref())?;
    let answer = duration("limits.upstream_response", settings.upstream_response.as_ref())?;
    Ok(UpstreamLimits {
        connect: connect.unwrap_or(default.connect),
        answer: answer.unwrap_or(default.answer),
        body_pause: pause.unwrap_or(default.body_pause),
        exchanges: settings.upstream_requests,
        pace: Pace { rate: settings.upload_rate.unwrap_or(default.pace.rate), ..default.pace },
        lookup: duration("limits.upstream_lookup", settings.upstream_lookup.as_ref())?
            .unwrap_or(default.lookup),
        life: duration("limits.upstream_lifetime", settings.upstream_lifetime.as_ref())?
            .unwrap_or(default.life),
        ..default
    })
}

fn upstreams(settings: &[UpstreamSettings], flag: Option<&str>) -> Result<Vec<Upstream>> {
    let given = flag.map(|url| UpstreamSettings {
        name: DEFAULT_UPSTREAM.to_owned(),
        url: Some(url.to_owned()),
        urls: Vec::new(),
        health: None,
    });
    let upstreams: Vec<_> = given.iter().chain(settings).map(upstream).collect::<Result<_>>()?;
    for (index, one) in upstreams.iter().enumerate() {
        if upstreams.iter().take(index).any(|earlier| earlier.name == one.name) {
            bail!("upstream `{}`: another upstream has this name", one.name);
        }
    }
    Ok(upstreams)
}

fn upstream(settings: &UpstreamSettings) -> Result<Upstream> {
    let name = &settings.name;
    let urls = match (&settings.url, settings.urls.as_slice()) {
        (Some(url), []) => vec![upstream_url(name, url)?],
        (None, urls @ [_, ..]) => {
            urls.iter().map(|url| upstream_url(name, url)).collect::<Result<Vec<_>>>()?
        }
        (None, []) | (Some(_), [_, ..]) => bail!("upstream `{name}`: expected either `url` or `urls`"),
    };
    let health = settings.health.as_ref().map(health).transpose();
    let health = health.with_context(|| format!("upstream `{name}`: health"))?;
    Ok(Upstream { name: name.clone(), urls, health })
}

fn upstream_url(name: &str, text: &str) -> Result<Url> {
    let url: Url = text.parse().with_context(|| format!("upstream `{name}`: `{text}` is no URL"))?;
    if !matches!(url.scheme(), "http" | "https")
        || url.host().is_none()
        || url.path() != "/"
        || url.query().is_some()
    {
        bail!(
            "upstream `{name}`: expected http://host:port or https://host:port without a path, found `{url}`"
        );
    }
    if !url.username().is_empty() || url.password().is_some() {
        bail!("upstream `{name}`: expected a URL without a user name or password");
    }
    Ok(url)
}

fn health(settings: &HealthSettings) -> Result<HealthCheck> {
    let path = Some(&settings.path).filter(|path| path.starts_with('/')).and_then(|path| path.parse().ok());
    let path =
        path.ok_or_else(|| anyhow!("path: expected one such as /healthz, found `{}`", settings.path))?;
    let default = HealthCheck::of(path);
    let check = HealthCheck {
        interval: duration("interval", settings.interval.as_ref())?.unwrap_or(default.interval),
        timeout: duration("timeout", settings.timeout.as_ref())?.unwrap_or(default.timeout),
        unhealthy_after: settings.unhealthy_after.unwrap_or(default.unhealthy_after),
        healthy_after: settings.healthy_after.unwrap_or(default.healthy_after),
        ..default
    };
    if check.interval.is_zero() || check.timeout.is_zero() {
        bail!("interval and timeout: expected more than nothing");
    }
    if check.unhealthy_after == 0 || check.healthy_after == 0 {
        bail!("unhealthy_after and healthy_after: expected at least 1");
    }
    Ok(check)
}

fn routes(settings: &[RouteSettings], resources: &ResourceSpec) -> Result<Vec<RouteSpec>> {
    if settings.is_empty() {
        return Ok(vec![default_route()?]);
    }
    settings.iter().enumerate().map(|(index, settings)| route(index + 1, settings, resources)).collect()
}

/// Returns the issuers that routes name, each with every algorithm that some route takes.
fn foreign_issuers(routes: &[RouteSpec]) -> Result<Vec<ForeignIssuer>> {
    let mut issuers: Vec<ForeignIssuer> = Vec::new();
    let asked = routes.iter().flat_map(|route| {
        let requirements = std::iter::once(&route.requirement).chain(&route.shadow);
        let conditions = requirements.flat_map(Requirement::conditions);
        conditions.filter_map(move |condition| Some((route, &condition.token()?.issuer)))
    });
    for (route, issuer) in asked {
        let Issuer::Foreign(foreign) = issuer else { continue };
        let Some(known) = issuers.iter_mut().find(|one| one.issuer == foreign.issuer) else {
            issuers.push(foreign.clone());
            continue;
        };
        if known.jwks != foreign.jwks {
            let (name, path, issuer) = (&route.name, &route.path, &foreign.issuer);
            bail!("{name} ({path}): require: jwt.jwks: another route finds the keys of {issuer} elsewhere");
        }
        known.algorithms.extend(&foreign.algorithms);
    }
    for issuer in &mut issuers {
        issuer.algorithms.sort_unstable();
        issuer.algorithms.dedup();
    }
    Ok(issuers)
}

/// The one route where none is written: everything, with an API key of the environment `live`, or an access token for the
/// default resource.
fn default_route() -> Result<RouteSpec> {
    let token = access_token::KIND.condition(&serde_json::Map::new())?;
    Ok(RouteSpec {
        name: "default".to_owned(),
        path: "/{**}".to_owned(),
        methods: Vec::new(),
        hosts: Vec::new(),
        upstream: DEFAULT_UPSTREAM.to_owned(),
        forward_credential: false,
        preserve_host: false,
        cost: COST,
        upgrade: Vec::new(),
        requirement: Requirement::Any(vec![api_key::KeyCriteria::default().condition(), token]),
        shadow: None,
        words: "any = [{ api_key = {} }, { access_token = {} }]".to_owned(),
    })
}

fn route(position: usize, settings: &RouteSettings, resources: &ResourceSpec) -> Result<RouteSpec> {
    let name = settings.name.clone().unwrap_or_else(|| format!("route {position}"));
    let read = |table: &Table| requirement(table).and_then(|read| resources.named_in(read));
    let enforced = read(&settings.require).with_context(|| format!("{name} ({}): require", settings.path))?;
    let shadow = settings.shadow.as_ref().map(|shadow| read(&shadow.require)).transpose();
    let shadow = shadow.with_context(|| format!("{name} ({}): shadow.require", settings.path))?;
    let upgrade: Result<Vec<Protocol>, _> = settings.upgrade.iter().map(|name| name.parse()).collect();
    let upgrade = upgrade.with_context(|| format!("{name} ({}): upgrade", settings.path))?;
    Ok(RouteSpec {
        shadow,
        name,
        path: settings.path.clone(),
        methods: settings.methods.clone(),
        hosts: settings.hosts.clone(),
        upstream: settings.upstream.clone(),
        forward_credential: settings.forward_credential,
        preserve_host: settings.preserve_host,
        cost: settings.cost.unwrap_or(COST),
        upgrade,
        requirement: enforced,
        words: Value::Table(settings.require.clone()).to_string(),
    })
}

/// Says what a condition may be about: what the gateway's rows recognise.
fn expected() -> String {
    let kinds: Vec<_> = kinds_of(GATEWAY).map(|kind| format!("`{}`", kind.name())).collect();
    format!("expected one of {}, `anonymous`, `any` and `all`", kinds.join(", "))
}

/// Reads `require`: one condition, or `any` or `all` of several.
fn requirement(table: &Table) -> Result<Requirement> {
    let agree = table.get("agree");
    let mut members = table.iter().filter(|(name, _)| *name != "agree");
    let (Some((kind, value)), None) = (members.next(), members.next()) else {
        bail!("{}, found {} members; combine them with `any` or `all`", expected(), table.len());
    };
    match kind.as_str() {
        "all" => Ok(Requirement::All(conditions(value)?, agreement(agree)?)),
        _ if agree.is_some() => bail!("`agree` says how the owners under `all` relate; there is no `all`"),
        "any" => Ok(Requirement::Any(conditions(value)?)),
        kind => Ok(Requirement::Any(vec![condition(kind, value)?])),
    }
}

/// Reads how the owners of the credentials under `all` relate (SAFETY 6).
fn agreement(value: Option<&Value>) -> Result<Agreement> {
    match value.map(Value::as_str) {
        None | Some(Some("owner")) => Ok(Agreement::Owner),
        Some(Some("organisation")) => Ok(Agreement::Organisation),
        Some(Some("subject")) => Ok(Agreement::Subject),
        Some(_) => bail!("agree: expected `owner`, `organisation` or `subject`"),
    }
}

fn conditions(value: &Value) -> Result<Vec<Condition>> {
    let list = value.as_array().filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| anyhow!("expected a list with at least one condition"))?;
    list.iter().map(one_condition).collect()
}

fn one_condition(value: &Value) -> Result<Condition> {
    let table = value.as_table().ok_or_else(|| anyhow!("expected a table such as {{ api_key = {{}} }}"))?;
    let mut members = table.iter();
    match (members.next(), members.next()) {
        (Some((kind, value)), None) => condition(kind, value),
        _ => bail!("expected one kind of credential in each condition, found {}", table.len()),
    }
}

fn condition(name: &str, value: &Value) -> Result<Condition> {
    let table = value.as_table().ok_or_else(|| anyhow!("`{name}`: expected a table, such as {{}}"))?;
    if name == Scheme::ANONYMOUS.name() {
        return Ok(Condition::anonymous());
    }
    let Some(kind) = kinds_of(GATEWAY).find(|kind| kind.name() == name) else {
        bail!("{}, found `{name}`", expected());
    };
    let settings: serde_json::Map<_, _> = serde_json::from_value(serde_json::to_value(table)?)?;
    Ok(kind.condition(&settings)?)
}

#[cfg(test)]
mod tests {
    use super::{
        EgressSettings, LeakSettings, Protocol, ResourceSpec, egress, foreign_issuers, github_keys,
        requirement, route, upstream,
    };
    use countersign_core::api_key;
    use countersign_core::decision::{Agreement, Condition, Requirement};
    use countersign_core::scheme::Scheme;

    #[track_caller]
    fn check(text: &str, expected: Result<(bool, Vec<Scheme>), &str>) {
        let table: toml::Table = toml::from_str(text).unwrap();
        let found = requirement(table["require"].as_table().unwrap());
        match (found, expected) {
            (Ok(found), Ok((all, schemes))) => {
                assert_eq!(matches!(found, Requirement::All(..)), all, "{text}");
                assert_eq!(found.conditions().map(Condition::scheme).collect::<Vec<_>>(), schemes, "{text}");
            }
            (Err(error), Err(words)) => assert!(format!("{error:#}").contains(words), "{text}: {error:#}"),
            (found, expected) => panic!("{text}: {found:?}, expected {expected:?}"),
        }
    }

    #[track_caller]
    fn check_upstream(text: &str, expected: Result<usize, &str>) {
        let found = upstream(&toml::from_str(&format!("name = \"a\"\n{text}")).unwrap());
        match (found, expected) {
            (Ok(found), Ok(urls)) => assert_eq!(found.urls.len(), urls, "{text}"),
            (Err(error), Err(words)) => assert!(format!("{error:#}").contains(words), "{text}: {error:#}"),
            (found, expected) => panic!("{text}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn an_upstream_has_one_address_or_several_that_are_asked() {
        check_upstream("url = \"http://a\"", Ok(1));
        check_upstream("urls = [\"http://a\", \"https://b:1\"]", Ok(2));
        check_upstream("", Err("either `url` or `urls`"));
        check_upstream("urls = []", Err("either `url` or `urls`"));
        check_upstream("url = \"http://a\"\nurls = [\"http://b\"]", Err("either `url` or `urls`"));
        check_upstream("urls = [\"http://a\", \"http://b/c\"]", Err("without a path"));
        let asked = |health: &str| format!("url = \"http://a\"\nhealth = {{ {health} }}");
        check_upstream(&asked("path = \"/healthz?a\", interval = \"1s\""), Ok(1));
        check_upstream(&asked("path = \"healthz\""), Err("such as /healthz"));
        check_upstream(&asked("path = \"/\", interval = \"0s\""), Err("more than nothing"));
        check_upstream(&asked("path = \"/\", timeout = \"soon\""), Err("timeout"));
        check_upstream(&asked("path = \"/\", healthy_after = 0"), Err("at least 1"));
    }

    #[test]
    fn a_route_names_the_protocols_it_may_be_switched_to() {
        let read = |upgrade: &str| {
            let text = format!("path = \"/\"\nupstream = \"a\"\nrequire = {{ anonymous = {{}} }}\n{upgrade}");
            route(1, &toml::from_str(&text).unwrap(), &ResourceSpec::none()).map(|route| route.upgrade)
        };
        assert_eq!(read("").unwrap(), []);
        assert_eq!(read("upgrade = [\"websocket\"]").unwrap(), [Protocol::WebSocket]);
        assert!(format!("{:#}", read("upgrade = [\"h2c\"]").unwrap_err()).contains("expected `websocket`"));
    }

    #[test]
    fn what_we_call_ourselves_is_named_and_never_everything() {
        let allow = |text: &str| {
            egress(&EgressSettings { allow: vec![text.to_owned()], ..EgressSettings::default() })
                .map(|spec| spec.allow.len())
        };
        assert_eq!(allow("127.0.0.0/8").unwrap(), 1);
        for (text, words) in
            [("0.0.0.0/0", "allows everything"), ("::/0", "allows everything"), ("lan", "found `lan`")]
        {
            assert!(format!("{:#}", allow(text).unwrap_err()).contains(words), "{text}");
        }
        let keys = |github, url: Option<&str>| {
            github_keys(&LeakSettings { github, github_keys_url: url.map(str::to_owned) })
        };
        assert_eq!(keys(false, None).unwrap(), None);
        assert_eq!(keys(true, None).unwrap().unwrap().host_str(), Some("api.github.com"));
        for url in ["", "ftp://a/", "file:///a", "https://a:b@c/"] {
            assert!(keys(false, Some(url)).is_err(), "{url}");
        }
    }

    #[test]
    fn requirements_read_as_written() {
        check("require = { api_key = {} }", Ok((false, vec![api_key::SCHEME])));
        check("require = { anonymous = {} }", Ok((false, vec![Scheme::ANONYMOUS])));
        check(
            "require = { any = [ { api_key = { scope = [\"a\", \"b\"] } }, { anonymous = {} } ] }",
            Ok((false, vec![api_key::SCHEME, Scheme::ANONYMOUS])),
        );
        check(
            "require = { all = [ { api_key = { environment = \"test\" } } ] }",
            Ok((true, vec![api_key::SCHEME])),
        );
    }

    #[test]
    fn safety_6_a_route_says_how_the_owners_under_all_relate() {
        let agreement = |text: &str| {
            let table: toml::Table = toml::from_str(text).unwrap();
            match requirement(&table) {
                Ok(Requirement::All(_, agreement)) => Ok(agreement),
                Ok(Requirement::Any(_)) => Err("any".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        };
        let all = "all = [ { api_key = {} } ]";
        assert_eq!(agreement(all), Ok(Agreement::Owner), "one owner, unless something else is said");
        assert_eq!(agreement(&format!("{all}\nagree = \"owner\"")), Ok(Agreement::Owner));
        assert_eq!(agreement(&format!("{all}\nagree = \"organisation\"")), Ok(Agreement::Organisation));
        assert_eq!(agreement(&format!("{all}\nagree = \"subject\"")), Ok(Agreement::Subject));
        for (text, words) in [
            (format!("{all}\nagree = \"nobody\""), "agree: expected `owner`, `organisation` or `subject`"),
            (format!("{all}\nagree = 1"), "agree: expected `owner`, `organisation` or `subject`"),
            ("any = [ { api_key = {} } ]\nagree = \"owner\"".to_owned(), "there is no `all`"),
            ("api_key = {}\nagree = \"owner\"".to_owned(), "there is no `all`"),
            ("agree = \"owner\"".to_owned(), "expected one of"),
        ] {
            assert!(agreement(&text).unwrap_err().contains(words), "{text}");
        }
    }

    #[test]
    fn an_issuer_has_its_keys_in_one_place_and_every_algorithm_that_is_taken() {
        let read = |conditions: &[&str]| {
            let route = |(position, condition): (usize, &&str)| {
                let issuer = "issuer = \"https://a.example\", audience = \"b\"";
                let text = format!(
                    "path = \"/\"\nupstream = \"a\"\nrequire = {{ jwt = {{ {issuer}, {condition} }} }}"
                );
                route(position + 1, &toml::from_str(&text).unwrap(), &ResourceSpec::none())
            };
            foreign_issuers(&conditions.iter().enumerate().map(route).collect::<Result<Vec<_>, _>>()?)
        };
        let both = read(&["algorithms = [\"RS256\", \"ES256\"]", "algorithms = [\"ES256\"]"]).unwrap();
        let algorithms: Vec<_> = both[0].algorithms.iter().map(|one| one.as_str()).collect();
        assert_eq!((both.len(), algorithms), (1, vec!["RS256", "ES256"]));
        let apart =
            ["algorithms = [\"ES256\"]", "algorithms = [\"ES256\"], jwks = \"https://a.example/keys\""];
        let error = format!("{:#}", read(&apart).unwrap_err());
        assert!(error.starts_with("route 2 (/): require: jwt.jwks: another route"), "{error}");
        let error = format!("{:#}", read(&["algorithms = [\"HS256\"]"]).unwrap_err());
        assert!(error.starts_with("route 1 (/): require: jwt.algorithms: `HS256` is a MAC"), "{error}");
    }

    #[test]
    fn a_requirement_that_is_none_is_told() {
        check("require = {}", Err("found 0 members"));
        check("require = { any = [] }", Err("at least one condition"));
        check("require = { any = [ {} ] }", Err("one kind of credential"));
        check("require = { api_key = {}, anonymous = {} }", Err("combine them"));
        check("require = { password = {} }", Err("found `password`"));
        check("require = { api_key = { scope = 3 } }", Err("api_key.scope"));
        check("require = { api_key = { environment = \"prod\" } }", Err("`live` or `test`"));
        check("require = { api_key = { owner = \"acme\" } }", Err("api_key.owner"));
    }
}
