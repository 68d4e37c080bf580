//! Points in time as integer milliseconds of Unix time, UTC; written as RFC 3339.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z.
///
/// It is held as their distance from before all time, which is never zero: one that may be absent takes no more memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(NonZeroU64);

impl Timestamp {
    /// Names the instant `millis` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        match NonZeroU64::new(millis.cast_unsigned() ^ BEFORE_ALL) {
            Some(distance) => Self(distance),
            None => Self(NonZeroU64::MIN),
        }
    }

    /// Returns the milliseconds since the Unix epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        (self.0.get() ^ BEFORE_ALL).cast_signed()
    }

    /// The first instant that RFC 3339 can write: 0000-01-01T00:00:00Z.
    const START: Self = Self::from_millis(-62_167_219_200_000);

    /// The last instant that RFC 3339 can write: 9999-12-31T23:59:59.999Z.
    pub const END: Self = Self::from_millis(253_402_300_799_999);

    /// Returns the instant `duration` later, [`Timestamp::END`] at most.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let later = self.millis().saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX));
        Self::from_millis(later).min(Self::END)
    }

    /// Returns the time from `earlier` until this instant, zero if this instant is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.millis().saturating_sub(earlier.millis())).unwrap_or(0))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Timestamp").field(&self.millis()).finish()
    }
}

/// The sign of a number of milliseconds: turned over, it lets later be greater without one.
const BEFORE_ALL: u64 = 1 << 63;

/// A point on a clock that counts suspension and never goes back, in milliseconds since an arbitrary start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Monotonic(pub i64);

/// The text is no RFC 3339 date-time within the years 0 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected an RFC 3339 date-time such as 2026-11-23T10:00:00Z")]
pub struct NotATimestamp;

impl FromStr for Timestamp {
    type Err = NotATimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| NotATimestamp)?;
        let millis = i64::try_from(parsed.unix_timestamp_nanos().div_euclid(1_000_000));
        // An offset can lead out of the years that can be written.
        let read = millis.map(Self::from_millis).ok().filter(|read| (Self::START..=Self::END).contains(read));
        read.ok_or(NotATimestamp)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.millis()) * 1_000_000)
            .ok()
            .and_then(|instant| instant.format(&Rfc3339).ok());
        match text {
            Some(text) => formatter.write_str(&text),
            // Outside the years that RFC 3339 can write: the number is still exact.
            None => write!(formatter, "{} ms", self.millis()),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{NotATimestamp, Timestamp};

    #[test]
    fn rfc3339_text_and_milliseconds_are_one() {
        for (millis, text) in [(0, "1970-01-01T00:00:00Z"), (1_700_000_000_250, "2023-11-14T22:13:20.25Z")] {
            assert_eq!(Timestamp::from_millis(millis).to_string(), text);
            assert_eq!(text.parse(), Ok(Timestamp::from_millis(millis)));
        }
        assert_eq!(Timestamp::START.to_string(), "0000-01-01T00:00:00Z");
        assert_eq!("1969-12-31T23:59:59.9999Z".parse(), Ok(Timestamp::from_millis(-1)));
        for text in ["2023-11-14 22:13", "0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"] {
            assert_eq!(text.parse::<Timestamp>(), Err(NotATimestamp), "{text}");
        }
    }

    #[test]
    fn later_is_greater_and_the_first_instant_stands_for_what_was_before() {
        let millis = [i64::MIN + 1, -5, -1, 0, 1, 5, i64::MAX];
        assert!(millis.map(Timestamp::from_millis).is_sorted_by(|one, next| one < next));
        assert_eq!(millis.map(|millis| Timestamp::from_millis(millis).millis()), millis);
        assert_eq!(Timestamp::from_millis(i64::MIN).millis(), i64::MIN + 1);
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::from_millis(5).plus(Duration::from_millis(u64::MAX)), Timestamp::END);
        assert_eq!(Timestamp::END.to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(9)), Duration::ZERO);
    }
}
