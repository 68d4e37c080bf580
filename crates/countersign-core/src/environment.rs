//! Environments: a test key never works in production (SAFETY 13).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Where a key may be used. A requirement that names none means `live` (SAFETY 13).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Production.
    #[default]
    Live,
    /// Everything else.
    Test,
}

impl Environment {
    /// Returns the environment's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The text names no environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected `live` or `test`")]
pub struct NotAnEnvironment;

impl FromStr for Environment {
    type Err = NotAnEnvironment;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Live, Self::Test]
            .into_iter()
            .find(|environment| environment.name() == text)
            .ok_or(NotAnEnvironment)
    }
}
