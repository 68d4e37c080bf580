//! What the headers of signed and of encrypted messages have in common (RFC 7515 §4, RFC 7516 §4).
//!
//! **Invariant.** What is marked as critical is understood, or the message is refused. Members that name keys or where
//! to fetch them (`jwk`, `jku`, `x5u`, `x5c`, …) select and fetch nothing.

use serde_json::{Map, Value};

use crate::{algorithm, base64url, json};

/// Why a header is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its algorithm is none of those that are supported.
    #[error("the header's `{member}`: {reason}")]
    Algorithm {
        /// Which algorithm
        member: &'static str,
        /// Why not
        reason: algorithm::Error,
    },
    /// It is not base64url.
    #[error("the protected header is {0}")]
    Base64(#[from] base64url::Malformed),
    /// RFC 7515 §4.1.11: it marks as critical what it must not.
    #[error("the header's `crit` {0}")]
    Critical(&'static str),
    /// It is not an object of JSON.
    #[error("the header is {0}")]
    Json(#[from] json::Error),
    /// RFC 7515 §4: a header names its algorithm.
    #[error("the header has no `{0}`")]
    Missing(&'static str),
    /// RFC 7515 §7.2.1: a member is protected, or not, but not both.
    #[error("a member occurs in two of the message's headers")]
    Repeated,
    /// A member is of a wrong type.
    #[error("expected the header's `{member}` to be {expected}")]
    Type {
        /// The member
        member: &'static str,
        /// What it must be
        expected: &'static str,
    },
    /// RFC 7516 §4.1.3: what is encrypted would have to be inflated, without a bound that its sender keeps.
    #[error("the header asks for decompression (`zip`), which is not supported")]
    Zip,
}

/// Names that a standard of JOSE defines, which `crit` must therefore not list (RFC 7515 §4.1.11).
const REGISTERED: [&str; 19] = [
    "alg", "apu", "apv", "crit", "cty", "enc", "epk", "iv", "jku", "jwk", "kid", "p2c", "p2s", "tag", "typ",
    "x5c", "x5t", "x5t#S256", "x5u",
];

/// Reads a protected header.
pub(crate) fn protected(text: &str) -> Result<Map<String, Value>, Error> {
    Ok(json::object(&base64url::decode(text)?)?)
}

/// Joins headers that must not share a member.
pub(crate) fn join(into: &mut Map<String, Value>, from: Map<String, Value>) -> Result<(), Error> {
    for (name, value) in from {
        if into.insert(name, value).is_some() {
            return Err(Error::Repeated);
        }
    }
    Ok(())
}

/// Takes `crit` out of a protected header, once all that it lists is `understood`; tells what that is.
pub(crate) fn take_critical(
    protected: &mut Map<String, Value>,
    understood: &[&'static str],
) -> Result<Vec<&'static str>, Error> {
    let Some(listed) = protected.remove("crit") else {
        return Ok(Vec::new());
    };
    let listed = listed.as_array().filter(|listed| !listed.is_empty());
    let listed = listed.ok_or(Error::Critical("is no list of names"))?;
    let mut names = Vec::new();
    for name in listed {
        let name = name.as_str().ok_or(Error::Critical("is no list of names"))?;
        if REGISTERED.contains(&name) || name == "zip" {
            return Err(Error::Critical("lists a member that every reader knows"));
        }
        let known = understood.iter().find(|known| **known == name);
        let known = known.ok_or(Error::Critical("lists a member that is not understood"))?;
        if names.contains(known) {
            return Err(Error::Critical("lists a member twice"));
        }
        if !protected.contains_key(*known) {
            return Err(Error::Critical("lists a member that the protected header does not have"));
        }
        names.push(*known);
    }
    Ok(names)
}

/// Refuses what only a protected header may hold.
pub(crate) fn refuse_unprotected(header: &Map<String, Value>, names: &[&str]) -> Result<(), Error> {
    let found = names.iter().any(|name| header.contains_key(*name));
    if found { Err(Error::Critical("and what it lists belong into the protected header")) } else { Ok(()) }
}

/// Takes a member that must be text if it is there.
pub(crate) fn take_text(
    header: &mut Map<String, Value>,
    member: &'static str,
) -> Result<Option<String>, Error> {
    match header.remove(member) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::Type { member, expected: "text" }),
    }
}

/// Takes a member that must name an algorithm.
pub(crate) fn take_algorithm<A>(header: &mut Map<String, Value>, member: &'static str) -> Result<A, Error>
where
    A: std::str::FromStr<Err = algorithm::Error>,
{
    let name = take_text(header, member)?.ok_or(Error::Missing(member))?;
    name.parse().map_err(|reason| Error::Algorithm { member, reason })
}
