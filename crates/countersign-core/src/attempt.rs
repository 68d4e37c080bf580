//! Attempts to sign in elsewhere: what a browser keeps from the moment it is sent there until it comes back.
//!
//! **Invariants.** What comes back is taken from the browser alone that was sent, once for each attempt, and for a few minutes: it
//! is sealed, so that nobody makes one up (login CSRF, RFC 9700 §4.7). An attempt of one kind is none of another.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use countersign_jose::base64url;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::base62;
use crate::context::Context;
use crate::keyring::{SealedPlace, SealingFailed, SealingKey};
use crate::secret::{Peppers, Secret, constant_time_eq};
use crate::timestamp::Timestamp;

/// How long somebody may take to sign in: as long as a device may wait ([`crate::context::Policy::device_code_lifetime`]).
pub const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// The digits of the name that an attempt has in its browser; several tabs have several.
const NAME: usize = 8;

/// 128 bits, as many as RFC 6749 §10.10 asks of what must not be guessed.
const STATE: usize = 22;

/// 256 bits in base62 (RFC 7636 §7.1).
const VERIFIER: usize = 43;

/// What an attempt is for.
pub trait Goal: Serialize + DeserializeOwned {
    /// What tells its kind from others where it is sealed.
    const PURPOSE: &'static str;
}

/// An attempt to sign in.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "T: Goal")]
pub struct Attempt<T> {
    /// What it is for.
    pub goal: T,
    /// The `state` of its request, which begins with its name.
    pub state: String,
    /// The `code_verifier` (RFC 7636 §4.1).
    pub verifier: String,
    /// Until when the browser may come back.
    pub until: Timestamp,
}

/// Says which, never its secrets.
impl<T: fmt::Debug> fmt::Debug for Attempt<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Attempt").field("goal", &self.goal).finish_non_exhaustive()
    }
}

impl<T: Goal> Attempt<T> {
    /// Begins one.
    #[must_use]
    pub fn begin(context: &mut Context<'_>, goal: T) -> Self {
        Self {
            goal,
            state: base62::random(context.entropy, NAME + STATE),
            verifier: base62::random(context.entropy, VERIFIER),
            until: context.now.plus(LIFETIME),
        }
    }

    /// Returns the name that it has in its browser.
    #[must_use]
    pub fn name(&self) -> &str {
        name_of(&self.state).unwrap_or_default()
    }

    /// Returns the `code_challenge` (RFC 7636 §4.2).
    #[must_use]
    pub fn challenge(&self) -> String {
        base64url::encode(digest(&SHA256, self.verifier.as_bytes()).as_ref())
    }

    /// Seals it for its browser.
    ///
    /// # Errors
    ///
    /// [`SealingFailed`].
    pub fn sealed(&self, context: &mut Context<'_>) -> Result<Secret<String>, SealingFailed> {
        let key = SealingKey::of_pepper(context.peppers.current())?;
        let plain = Secret::new(serde_json::to_vec(self).map_err(|_| SealingFailed)?);
        let sealed = key.seal(&place::<T>(self.name()), &plain, context.entropy)?;
        Ok(Secret::new(base64url::encode(&sealed)))
    }

    /// Opens what a browser has kept under `name`, if it is still good.
    #[must_use]
    pub fn open(peppers: &Peppers, now: Timestamp, name: &str, text: &str) -> Option<Self> {
        let sealed = base64url::decode(text).ok()?;
        let keys = peppers.all().filter_map(|pepper| SealingKey::of_pepper(pepper).ok());
        let opened = keys.into_iter().find_map(|key| key.open(&place::<T>(name), &sealed))?;
        let attempt: Self = serde_json::from_slice(opened.expose()).ok()?;
        (attempt.name() == name && now < attempt.until).then_some(attempt)
    }

    /// Tells whether `state` is this attempt's.
    #[must_use]
    pub fn is_its(&self, state: &str) -> bool {
        constant_time_eq(self.state.as_bytes(), state.as_bytes())
    }
}

/// Returns the name of the attempt that a `state` belongs to.
#[must_use]
pub fn name_of(state: &str) -> Option<&str> {
    state.get(..NAME).filter(|name| base62::is_base62(name))
}

fn place<T: Goal>(name: &str) -> SealedPlace<'_> {
    SealedPlace { table: "cookie", row: name, owner: "", purpose: T::PURPOSE }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::{Deserialize, Serialize};

    use super::{Attempt, Goal, name_of};
    use crate::testing::Ground;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct There(String);

    impl Goal for There {
        const PURPOSE: &'static str = "there";
    }

    #[derive(Serialize, Deserialize)]
    struct Elsewhere(String);

    impl Goal for Elsewhere {
        const PURPOSE: &'static str = "elsewhere";
    }

    #[test]
    fn rfc9700_4_7_what_comes_back_is_the_browsers_own_attempt_and_in_time() {
        let mut ground = Ground::new();
        let mut context = ground.context();
        let attempt = Attempt::begin(&mut context, There("/orders".to_owned()));
        let sealed = attempt.sealed(&mut context).unwrap();
        assert!(sealed.expose().len() < 2048 && !sealed.expose().contains(&attempt.verifier));
        assert_eq!((attempt.challenge().len(), attempt.verifier.len()), (43, 43));
        let (now, name) = (context.now, attempt.name().to_owned());
        let open = |now, name: &str, text: &str| Attempt::<There>::open(&ground.peppers, now, name, text);
        let opened = open(now, &name, sealed.expose()).unwrap();
        assert_eq!((&opened.state, &opened.goal), (&attempt.state, &attempt.goal));
        assert_eq!(name_of(&attempt.state), Some(&*name));
        assert!(opened.is_its(&attempt.state) && !opened.is_its(&name) && !opened.is_its(""));
        let end = now.plus(Duration::from_secs(600));
        assert!(open(end, &name, sealed.expose()).is_none(), "too late");
        assert!(open(now, "ABCDEFGH", sealed.expose()).is_none(), "another tab's name");
        let other = Attempt::<Elsewhere>::open(&ground.peppers, now, &name, sealed.expose());
        assert!(other.is_none(), "an attempt of another kind");
        let mut altered = sealed.expose().clone();
        altered.replace_range(30..31, if altered.as_bytes()[30] == b'A' { "B" } else { "A" });
        assert!(open(now, &name, &altered).is_none() && open(now, &name, "").is_none());
        assert!(!format!("{attempt:?}").contains(&attempt.verifier));
    }
}
