//! Judges what GitHub says of whoever has a token of theirs: its OAuth has no ID tokens.

use std::sync::Arc;

use serde::Deserialize;

use super::model::{IdentityProvider, ProvenIdentity, Told, Unfit};

/// What is expected of `GET /user`.
const USER: &str = "a user with a numeric `id`, as GitHub's REST API describes it";
/// What is expected of `GET /user/emails`.
const EMAILS: &str = "a list of e-mail addresses, as GitHub's REST API describes it";

/// What GitHub says of somebody, read and not yet believed.
#[derive(Debug, Deserialize)]
pub struct GithubUser {
    /// Whoever renames themselves keeps it; a login that was given up is somebody else's the next day.
    id: u64,
    login: String,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Email {
    email: String,
    primary: bool,
    verified: bool,
}

impl GithubUser {
    /// Reads the answers to `GET /user` and `GET /user/emails`, which the token of this very attempt was shown for.
    ///
    /// # Errors
    ///
    /// [`Unfit::Form`].
    pub fn judge(
        provider: &Arc<IdentityProvider>,
        user: &[u8],
        emails: &[u8],
    ) -> Result<ProvenIdentity, Unfit> {
        let user: Self = serde_json::from_slice(user).map_err(|_| Unfit::Form(USER))?;
        let emails: Vec<Email> = serde_json::from_slice(emails).map_err(|_| Unfit::Form(EMAILS))?;
        let email = emails.into_iter().find(|one| one.primary && one.verified);
        let told = Told {
            email: email.and_then(|one| one.email.parse().ok()),
            username: user.login.parse().ok(),
            name: user.name.filter(|name| !name.is_empty()),
        };
        // GitHub does not say when somebody has signed in there.
        ProvenIdentity::assertion(provider, &user.id.to_string(), None, told)
    }
}
