//! How what is not granted becomes a response.

use bytes::Bytes;
use countersign_edge::wire_error::{self, Problem};
use http::Response;
use http_body_util::Full;

use crate::failure::Failure;

/// A response whose body is written.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Renders a refusal or a breakdown.
pub(crate) fn render(failure: Failure) -> Answer {
    match failure {
        Failure::Answered(answer) => *answer,
        Failure::Invalid(detail) => wire_error::problem(Problem::BadRequest, &detail, None),
        Failure::Refused { problem, detail } => wire_error::problem(problem, &detail, None),
        Failure::Unavailable(unavailable) => {
            tracing::warn!(%unavailable, "a call cannot be answered");
            wire_error::from_unavailable(&unavailable, None)
        }
    }
}
