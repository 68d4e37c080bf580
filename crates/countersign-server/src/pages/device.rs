//! The pages on which people connect a device (RFC 8628 §3.3). Both post to `/device`: `user_code`, and then `decision` with
//! `scope`.

use askama::Template;
use http::StatusCode;

use super::consent::AskedScope;
use super::language::Locale;
use super::{Bound, Page};

/// Asks for the code that a device shows.
#[derive(Debug, Template)]
#[template(path = "device_enter.html")]
pub(crate) struct Enter<'a> {
    /// The language.
    pub(crate) locale: Locale,
    /// What binds the form.
    pub(crate) bound: Bound<'a>,
    /// What stands in the field.
    pub(crate) code: &'a str,
    /// What was wrong with the last code.
    pub(crate) wrong: Option<WrongCode>,
}

/// Why no device is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WrongCode {
    /// There were too many attempts.
    TooMany,
    /// There is no such code, or it is not good any more.
    Unknown,
}

impl WrongCode {
    /// Returns the message that says it.
    pub(crate) const fn message(&self) -> &'static str {
        match self {
            Self::TooMany => "device-too-many",
            Self::Unknown => "device-wrong",
        }
    }
}

/// Asks whether the device may be connected: by whom, from where and when it was asked (RFC 8628 §5.4).
#[derive(Debug, Template)]
#[template(path = "device_confirm.html")]
pub(crate) struct Confirm<'a> {
    /// The language.
    pub(crate) locale: Locale,
    /// What binds the form.
    pub(crate) bound: Bound<'a>,
    /// The client's name.
    pub(crate) client: &'a str,
    /// Who is signed in.
    pub(crate) user: &'a str,
    /// The code, as the device shows it.
    pub(crate) code: &'a str,
    /// Where the device asked from.
    pub(crate) address: Option<&'a str>,
    /// How long ago it asked.
    pub(crate) minutes: u64,
    /// What is asked for.
    pub(crate) scopes: &'a [AskedScope<'a>],
    /// Whether the access outlasts the visit (`offline_access`).
    pub(crate) lasting: bool,
}

impl Page for Enter<'_> {
    fn status(&self) -> StatusCode {
        match self.wrong {
            None => StatusCode::OK,
            Some(WrongCode::TooMany) => StatusCode::TOO_MANY_REQUESTS,
            Some(WrongCode::Unknown) => StatusCode::BAD_REQUEST,
        }
    }
}

impl Page for Confirm<'_> {}
