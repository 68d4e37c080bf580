//! Blocks of addresses in CIDR notation (RFC 4632, RFC 4291 §2.3), for allowlists and trusted proxies.
//!
//! **Invariant.** An IPv4 address that arrives mapped into IPv6 (`::ffff:10.0.0.1`, RFC 4291 §2.5.5.2) is judged
//! as the IPv4 address that it is.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A block such as `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressBlock(IpNet);

/// The text is no block of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected an address or a block such as 10.0.0.0/8 or 2001:db8::/32, without bits beyond the prefix")]
pub struct NotABlock;

impl AddressBlock {
    /// Tells whether `address` lies in the block.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Tells whether every address of `other` lies in the block.
    #[must_use]
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }

    /// Tells whether the block holds every address of its family: a list with it lists nobody.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.0.prefix_len() == 0
    }
}

impl FromStr for AddressBlock {
    type Err = NotABlock;

    fn from_str(text: &str) -> Result<Self, NotABlock> {
        let block = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address.to_canonical()),
            Err(_) => text.parse::<IpNet>().map_err(|_| NotABlock)?,
        };
        // A block of mapped addresses would never match: they are judged as IPv4.
        let mapped = matches!(block, IpNet::V6(net) if net.addr().to_ipv4_mapped().is_some());
        // Bits beyond the prefix are a mistake somewhere: which block was meant is not ours to guess.
        if mapped || block.trunc() != block { Err(NotABlock) } else { Ok(Self(block)) }
    }
}

impl fmt::Display for AddressBlock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            return write!(formatter, "{}", self.0.addr());
        }
        write!(formatter, "{}", self.0)
    }
}

impl TryFrom<String> for AddressBlock {
    type Error = NotABlock;

    fn try_from(text: String) -> Result<Self, NotABlock> {
        text.parse()
    }
}

impl From<AddressBlock> for String {
    fn from(block: AddressBlock) -> Self {
        block.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::AddressBlock;

    #[track_caller]
    fn check(block: &str, address: &str, expected: bool) {
        let block: AddressBlock = block.parse().unwrap();
        assert_eq!(block.contains(address.parse().unwrap()), expected, "{block} {address}");
    }

    #[test]
    fn rfc4632_3_1_a_block_holds_what_shares_its_prefix() {
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("10.0.0.0/8", "::ffff:10.0.0.1", true);
        check("10.0.0.1", "10.0.0.1", true);
        check("10.0.0.1", "10.0.0.2", false);
        check("2001:db8::/32", "2001:db8:ffff::1", true);
        check("2001:db8::/32", "2001:db9::1", false);
        check("::ffff:10.0.0.1", "10.0.0.1", true);
        check("::1", "127.0.0.1", false);
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for text in
            ["", "10.0.0.1/8", "10.0.0.0/33", "::ffff:10.0.0.0/104", "10.0.0", "*", "localhost", "010.0.0.1"]
        {
            assert!(text.parse::<AddressBlock>().is_err(), "{text}");
        }
        assert!("0.0.0.0/0".parse::<AddressBlock>().unwrap().is_everything());
        for text in ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"] {
            assert_eq!(text.parse::<AddressBlock>().unwrap().to_string(), text);
        }
    }
}
