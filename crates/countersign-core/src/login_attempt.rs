//! Attempts to sign in at a web app: what a browser keeps from the moment it is sent to the issuer until it comes back.
//!
//! **Invariants.** What comes back is taken from the browser alone that was sent, once for each attempt, and for a few minutes: it
//! is sealed, so that nobody makes one up (login CSRF, RFC 9700 §4.7). A browser is sent on to a path of the same origin alone.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use countersign_jose::base64url;
use serde::{Deserialize, Serialize};

use crate::base62;
use crate::context::Context;
use crate::keyring::{SealedPlace, SealingFailed, SealingKey};
use crate::secret::{Peppers, Secret, constant_time_eq};
use crate::timestamp::Timestamp;
use crate::web_app::WebAppName;

/// How long somebody may take to sign in: as long as a device may wait ([`crate::context::Policy::device_code_lifetime`]).
const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// The longest path that a browser is sent on to: what is longer would not fit into a cookie with the rest.
const MOST_PATH: usize = 1024;

/// The digits of the name that an attempt has in its browser; several tabs have several.
const NAME: usize = 8;

/// 128 bits, as many as RFC 6749 §10.10 asks of what must not be guessed.
const STATE: usize = 22;

/// 256 bits in base62 (RFC 7636 §7.1).
const VERIFIER: usize = 43;

/// An attempt to sign in.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginAttempt {
    /// The web app.
    pub app: WebAppName,
    /// The `state` of its request, which begins with its name.
    pub state: String,
    /// The `code_verifier` (RFC 7636 §4.1).
    pub verifier: String,
    /// Where the browser wanted to go.
    pub return_to: String,
    /// Until when it may come back.
    pub until: Timestamp,
}

/// Says which, never its secrets.
impl std::fmt::Debug for LoginAttempt {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LoginAttempt").field("app", &self.app).finish_non_exhaustive()
    }
}

impl LoginAttempt {
    /// Begins one; what is no path of the same origin is `/`.
    #[must_use]
    pub fn begin(context: &mut Context<'_>, app: WebAppName, return_to: &str) -> Self {
        Self {
            app,
            state: base62::random(context.entropy, NAME + STATE),
            verifier: base62::random(context.entropy, VERIFIER),
            return_to: own_path(return_to).to_owned(),
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
        let sealed = key.seal(&place(self.name()), &plain, context.entropy)?;
        Ok(Secret::new(base64url::encode(&sealed)))
    }

    /// Opens what a browser has kept under `name`, if it is still good.
    #[must_use]
    pub fn open(peppers: &Peppers, now: Timestamp, name: &str, text: &str) -> Option<Self> {
        let sealed = base64url::decode(text).ok()?;
        let keys = peppers.all().filter_map(|pepper| SealingKey::of_pepper(pepper).ok());
        let opened = keys.into_iter().find_map(|key| key.open(&place(name), &sealed))?;
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

/// Returns where a browser is sent on to: a path of the same origin, or `/`. Browsers read a backslash as a slash, take two slashes
/// for a host, and leave tabs and line ends out (WHATWG URL §4.4).
#[must_use]
pub fn own_path(wanted: &str) -> &str {
    let plain = |byte: u8| matches!(byte, b'!'..=b'~') && byte != b'\\';
    let is_path = wanted.starts_with('/') && !wanted.starts_with("//") && wanted.bytes().all(plain);
    if is_path && wanted.len() <= MOST_PATH { wanted } else { "/" }
}

fn place(name: &str) -> SealedPlace<'_> {
    SealedPlace { table: "cookie", row: name, owner: "", purpose: "login_attempt" }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LoginAttempt, name_of, own_path};
    use crate::testing::Ground;

    #[test]
    fn attack_open_redirect_a_browser_is_sent_on_to_a_path_of_the_same_origin_alone() {
        for (wanted, expected) in [
            ("/orders?page=2&x=%2F", "/orders?page=2&x=%2F"),
            ("/", "/"),
            ("", "/"),
            ("orders", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("\\\\evil.example", "/"),
            ("/\t/evil.example", "/"),
            ("https://evil.example/", "/"),
            ("javascript:alert(1)", "/"),
            ("/a\r\nSet-Cookie: x=1", "/"),
            ("/ä", "/"),
            ("/.//evil.example", "/.//evil.example"),
        ] {
            assert_eq!(own_path(wanted), expected, "{wanted}");
        }
        assert_eq!(own_path(&format!("/{}", "x".repeat(1024))), "/", "what a cookie does not hold");
    }

    #[test]
    fn rfc9700_4_7_what_comes_back_is_the_browsers_own_attempt_and_in_time() {
        let mut ground = Ground::new();
        let app = "web".parse().unwrap();
        let mut context = ground.context();
        let attempt = LoginAttempt::begin(&mut context, app, "/orders");
        let sealed = attempt.sealed(&mut context).unwrap();
        assert!(sealed.expose().len() < 2048 && !sealed.expose().contains(&attempt.verifier));
        assert_eq!((attempt.challenge().len(), attempt.verifier.len()), (43, 43));
        let (now, name) = (context.now, attempt.name().to_owned());
        let open = |now, name: &str, text: &str| LoginAttempt::open(&ground.peppers, now, name, text);
        let opened = open(now, &name, sealed.expose()).unwrap();
        assert_eq!((&opened.state, &*opened.return_to), (&attempt.state, "/orders"));
        assert_eq!(name_of(&attempt.state), Some(&*name));
        assert!(opened.is_its(&attempt.state) && !opened.is_its(&name) && !opened.is_its(""));
        let end = now.plus(Duration::from_secs(600));
        assert!(open(end, &name, sealed.expose()).is_none(), "too late");
        assert!(open(now, "ABCDEFGH", sealed.expose()).is_none(), "another tab's name");
        let mut altered = sealed.expose().clone();
        altered.replace_range(30..31, if altered.as_bytes()[30] == b'A' { "B" } else { "A" });
        assert!(open(now, &name, &altered).is_none() && open(now, &name, "").is_none());
        assert!(!format!("{attempt:?}").contains(&attempt.verifier));
    }
}
