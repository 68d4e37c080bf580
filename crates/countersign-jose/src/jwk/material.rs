//! The bytes that make a public key, and the parameters that they are written as.

use super::Error;
use super::record::Record;
use crate::algorithm::Family;
use crate::base64url;

/// The bytes that make a public key.
pub(super) enum Material {
    /// A point as AWS-LC reads it: uncompressed on the curves of NIST, as it is on the others
    Point(Vec<u8>),
    /// Modulus and exponent
    Rsa {
        /// The modulus
        n: Vec<u8>,
        /// The exponent
        e: Vec<u8>,
    },
}

impl Material {
    /// Reads the parameters of a public key of `family`.
    pub(super) fn read(record: Record<'_>, family: Family) -> Result<Self, Error> {
        match family {
            Family::Rsa => Self::rsa(record.bytes("n")?, record.bytes("e")?),
            Family::P256 | Family::P384 | Family::P521 => {
                // RFC 7518 §6.2.1.2: a coordinate has the length of its field, leading zeros and all.
                let (length, x, y) = (coordinate(family), record.bytes("x")?, record.bytes("y")?);
                for (member, bytes) in [("x", &x), ("y", &y)] {
                    exact(member, bytes, length)?;
                }
                Ok(Self::Point([&[UNCOMPRESSED], x.as_slice(), y.as_slice()].concat()))
            }
            Family::Ed25519 | Family::X25519 => {
                let x = record.bytes("x")?;
                exact("x", &x, coordinate(family))?;
                Ok(Self::Point(x))
            }
        }
    }

    /// Takes an odd modulus of 2048 to 8192 bits (RFC 7518 §3.3, and what AWS-LC verifies with) and an exponent that is odd,
    /// at least 3 and at most 33 bits long, both without leading zeros (RFC 7518 §2, Base64urlUInt).
    pub(super) fn rsa(n: Vec<u8>, e: Vec<u8>) -> Result<Self, Error> {
        let (Some(first), Some(least), Some(most), Some(last)) = (n.first(), n.last(), e.first(), e.last())
        else {
            return Err(Error::Parameters);
        };
        let bits = (n.len() * 8).saturating_sub(usize::try_from(first.leading_zeros()).unwrap_or(8));
        if !(2048..=8192).contains(&bits) {
            return Err(Error::Length { member: "n", expected: "2048 to 8192 bits", found: bits });
        }
        if is_weak(&n) {
            return Err(Error::Weak);
        }
        let sane = *first != 0 && least % 2 == 1 && *most != 0 && last % 2 == 1 && e.len() <= 5 && e != [1];
        if sane { Ok(Self::Rsa { n, e }) } else { Err(Error::Parameters) }
    }

    /// Returns the parameters that make the key, in the order of their names (RFC 7638 §3.2).
    pub(super) fn parameters(&self, family: Family) -> Result<Box<[(&'static str, String)]>, Error> {
        let encoded = |bytes: &[u8]| base64url::encode(bytes);
        Ok(match self {
            Self::Rsa { n, e } => Box::new([("e", encoded(e)), ("kty", "RSA".to_owned()), ("n", encoded(n))]),
            Self::Point(x) if matches!(family, Family::Ed25519 | Family::X25519) => {
                Box::new([("crv", curve(family).to_owned()), ("kty", "OKP".to_owned()), ("x", encoded(x))])
            }
            Self::Point(point) => {
                let (x, y) = point
                    .strip_prefix(&[UNCOMPRESSED])
                    .and_then(|rest| rest.split_at_checked(coordinate(family)))
                    .ok_or(Error::Parameters)?;
                Box::new([
                    ("crv", curve(family).to_owned()),
                    ("kty", "EC".to_owned()),
                    ("x", encoded(x)),
                    ("y", encoded(y)),
                ])
            }
        })
    }
}

/// Tells whether a modulus was made by the library of CVE-2017-15361 (ROCA), whose keys can be factored: modulo each of
/// these primes it is a power of 65537, as one of 2^27 others is by chance.
fn is_weak(n: &[u8]) -> bool {
    const PRIMES: [u64; 17] = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];
    PRIMES.into_iter().all(|prime| {
        let residue = n.iter().fold(0, |rest, byte| (rest * 256 + u64::from(*byte)) % prime);
        let powers = std::iter::successors(Some(1), |power| Some(power * 65537 % prime));
        powers.zip(0..prime).any(|(power, _)| power == residue)
    })
}

/// SEC 1 §2.3.3: both coordinates follow.
const UNCOMPRESSED: u8 = 4;

/// Refuses a coordinate that has not the length of its field.
pub(super) fn exact(member: &'static str, bytes: &[u8], length: usize) -> Result<(), Error> {
    let expected = "the length of its curve's field";
    if bytes.len() == length { Ok(()) } else { Err(Error::Length { member, expected, found: bytes.len() }) }
}

/// Returns the length of a coordinate in bytes.
pub(super) const fn coordinate(family: Family) -> usize {
    match family {
        Family::P384 => 48,
        Family::P521 => 66,
        Family::Ed25519 | Family::P256 | Family::Rsa | Family::X25519 => 32,
    }
}

const fn curve(family: Family) -> &'static str {
    match family {
        Family::P256 => "P-256",
        Family::P384 => "P-384",
        Family::P521 => "P-521",
        Family::Ed25519 => "Ed25519",
        Family::X25519 => "X25519",
        Family::Rsa => "",
    }
}
