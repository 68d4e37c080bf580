//! Texts that are registered or agreed upon: closed sets of names, and texts whose form is checked once.

use serde_json::Value;
use thiserror::Error;

/// The members that only a private or a symmetric key has (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const SECRET_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Tells whether a JWK holds what only its owner may have.
pub(crate) fn holds_secrets(record: &Value) -> bool {
    SECRET_MEMBERS.iter().any(|member| record.get(member).is_some())
}

/// The text is none of the registered names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected {0}")]
pub struct NotRegistered(pub(crate) &'static str);

/// A closed set of registered names.
macro_rules! names {
    ($(#[$doc:meta])* $name:ident, $expected:literal { $($(#[$meaning:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "&'static str")]
        pub enum $name {
            $($(#[$meaning])* $variant),*
        }

        impl $name {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the registered name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),*
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::registered::NotRegistered;

            fn from_str(text: &str) -> Result<Self, $crate::registered::NotRegistered> {
                Self::ALL.iter().copied().find(|one| one.name() == text).ok_or($crate::registered::NotRegistered($expected))
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::registered::NotRegistered;

            fn try_from(text: String) -> Result<Self, $crate::registered::NotRegistered> {
                text.parse()
            }
        }

        impl From<$name> for &'static str {
            fn from(one: $name) -> Self {
                one.name()
            }
        }
    };
}
pub(crate) use names;

/// A text whose form is checked once.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $is:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Returns the text.
            #[must_use]
            pub const fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::registered::NotRegistered;

            fn from_str(text: &str) -> Result<Self, $crate::registered::NotRegistered> {
                if $is(text) { Ok(Self(text.into())) } else { Err($crate::registered::NotRegistered($expected)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::registered::NotRegistered;

            fn try_from(text: String) -> Result<Self, $crate::registered::NotRegistered> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(one: $name) -> Self {
                one.0.into()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}
pub(crate) use text;
