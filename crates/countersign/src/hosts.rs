//! The names under which our own listeners may be called (SAFETY 15).

use std::net::{IpAddr, Ipv4Addr};

use countersign_edge::host::Hosts;
use url::Url;

use crate::settings::resolved::Settings;

/// Returns the names of the management API.
pub(crate) fn admin(settings: &Settings) -> Hosts {
    let address = host_of(settings.admin.address.ip());
    Hosts::with_loopback(settings.admin_hosts.iter().map(String::as_str).chain([address.as_str()]))
}

/// Returns the names of the issuer.
pub(crate) fn issuer(settings: &Settings) -> Hosts {
    let address = host_of(settings.issuer.address.ip());
    let of_url = settings.issuer_url.as_ref().and_then(Url::host_str);
    Hosts::with_loopback(of_url.into_iter().chain([address.as_str()]))
}

fn host_of(ip: IpAddr) -> String {
    match ip {
        IpAddr::V6(ip) => format!("[{ip}]"),
        IpAddr::V4(ip) if ip == Ipv4Addr::UNSPECIFIED => "localhost".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
    }
}
