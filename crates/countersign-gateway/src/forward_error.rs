//! Why a request that was permitted was not answered by its upstream, and what its caller is told.

use bytes::Bytes;
use countersign_edge::body::BodyError;
use countersign_edge::wire_error::{self, Problem};
use http::Response;
use http_body_util::Full;

use crate::address::ConnectError;

/// Why an exchange with an upstream failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ForwardError {
    AnswerBroken,
    AnswerTimedOut,
    Body(BodyError),
    Closed,
    Connect(ConnectError),
    Exhausted,
    InvalidAnswer,
    SwitchedProtocols,
}

impl ForwardError {
    /// Returns the stable name: the reason in metrics and the log.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::AnswerBroken => "answer_broken",
            Self::AnswerTimedOut => "answer_timeout",
            Self::Body(BodyError::Aborted) => "request_aborted",
            Self::Body(BodyError::Stalled) => "request_stalled",
            Self::Body(BodyError::TooLarge) => "request_too_large",
            Self::Closed => "closed",
            Self::Connect(ConnectError::Name) => "name",
            Self::Connect(ConnectError::Refused) => "connect_refused",
            Self::Connect(ConnectError::TimedOut) => "connect_timeout",
            Self::Connect(ConnectError::Tls) => "tls",
            Self::Connect(ConnectError::Exhausted) | Self::Exhausted => "exhausted",
            Self::InvalidAnswer => "invalid_answer",
            Self::SwitchedProtocols => "switched_protocols",
        }
    }

    /// Tells whether it is the upstream's fault, not the caller's.
    pub(crate) const fn is_upstreams(self) -> bool {
        !matches!(self, Self::Body(_))
    }

    pub(crate) fn response(self) -> Response<Full<Bytes>> {
        match self {
            Self::Body(error) => wire_error::from_body(error, None),
            Self::AnswerTimedOut | Self::Connect(ConnectError::TimedOut) => {
                wire_error::problem(Problem::GatewayTimeout, "The upstream did not answer in time", None)
            }
            Self::Connect(ConnectError::Name | ConnectError::Refused | ConnectError::Tls) => {
                wire_error::problem(Problem::BadGateway, "The upstream cannot be reached", None)
            }
            Self::Connect(ConnectError::Exhausted) | Self::Exhausted => wire_error::exhausted(),
            Self::AnswerBroken | Self::Closed | Self::InvalidAnswer | Self::SwitchedProtocols => {
                wire_error::problem(Problem::BadGateway, "The upstream did not answer properly", None)
            }
        }
    }
}
