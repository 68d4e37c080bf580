//! How far somebody's word reaches: what one has switched off, nobody of less authority switches on.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Whose word it is, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Authority {
    /// Of a client or user, for itself.
    Owner,
    /// Of an organisation, for itself and its members.
    Organisation,
    /// Of an operator, for everybody.
    Operator,
}

impl Authority {
    /// Returns the name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Organisation => "organisation",
            Self::Operator => "operator",
        }
    }
}

/// The text names no authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected `owner`, `organisation` or `operator`")]
pub struct NotAnAuthority;

impl FromStr for Authority {
    type Err = NotAnAuthority;

    fn from_str(text: &str) -> Result<Self, NotAnAuthority> {
        [Self::Owner, Self::Organisation, Self::Operator]
            .into_iter()
            .find(|authority| authority.name() == text)
            .ok_or(NotAnAuthority)
    }
}
