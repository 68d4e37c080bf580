//! The environment, read in one place.

/// Returns all variables whose name and value are text.
#[must_use]
pub(crate) fn variables() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Returns the variable `name`, if it is set and not empty.
#[must_use]
pub(crate) fn variable(name: &str) -> Option<String> {
    variables().into_iter().find(|(one, value)| one == name && !value.is_empty()).map(|(_, value)| value)
}

/// Returns the management key of the caller's environment.
#[must_use]
pub(crate) fn management_key() -> Option<String> {
    variable("COUNTERSIGN_KEY")
}
