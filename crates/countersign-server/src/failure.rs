//! Why a call is not answered with what was asked.

use bytes::Bytes;
use countersign_core::ledger::Unavailable;
use countersign_edge::wire_error::Problem;
use http::Response;
use http_body_util::Full;

use crate::json::NotRead;

/// Why a call is not answered with what was asked.
#[derive(Debug)]
pub enum Failure {
    /// It was refused in words of their own.
    Answered(Box<Response<Full<Bytes>>>),
    /// The request cannot be understood; the text says what was expected and found.
    Invalid(String),
    /// It was decided against; `From` says how each type of reason is told.
    Refused {
        /// What it is to HTTP.
        problem: Problem,
        /// The reason in words.
        detail: String,
    },
    /// It is not known.
    Unavailable(Unavailable),
}

impl Failure {
    /// What is sent is no form, where one was expected.
    pub(crate) fn no_form() -> Self {
        Self::Invalid("expected Content-Type: application/x-www-form-urlencoded".to_owned())
    }
}

impl From<NotRead> for Failure {
    fn from(error: NotRead) -> Self {
        Self::Invalid(format!("the body is not what was expected: {error}"))
    }
}

impl From<Response<Full<Bytes>>> for Failure {
    fn from(refusal: Response<Full<Bytes>>) -> Self {
        Self::Answered(Box::new(refusal))
    }
}

impl From<Unavailable> for Failure {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}
