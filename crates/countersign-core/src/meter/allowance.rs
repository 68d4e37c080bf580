//! What is allowed: so many, in each window.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::{Date, Month, OffsetDateTime};

use crate::duration::{format_duration, parse_duration};
use crate::timestamp::Timestamp;

/// The most allowances of one credential; a bound, not a clause.
pub const MAX_ALLOWANCES: usize = 8;
/// The longest name; a bound, not a clause.
const MAX_NAME: usize = 32;
/// The shortest window: below a second a limit says nothing that a caller could heed.
const MIN_SPAN: Duration = Duration::from_secs(1);
/// The shortest window of a quota; what is shorter is a rate limit.
const QUOTA_SPAN: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest span: a leap year.
const MAX_SPAN: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// So many, in each window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// What callers and operators call it.
    pub name: AllowanceName,
    /// How much may be spent within one window.
    pub amount: u32,
    /// How long a window is.
    pub every: Every,
}

/// The name of an allowance, such as `burst`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AllowanceName(String);

/// The text cannot name an allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected a name of 1 to {MAX_NAME} lower-case letters, digits, `-` and `_`")]
pub struct NotAnAllowanceName;

impl AllowanceName {
    /// Returns the name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AllowanceName {
    type Err = NotAnAllowanceName;

    fn from_str(text: &str) -> Result<Self, NotAnAllowanceName> {
        let plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        if (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAnAllowanceName)
        }
    }
}

impl TryFrom<String> for AllowanceName {
    type Error = NotAnAllowanceName;

    fn try_from(text: String) -> Result<Self, NotAnAllowanceName> {
        text.parse()
    }
}

impl From<AllowanceName> for String {
    fn from(name: AllowanceName) -> Self {
        name.0
    }
}

/// How long a window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Every {
    /// A span of time, counted from the Unix epoch.
    Span(Duration),
    /// A month of the calendar, UTC.
    Month,
    /// One window without an end.
    Ever,
}

/// The text is no window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected a window from 1s to 366d such as 10s, 1m or 1h, or `month` or `ever`")]
pub struct NotAPeriod;

impl Every {
    /// Returns the number of the window that `now` lies in, and the instant at which it ends.
    pub(crate) fn window(self, now: Timestamp) -> (i64, Option<Timestamp>) {
        match self {
            Self::Span(span) => {
                let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX).max(1);
                let number = now.millis().div_euclid(span);
                (number, Some(Timestamp::from_millis(number.saturating_add(1).saturating_mul(span))))
            }
            Self::Month => month(now),
            Self::Ever => (0, None),
        }
    }

    /// Tells whether an allowance of such windows is a quota rather than a rate limit.
    #[must_use]
    pub fn is_quota(self) -> bool {
        match self {
            Self::Span(span) => span >= QUOTA_SPAN,
            Self::Month | Self::Ever => true,
        }
    }

    /// Returns the window's length in seconds, where it has a fixed one.
    #[must_use]
    pub const fn seconds(self) -> Option<u64> {
        match self {
            Self::Span(span) => Some(span.as_secs()),
            Self::Month | Self::Ever => None,
        }
    }
}

fn month(now: Timestamp) -> (i64, Option<Timestamp>) {
    let Ok(date) = OffsetDateTime::from_unix_timestamp(now.millis().div_euclid(1_000)) else {
        return (0, None);
    };
    let number = i64::from(date.year()) * 12 + i64::from(u8::from(date.month())) - 1;
    let year = if date.month() == Month::December { date.year() + 1 } else { date.year() };
    let next = date.month().next();
    let end = Date::from_calendar_date(year, next, 1).ok().map(|first| first.midnight().assume_utc());
    (number, end.map(|end| Timestamp::from_millis(end.unix_timestamp().saturating_mul(1_000))))
}

impl FromStr for Every {
    type Err = NotAPeriod;

    fn from_str(text: &str) -> Result<Self, NotAPeriod> {
        match text {
            "month" => Ok(Self::Month),
            "ever" => Ok(Self::Ever),
            span => {
                let span = parse_duration(span).map_err(|_| NotAPeriod)?;
                let whole = span.subsec_nanos() == 0;
                if whole && (MIN_SPAN..=MAX_SPAN).contains(&span) {
                    Ok(Self::Span(span))
                } else {
                    Err(NotAPeriod)
                }
            }
        }
    }
}

impl fmt::Display for Every {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Span(span) => formatter.write_str(&format_duration(*span)),
            Self::Month => formatter.write_str("month"),
            Self::Ever => formatter.write_str("ever"),
        }
    }
}

impl TryFrom<String> for Every {
    type Error = NotAPeriod;

    fn try_from(text: String) -> Result<Self, NotAPeriod> {
        text.parse()
    }
}

impl From<Every> for String {
    fn from(every: Every) -> Self {
        every.to_string()
    }
}
