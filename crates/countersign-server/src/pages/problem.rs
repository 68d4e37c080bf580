//! Pages that tell people what went wrong, with a reference for who runs the place.

use askama::Template;
use http::StatusCode;

use super::Page;
use super::language::Locale;

/// Tells what went wrong.
#[derive(Debug, Template)]
#[template(path = "problem.html")]
pub(crate) struct Problem<'a> {
    /// The language.
    pub(crate) locale: Locale,
    /// What it is to a person.
    pub(crate) kind: ProblemKind,
    /// What it is to HTTP.
    pub(crate) status: StatusCode,
    /// The error code of OAuth; empty: there is none.
    pub(crate) code: &'a str,
    /// What it is to a developer, in English; empty: it is not told.
    pub(crate) detail: &'a str,
    /// By which the log tells more.
    pub(crate) reference: &'a str,
    /// The request to start again with.
    pub(crate) again: Option<&'a str>,
}

/// What went wrong, to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    /// Another site sent a form of ours.
    Foreign,
    /// A mailed link was used, or is too old.
    Link,
    /// There were too many attempts.
    Many,
    /// It takes another method.
    Method,
    /// There is no such page.
    Missing,
    /// Somebody else's identity provider did not do its part.
    Provider,
    /// A request cannot be followed.
    Request,
    /// Somebody did not finish signing in.
    SignIn,
    /// A form is not the browser's any more.
    Stale,
    /// An identity elsewhere is nobody's here.
    Stranger,
    /// An identity elsewhere is somebody else's.
    Taken,
    /// It cannot be done now.
    Unavailable,
}

impl ProblemKind {
    /// Returns what a status means to a person.
    pub(crate) const fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::FORBIDDEN => Self::Stale,
            StatusCode::METHOD_NOT_ALLOWED => Self::Method,
            StatusCode::NOT_FOUND => Self::Missing,
            StatusCode::TOO_MANY_REQUESTS => Self::Many,
            status if status.as_u16() >= 500 => Self::Unavailable,
            _ => Self::Request,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Foreign => "problem-foreign",
            Self::Link => "problem-link",
            Self::Many => "problem-many",
            Self::Method => "problem-method",
            Self::Missing => "problem-missing",
            Self::Provider => "problem-provider",
            Self::Request => "problem-request",
            Self::SignIn => "problem-sign-in",
            Self::Stale => "problem-stale",
            Self::Stranger => "problem-stranger",
            Self::Taken => "problem-taken",
            Self::Unavailable => "problem-unavailable",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Foreign => "problem-foreign-words",
            Self::Link => "problem-link-words",
            Self::Many => "problem-many-words",
            Self::Method => "problem-method-words",
            Self::Missing => "problem-missing-words",
            Self::Provider => "problem-provider-words",
            Self::Request => "problem-request-words",
            Self::SignIn => "problem-sign-in-words",
            Self::Stale => "problem-stale-words",
            Self::Stranger => "problem-stranger-words",
            Self::Taken => "problem-taken-words",
            Self::Unavailable => "problem-unavailable-words",
        }
    }
}

impl Problem<'_> {
    fn onward(&self, request: &str) -> String {
        super::onward(request)
    }
}

impl Page for Problem<'_> {
    fn status(&self) -> StatusCode {
        self.status
    }
}
