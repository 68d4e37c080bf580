//! `SETTINGS`: every setting, its default and its meaning, as one table.

use countersign_core::authenticators::GATEWAY;
use countersign_core::context::{PeoplePolicy, Policy, WebSessionPolicy};
use countersign_core::duration::format_duration;
use countersign_core::presentation::kinds_of;
use countersign_core::resource::{LIFETIME, SigningAlgorithm};
use countersign_edge::endpoint::ListenerName;
use countersign_edge::limits::Limits;
use countersign_gateway::address::HealthCheck;
use countersign_gateway::field_names::DEFAULT;
use countersign_gateway::upstream::UpstreamLimits;
use countersign_store::Retention;
use http::uri::PathAndQuery;

use super::defaults::{COST, DRAIN, EGRESS_TIMEOUT, FEED_MAX_AGE, GITHUB_KEYS, WARN_BEFORE};
use crate::log::LogSettings;

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its path in the file; `[]` stands for one table of an array.
    pub(crate) path: &'static str,
    /// What it holds, as people write it.
    pub(crate) kind: &'static str,
    /// What it is where it is not set.
    pub(crate) default: Preset,
    /// What a change of it needs.
    pub(crate) mark: Mark,
    /// What it means, with the source of its number.
    pub(crate) meaning: &'static str,
}

/// What a setting is where it is not set.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Preset {
    /// This value, read from where the code has it.
    Value(fn() -> String),
    /// Something that is no value, in words; empty: nothing.
    Words(fn() -> String),
}

impl Preset {
    /// Returns what people read.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Value(words) | Self::Words(words) => words(),
        }
    }
}

/// What a change of a setting needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A reload.
    Live,
    /// A restart.
    Restart,
    /// A restart; and its value holds a secret, which is never shown.
    Secret,
}

/// A row: the path, what it holds, its default in words, `~` words that are made, or `=` a value, how it is replaced, what it means.
macro_rules! settings {
    ($($path:literal $kind:literal $($words:literal)? $(~ ($told:expr))? $(= ($value:expr))? $($mark:ident)? , $meaning:literal)*) => {
        &[$(Setting {
            path: $path,
            kind: $kind,
            default: default!($($words)? $(~ ($told))? $(= ($value))?),
            mark: mark!($($mark)?),
            meaning: $meaning,
        }),*]
    };
}

macro_rules! default {
    ($words:literal) => {
        Preset::Words(|| $words.to_owned())
    };
    (~ ($told:expr)) => {
        Preset::Words(|| $told)
    };
    (= ($value:expr)) => {
        Preset::Value(|| $value.to_string())
    };
}

macro_rules! mark {
    () => {
        Mark::Restart
    };
    (live) => {
        Mark::Live
    };
    (secret) => {
        Mark::Secret
    };
}

/// Every setting, in the order of the file.
pub(crate) const SETTINGS: &[Setting] = settings![
    "issuer.url" "URL" "the issuer listener's", "The `iss` of everything issued."
    "issuer.listen" "address" = (address(ListenerName::Issuer)), "Where the issuer listens."
    "issuer.danger_plaintext" "boolean" = (false), "Lets the issuer speak plain HTTP beyond loopback."
    "gateway.listen" "address" = (address(ListenerName::Gateway)), "Where the gateway listens."
    "gateway.url" "URL" "the origin of the default resource" live, "The origin by which browsers know the gateway: where people come back to who have signed in to a web app."
    "gateway.workers" "number" "one per core", "Threads that forward; each has its own connections to the upstreams."
    "gateway.danger_plaintext" "boolean" = (false), "Lets the gateway speak plain HTTP beyond loopback."
    "gateway.trusted_proxies" "list of addresses and CIDR blocks" "none" live, "Proxies whose word about the client's address and scheme is believed; an empty list believes nobody."
    "gateway.forwarded" "`x-forwarded` or `forwarded`" = ("x-forwarded") live, "How trusted proxies speak: `X-Forwarded-For` and `-Proto`, or `Forwarded` (RFC 7239). A proxy that copies what a client chose into `Forwarded`, such as its host, has to escape quotes."
    "gateway.drop_headers" "list of names, or of beginnings such as `X-Corp-*`" "none" live, "Header fields of callers that end at the gateway, beside those on the list below."
    "gateway.danger_pass_headers" "list of names, or of beginnings such as `X-Consumer-*`" "none" live, "Header fields that reach the upstreams as callers wrote them although they are on the list below, because nothing behind the gateway believes them."
    "mtls.listen" "address" = (address(ListenerName::Mtls)), "Where the gateway listens with TLS."
    "admin.listen" "address" = (address(ListenerName::Admin)), "Where the management API listens."
    "admin.danger_plaintext" "boolean" = (false), "Lets the management API speak plain HTTP beyond loopback."
    "admin.hosts" "list of host names" "localhost and the loopback addresses" live, "Further names under which the management API may be called; any other Host is answered with 421."
    "store.url" "URL" "SQLite in the data directory" secret, "`postgres://…` keeps everything in PostgreSQL, shared by several nodes."
    "feed.max_age" "duration" = (format_duration(FEED_MAX_AGE)), "How old what is known in memory may be: beyond it, routes that need a credential answer 503."
    "api_key.max_lifetime" "duration" "" live, "The longest life an API key may be given; keys without an end get this one."
    "api_key.rotation_overlap" "duration" = (format_duration(Policy::default().rotation_overlap)) live, "How long a rotated key goes on working when no overlap is named."
    "api_key.warn_before" "duration" = (format_duration(WARN_BEFORE)), "How long before its end a key is named in the audit as `api_key.expiring`, once; 0s: never."
    "signing_key.lifetime" "duration" = (format_duration(Policy::default().signing_key_lifetime)) live, "How long a signing key signs before its successor does."
    "signing_key.published" "duration" = (format_duration(Policy::default().signing_key_published)) live, "How long a signing key is published before it signs, so that whoever keeps a JWK Set knows it by then; less than `signing_key.lifetime`."
    "refresh_token.idle" "duration" = (format_duration(Policy::default().refresh_idle)) live, "How long a refresh token is good that is not used."
    "refresh_token.absolute" "duration" = (format_duration(Policy::default().refresh_absolute)) live, "How long refresh tokens follow each other after one sign-in; at least `refresh_token.idle`."
    "refresh_token.retry" "duration" = (format_duration(Policy::default().refresh_retry)) live, "How long a client that proves itself again is given the same answer to the same refresh token, for an answer that was lost on the way; at most 5m. Beyond it, and for public clients always, a token that is used again ends everything that was obtained with it."
    "device.code_lifetime" "duration" = (format_duration(Policy::default().device_code_lifetime)) live, "How long a device waits for a person's word (RFC 8628 §3.2); 1m to 1h."
    "client.max_opaque_tokens" "number" = (Policy::default().client_max_opaque_tokens) live, "The most opaque or encrypted access tokens of one client that live at a time, those that were revoked before their end among them: each is in the memory of every node. Beyond it the token endpoint answers 429 until the first of them ends."
    "tenant.max_keys" "number" = (Policy::default().tenant_max_keys) live, "The most keys that one organisation keeps, ended ones that were not deleted among them; operators are not bound by it."
    "tenant.max_owners" "number" = (Policy::default().tenant_max_owners) live, "The most clients and users that one organisation enters; operators are not bound by it."
    "tenant.max_opaque_tokens" "number" = (Policy::default().tenant_max_opaque_tokens) live, "The most opaque or encrypted access tokens that all clients of one organisation have at a time, counted likewise; some 250 bytes each on every node."
    "password.min_length" "number" = (PeoplePolicy::default().password_min_length) live, "The least characters of a password that is set, 8 to 64: 8 is the least that OWASP ASVS 5.0 §6.2.1 allows; NIST SP 800-63B-4 §3.1.1.2 wants 15 where nothing but a password is asked for."
    "password.known" "path" "none" live, "A file of passwords that nobody may choose: SHA-1 hashes, sorted, as Have I Been Pwned publishes them (any size), or a password a line."
    "session.idle" "duration" = (format_duration(PeoplePolicy::default().session_idle)) live, "How long somebody who does nothing stays signed in at the issuer: the most that the OWASP Session Management Cheat Sheet gives applications of low risk. At least 1m; it holds for the sessions that there are."
    "session.lifetime" "duration" = (format_duration(PeoplePolicy::default().session_lifetime)) live, "How long anybody stays signed in at the issuer, whatever they do: the most that the same sheet gives a working day. At least 1m; it holds for the sessions that there are."
    "web_session.idle" "duration" = (format_duration(WebSessionPolicy::default().idle)) live, "How long somebody who does nothing stays signed in to a web app, as `session.idle`; counted by renewals, so to `web_session.token_lifetime`. At least 1m; it holds for the sessions that there are."
    "web_session.lifetime" "duration" = (format_duration(WebSessionPolicy::default().lifetime)) live, "How long anybody stays signed in to a web app, whatever they do, as `session.lifetime`. At least 1m; it holds for the sessions that there are."
    "web_session.token_lifetime" "duration" = (format_duration(WebSessionPolicy::default().token_lifetime)) live, "How long a session token is good before it is renewed from what the server keeps; 1m to 1h. What ends a session is known at the next request whatever it is."
    "self_service.api_keys.scopes" "list of scopes" "people make no API keys" live, "What an API key may do at most that somebody makes for themselves on the account page."
    "self_service.api_keys.max_lifetime" "duration" "`api_key.max_lifetime`" live, "How long such a key lives at most."
    "self_service.clients.grants" "list of `authorization_code`, `refresh_token`, `client_credentials`" "people register no clients" live, "The grants of a client that somebody registers for themselves on the account page; never that of devices (SAFETY 23), and `client_credentials` for those alone that keep a secret."
    "self_service.clients.scopes" "list of scopes" "none" live, "What such a client may be given at most."
    "self_service.clients.audiences" "list of resources" "the default resource" live, "What its tokens are for."
    "mail.url" "URL" "no mail is sent" secret, "How mail is sent that lets users choose a new password or confirm an address: `smtps://user:password@host` (TLS), `smtp://user:password@host` (STARTTLS, and not without it; to this machine in clear), or for development `file:DIRECTORY` (a file for each) and `console` (standard error)."
    "mail.from" "address" "`Countersign <no-reply@…>` at the issuer's host", "Who it is from."
    "retention.audit" "duration" "for ever", "How long audit events are kept. What is older is removed from the beginning of each node's chain, and the removal is an event itself; the rest is still verified."
    "retention.changes" "duration" = (format_duration(Retention::default().changes)), "How long a node may lag and still read only what changed; beyond it, it reads everything. At least 1m."
    "retention.decisions" "duration" = (format_duration(Retention::default().decisions)), "How long counts of decisions are kept, by minute."
    "retention.marks" "duration" = (format_duration(Policy::default().idempotency_window)) live, "How long an `Idempotency-Key` is remembered: a repeated request makes nothing within it."
    "retention.usage" "duration" = (format_duration(Retention::default().usage)), "How long is kept what was spent of a limit, once its window has ended. At least 366d, the longest window of a limit."
    "leaks.github" "boolean" = (false) live, "Takes the reports of GitHub's secret scanning at the issuer's `/v1/leaks/github`; the keys that are in them end."
    "leaks.github_keys_url" "URL" = (GITHUB_KEYS) live, "Where the keys are published with which GitHub signs its reports."
    "egress.allow" "list of addresses and CIDR blocks" "none" live, "What Countersign itself may call though it is not public, whatever for. Our own listeners are never called."
    "egress.leaks.allow" "list of addresses and CIDR blocks" "none" live, "What it may call beside that to fetch the keys of who reports leaked keys."
    "egress.jwt.allow" "list of addresses and CIDR blocks" "none" live, "What it may call beside that to fetch the keys of foreign issuers of tokens."
    "egress.client_keys.allow" "list of addresses and CIDR blocks" "none" live, "What it may call beside that to fetch the keys that clients publish (`jwks_uri`)."
    "egress.identity_providers.allow" "list of addresses and CIDR blocks" "none" live, "What it may call beside that at identity providers."
    "egress.extra_ca" "file" "none" live, "Certificates (PEM) that are believed beside the system's trust anchors, by what Countersign itself calls."
    "egress.timeout" "duration" = (format_duration(EGRESS_TIMEOUT)) live, "How long a call of Countersign's own may take, from the name to the end of the answer."
    "log.format" "`text` or `json`" "text on a terminal, else json", "How log lines are written, on stderr."
    "log.level" "`error`, `warn`, `info`, `debug`" = (LogSettings::DEFAULT_LEVEL.as_str().to_ascii_lowercase()) live, "The least important lines that are written."
    "limits.connections" "number" = (Limits::default().connections), "Open connections per listener; further ones are closed at once. Fewer, where the limit of open files leaves no room for them: at the start the log says if it is less than what is set here, or than 1,000."
    "limits.header_timeout" "duration" = (format_duration(Limits::default().head)), "How long a client may take to send a request's header fields."
    "limits.idle_timeout" "duration" ~ (pauses()), "How long a kept connection, a request body or an answer may stand still; set, it holds for all of them."
    "limits.request_body" "bytes" = (Limits::default().body_bytes), "The largest request body that the gateway forwards."
    "limits.body_timeout" "duration" = (format_duration(Limits::default().body)), "How long a whole body may take to arrive that Countersign reads itself: of the management API, or a report of leaked keys."
    "limits.http2_window" "bytes" = (Limits::default().window_bytes), "What a peer may send ahead on one HTTP/2 connection, on all of its streams together; RFC 9113 §6.9.2 allows no less. More is faster over long lines, and is memory for each of `limits.connections`."
    "limits.upstream_connect" "duration" = (format_duration(UpstreamLimits::default().connect)), "How long connecting to an upstream may take."
    "limits.upstream_response" "duration" = (format_duration(UpstreamLimits::default().answer)), "How long an upstream may take until its answer's header fields; nginx's `proxy_read_timeout` has the same default."
    "limits.upload_rate" "bytes per second" = (UpstreamLimits::default().pace.rate), "The least rate of a request body that is forwarded, after ten seconds of waiting for it, as in Apache's `mod_reqtimeout`; slower ones are answered with 408. 0: any rate."
    "limits.upstream_requests" "number" "half of limits.connections", "Requests in flight with one upstream, from all workers together, tunnels included; further ones are answered with 503, so that an upstream that hangs does not take every connection."
    "limits.upstream_lookup" "duration" = (format_duration(UpstreamLimits::default().lookup)), "How often the names of upstreams are looked up again, as HAProxy's `hold valid`; all the addresses of a name take turns. A name is also looked up when none of its addresses can be reached."
    "limits.upstream_lifetime" "duration" = (format_duration(UpstreamLimits::default().life)), "How old a connection to an upstream may become while it is used again and again."
    "limits.close_timeout" "duration" = (format_duration(Limits::default().closing)), "How long a client may take to close its side after an answer that ends the connection; what it still sends is thrown away (RFC 9112 §9.6)."
    "limits.drain" "duration" = (format_duration(DRAIN)), "How long requests in flight may take to finish after SIGTERM."
    "identity_provider[].name" "name" "" live, "What addresses and the audit call it: 1 to 32 small letters, digits and dashes. People come back to `/federation/NAME/callback` at the issuer, which is the redirect URI to register there."
    "identity_provider[].title" "text" "its name" live, "What people call it."
    "identity_provider[].issuer" "URL" "" live, "The `iss` of an OpenID provider, letter for letter; its metadata are found below it (OpenID Connect Discovery 1.0 §4)."
    "identity_provider[].kind" "`openid` or `github`" = ("openid") live, "How it is spoken to: GitHub's OAuth has no ID tokens."
    "identity_provider[].url" "URL" "`https://github.com`" live, "Where a GitHub Enterprise Server is, for `kind = \"github\"`."
    "identity_provider[].client_id" "text" "" live, "What we are called there."
    "identity_provider[].client_secret_file" "file" "" live, "The file with what proves us there, one line that nobody else may read."
    "identity_provider[].scopes" "list of scopes" "`openid email profile`; of GitHub, `read:user user:email`" live, "What is asked for there."
    "identity_provider[].trust_email" "boolean" = (false) live, "Whether its word counts that an address is verified: whoever has proven the same address here is signed in by it. Only for a provider that gives an address to nobody else."
    "identity_provider[].create_people" "boolean" = (false) live, "Whether whoever is nobody's here becomes a user of the first organisation, without a password; else they are told so."
    "resource[].id" "URI" "" live, "What tokens may be for (RFC 8707): the `aud` of its tokens, an absolute URI without a fragment. An id that is stored too (`resource create`) is an error."
    "resource[].scopes" "table of scopes, each with a description" "any scope" live, "What may be done there; people see the descriptions where they consent."
    "resource[].access_token.lifetime" "duration" = (format_duration(LIFETIME)) live, "How long an access token lives: 5m to 1h."
    "resource[].access_token.signing_alg" "`ES256`, `RS256`, `PS256` or `EdDSA`" = (SigningAlgorithm::Es256.name()) live, "With what access tokens are signed."
    "resource[].access_token.kind" "`jwt` or `opaque`" "what the client's are" live, "What access tokens are."
    "resource[].claims" "table of claims" "none" live, "What its tokens say beside: a text, or `{ metadata = \"name\" }` for a member of the client's metadata, which only an operator may then write."
    "resource[].jwks" "JWK Set" "none" live, "One public key for encryption (`use` is `enc`), as `[[resource.jwks.keys]]`: signed access tokens are encrypted for it, and only who has the private key can read them."
    "resource[].introspection" "list of ids" "none" live, "Who may introspect its tokens, beside the clients that are registered for it."
    "upstream[].name" "text" "" live, "What routes call it."
    "upstream[].url" "URL" "" live, "`http://host:port` or `https://host:port`, without a path."
    "upstream[].urls" "list of URLs" "" live, "Several addresses that answer alike, instead of `url`. They take turns; one that cannot be reached is left out for two seconds."
    "upstream[].health.path" "path" "" live, "What each address is asked for, by GET; an answer of 200 to 299 is well. Without it, addresses are not asked."
    "upstream[].health.interval" "duration" = (format_duration(health().interval)) live, "The time between an answer and the next question."
    "upstream[].health.timeout" "duration" = (format_duration(health().timeout)) live, "How long an answer may take, connecting included."
    "upstream[].health.unhealthy_after" "number" = (health().unhealthy_after) live, "Failures in a row after which an address is left out."
    "upstream[].health.healthy_after" "number" = (health().healthy_after) live, "Successes in a row after which it takes its turn again."
    "route[].name" "text" "its position" live, "What logs and metrics call it."
    "route[].path" "pattern" "" live, "`/orders/{**}`, `/orders/{id}` or `/orders`; the first match wins, no match is 404. A path that an upstream may read as one of an earlier route (in other case, with `;parameters`, with a slash, dots or blanks at an end) is 400."
    "route[].methods" "list of methods" "all" live, "The methods that it takes, in upper case; `HEAD` is not part of `GET`."
    "route[].hosts" "list of host names" "all" live, "The hosts that it takes."
    "route[].upstream" "text" "" live, "Where permitted requests go."
    "route[].forward_credential" "boolean" = (false) live, "Sends the credential on to the upstream; by default it is removed."
    "route[].preserve_host" "boolean" = (false) live, "Calls the upstream by the host that the caller named; by default it is called by its own, and what it says of itself in `Location`, `Content-Location` and `Refresh` is rewritten to the caller's scheme and host."
    "route[].cost" "number" = (COST) live, "What a call costs of the limits of its key; 0 costs nothing but needs room."
    "route[].upgrade" "list of protocols" "none" live, "The protocols that a connection may be switched to: `websocket`. A tunnel ends with its credential, and after `limits.idle_timeout` without a byte."
    "route[].require" "requirement" "" live, "`{ api_key = { … } }`, `{ anonymous = {} }`, `{ any = [ … ] }` or `{ all = [ … ] }`."
    "route[].require.agree" "`owner`, `organisation` or `subject`" = ("owner") live, "What the credentials under `all` have in common: one owner, owners of one organisation, or whom they act for: the device of the person who is signed in."
    "route[].shadow.require" "requirement" "none" live, "Tried beside `require` and counted in `countersign_shadow_decisions_total`; never acted on."
];

fn address(listener: ListenerName) -> &'static str {
    listener.default_address().unwrap_or_default()
}

/// Says how long may be waited where one setting replaces several.
fn pauses() -> String {
    let [kept, bodies, answers] =
        [Limits::default().idle, Limits::default().body_pause, UpstreamLimits::default().body_pause]
            .map(format_duration);
    format!("{kept} for a kept connection, {bodies} for bodies, {answers} for an upstream's answer")
}

fn health() -> HealthCheck {
    HealthCheck::of(PathAndQuery::from_static("/"))
}

/// Returns what a change of the setting at `path` needs.
pub(crate) fn mark(path: &str) -> Mark {
    let setting = SETTINGS.iter().find(|setting| setting.path == path);
    // Conditions of routes are no rows: their kinds list them.
    setting.map_or(Mark::Live, |setting| setting.mark)
}

/// Returns every path that may stand in a file.
pub(crate) fn known_paths() -> Vec<String> {
    let mut paths: Vec<String> = SETTINGS.iter().map(|setting| setting.path.to_owned()).collect();
    let roots = ["route[].require", "route[].shadow.require"];
    let containers = roots.map(|root| [root.to_owned(), format!("{root}.any[]"), format!("{root}.all[]")]);
    paths.extend(roots.map(|root| format!("{root}.agree")));
    for container in containers.iter().flatten() {
        paths.push(format!("{container}.anonymous"));
        for kind in kinds_of(GATEWAY) {
            let kind_path = format!("{container}.{}", kind.name());
            paths.extend(kind.condition_settings().map(|setting| {
                let open = if setting.is_open() { ".*" } else { "" };
                format!("{kind_path}.{}{open}", setting.name)
            }));
            paths.push(kind_path);
        }
    }
    // What the operator names is not looked at here.
    paths.extend(["resource[].scopes.*", "resource[].claims.*", "resource[].jwks.*"].map(str::to_owned));
    paths
}

/// Returns the environment variable that overrides a setting; arrays have none.
pub(crate) fn environment_variable(path: &str) -> Option<String> {
    (!path.contains("[]")).then(|| format!("COUNTERSIGN_{}", path.replace('.', "_").to_ascii_uppercase()))
}

/// Returns the reference of all settings, as Markdown.
pub(crate) fn reference() -> String {
    let mut text = String::from(
        "# Settings\n\nPrinted from the code. One file, `countersign.toml`; an environment variable overrides it, \
         a flag overrides both. An unknown setting is an error.\n\n\
         SIGHUP, `countersign reload` and a change of the file replace what takes effect at a reload, all of it or nothing; \
         the rest waits for a restart.\n\n\
         | setting | holds | default | meaning | takes effect at | environment |\n|---|---|---|---|---|---|\n",
    );
    let row = |path: &str, holds: &str, default: &str, meaning: &str| {
        let variable = environment_variable(path).map_or_else(String::new, |name| format!("`{name}`"));
        let takes_effect = match mark(path) {
            Mark::Live => "a reload",
            Mark::Restart | Mark::Secret => "a restart",
        };
        format!("| `{path}` | {holds} | {default} | {meaning} | {takes_effect} | {variable} |\n")
    };
    for setting in SETTINGS {
        text.push_str(&row(setting.path, setting.kind, &setting.default.words(), setting.meaning));
    }
    for kind in kinds_of(GATEWAY) {
        for setting in kind.condition_settings() {
            let path = format!("route[].require.{}.{}", kind.name(), setting.name);
            text.push_str(&row(&path, setting.holds, setting.default, setting.meaning));
        }
    }
    text.push_str(
        "\n## Header fields that end at the gateway\n\nSome proxy, identity provider or cloud writes them and some \
         server believes them, so a caller's word for them is dropped: `gateway.drop_headers` adds to the list, \
         `gateway.danger_pass_headers` takes from it. Whatever is set, `Countersign-*`, `Forwarded` and `X-Forwarded-*` \
         hold what the gateway says, and names with anything but letters, digits and `-` never cross.\n\n",
    );
    let names: Vec<_> = DEFAULT.iter().map(|name| format!("`{name}`")).collect();
    text.push_str(&names.join(", "));
    text.push_str(".\n");
    text
}

#[cfg(test)]
mod tests {
    use super::SETTINGS;

    #[test]
    fn every_setting_has_a_meaning_and_one_path() {
        for (index, setting) in SETTINGS.iter().enumerate() {
            assert!(setting.meaning.ends_with('.'), "{}", setting.path);
            assert!(
                SETTINGS.iter().skip(index + 1).all(|other| other.path != setting.path),
                "{}",
                setting.path
            );
        }
    }
}
