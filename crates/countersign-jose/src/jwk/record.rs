//! The parameters of a JWK that every key has, and how they are read.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::Error;
use crate::{algorithm, base64url};

/// A JWK that is read.
#[derive(Clone, Copy)]
pub(super) struct Record<'a>(&'a Map<String, Value>);

/// What a key is asked to be for.
pub(super) struct Purpose {
    /// RFC 7517 §4.2
    pub(super) used: &'static str,
    /// RFC 7517 §4.3: one of these
    pub(super) operations: &'static [&'static str],
}

impl<'a> Record<'a> {
    /// Reads a record that is for `purpose`, or does not say what it is for.
    pub(super) fn read(jwk: &'a Value, purpose: &Purpose) -> Result<Self, Error> {
        let record = Self(jwk.as_object().ok_or(Error::Type { member: "keys", expected: "objects" })?);
        if record.text("use")?.is_some_and(|used| used != purpose.used) {
            return Err(Error::Use(purpose.used));
        }
        record.allows(purpose.operations)?;
        Ok(record)
    }

    /// Reads `key_ops`, which lists no operation twice.
    fn allows(self, operations: &'static [&'static str]) -> Result<(), Error> {
        let Some(listed) = self.0.get("key_ops") else {
            return Ok(());
        };
        let wrong = || Error::Type { member: "key_ops", expected: "a list of names" };
        let listed = listed.as_array().ok_or_else(wrong)?;
        let names: Option<BTreeSet<&str>> = listed.iter().map(Value::as_str).collect();
        let names = names.ok_or_else(wrong)?;
        let listed_once = names.len() == listed.len();
        if listed_once && operations.iter().any(|operation| names.contains(operation)) {
            return Ok(());
        }
        Err(Error::Operation(operations.first().copied().unwrap_or_default()))
    }

    /// Returns all parameters.
    pub(super) const fn members(self) -> &'a Map<String, Value> {
        self.0
    }

    /// Returns a parameter that must be text if it is there.
    pub(super) fn text(self, member: &'static str) -> Result<Option<&'a str>, Error> {
        match self.0.get(member) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Error::Type { member, expected: "text" }),
        }
    }

    /// Returns the key's name.
    pub(super) fn kid(self) -> Result<Option<String>, Error> {
        Ok(self.text("kid")?.map(str::to_owned))
    }

    /// Returns a parameter that must be there, as bytes.
    pub(super) fn bytes(self, member: &'static str) -> Result<Vec<u8>, Error> {
        let text = self.text(member)?.ok_or(Error::Missing(member))?;
        base64url::decode(text).map_err(|_| Error::Base64(member))
    }

    /// Returns the algorithms that the key may be used with: the one that it states, or those of `allowed` that fit.
    pub(super) fn algorithms<A>(self, allowed: &[A], fits: impl Fn(A) -> bool) -> Result<Vec<A>, Error>
    where
        A: Copy + PartialEq + FromStr<Err = algorithm::Error>,
    {
        let Some(stated) = self.text("alg")? else {
            let fitting: Vec<A> = allowed.iter().copied().filter(|algorithm| fits(*algorithm)).collect();
            return if fitting.is_empty() { Err(Error::AlgorithmNotAllowed) } else { Ok(fitting) };
        };
        let stated = stated.parse().map_err(Error::Algorithm)?;
        if !fits(stated) {
            return Err(Error::AlgorithmUnfit);
        }
        if allowed.contains(&stated) { Ok(vec![stated]) } else { Err(Error::AlgorithmNotAllowed) }
    }
}

/// Returns the only one of the keys that a record stands for.
pub(super) fn only<K>(mut keys: Vec<K>) -> Result<K, Error> {
    let key = keys.pop().ok_or(Error::AlgorithmNotAllowed)?;
    if keys.is_empty() { Ok(key) } else { Err(Error::AlgorithmAmbiguous) }
}
