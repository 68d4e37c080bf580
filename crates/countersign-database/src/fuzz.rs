//! What must hold of this crate's parsers for any bytes. Part of tests and of `fuzz/` alone.

use std::time::Duration;

use tokio_postgres::config::SslMode;

use crate::postgres::url::{parse, place};

/// Nothing leads off this machine in clear unless that was said, and no message shows the password.
pub fn postgres_url(bytes: &[u8]) {
    let Ok(url) = str::from_utf8(bytes) else { return };
    let Ok(target) = parse(url, false, Duration::from_secs(1)) else { return };
    for mut host in target.hosts {
        let named = place(&host);
        host.password("another");
        assert_eq!(place(&host), named, "it depends on the password");
        if host.get_ssl_mode() == SslMode::Disable {
            assert!(host.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback), "{named}");
        }
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
