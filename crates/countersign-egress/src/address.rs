//! Which addresses may be called.
//!
//! The blocks are those of the special-purpose registries (RFC 6890 and IANA's successors to it), and the addresses
//! under which clouds tell machines their secrets.
//!
//! **Invariant.** Only [`AddressPolicy::check`] makes a [`Checked`]. Our own listeners are refused whatever is allowed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use countersign_core::network::AddressBlock;
use thiserror::Error;

/// Blocks of IPv4 that are nobody's public address, or that a machine must not be made to call.
const REFUSED_V4: [(Ipv4Addr, u32, &str); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "shared by carriers"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    // Azure's platform, a public address that only machines inside reach.
    (Ipv4Addr::new(168, 63, 129, 16), 32, "metadata"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "reserved"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

/// Global unicast, RFC 4291 §2.4 as IANA gives it out: whatever lies beyond is refused, mapped, compatible and
/// translated (RFC 6052) IPv4, unique local, link-local and multicast among it.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Blocks inside [`GLOBAL_V6`] that are refused.
const REFUSED_V6: [(Ipv6Addr, u32, &str); 4] = [
    // Teredo and others that hold an IPv4 address inside.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "of a protocol"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "documentation"),
    // 6to4 holds an IPv4 address inside (RFC 3056 §2).
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "a relay"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "documentation"),
];

/// Why an address is not called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unreachable {
    /// One of our own listeners answers there.
    #[error("one of our own listeners answers at {0}")]
    Ours(SocketAddr),
    /// It is no public address, and no setting allows it.
    #[error("{0} is not public ({1}), and neither egress.allow nor egress.{2}.allow names it")]
    NotPublic(IpAddr, &'static str, Purpose),
    /// Plain HTTP is for loopback alone.
    #[error("plain HTTP is for loopback alone, and {0} is not: use https")]
    Plain(IpAddr),
}

/// How what is asked travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// In clear: for loopback that is allowed.
    Plain,
    /// With TLS.
    Tls,
}

/// What something is fetched for: what may be called for one purpose may not be for another (SAFETY 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purpose(&'static str);

impl Purpose {
    /// The keys that clients publish.
    pub const CLIENT_KEYS: Self = Self("client_keys");
    /// What identity providers publish, and answer.
    pub const IDENTITY_PROVIDERS: Self = Self("identity_providers");
    /// The keys of foreign issuers of tokens.
    pub const JWT: Self = Self("jwt");
    /// The keys of who reports leaked keys.
    pub const LEAKS: Self = Self("leaks");
}

impl fmt::Display for Purpose {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

/// What the operator lets us call for one purpose.
#[derive(Debug, Clone)]
pub struct AddressPolicy {
    /// What it is called for.
    pub purpose: Purpose,
    /// Blocks that may be called though they are not public.
    pub allow: Vec<AddressBlock>,
    /// Our own listeners; an unspecified address stands for every address of this machine.
    pub own: Vec<SocketAddr>,
}

/// An address that was judged, and may be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked(SocketAddr);

impl Checked {
    const fn assertion(address: SocketAddr) -> Self {
        Self(address)
    }

    /// Returns the address.
    #[must_use]
    pub const fn address(self) -> SocketAddr {
        self.0
    }
}

impl AddressPolicy {
    /// Judges one address.
    ///
    /// # Errors
    ///
    /// [`Unreachable`] by its reason.
    pub fn check(&self, address: SocketAddr, transport: Transport) -> Result<Checked, Unreachable> {
        if self.is_ours(address) {
            return Err(Unreachable::Ours(address));
        }
        let ip = address.ip();
        if let Some(kind) = refused(ip)
            && !self.allow.iter().any(|block| block.contains(ip))
        {
            return Err(Unreachable::NotPublic(ip, kind, self.purpose));
        }
        if transport == Transport::Plain && !ip.to_canonical().is_loopback() {
            return Err(Unreachable::Plain(ip));
        }
        Ok(Checked::assertion(address))
    }

    fn is_ours(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        self.own.iter().filter(|own| own.port() == address.port()).any(|own| {
            let own = own.ip().to_canonical();
            // The unspecified address, called, is this machine too.
            own == ip || ip.is_unspecified() || (own.is_unspecified() && is_of_this_machine(ip))
        })
    }
}

/// Tells whether this machine holds `ip`: then what is sent there leaves from there. Asks the routing table; nothing
/// is sent.
fn is_of_this_machine(ip: IpAddr) -> bool {
    let any: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let source = || {
        let socket = UdpSocket::bind((any, 0))?;
        // Port 9 discards (RFC 863); a datagram socket that connects sends nothing.
        socket.connect((ip, 9))?;
        socket.local_addr()
    };
    ip.is_loopback() || source().is_ok_and(|source| source.ip().to_canonical() == ip)
}

/// Says what kind of address it is, if it is no public one.
fn refused(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => {
            REFUSED_V4.iter().find(|(block, bits, _)| within_v4(ip, *block, *bits)).map(|(_, _, kind)| *kind)
        }
        IpAddr::V6(ip) if !within_v6(ip, GLOBAL_V6.0, GLOBAL_V6.1) => Some("not global unicast"),
        IpAddr::V6(ip) => {
            REFUSED_V6.iter().find(|(block, bits, _)| within_v6(ip, *block, *bits)).map(|(_, _, kind)| *kind)
        }
    }
}

const fn within_v4(ip: Ipv4Addr, block: Ipv4Addr, bits: u32) -> bool {
    (ip.to_bits() ^ block.to_bits()).leading_zeros() >= bits
}

const fn within_v6(ip: Ipv6Addr, block: Ipv6Addr, bits: u32) -> bool {
    (ip.to_bits() ^ block.to_bits()).leading_zeros() >= bits
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, TcpListener};

    use super::{AddressPolicy, Purpose, Transport, Unreachable};

    fn reach(allow: &[&str], own: &[&str]) -> AddressPolicy {
        AddressPolicy {
            purpose: Purpose::LEAKS,
            allow: allow.iter().map(|block| block.parse().unwrap()).collect(),
            own: own.iter().map(|address| address.parse().unwrap()).collect(),
        }
    }

    #[track_caller]
    fn check(reach: &AddressPolicy, address: &str, transport: Transport, expected: Result<(), &str>) {
        let address: SocketAddr = address.parse().unwrap();
        match (reach.check(address, transport), expected) {
            (Ok(checked), Ok(())) => assert_eq!(checked.address(), address),
            (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{address}: {error}"),
            (found, expected) => panic!("{address}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn safety_15_what_is_not_public_is_refused() {
        let nothing = reach(&[], &[]);
        for address in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            check(&nothing, &format!("{address}:443"), Transport::Tls, Err("is not public"));
        }
        for address in [
            "::",
            "::1",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:0:10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:c0a8:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fdff:ffff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ] {
            check(&nothing, &format!("[{address}]:443"), Transport::Tls, Err("is not public"));
        }
    }

    #[test]
    fn what_is_public_is_called_beside_every_block() {
        let nothing = reach(&[], &[]);
        for address in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "140.82.121.6",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
        ] {
            check(&nothing, &format!("{address}:443"), Transport::Tls, Ok(()));
        }
        for address in
            ["2001:200::1", "2001:db7::1", "2001:db9::1", "2003::1", "2606:50c0:8000::153", "2a00::1"]
        {
            check(&nothing, &format!("[{address}]:443"), Transport::Tls, Ok(()));
        }
    }

    #[test]
    fn safety_15_an_allowance_opens_its_block_and_no_other() {
        let loopback = reach(&["127.0.0.0/8"], &[]);
        check(&loopback, "127.0.0.1:80", Transport::Plain, Ok(()));
        check(&loopback, "[::ffff:127.0.0.1]:80", Transport::Plain, Ok(()));
        check(&loopback, "[::1]:80", Transport::Plain, Err("is not public"));
        check(&loopback, "10.0.0.1:443", Transport::Tls, Err("is not public"));
        let private = reach(&["10.0.0.0/8"], &[]);
        check(&private, "10.0.0.1:443", Transport::Tls, Ok(()));
        check(&private, "10.0.0.1:80", Transport::Plain, Err("plain HTTP is for loopback"));
        check(&private, "8.8.8.8:80", Transport::Plain, Err("plain HTTP is for loopback"));
    }

    #[test]
    fn safety_15_our_own_listeners_are_refused_whatever_is_allowed() {
        let allow = ["127.0.0.0/8", "::1", "0.0.0.0", "::"];
        let one = reach(&allow, &["127.0.0.1:8081"]);
        for address in ["127.0.0.1:8081", "[::ffff:127.0.0.1]:8081", "0.0.0.0:8081", "[::]:8081"] {
            check(&one, address, Transport::Plain, Err("our own listeners"));
        }
        check(&one, "127.0.0.1:8082", Transport::Plain, Ok(()));
        check(&one, "127.0.0.2:8081", Transport::Plain, Ok(()));
        for every in ["0.0.0.0:8081", "[::]:8081"] {
            let every = reach(&allow, &[every]);
            for address in ["127.0.0.1:8081", "127.9.9.9:8081", "[::1]:8081", "0.0.0.0:8081"] {
                check(&every, address, Transport::Plain, Err("our own listeners"));
            }
            check(&every, "140.82.121.6:8081", Transport::Tls, Ok(()));
        }
    }

    #[test]
    fn safety_15_every_address_of_this_machine_is_that_of_a_listener_on_all() {
        // The address with which this machine would leave it, if it has a way out.
        let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let Ok(()) = socket.connect(("140.82.121.6", 9)) else { return };
        let own = SocketAddr::new(socket.local_addr().unwrap().ip(), 8081);
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        assert!(listener.local_addr().unwrap().ip().is_unspecified());
        let everything = AddressPolicy {
            allow: vec![own.ip().to_string().parse().unwrap()],
            ..reach(&[], &["0.0.0.0:8081"])
        };
        assert_eq!(everything.check(own, Transport::Tls), Err(Unreachable::Ours(own)));
    }
}
