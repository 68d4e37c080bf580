//! The policy: what a principal may do, and the proof of it.
//!
//! **Invariant.** A [`Permit`] is made only by [`decide`]; forwarding a request and changing anything takes one.

use serde::Serialize;
use thiserror::Error;

use crate::environment::Environment;
use crate::id::OwnerId;
use crate::key_string::KeyPrefix;
use crate::principal::Principal;
use crate::scheme::Scheme;
use crate::scope::{Scope, ScopeSet};

/// How the conditions of a requirement combine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// One credential that meets one of the conditions.
    Any(Vec<Condition>),
    /// One credential for each of the conditions.
    All(Vec<Condition>),
}

impl Requirement {
    /// Walks the conditions in the order in which they are written.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        match self {
            Self::Any(conditions) | Self::All(conditions) => conditions.iter(),
        }
    }

    /// Tells whether a credential of `scheme` is asked for.
    #[must_use]
    pub fn accepts(&self, scheme: Scheme) -> bool {
        self.conditions().any(|condition| condition.scheme == scheme)
    }

    /// Tells whether a request without a credential may pass.
    #[must_use]
    pub fn admits_anonymous(&self) -> bool {
        self.accepts(Scheme::ANONYMOUS)
    }

    /// Tells whether any credential is asked for at all.
    #[must_use]
    pub fn asks_for_credential(&self) -> bool {
        self.conditions().any(|condition| condition.scheme != Scheme::ANONYMOUS)
    }
}

/// What one credential must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Its scheme.
    pub scheme: Scheme,
    /// The scopes it must hold, all of them.
    pub scopes: ScopeSet,
    /// The owner, or the owner's organisation, that it must belong to.
    pub owner: Option<OwnerId>,
    /// The environment that it must be made for.
    pub environment: Environment,
    /// The prefix that it must have.
    pub prefix: Option<KeyPrefix>,
}

impl Condition {
    /// Asks for `scheme` alone, in the environment `live`.
    #[must_use]
    pub fn of(scheme: Scheme) -> Self {
        Self {
            scheme,
            scopes: ScopeSet::default(),
            owner: None,
            environment: Environment::Live,
            prefix: None,
        }
    }

    fn judge(&self, principal: &Principal) -> Result<(), Denial> {
        if self.scheme == Scheme::ANONYMOUS {
            return Ok(());
        }
        if principal.environment() != self.environment {
            return Err(Denial::WrongEnvironment);
        }
        if self.prefix.as_ref().is_some_and(|wanted| principal.prefix() != Some(wanted)) {
            return Err(Denial::WrongPrefix);
        }
        if self
            .owner
            .is_some_and(|wanted| ![principal.owner(), principal.organisation()].contains(&Some(wanted)))
        {
            return Err(Denial::WrongOwner);
        }
        match principal.scopes().first_missing(&self.scopes) {
            Some(missing) => Err(Denial::InsufficientScope(missing.clone())),
            None => Ok(()),
        }
    }
}

/// Why a proven principal may not do it.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Denial {
    /// It lacks this scope (RFC 6750 §3.1 `insufficient_scope`).
    #[error("the scope {0} is required")]
    InsufficientScope(Scope),
    /// Its credential was made for another environment.
    #[error("the credential was made for another environment")]
    WrongEnvironment,
    /// Its credential has another prefix than the route asks for.
    #[error("the credential comes from another key set")]
    WrongPrefix,
    /// It belongs to another owner.
    #[error("the credential belongs to another owner")]
    WrongOwner,
    /// Its scheme is not asked for.
    #[error("a credential of this kind is not accepted here")]
    WrongScheme,
}

impl Denial {
    /// Returns the stable name.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InsufficientScope(_) => "insufficient_scope",
            Self::WrongEnvironment => "wrong_environment",
            Self::WrongPrefix => "wrong_key_set",
            Self::WrongOwner => "wrong_owner",
            Self::WrongScheme => "wrong_scheme",
        }
    }

    /// Orders denials by how near the caller came: the nearest is the one worth telling.
    const fn nearness(&self) -> u8 {
        match self {
            Self::InsufficientScope(_) => 4,
            Self::WrongOwner => 3,
            Self::WrongPrefix => 2,
            Self::WrongEnvironment => 1,
            Self::WrongScheme => 0,
        }
    }
}

/// Proof that this principal may do what was asked.
#[derive(Debug)]
pub struct Permit {
    principal: Principal,
}

impl Permit {
    fn assertion(principal: Principal) -> Self {
        Self { principal }
    }

    /// Returns who may.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }
}

/// The answer to "may this caller do this?".
#[derive(Debug)]
pub enum Decision {
    /// Yes, with the proof.
    Permit(Permit),
    /// Not without a credential (RFC 9110 §15.5.2).
    Challenge,
    /// No (RFC 9110 §15.5.4).
    Deny(Denial),
}

/// Decides whether `principal` meets `requirement`; `None`: the request presented no credential.
#[must_use]
pub fn decide(principal: Option<Principal>, requirement: &Requirement) -> Decision {
    let Some(principal) = principal else {
        return without_credential(requirement);
    };
    let judged = match requirement {
        Requirement::Any(conditions) => any(&principal, conditions),
        Requirement::All(conditions) => all(&principal, conditions),
    };
    match judged {
        Ok(()) => Decision::Permit(Permit::assertion(principal)),
        Err(denial) => Decision::Deny(denial),
    }
}

/// Tells what `requirement` would make of a caller, by the code of the reason. It proves nothing, and nothing can be
/// done with it but to be counted (SAFETY 7).
///
/// # Errors
///
/// The stable code of what stands against it.
pub fn rehearse(principal: Option<&Principal>, requirement: &Requirement) -> Result<(), &'static str> {
    let Some(principal) = principal else {
        return if requirement.admits_anonymous() { Ok(()) } else { Err("credential_required") };
    };
    let judged = match requirement {
        Requirement::Any(conditions) => any(principal, conditions),
        Requirement::All(conditions) => all(principal, conditions),
    };
    judged.map_err(|denial| denial.code())
}

fn without_credential(requirement: &Requirement) -> Decision {
    if requirement.admits_anonymous() {
        Decision::Permit(Permit::assertion(Principal::anonymous()))
    } else {
        Decision::Challenge
    }
}

fn any(principal: &Principal, conditions: &[Condition]) -> Result<(), Denial> {
    let mut nearest = Denial::WrongScheme;
    for condition in conditions.iter().filter(|condition| condition.scheme == principal.scheme()) {
        match condition.judge(principal) {
            Ok(()) => return Ok(()),
            Err(denial) if denial.nearness() >= nearest.nearness() => nearest = denial,
            Err(_) => {}
        }
    }
    Err(nearest)
}

fn all(principal: &Principal, conditions: &[Condition]) -> Result<(), Denial> {
    if conditions.is_empty() {
        return Err(Denial::WrongScheme);
    }
    conditions.iter().try_for_each(|condition| {
        if condition.scheme == principal.scheme() {
            condition.judge(principal)
        } else {
            Err(Denial::WrongScheme)
        }
    })
}

#[cfg(test)]
mod tests;
