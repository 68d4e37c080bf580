//! How long is kept what grows.

use std::time::Duration;

use anyhow::{Result, bail};
use countersign_store::Retention;

use super::file::RetentionSettings;
use super::resolved::duration;

/// The least of `retention.changes`: far beyond any pause between two looks of a node that runs.
const LEAST_CHANGES: Duration = Duration::from_secs(60);
/// The least of `retention.usage`: the longest window of a limit, a leap year, whose sum must not vanish within it.
const LEAST_USAGE: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// The least of the others: what is removed at once was never kept.
const LEAST: Duration = Duration::from_secs(1);

/// Reads what the store keeps, and for how long.
///
/// # Errors
///
/// The setting that is no duration, or too short.
pub(crate) fn retention(settings: &RetentionSettings) -> Result<Retention> {
    let default = Retention::default();
    Ok(Retention {
        audit: least("retention.audit", settings.audit.as_ref(), LEAST)?,
        changes: least("retention.changes", settings.changes.as_ref(), LEAST_CHANGES)?
            .unwrap_or(default.changes),
        decisions: least("retention.decisions", settings.decisions.as_ref(), LEAST)?
            .unwrap_or(default.decisions),
        usage: least("retention.usage", settings.usage.as_ref(), LEAST_USAGE)?.unwrap_or(default.usage),
    })
}

/// Reads how long marks are kept; `None`: as long as is usual.
///
/// # Errors
///
/// The setting that is no duration, or too short.
pub(crate) fn marks(settings: &RetentionSettings) -> Result<Option<Duration>> {
    least("retention.marks", settings.marks.as_ref(), LEAST)
}

fn least(setting: &str, text: Option<&String>, least: Duration) -> Result<Option<Duration>> {
    match duration(setting, text)? {
        Some(value) if value < least => bail!("{setting}: expected at least {least:?}, found {value:?}"),
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{marks, retention};
    use crate::settings::file::RetentionSettings;

    #[test]
    fn what_would_forget_what_still_counts_is_refused() {
        let text = |text: &str| Some(text.to_owned());
        let none = RetentionSettings::default;
        let rows = [
            (none(), true),
            (RetentionSettings { audit: text("365d"), ..none() }, true),
            (RetentionSettings { audit: text("0s"), ..none() }, false),
            (RetentionSettings { changes: text("10s"), ..none() }, false),
            (RetentionSettings { decisions: text("0s"), ..none() }, false),
            (RetentionSettings { marks: text("0s"), ..none() }, false),
            (RetentionSettings { usage: text("365d"), ..none() }, false),
            (RetentionSettings { usage: text("366d"), ..none() }, true),
            (RetentionSettings { usage: text("a year"), ..none() }, false),
        ];
        for (settings, good) in rows {
            assert_eq!(retention(&settings).is_ok() && marks(&settings).is_ok(), good, "{settings:?}");
        }
        let kept = retention(&none()).unwrap();
        assert_eq!((kept.audit, kept.changes), (None, Duration::from_secs(3600)));
    }
}
