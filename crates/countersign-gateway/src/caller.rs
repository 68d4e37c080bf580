//! Where a request comes from, when proxies stand before the gateway.
//!
//! **Invariants.** What a peer says of others is read only if the peer itself is a trusted proxy; without a list
//! nobody is. The chain is walked from its end, over trusted proxies only: what a client wrote before them is never
//! reached (better-auth 1.6.21, Unkey). An entry that cannot be read refuses the request: it skips no rule
//! (CVE-2024-47070).

use std::net::{IpAddr, SocketAddr};

use countersign_core::network::AddressBlock;
use countersign_edge::serve::Peer;
use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, HeaderValue};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The longest chain; a bound, not a clause.
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
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The trusted proxies between the client and the gateway, the client's nearest first.
    pub via: Vec<IpAddr>,
    /// `http` or `https`, as the client used.
    pub uri_scheme: &'static str,
}

/// A trusted proxy said something that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// One hop as a proxy wrote it down.
#[derive(Debug, Clone, Copy)]
struct Hop {
    address: IpAddr,
    scheme: Option<&'static str>,
}

impl TrustedProxies {
    /// Finds out where a request of `peer` comes from.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if the peer is trusted and its word cannot be read.
    pub fn resolve(&self, peer: Peer, headers: &HeaderMap) -> Result<Caller, Unreadable> {
        let direct = Caller { address: peer.ip(), via: Vec::new(), uri_scheme: peer.uri_scheme() };
        let Some(address) = peer.ip().filter(|address| self.trusts(*address)) else {
            return Ok(direct);
        };
        let hops = match self.dialect {
            Dialect::XForwarded => x_forwarded(headers)?,
            Dialect::Forwarded => forwarded(headers)?,
        };
        Ok(self.walk(direct, address, &hops))
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.blocks.iter().any(|block| block.contains(address))
    }

    /// Walks from the end to the first address that is no proxy of ours.
    fn walk(&self, direct: Caller, peer: IpAddr, hops: &[Hop]) -> Caller {
        let mut caller = direct;
        let mut nearer = peer;
        for hop in hops.iter().rev() {
            caller.via.insert(0, nearer);
            caller.address = Some(hop.address);
            caller.uri_scheme = hop.scheme.unwrap_or(caller.uri_scheme);
            if !self.trusts(hop.address) {
                break;
            }
            nearer = hop.address;
        }
        caller
    }
}

fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Vec<&'a str>, Unreadable> {
    let mut elements = Vec::new();
    for value in headers.get_all(name) {
        // RFC 9110 §5.6.1.2: empty elements of a list are ignored.
        let text = value.to_str().map_err(|_| Unreadable)?;
        elements.extend(text.split(',').map(str::trim).filter(|element| !element.is_empty()));
    }
    if elements.len() > MAX_HOPS { Err(Unreadable) } else { Ok(elements) }
}

fn x_forwarded(headers: &HeaderMap) -> Result<Vec<Hop>, Unreadable> {
    let addresses = elements(headers, &FORWARDED_FOR)?;
    // The nearest proxy's word is the last one.
    let scheme = elements(headers, &FORWARDED_PROTO)?.last().map(|text| scheme(text)).transpose()?;
    addresses.iter().map(|text| Ok(Hop { address: address(text)?, scheme })).collect()
}

fn forwarded(headers: &HeaderMap) -> Result<Vec<Hop>, Unreadable> {
    elements(headers, &FORWARDED)?.iter().map(|element| forwarded_element(element)).collect()
}

/// Reads one element: `for=192.0.2.60;proto=http;by=203.0.113.43` (RFC 7239 §4).
fn forwarded_element(element: &str) -> Result<Hop, Unreadable> {
    let (mut from, mut proto) = (None, None);
    for pair in element.split(';').map(str::trim) {
        let (name, value) = pair.split_once('=').ok_or(Unreadable)?;
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        let slot = match name.to_ascii_lowercase().as_str() {
            "for" => &mut from,
            "proto" => &mut proto,
            _ => continue,
        };
        // RFC 7239 §4: each parameter MUST NOT occur more than once per field-value element.
        if slot.replace(value).is_some() {
            return Err(Unreadable);
        }
    }
    let address = address(from.ok_or(Unreadable)?)?;
    Ok(Hop { address, scheme: proto.map(scheme).transpose()? })
}

/// Reads an address with or without a port. `unknown` and obfuscated names (RFC 7239 §6) are no address.
fn address(text: &str) -> Result<IpAddr, Unreadable> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    bare.parse().or_else(|_| with_port()).map(|address| address.to_canonical()).map_err(|_| Unreadable)
}

fn scheme(text: &str) -> Result<&'static str, Unreadable> {
    match text {
        "https" => Ok("https"),
        "http" => Ok("http"),
        _ => Err(Unreadable),
    }
}

impl Caller {
    /// Writes the chain for the upstream: the client, and the proxies after it.
    pub(crate) fn forwarded_for(&self) -> Option<HeaderValue> {
        let chain = self.address.iter().chain(&self.via).map(ToString::to_string).collect::<Vec<_>>();
        if chain.is_empty() { None } else { HeaderValue::try_from(chain.join(", ")).ok() }
    }
}

#[cfg(test)]
mod tests {
    use countersign_edge::serve::Peer;
    use http::HeaderMap;

    use super::{Dialect, TrustedProxies};

    #[track_caller]
    fn check(dialect: Dialect, peer: &str, fields: &[(&'static str, &str)], expected: &str) {
        let blocks = ["10.0.0.0/8", "2001:db8::/32"].map(|block| block.parse().unwrap());
        let trusted = TrustedProxies { blocks: blocks.into(), dialect };
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let found = trusted.resolve(Peer::Plain(peer.parse().unwrap()), &headers);
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
        let found = nobody.resolve(Peer::Plain("127.0.0.1:1".parse().unwrap()), &headers).unwrap();
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
        for text in
            ["for=unknown", "for=_hidden", "proto=https", "for=192.0.2.1;for=192.0.2.2", "192.0.2.1", "for"]
        {
            read(text, "refused");
        }
    }

    #[test]
    fn what_a_trusted_proxy_says_and_cannot_be_read_is_refused() {
        for text in ["a", "unknown", "192.0.2.7 10.0.0.1", "192.0.2.300", &["10.0.0.1"; 33].join(",")] {
            check(Dialect::XForwarded, "10.0.0.9:1", &[("x-forwarded-for", text)], "refused");
        }
        let proto = [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "gopher")];
        check(Dialect::XForwarded, "10.0.0.9:1", &proto, "refused");
    }
}
