//! How limits stand, told in header fields (draft-ietf-httpapi-ratelimit-headers-10 §3, §4).

use countersign_core::meter::LimitLevel;
use countersign_core::timestamp::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue};

/// What is allowed: `"burst";q=100;w=60`.
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// What is left: `"burst";r=99;t=42`.
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// Sets the fields that tell how limits stand, instead of any that are there.
pub fn tell(headers: &mut HeaderMap, levels: &[LimitLevel], now: Timestamp) {
    if levels.is_empty() {
        return;
    }
    let list = |item: &dyn Fn(&LimitLevel) -> String| {
        let items: Vec<_> = levels.iter().map(item).collect();
        HeaderValue::try_from(items.join(", "))
    };
    // Names are plain letters and the rest are numbers: both values are visible ASCII.
    if let (Ok(policy), Ok(state)) = (list(&policy), list(&|level| state(level, now))) {
        headers.insert(POLICY, policy);
        headers.insert(STATE, state);
    }
}

/// Returns the whole seconds from `now` until `end`, at least one: a caller that waits so long has waited enough.
#[must_use]
pub fn seconds_until(end: Timestamp, now: Timestamp) -> u64 {
    let millis = u64::try_from(end.since(now).as_millis()).unwrap_or(u64::MAX);
    millis.div_ceil(1_000).max(1)
}

fn policy(level: &LimitLevel) -> String {
    let allowance = &level.allowance;
    let window = allowance.every.seconds().map(|seconds| format!(";w={seconds}")).unwrap_or_default();
    format!("\"{}\";q={}{window}", allowance.name.as_str(), allowance.amount)
}

fn state(level: &LimitLevel, now: Timestamp) -> String {
    let reset = level.resets_at.map(|end| format!(";t={}", seconds_until(end, now))).unwrap_or_default();
    format!("\"{}\";r={}{reset}", level.allowance.name.as_str(), level.remaining)
}

#[cfg(test)]
mod tests {
    use countersign_core::meter::{Allowance, LimitLevel};
    use countersign_core::timestamp::Timestamp;
    use http::HeaderMap;

    use super::tell;

    #[test]
    fn the_fields_are_lists_of_the_drafts_items() {
        let level = |name: &str, amount, every: &str, remaining, end: Option<i64>| LimitLevel {
            allowance: Allowance { name: name.parse().unwrap(), amount, every: every.parse().unwrap() },
            remaining,
            resets_at: end.map(Timestamp::from_millis),
        };
        let mut headers = HeaderMap::new();
        headers.insert("ratelimit", "\"upstream\";r=1".parse().unwrap());
        let levels = [level("burst", 10, "1m", 9, Some(60_000)), level("quota", 500, "ever", 0, None)];
        tell(&mut headers, &levels, Timestamp::from_millis(58_999));
        assert_eq!(headers["ratelimit-policy"], "\"burst\";q=10;w=60, \"quota\";q=500");
        assert_eq!(headers["ratelimit"], "\"burst\";r=9;t=2, \"quota\";r=0");
    }
}
