//! The server's URL: what libpq's URLs say, and when a connection may be plain.
//!
//! `sslmode` is read as `disable`, or as the strictest: whoever asks for TLS at all gets the server's certificate
//! and name verified. `prefer` means plain on this machine and TLS anywhere else: a downgrade is never negotiated.

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
    pub(crate) config: Config,
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
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    Ok(Target { config, place, root_certificates })
}

/// Takes the words of libpq that the driver does not know out of the query.
fn libpq_words(url: &str) -> (String, Option<PathBuf>) {
    let Some((base, query)) = url.split_once('?') else {
        return (url.to_owned(), None);
    };
    let mut root_certificates = None;
    let mut kept = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslrootcert", path)) => root_certificates = Some(PathBuf::from(path)),
            Some(("sslmode", "verify-ca" | "verify-full")) => kept.push("sslmode=require"),
            Some(("sslmode", "allow")) => kept.push("sslmode=prefer"),
            _ => kept.push(pair),
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

    use tokio_postgres::config::SslMode;

    use super::parse;
    use crate::open_error::OpenError;

    #[track_caller]
    fn check(url: &str, danger: bool, expected: Result<SslMode, &str>) {
        let answer = parse(url, danger, Duration::from_secs(1)).map(|target| target.config.get_ssl_mode());
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
    fn safety_25_a_message_never_holds_the_password() {
        check("postgres://u:hunter2@h:port/x", false, Err("cannot be read"));
        check("postgres://u:hunter2@h/x?nonsense=hunter2", false, Err("cannot be read"));
        let target = parse("postgres://u:hunter2@h:7/x", false, Duration::from_secs(1)).unwrap();
        assert_eq!(target.place, "postgres://u@h:7/x");
        assert!(matches!(parse("postgres:///x", false, Duration::from_secs(1)), Err(OpenError::Url { .. })));
    }
}
