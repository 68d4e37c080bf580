//! How answers of the management API and of the issuer become responses.

use bytes::Bytes;
use countersign_edge::wire_error::{self, Problem};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::app::Failure;
use crate::reply::Reply;

/// A response whose body is written.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Renders what a handler gave back.
pub(crate) fn render(answer: Result<Reply, Failure>) -> Answer {
    match answer {
        Ok(Reply::Ok(body)) => json_answer(StatusCode::OK, body),
        Ok(Reply::Created(body)) => json_answer(StatusCode::CREATED, body),
        Ok(Reply::Nothing) => {
            let mut answer = Response::new(Full::new(Bytes::new()));
            *answer.status_mut() = StatusCode::NO_CONTENT;
            answer
        }
        Err(Failure::Invalid(detail)) => wire_error::problem(Problem::BadRequest, &detail, None),
        Err(Failure::Refused { problem, detail }) => wire_error::problem(problem, &detail, None),
        Err(Failure::Unavailable(unavailable)) => {
            tracing::warn!(%unavailable, "the management API cannot answer");
            wire_error::from_unavailable(&unavailable, None)
        }
    }
}

/// Answers in JSON that nobody may store.
pub(crate) fn json_answer(status: StatusCode, body: Vec<u8>) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // Answers hold secrets and what is true now: RFC 6749 §5.1 asks the same of tokens.
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
