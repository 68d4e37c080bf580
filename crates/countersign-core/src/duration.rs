//! Durations as people write them: `90d`, `24h`, `15m`, `30s`, `250ms`.

use std::time::Duration;

use thiserror::Error;

/// The units, the longest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1_000)];

/// The text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected a whole number with a unit: 90d, 24h, 15m, 30s or 250ms")]
pub struct NotADuration;

/// Reads a duration.
///
/// # Errors
///
/// [`NotADuration`] if the number or the unit is missing, or the product exceeds 64 bits of milliseconds.
pub fn parse_duration(text: &str) -> Result<Duration, NotADuration> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).ok_or(NotADuration)?;
    let (number, unit) = text.split_at(digits);
    let (_, millis) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or(NotADuration)?;
    let number: u64 = number.parse().map_err(|_| NotADuration)?;
    number.checked_mul(millis).map(Duration::from_millis).ok_or(NotADuration)
}

/// Writes a duration in the largest unit that divides it.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let order = ["d", "h", "m", "s", "ms"];
    let fitting = order.into_iter().find_map(|unit| {
        let (_, size) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        (millis >= size && millis % size == 0).then(|| format!("{}{unit}", millis / size))
    });
    fitting.unwrap_or_else(|| format!("{millis}ms"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{NotADuration, format_duration, parse_duration};

    #[test]
    fn durations_read_and_write() {
        for (text, millis) in [
            ("90d", 7_776_000_000),
            ("24h", 86_400_000),
            ("15m", 900_000),
            ("30s", 30_000),
            ("250ms", 250),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "d", "-1d", "1.5h", "1 h", "1w", "99999999999999999999d", "1h30m"] {
            assert_eq!(parse_duration(text), Err(NotADuration), "{text}");
        }
        for (millis, text) in [(7_776_000_000, "90d"), (90_000, "90s"), (1_500, "1500ms"), (0, "0ms")] {
            assert_eq!(format_duration(Duration::from_millis(millis)), text);
        }
    }
}
