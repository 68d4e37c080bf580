//! Where a request comes from, when proxies stand before the gateway.
//!
//! **Invariants.** What a peer says of others is read only if the peer itself is a trusted proxy; without a list
//! nobody is. The chain is walked from its end, over trusted proxies only: what a client wrote before them is never
//! reached, and is no fault whatever it is (better-auth 1.6.21, Unkey). An entry that has to be believed and cannot be
//! read refuses the request: it skips no rule (CVE-2024-47070). A node without an address is admitted by no allowlist.

use std::net::IpAddr;

use countersign_core::network::AddressBlock;
use countersign_edge::serve::Peer;
use http::header::FORWARDED;
use http::{HeaderMap, HeaderValue};

use crate::forwarded::{Element, Unreadable, elements};

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";
/// The most proxies that are walked over; a bound, not a clause.
const MAX_HOPS: usize = 32;

/// In which words trusted proxies speak. One of them: where both are read, a client chooses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialect {
    /// `X-Forwarded-For` and `X-Forwarded-Proto`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Whose word about others counts.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    /// Their addresses; empty: nobody's.
    pub blocks: Vec<AddressBlock>,
    /// How they speak.
    pub dialect: Dialect,
}

/// Where a request comes from, as far as it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The client's address; `None`: it is not known.
    pub address: Option<IpAddr>,
    /// The trusted proxies between the client and the gateway, the client's nearest first.
    pub via: Vec<IpAddr>,
    /// `http` or `https`, as the client used.
    pub uri_scheme: &'static str,
}

/// One hop as a proxy wrote it down.
#[derive(Debug, Clone, Copy)]
struct Hop {
    /// `None`: the proxy does not know it, or does not tell (RFC 7239 §6.2, §6.3).
    address: Option<IpAddr>,
    scheme: Option<&'static str>,
}

impl TrustedProxies {
    /// Finds out where a request of `peer` comes from.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if the peer is trusted and what has to be believed cannot be read.
    pub(crate) fn resolve(&self, peer: &Peer, headers: &HeaderMap) -> Result<Caller, Unreadable> {
        let direct = Caller { address: peer.ip(), via: Vec::new(), uri_scheme: peer.uri_scheme() };
        let Some(address) = peer.ip().filter(|address| self.trusts(*address)) else {
            return Ok(direct);
        };
        match self.dialect {
            Dialect::XForwarded => self.walk(direct, address, x_forwarded(headers)),
            Dialect::Forwarded => self.walk(direct, address, forwarded(headers)),
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.blocks.iter().any(|block| block.contains(address))
    }

    /// Walks over `hops`, the nearest first, to the first one that is no proxy of ours.
    fn walk(
        &self,
        mut caller: Caller,
        peer: IpAddr,
        hops: impl Iterator<Item = Result<Hop, Unreadable>>,
    ) -> Result<Caller, Unreadable> {
        let mut nearer = peer;
        for hop in hops {
            let hop = hop?;
            caller.via.insert(0, nearer);
            caller.address = hop.address;
            caller.uri_scheme = hop.scheme.unwrap_or(caller.uri_scheme);
            match hop.address.filter(|address| self.trusts(*address)) {
                Some(proxy) if caller.via.len() < MAX_HOPS => nearer = proxy,
                Some(_) => return Err(Unreadable),
                None => break,
            }
        }
        Ok(caller)
    }
}

/// Reads the elements of a list from its end, over all its lines.
fn listed<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    // RFC 9110 §5.6.1.2: empty elements of a list are ignored.
    let elements = |value: &'a HeaderValue| value.as_bytes().rsplit(|byte| *byte == b',');
    headers
        .get_all(name)
        .iter()
        .rev()
        .flat_map(elements)
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

fn x_forwarded(headers: &HeaderMap) -> impl Iterator<Item = Result<Hop, Unreadable>> {
    listed(headers, FORWARDED_FOR).map(|element| {
        // The nearest proxy's word is the last one.
        let scheme = listed(headers, FORWARDED_PROTO).next().map(scheme).transpose()?;
        let address = match bare_address(element) {
            Some(address) => Some(address),
            None => node(element)?,
        };
        Ok(Hop { address, scheme })
    })
}

fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = Result<Hop, Unreadable>> {
    // Each line by itself: a quote that a client left open ends with its line.
    let lines = headers.get_all(FORWARDED).iter().rev();
    lines.flat_map(|line| elements(line.as_bytes()).into_iter().rev()).map(|element| {
        let element = Element::read(element)?;
        // RFC 7239 §5.2: whoever leaves `for` out does not tell.
        let address = element.node.as_deref().map(node).transpose()?.flatten();
        Ok(Hop { address, scheme: element.proto.as_deref().map(scheme).transpose()? })
    })
}

/// Reads an address of IPv6 without brackets, as `X-Forwarded-For` has it.
fn bare_address(text: &[u8]) -> Option<IpAddr> {
    let address: IpAddr = str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

/// Reads a node (RFC 7239 §6): its address, or `None` if it says none.
fn node(text: &[u8]) -> Result<Option<IpAddr>, Unreadable> {
    let text = str::from_utf8(text).map_err(|_| Unreadable)?;
    let end = if text.starts_with('[') { text.find(']').map(|at| at + 1) } else { text.find(':') };
    let (name, port) = text.split_at_checked(end.unwrap_or(text.len())).ok_or(Unreadable)?;
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_node_port) {
        return Err(Unreadable);
    }
    if name.eq_ignore_ascii_case("unknown") || is_obfuscated(name) {
        return Ok(None);
    }
    let address = match name.strip_prefix('[') {
        Some(address) => address.strip_suffix(']').and_then(|text| text.parse().ok()).map(IpAddr::V6),
        None => name.parse().ok().map(IpAddr::V4),
    };
    address.map(|address| Some(address.to_canonical())).ok_or(Unreadable)
}

/// RFC 7239 §6.2: a port, or an obfuscated one.
fn is_node_port(text: &str) -> bool {
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits || is_obfuscated(text)
}

/// RFC 7239 §6.3: `"_" 1*( ALPHA / DIGIT / "." / "_" / "-")`.
fn is_obfuscated(text: &str) -> bool {
    text.strip_prefix('_').is_some_and(|rest| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        !rest.is_empty() && rest.bytes().all(plain)
    })
}

/// RFC 3986 §3.1: schemes are case-insensitive; RFC 6455 §3: a WebSocket's is that of its HTTP request.
fn scheme(text: &[u8]) -> Result<&'static str, Unreadable> {
    let is = |names: [&str; 2]| names.iter().any(|name| text.eq_ignore_ascii_case(name.as_bytes()));
    if is(["https", "wss"]) {
        return Ok("https");
    }
    if is(["http", "ws"]) { Ok("http") } else { Err(Unreadable) }
}

impl Caller {
    /// Writes the chain for the upstream: the client, and the proxies after it.
    ///
    /// A client whose address is not told is `unknown`, so that no reader takes the proxy after it for the client.
    pub(crate) fn forwarded_for(&self) -> Option<HeaderValue> {
        if self.address.is_none() && self.via.is_empty() {
            return None;
        }
        let mut chain = self.address.map_or_else(|| "unknown".to_owned(), |address| address.to_string());
        for proxy in &self.via {
            chain.push_str(", ");
            chain.push_str(&proxy.to_string());
        }
        HeaderValue::try_from(chain).ok()
    }
}

#[cfg(test)]
mod tests {
    use countersign_edge::serve::{Peer, Transport};
    use http::{HeaderMap, HeaderValue};

    use super::{Dialect, TrustedProxies};

    #[track_caller]
    fn check(dialect: Dialect, peer: &str, fields: &[(&'static str, &str)], expected: &str) {
        let blocks = ["10.0.0.0/8", "2001:db8::/32"].map(|block| block.parse().unwrap());
        let trusted = TrustedProxies { blocks: blocks.into(), dialect };
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let found = trusted.resolve(&Peer::new(Transport::Plain(peer.parse().unwrap())), &headers);
        let told = found.map(|caller| {
            let chain = caller.forwarded_for().unwrap();
            format!("{} {}", caller.uri_scheme, chain.to_str().unwrap())
        });
        assert_eq!(told.as_deref().unwrap_or("refused"), expected, "{peer} {fields:?}");
    }

    #[test]
    fn an_untrusted_peer_speaks_for_itself_alone() {
        let lies = [("x-forwarded-for", "10.0.0.1"), ("x-forwarded-proto", "https")];
        check(Dialect::XForwarded, "192.0.2.1:1", &lies, "http 192.0.2.1");
        check(Dialect::XForwarded, "192.0.2.1:1", &[("x-forwarded-for", "a")], "http 192.0.2.1");
        check(Dialect::Forwarded, "192.0.2.1:1", &[("forwarded", "for=10.0.0.1")], "http 192.0.2.1");
        let nobody = TrustedProxies::default();
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "192.0.2.9".parse().unwrap());
        let found =
            nobody.resolve(&Peer::new(Transport::Plain("127.0.0.1:1".parse().unwrap())), &headers).unwrap();
        assert_eq!(found.address, Some("127.0.0.1".parse().unwrap()), "an empty list trusts nobody");
    }

    #[test]
    fn the_chain_is_walked_from_its_end_over_trusted_proxies() {
        let walk = |chain: &str, expected: &str| {
            check(Dialect::XForwarded, "10.0.0.9:1", &[("x-forwarded-for", chain)], expected);
        };
        walk("192.0.2.7", "http 192.0.2.7, 10.0.0.9");
        walk("203.0.113.1, 192.0.2.7", "http 192.0.2.7, 10.0.0.9");
        walk("203.0.113.1, 192.0.2.7, 10.0.0.3", "http 192.0.2.7, 10.0.0.3, 10.0.0.9");
        walk("10.0.0.4, 10.0.0.3", "http 10.0.0.4, 10.0.0.3, 10.0.0.9");
        walk("::ffff:192.0.2.7", "http 192.0.2.7, 10.0.0.9");
        walk("192.0.2.7:4711", "http 192.0.2.7, 10.0.0.9");
        walk("[2001:db9::1]:4711", "http 2001:db9::1, 10.0.0.9");
        let two = [("x-forwarded-for", "203.0.113.1"), ("x-forwarded-for", "192.0.2.7")];
        check(Dialect::XForwarded, "10.0.0.9:1", &two, "http 192.0.2.7, 10.0.0.9");
        check(Dialect::XForwarded, "10.0.0.9:1", &[], "http 10.0.0.9");
        let https = [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "http, https")];
        check(Dialect::XForwarded, "[2001:db8::1]:1", &https, "https 192.0.2.7, 2001:db8::1");
    }

    #[test]
    fn rfc7239_4_forwarded_is_read_in_its_own_grammar() {
        let read = |text: &str, expected: &str| {
            check(Dialect::Forwarded, "10.0.0.9:1", &[("forwarded", text)], expected);
        };
        read("for=192.0.2.60;proto=https;by=203.0.113.43", "https 192.0.2.60, 10.0.0.9");
        read("For=\"[2001:db9:cafe::17]:4711\"", "http 2001:db9:cafe::17, 10.0.0.9");
        read("for=203.0.113.1, for=192.0.2.43", "http 192.0.2.43, 10.0.0.9");
        read("for=\"192.0.2.60:_x\";proto=WSS", "https 192.0.2.60, 10.0.0.9");
        read("for=192.0.2.60;proto=ws;", "http 192.0.2.60, 10.0.0.9");
        for text in [
            "for=192.0.2.1;for=192.0.2.2",
            "192.0.2.1",
            "for",
            "for=a",
            "for=\"2001:db9::1\"",
            "for=\"[2001:db9::1]:123456\"",
            "for=\"192.0.2.1:\"",
            "for=_",
            "for=\"_a b\"",
            "for=192.0.2.1;proto=gopher",
            "for=192.0.2.1;host=\"",
        ] {
            read(text, "refused");
        }
        // What is not the last untrusted hop's own, or right of it.
        read(
            "for=\"192.0.2.1:x\", nonsense, for=203.0.113.1;proto=x, for=192.0.2.43",
            "http 192.0.2.43, 10.0.0.9",
        );
        read("nonsense, for=10.0.0.3;proto=https", "refused");
        read("for=192.0.2.43, nonsense", "refused");
    }

    #[test]
    fn rfc9110_5_6_4_a_host_that_a_proxy_quotes_is_not_believed() {
        let host = "for=203.0.113.9;host=\"x,for=192.0.2.7;y=\"";
        check(Dialect::Forwarded, "10.0.0.9:1", &[("forwarded", host)], "http 203.0.113.9, 10.0.0.9");
        let lines = [("forwarded", "for=\"192.0.2.7"), ("forwarded", "for=203.0.113.9;x=\"\"")];
        check(Dialect::Forwarded, "10.0.0.9:1", &lines, "http 203.0.113.9, 10.0.0.9");
        for host in ["for=203.0.113.9;host=\"x\\\"", "for=203.0.113.9;host=\"x\",for=192.0.2.7;y=\""] {
            check(Dialect::Forwarded, "10.0.0.9:1", &[("forwarded", host)], "refused");
        }
    }

    #[test]
    fn rfc7239_6_a_node_without_an_address_is_nobody() {
        for (dialect, name, text) in [
            (Dialect::Forwarded, "forwarded", "for=192.0.2.7, for=unknown"),
            (Dialect::Forwarded, "forwarded", "for=192.0.2.7, for=UNKNOWN"),
            (Dialect::Forwarded, "forwarded", "for=192.0.2.7, for=_hidden"),
            (Dialect::Forwarded, "forwarded", "for=192.0.2.7, for=\"_SEVKISEK.-_:_p\""),
            (Dialect::Forwarded, "forwarded", "for=192.0.2.7, by=10.0.0.9"),
            (Dialect::XForwarded, "x-forwarded-for", "192.0.2.7, unknown"),
            (Dialect::XForwarded, "x-forwarded-for", "192.0.2.7, _x"),
        ] {
            check(dialect, "10.0.0.9:1", &[(name, text)], "http unknown, 10.0.0.9");
        }
        let chain = [("x-forwarded-for", "10.0.0.3, unknown, 10.0.0.4")];
        check(Dialect::XForwarded, "10.0.0.9:1", &chain, "http unknown, 10.0.0.4, 10.0.0.9");
    }

    #[test]
    fn what_a_trusted_proxy_says_and_cannot_be_read_is_refused() {
        for text in [
            "a",
            "192.0.2.7 10.0.0.1",
            "192.0.2.300",
            "192.0.2.7:",
            "192.0.2.7:x",
            "[192.0.2.7]",
            "[2001:db9::1",
            "2001:db9::1%eth0",
            "192.0.2.7, a",
            "a, 10.0.0.3",
            &["10.0.0.1"; 33].join(","),
        ] {
            check(Dialect::XForwarded, "10.0.0.9:1", &[("x-forwarded-for", text)], "refused");
        }
    }

    #[test]
    fn hops_left_of_the_first_untrusted_one_are_never_an_error() {
        let many = format!("{}, 192.0.2.7", ["10.0.0.1"; 100].join(","));
        for text in ["a, 192.0.2.7", "\u{e9}, 192.0.2.7", "192.0.2.300,192.0.2.7,", ", ,192.0.2.7", &many] {
            let expected = "http 192.0.2.7, 10.0.0.9";
            check(Dialect::XForwarded, "10.0.0.9:1", &[("x-forwarded-for", text)], expected);
        }
        let lines = [("x-forwarded-for", "a"), ("x-forwarded-for", "192.0.2.7, 10.0.0.3")];
        check(Dialect::XForwarded, "10.0.0.9:1", &lines, "http 192.0.2.7, 10.0.0.3, 10.0.0.9");
    }

    #[test]
    fn rfc3986_3_1_a_scheme_has_no_case_and_a_websocket_has_https() {
        for (text, expected) in [
            ("https", "https 192.0.2.7, 10.0.0.9"),
            ("HTTPS", "https 192.0.2.7, 10.0.0.9"),
            ("wss", "https 192.0.2.7, 10.0.0.9"),
            ("Wss", "https 192.0.2.7, 10.0.0.9"),
            ("ws", "http 192.0.2.7, 10.0.0.9"),
            ("HTTP", "http 192.0.2.7, 10.0.0.9"),
            ("gopher, https", "https 192.0.2.7, 10.0.0.9"),
            ("https,", "https 192.0.2.7, 10.0.0.9"),
            ("https, gopher", "refused"),
            ("gopher", "refused"),
            ("https http", "refused"),
        ] {
            let fields = [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", text)];
            check(Dialect::XForwarded, "10.0.0.9:1", &fields, expected);
        }
    }
}
