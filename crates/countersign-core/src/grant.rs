//! Grants: what a client redeems at the token endpoint (RFC 6749 §1.3, §4), each a row of a register.
//!
//! The same figure as a presented credential: a request names one question, and deciding takes `&self`, since a commit
//! that was lost is decided again. That a grant counts once is the commit's condition.
//!
//! **Invariant.** No parameter of a request is there twice (RFC 6749 §3.2): [`Form`] holds no such request.
//!
//! What it does not do: prove the client, which is a credential like any other, or decide what may be issued.

use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;

use crate::audit::AuditEvent;
use crate::context::Context;
use crate::delegation::Delegated;
use crate::effect::Outcome;
use crate::ledger::{Answer, Found, Lookup, Unavailable};
use crate::principal::Principal;
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::token_cap::{Full, KeptTokens};

/// A row of a register of grants.
pub struct Grant {
    /// The value of `grant_type` that asks for it.
    pub grant_type: &'static str,
    /// Reads its own parameters.
    ///
    /// # Errors
    ///
    /// [`GrantError::InvalidRequest`] and [`GrantError::InvalidScope`].
    pub parse: fn(&Form) -> Result<Box<dyn TokenRequest>, GrantError>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Grant({})", self.grant_type)
    }
}

/// Reads a token request by the row that its `grant_type` names.
///
/// # Errors
///
/// [`GrantError::InvalidRequest`] without a `grant_type`, [`GrantError::UnsupportedGrantType`] for one that no row has,
/// or the row's own reason.
pub fn parse(register: &[Grant], form: &Form) -> Result<Box<dyn TokenRequest>, GrantError> {
    let asked = form.required("grant_type")?;
    let row = register.iter().find(|row| row.grant_type == asked).ok_or(GrantError::UnsupportedGrantType)?;
    (row.parse)(form)
}

/// The parameters of a token request, each there once. Some are secrets: it does not print.
pub struct Form(BTreeMap<String, String>);

impl Form {
    /// Takes parameters. RFC 6749 §3.2: one without a value is treated as if it were omitted.
    ///
    /// # Errors
    ///
    /// [`GrantError::InvalidRequest`] if one is repeated.
    pub fn new(parameters: impl IntoIterator<Item = (String, String)>) -> Result<Self, GrantError> {
        let mut form = BTreeMap::new();
        for (name, value) in parameters {
            if form.insert(name, value).is_some() {
                return Err(GrantError::InvalidRequest);
            }
        }
        form.retain(|_, value| !value.is_empty());
        Ok(Self(form))
    }

    /// Returns a parameter, if it is there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns a parameter that has to be there.
    ///
    /// # Errors
    ///
    /// [`GrantError::InvalidRequest`].
    pub fn required(&self, name: &str) -> Result<&str, GrantError> {
        self.get(name).ok_or(GrantError::InvalidRequest)
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.keys()).finish()
    }
}

/// Why a token request is refused. RFC 6749 §5.2, in its order; `invalid_client` is said where the client is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum GrantError {
    /// A parameter is missing, repeated or malformed.
    #[error("expected each parameter of the grant once, and well formed")]
    InvalidRequest,
    /// The grant is not good, was redeemed before, or was made for another client.
    #[error("the grant is invalid, ended, or another client's")]
    InvalidGrant,
    /// The client may not use this grant.
    #[error("the client may not use this grant")]
    UnauthorizedClient,
    /// No row of the register has this `grant_type`.
    #[error("there is no such grant here")]
    UnsupportedGrantType,
    /// The scope is unknown, malformed, or more than was granted.
    #[error("the scope is malformed, unknown to the resource, or more than the client is registered for")]
    InvalidScope,
    /// RFC 8707 §2: the resource is unknown, or not one of the client's.
    #[error("the resource is unknown, or the client is not registered for it, or has to name one")]
    InvalidTarget,
    /// RFC 8628 §3.5: the person has not decided yet.
    #[error("the person has not decided yet")]
    AuthorizationPending,
    /// RFC 8628 §3.5: likewise, and it is asked too often.
    #[error("the person has not decided yet: wait five seconds longer between two requests from now on")]
    SlowDown,
    /// RFC 8628 §3.5: the person said no, or may say nothing any more.
    #[error("the request was denied")]
    AccessDenied,
    /// RFC 8628 §3.5: the device code has ended.
    #[error("the device code has expired: begin again")]
    ExpiredToken,
    /// As many tokens are kept as may be. RFC 6749 §5.2 has no name for it; §4.1.2.1 has the one of a server that cannot
    /// for a while, and RFC 6585 §4 the status that says by whose doing.
    #[error(transparent)]
    Full(#[from] Full),
}

impl GrantError {
    /// Returns the registered name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::AccessDenied => "access_denied",
            Self::ExpiredToken => "expired_token",
            // DIVERGES: RFC 6749 §5.2 has no code for it.
            Self::Full(_) => "temporarily_unavailable",
        }
    }

    /// Returns the reason in the audit.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Full(full) => full.reason(),
            Self::InvalidRequest
            | Self::InvalidGrant
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::InvalidScope
            | Self::InvalidTarget
            | Self::AuthorizationPending
            | Self::SlowDown
            | Self::AccessDenied
            | Self::ExpiredToken => self.code(),
        }
    }
}

/// What a redeemed grant asks to be issued. That the client may have it is not decided yet: see [`Issue`].
#[derive(Debug)]
pub enum Redeemed {
    /// The client acts for itself.
    Own(Asked),
    /// It acts for a person.
    Delegated(Box<Delegated>),
    /// It was redeemed a moment ago for a person, and this is what was answered.
    Again(Box<Delegated>, Secret<Vec<u8>>),
}

/// What a token request asks for, whatever its grant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The `scope`; `None`: what the client is registered for.
    pub scopes: Option<ScopeSet>,
    /// The resource that the token shall be for; `None`: the only one, or the default one.
    pub audience: Option<String>,
}

impl Asked {
    /// Reads `scope` (RFC 6749 §3.3), `resource` (RFC 8707 §2) and `audience`, which says the same.
    ///
    /// # Errors
    ///
    /// [`GrantError::InvalidScope`], and [`GrantError::InvalidTarget`] if two resources are named.
    pub fn read(form: &Form) -> Result<Self, GrantError> {
        let scopes = form.get("scope").map(str::parse).transpose().map_err(|_| GrantError::InvalidScope)?;
        let audience = match (form.get("resource"), form.get("audience")) {
            (Some(resource), Some(audience)) if resource != audience => {
                return Err(GrantError::InvalidTarget);
            }
            (one, other) => one.or(other).map(str::to_owned),
        };
        Ok(Self { scopes, audience })
    }
}

/// The one door through which everything is issued, whatever the grant: it judges client, subject, audience and scope anew.
pub trait Issue: Sync {
    /// What is issued.
    type Issued: Send;

    /// Decides whether `client` may have what its grant asks for; `audit` is the line so far.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if nothing can be issued now.
    fn issue(
        &self,
        context: &mut Context<'_>,
        client: &Principal,
        redeemed: &Redeemed,
        grant: Granting,
    ) -> Result<Outcome<Self::Issued, GrantError>, Unavailable>;
}

/// By which grant something is issued, and the audit line so far.
#[derive(Debug)]
pub struct Granting {
    /// The `grant_type`.
    pub grant_type: &'static str,
    /// The line.
    pub audit: AuditEvent,
    /// What is kept for the client; `None`: nobody has asked yet, and what is committed says whether there is room.
    pub kept: Option<KeptTokens>,
}

/// What a grant's room writes: a request as received, its one question, and what the answer makes of it.
pub trait Redeem: Send + Sync {
    /// The answer to its question.
    type Answer: Answer;

    /// Names the grant.
    fn grant_type(&self) -> &'static str;

    /// Names the one question that it asks.
    fn lookup(&self) -> Lookup<'_>;

    /// Decides what `client` is entitled to; called again with fresh findings when the commit is lost.
    fn decide(
        &self,
        context: &mut Context<'_>,
        client: &Principal,
        found: Self::Answer,
    ) -> Outcome<Redeemed, GrantError>;
}

/// A token request as received: parsed, not believed. Implemented once, for every [`Redeem`].
pub trait TokenRequest: Send + Sync {
    /// Names the grant.
    fn grant_type(&self) -> &'static str;

    /// Names the one question that it asks.
    fn lookup(&self) -> Lookup<'_>;

    /// Decides what `client` is entitled to.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Misanswered`] if `found` answers another question.
    fn decide(
        &self,
        context: &mut Context<'_>,
        client: &Principal,
        found: Found,
    ) -> Result<Outcome<Redeemed, GrantError>, Unavailable>;
}

impl<R: Redeem> TokenRequest for R {
    fn grant_type(&self) -> &'static str {
        Redeem::grant_type(self)
    }

    fn lookup(&self) -> Lookup<'_> {
        Redeem::lookup(self)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        client: &Principal,
        found: Found,
    ) -> Result<Outcome<Redeemed, GrantError>, Unavailable> {
        Ok(Redeem::decide(self, context, client, R::Answer::of(found)?))
    }
}

#[cfg(test)]
mod tests {
    use super::{Form, GrantError};

    #[track_caller]
    fn check(pairs: &[(&str, &str)], expected: Result<Option<&str>, GrantError>) {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let form = Form::new(pairs);
        let read = form.as_ref().map(|form| form.get("code")).map_err(|error| *error);
        assert_eq!(read, expected);
        let Ok(form) = &form else { return };
        assert_eq!(form.required("code").ok(), form.get("code"));
        assert!(!format!("{form:?}").contains("s3cret"), "a form does not print");
    }

    #[test]
    fn rfc6749_3_2_parameters_are_there_once_and_without_a_value_not_at_all() {
        check(&[], Ok(None));
        check(&[("code", "s3cret")], Ok(Some("s3cret")));
        check(&[("code", "s3cret"), ("unknown", "x")], Ok(Some("s3cret")));
        check(&[("code", "")], Ok(None));
        check(&[("code", "s3cret"), ("code", "s3cret")], Err(GrantError::InvalidRequest));
        check(&[("code", ""), ("code", "s3cret")], Err(GrantError::InvalidRequest));
        check(&[("unknown", ""), ("unknown", ""), ("code", "s3cret")], Err(GrantError::InvalidRequest));
    }
}
