//! The page on which people sign in. Posts `username`, `password`, `request` and `csrf` to `/login`.

use std::time::Duration;

use askama::Template;
use http::StatusCode;

use super::language::Locale;
use super::{Bound, Page};

/// Asks for username and password.
#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
pub(crate) struct SignIn<'a> {
    /// The language.
    pub(crate) locale: Locale,
    /// What binds the form.
    pub(crate) bound: Bound<'a>,
    /// The name of the client that people go on to; `None`: they came for themselves.
    pub(crate) client: Option<&'a str>,
    /// Where they go on to, if that leads to a client.
    pub(crate) redirect: Option<&'a str>,
    /// What stands in the field: `login_hint`, or what was tried.
    pub(crate) username: &'a str,
    /// What was wrong with the last attempt.
    pub(crate) wrong: Option<Wrong>,
    /// Whether a forgotten password can be replaced.
    pub(crate) forgotten: bool,
    /// Where else people may sign in.
    pub(crate) elsewhere: &'a [Elsewhere],
}

/// An identity provider at which people may sign in.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    /// What addresses call it.
    pub(crate) name: String,
    /// What people call it.
    pub(crate) title: String,
    /// Where it is, as far as its scheme goes.
    pub(crate) place: String,
}

/// Why nobody is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Too many attempts are under way, for everybody.
    Busy,
    /// The username or the password is wrong; which one is not told.
    Credentials,
    /// There were too many attempts; how long to wait.
    Throttled(Duration),
}

impl Wrong {
    /// Says it.
    pub(crate) fn words(&self, locale: &Locale) -> String {
        match self {
            Self::Busy => locale.tell("wrong-busy"),
            Self::Credentials => locale.tell("wrong-password"),
            Self::Throttled(wait) => locale.tell_count("wrong-throttled", "seconds", &(wait.as_secs() + 1)),
        }
    }

    /// RFC 9110 §15.5.4: "the server considers them insufficient"; a 401 would need a challenge that a browser answers itself.
    const fn status(self) -> StatusCode {
        match self {
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Credentials => StatusCode::FORBIDDEN,
            Self::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

impl Page for SignIn<'_> {
    fn status(&self) -> StatusCode {
        self.wrong.map_or(StatusCode::OK, Wrong::status)
    }

    fn leads_to(&self) -> Vec<&str> {
        self.redirect.into_iter().chain(self.elsewhere.iter().map(|one| &*one.place)).collect()
    }
}
