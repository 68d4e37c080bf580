//! The pages that belong to e-mail: a password is replaced (posts to `/reset-password`), an address is confirmed (posts to
//! `/verify-email`).
//!
//! Nothing happens by following a link: programs that look into mail follow links too.

use askama::Template;
use http::StatusCode;

use super::language::Locale;
use super::{Bound, Page};

/// Asks whose password was forgotten. Posts `username`.
#[derive(Debug, Template)]
#[template(path = "reset_ask.html")]
pub(crate) struct ResetAsk<'a> {
    /// The language.
    pub(crate) locale: Locale,
    /// What binds the form.
    pub(crate) bound: Bound<'a>,
}

/// Asks for a new password. Posts `token` and `password`.
#[derive(Debug, Template)]
#[template(path = "reset_choose.html")]
pub(crate) struct ResetChoose<'a> {
    /// The language.
    pub(crate) locale: Locale,
    /// What binds the form.
    pub(crate) bound: Bound<'a>,
    /// What the link held.
    pub(crate) token: &'a str,
    /// The fewest characters.
    pub(crate) least: u64,
    /// Whether the last one was too weak.
    pub(crate) weak: bool,
}

/// Asks whether an address is the reader's. Posts `token`.
#[derive(Debug, Template)]
#[template(path = "verify_email.html")]
pub(crate) struct VerifyEmail<'a> {
    /// The language.
    pub(crate) locale: Locale,
    /// What binds the form.
    pub(crate) bound: Bound<'a>,
    /// What the link held.
    pub(crate) token: &'a str,
    /// The address.
    pub(crate) email: &'a str,
}

impl Page for ResetAsk<'_> {}

impl Page for ResetChoose<'_> {
    fn status(&self) -> StatusCode {
        if self.weak { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }
    }
}

impl Page for VerifyEmail<'_> {}
