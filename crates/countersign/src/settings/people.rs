//! The settings about people who sign in.

use anyhow::{Result, bail};
use countersign_core::context::{LEAST_PASSWORD, PeoplePolicy};

use super::file::FileSettings;

/// The most that `password.min_length` may ask for: nobody remembers more, and every password manager makes as many.
const MOST: usize = 64;

/// Resolves what decisions read.
pub(super) fn policy(file: &FileSettings) -> Result<PeoplePolicy> {
    let default = PeoplePolicy::default();
    let password_min_length = file.password.min_length.unwrap_or(default.password_min_length);
    if !(LEAST_PASSWORD..=MOST).contains(&password_min_length) {
        bail!("password.min_length: expected {LEAST_PASSWORD} to {MOST}, found {password_min_length}");
    }
    Ok(PeoplePolicy { password_min_length })
}
