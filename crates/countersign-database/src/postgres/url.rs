//! The server's URL: what libpq's URLs say, and when a connection may be plain.
//!
//! `sslmode` is read as `disable`, or as the strictest: whoever asks for TLS at all gets the server's certificate
//! and name verified. `prefer` means plain on this machine and TLS anywhere else: a downgrade is never negotiated.

use std::borrow::Cow;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use crate::open_error::OpenError;

/// How long a silent connection may be idle before it is probed.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// A URL, understood.
#[derive(Debug)]
pub(crate) struct Target {
    /// One for each host, in their order.
    pub(crate) hosts: Vec<Config>,
    pub(crate) place: String,
    pub(crate) root_certificates: Option<PathBuf>,
}

/// Reads a URL.
///
/// # Errors
///
/// [`OpenError::Url`], and [`OpenError::Plaintext`] if it leads off this machine without TLS.
pub(crate) fn parse(url: &str, danger_plaintext: bool, patience: Duration) -> Result<Target, OpenError> {
    let (url, root_certificates) = libpq_words(url);
    let mut config: Config =
        url.parse().map_err(|error: tokio_postgres::Error| OpenError::Url { reason: reason(&error) })?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(OpenError::Url { reason: "there is no host".to_owned() });
    }
    let place = place(&config);
    let local = is_local(&config);
    config.ssl_mode(match config.get_ssl_mode() {
        SslMode::Disable if local || danger_plaintext => SslMode::Disable,
        SslMode::Disable => return Err(OpenError::Plaintext { place }),
        SslMode::Prefer if local || danger_plaintext => SslMode::Disable,
        SslMode::Prefer | SslMode::Require | _ => SslMode::Require,
    });
    if config.get_application_name().is_none() {
        config.application_name("countersign");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(patience);
    }
    config.tcp_user_timeout(patience);
    config.keepalives_idle(KEEPALIVE);
    if config.get_target_session_attrs() == TargetSessionAttrs::ReadOnly {
        return Err(OpenError::Url { reason: "target_session_attrs: a store is written to".to_owned() });
    }
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    let count = config.get_hosts().len().max(config.get_hostaddrs().len());
    let hosts = (0..count).map(|index| only(&config, index)).collect();
    Ok(Target { hosts, place, root_certificates })
}

/// Returns what leads to one host of several, so that each can have a deadline of its own.
fn only(all: &Config, index: usize) -> Config {
    let mut one = Config::new();
    match all.get_hosts().get(index) {
        Some(Host::Tcp(name)) => drop(one.host(name)),
        Some(Host::Unix(path)) => drop(one.host_path(path)),
        None => {}
    }
    all.get_hostaddrs().get(index).map(|address| one.hostaddr(*address));
    // One port is for all hosts.
    all.get_ports().get(index).or_else(|| all.get_ports().first()).map(|port| one.port(*port));
    all.get_user().map(|user| one.user(user));
    all.get_password().map(|password| one.password(password));
    all.get_dbname().map(|name| one.dbname(name));
    all.get_options().map(|options| one.options(options));
    all.get_application_name().map(|name| one.application_name(name));
    all.get_connect_timeout().map(|limit| one.connect_timeout(*limit));
    all.get_tcp_user_timeout().map(|limit| one.tcp_user_timeout(*limit));
    all.get_keepalives_interval().map(|interval| one.keepalives_interval(interval));
    all.get_keepalives_retries().map(|retries| one.keepalives_retries(retries));
    one.keepalives(all.get_keepalives());
    one.keepalives_idle(all.get_keepalives_idle());
    one.ssl_mode(all.get_ssl_mode());
    one.ssl_negotiation(all.get_ssl_negotiation());
    one.channel_binding(all.get_channel_binding());
    one.target_session_attrs(all.get_target_session_attrs());
    one
}

/// Takes the words of libpq that the driver does not know out of the query.
fn libpq_words(url: &str) -> (String, Option<PathBuf>) {
    let Some((base, query)) = url.split_once('?') else {
        return (url.to_owned(), None);
    };
    let mut root_certificates = None;
    let mut kept: Vec<Cow<'_, str>> = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslrootcert", path)) => root_certificates = Some(PathBuf::from(path)),
            Some(("sslmode", "verify-ca" | "verify-full")) => kept.push("sslmode=require".into()),
            Some(("sslmode", "allow")) => kept.push("sslmode=prefer".into()),
            // Only who may be written to is spoken to, whichever of these words says so.
            Some(("target_session_attrs", "any" | "primary")) => {
                kept.push("target_session_attrs=read-write".into())
            }
            Some(("target_session_attrs", "standby" | "prefer-standby")) => {
                kept.push("target_session_attrs=read-only".into());
            }
            // The driver takes several directories of sockets for one.
            Some(("host", hosts)) => kept.extend(hosts.split(',').map(|host| format!("host={host}").into())),
            _ => kept.push(pair.into()),
        }
    }
    (format!("{base}?{}", kept.join("&")), root_certificates)
}

/// Names the server for messages: everything but the password.
pub(crate) fn place(config: &Config) -> String {
    let named = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    });
    let hosts: Vec<_> = if config.get_hosts().is_empty() {
        config.get_hostaddrs().iter().map(IpAddr::to_string).collect()
    } else {
        named.collect()
    };
    let ports: Vec<_> = config.get_ports().iter().map(|port| format!(":{port}")).collect();
    let user = config.get_user().map(|user| format!("{user}@")).unwrap_or_default();
    let database = config.get_dbname().map(|name| format!("/{name}")).unwrap_or_default();
    format!("postgres://{user}{}{}{database}", hosts.join(","), ports.join(","))
}

fn is_local(config: &Config) -> bool {
    if !config.get_hostaddrs().is_empty() {
        return config.get_hostaddrs().iter().all(IpAddr::is_loopback);
    }
    config.get_hosts().iter().all(|host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
    })
}

/// Joins an error's causes into one line.
pub(super) fn reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_postgres::config::{SslMode, TargetSessionAttrs};

    use super::parse;
    use crate::open_error::OpenError;

    #[track_caller]
    fn check(url: &str, danger: bool, expected: Result<SslMode, &str>) {
        let answer = parse(url, danger, Duration::from_secs(1)).map(|target| target.hosts[0].get_ssl_mode());
        match expected {
            Ok(mode) => assert_eq!(answer.unwrap(), mode, "{url}"),
            Err(part) => {
                let text = answer.unwrap_err().to_string();
                assert!(text.contains(part) && !text.contains("hunter2"), "{text}");
            }
        }
    }

    #[test]
    fn a_connection_off_this_machine_is_encrypted_or_refused() {
        check("postgres://u:hunter2@db.example/x", false, Ok(SslMode::Require));
        check(
            "postgres://u:hunter2@db.example/x?sslmode=verify-full&sslrootcert=/ca.pem",
            false,
            Ok(SslMode::Require),
        );
        check("postgres://u:hunter2@db.example/x?sslmode=disable", false, Err("would not be encrypted"));
        check("postgres://u:hunter2@db.example/x?sslmode=disable", true, Ok(SslMode::Disable));
        check("postgres://u@localhost,db.example/x?sslmode=disable", false, Err("would not be encrypted"));
        check(
            "postgres://u@localhost/x?hostaddr=192.0.2.1&sslmode=disable",
            false,
            Err("would not be encrypted"),
        );
        for host in ["localhost", "127.0.0.1", "127.0.0.53:6000"] {
            check(&format!("postgres://u:hunter2@{host}/x"), false, Ok(SslMode::Disable));
            check(&format!("postgres://u:hunter2@{host}/x?sslmode=require"), false, Ok(SslMode::Require));
        }
        check("postgres:///x?host=/run/postgresql", false, Ok(SslMode::Disable));
    }

    #[test]
    fn each_host_is_reached_by_itself_and_only_one_that_is_written_to() {
        let parse = |url: &str| parse(url, false, Duration::from_secs(1));
        let target = parse("postgres://u:hunter2@one:1,two:2,three:3/x?options=-c%20a%3Db").unwrap();
        let ports: Vec<_> = target.hosts.iter().flat_map(|host| host.get_ports().to_vec()).collect();
        assert_eq!(ports, [1, 2, 3]);
        for host in &target.hosts {
            assert_eq!(
                (host.get_hosts().len(), host.get_user(), host.get_dbname()),
                (1, Some("u"), Some("x"))
            );
            assert_eq!((host.get_password(), host.get_options()), (Some(&b"hunter2"[..]), Some("-c a=b")));
            assert_eq!(host.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        }
        assert_eq!(parse("postgres:///x?host=/a,/b&port=7").unwrap().hosts[1].get_ports(), [7]);
        for (word, accepted) in [
            ("any", true),
            ("primary", true),
            ("read-write", true),
            ("read-only", false),
            ("standby", false),
            ("prefer-standby", false),
        ] {
            let url = format!("postgres:///x?host=/a&target_session_attrs={word}");
            assert_eq!(parse(&url).is_ok(), accepted, "{word}");
        }
    }

    #[test]
    fn safety_25_a_message_never_holds_the_password() {
        check("postgres://u:hunter2@h:port/x", false, Err("cannot be read"));
        check("postgres://u:hunter2@h/x?nonsense=hunter2", false, Err("cannot be read"));
        let target = parse("postgres://u:hunter2@h:7/x", false, Duration::from_secs(1)).unwrap();
        assert_eq!(target.place, "postgres://u@h:7/x");
        assert!(matches!(parse("postgres:///x", false, Duration::from_secs(1)), Err(OpenError::Url { .. })));
    }
}
