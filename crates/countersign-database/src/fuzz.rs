//! What must hold of this crate's parsers for any bytes. Part of tests and of `fuzz/` alone.

use std::time::Duration;

use tokio_postgres::config::SslMode;

use crate::postgres::url::parse;

/// Nothing leads off this machine in clear unless that was said, and no message shows the password.
pub fn postgres_url(bytes: &[u8]) {
    let Ok(url) = str::from_utf8(bytes) else { return };
    let Ok(target) = parse(url, false, Duration::from_secs(1)) else { return };
    let password = target.config.get_password().and_then(|password| str::from_utf8(password).ok());
    let named = |word: Option<&str>| {
        word.is_some_and(|word| password.is_some_and(|password| word.contains(password)))
    };
    let elsewhere = named(target.config.get_user()) || named(target.config.get_dbname());
    if let Some(password) = password.filter(|password| password.len() > 12 && !elsewhere) {
        assert!(!target.place.contains(password), "{}", target.place);
    }
    let addresses = target.config.get_hostaddrs();
    if target.config.get_ssl_mode() == SslMode::Disable {
        assert!(addresses.iter().all(std::net::IpAddr::is_loopback), "{}", target.place);
    }
}

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn kept_postgres_url() {
        replay("postgres_url", super::postgres_url);
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;
