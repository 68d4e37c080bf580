//! The page that asks before a person is signed out (OpenID Connect RP-Initiated Logout 1.0 §2). Posts `decision`, `request` and `csrf`
//! to `/oauth/logout`.

use askama::Template;

use super::language::Locale;
use super::{Bound, Page};

/// Asks whether to sign out.
#[derive(Debug, Template)]
#[template(path = "sign_out.html")]
pub(crate) struct SignOut<'a> {
    /// The language.
    pub(crate) locale: Locale,
    /// What binds the form.
    pub(crate) bound: Bound<'a>,
    /// Who is signed in.
    pub(crate) user: &'a str,
    /// The name of the client that asks.
    pub(crate) client: Option<&'a str>,
    /// Where people go on to.
    pub(crate) redirect: Option<&'a str>,
}

impl Page for SignOut<'_> {
    fn leads_to(&self) -> Vec<&str> {
        self.redirect.into_iter().collect()
    }
}
