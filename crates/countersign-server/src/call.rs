//! One permitted call: what handlers parse.

use std::str::FromStr;

use countersign_core::decision::Permit;
use countersign_core::duration::parse_duration;
use countersign_core::idempotency::Idempotency;
use countersign_core::meter::Allowance;
use countersign_core::minting::Expiry;
use countersign_core::network::AddressBlock;
use countersign_core::scope::{Scope, ScopeSet};
use countersign_edge::form::path_segment;
use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::intake::Whole;
use crate::json;
use crate::parameter::Query;
use crate::schema::Limit;

/// The longest `Idempotency-Key`; a bound, not a clause.
const MAX_IDEMPOTENCY_KEY: usize = 255;
/// A call whose caller is proven and permitted.
#[derive(Debug)]
pub(crate) struct Call {
    /// The proof.
    pub(crate) permit: Permit,
    /// What the path's pattern named.
    pub(crate) segments: Vec<(&'static str, String)>,
    /// The query's parameters.
    pub(crate) query: Query,
    /// The `Idempotency-Key`, as sent.
    pub(crate) idempotency_key: Option<String>,
    /// The body.
    pub(crate) body: Whole,
}

impl Call {
    /// Reads the body as JSON; an empty body is `{}`.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        Ok(json::object(&self.body)?)
    }

    /// Reads the path segment `name`. What cannot be an id names nothing.
    pub(crate) fn segment<T: FromStr>(&self, name: &str) -> Option<T> {
        let (_, text) = self.segments.iter().find(|(key, _)| *key == name)?;
        path_segment(text).ok()?.parse().ok()
    }

    /// Reads the query parameter `name`.
    pub(crate) fn parameter<T>(&self, name: &str) -> Result<Option<T>, Failure>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        let value = self.query.get(name).map(str::parse);
        value.transpose().map_err(|error| Failure::Invalid(format!("the query parameter `{name}`: {error}")))
    }

    /// Returns how many rows the caller wants.
    pub(crate) fn limit(&self) -> usize {
        self.query.number("limit")
    }

    /// Reads the `Idempotency-Key`.
    fn idempotency_key(&self) -> Result<Option<&str>, Failure> {
        match &self.idempotency_key {
            Some(key) if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY => Err(Failure::Invalid(format!(
                "the header field `Idempotency-Key`: expected it once, with 1 to {MAX_IDEMPOTENCY_KEY} characters"
            ))),
            key => Ok(key.as_deref()),
        }
    }

    /// Binds the `Idempotency-Key` to its caller and to what was asked (draft-ietf-httpapi-idempotency-key-header).
    /// `table` tells apart what is made elsewhere under the same key.
    pub(crate) fn idempotency(&self, table: &str) -> Result<Option<Idempotency>, Failure> {
        let Some(key) = self.idempotency_key()? else {
            return Ok(None);
        };
        let principal = self.permit.principal();
        let caller =
            principal.credential().map_or_else(|| principal.scheme().name().to_owned(), |id| id.to_string());
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.body);
        let fingerprint = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Some(Idempotency { key: format!("{caller}\0{table}{key}"), fingerprint }))
    }
}

/// Parses the member `name`.
pub(crate) fn member<T>(name: &str, text: &str) -> Result<T, Failure>
where
    T: FromStr<Err: std::fmt::Display>,
{
    text.parse().map_err(|error| Failure::Invalid(format!("the member `{name}`: {error}")))
}

/// Parses the member `name`, if it is there.
pub(crate) fn optional<T>(name: &str, text: Option<&String>) -> Result<Option<T>, Failure>
where
    T: FromStr<Err: std::fmt::Display>,
{
    text.map(|text| member(name, text)).transpose()
}

/// Parses the members of the list `name`.
pub(crate) fn members<T>(name: &str, texts: &[String]) -> Result<Vec<T>, Failure>
where
    T: FromStr<Err: std::fmt::Display>,
{
    texts.iter().map(|text| member(name, text)).collect()
}

/// Parses scope-tokens.
pub(crate) fn scopes(name: &str, tokens: &[String]) -> Result<ScopeSet, Failure> {
    let tokens: Result<Vec<Scope>, _> = tokens.iter().map(|token| member(name, token)).collect();
    ScopeSet::try_from(tokens?).map_err(|error| Failure::Invalid(format!("the member `{name}`: {error}")))
}

/// Parses limits.
pub(crate) fn limits(asked: &[Limit]) -> Result<Vec<Allowance>, Failure> {
    let allowance = |limit: &Limit| {
        Ok(Allowance {
            name: member("limits[].name", &limit.name)?,
            amount: limit.limit,
            every: member("limits[].window", &limit.window)?,
        })
    };
    asked.iter().map(allowance).collect()
}

/// Parses addresses and blocks of addresses.
pub(crate) fn blocks(asked: &[String]) -> Result<Vec<AddressBlock>, Failure> {
    asked.iter().map(|block| member("allow_from", block)).collect()
}

/// Parses `expires_at` and `expires_in`, of which one may be there; `null` is never.
pub(crate) fn expiry(at: Option<&Option<String>>, after: Option<&Option<String>>) -> Result<Expiry, Failure> {
    match (at, after) {
        (None, None) => Ok(Expiry::Unspecified),
        (Some(None), None | Some(None)) | (None, Some(None)) => Ok(Expiry::Never),
        (Some(Some(at)), None) => Ok(Expiry::At(member("expires_at", at)?)),
        (None, Some(Some(after))) => parse_duration(after)
            .map(Expiry::After)
            .map_err(|error| Failure::Invalid(format!("the member `expires_in`: {error}"))),
        (Some(_), Some(_)) => Err(Failure::Invalid(
            "expected one of the members `expires_at` and `expires_in`, found both".to_owned(),
        )),
    }
}
