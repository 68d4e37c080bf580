//! What comes of asking a provider.

use bytes::Bytes;
use countersign_core::federation::Unfit;
use countersign_egress::client::EgressError;
use countersign_jose::json;
use http::{Response, StatusCode};
use serde_json::{Map, Value};
use thiserror::Error;

/// Why a provider proves nobody to us.
#[derive(Debug, Error)]
pub(crate) enum ProviderFailure {
    /// It answered with something else than it should.
    #[error("{asked}: {why}")]
    Answer {
        /// What was asked for.
        asked: &'static str,
        /// What is wrong.
        why: String,
    },
    /// As many ask it as may.
    #[error("as many questions to the provider are under way as may be")]
    Busy,
    /// It was not asked, or did not answer.
    #[error("{asked}: {error}")]
    Call {
        /// What was asked for.
        asked: &'static str,
        /// Why.
        error: EgressError,
    },
    /// Its answer proves nobody.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// What it publishes cannot be fetched.
    #[error("{0}: not known, see the log for what came of fetching it")]
    Unknown(&'static str),
}

impl ProviderFailure {
    /// Returns what it is to HTTP: we are the gateway to the provider (RFC 9110 §15.6.3 to §15.6.5).
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::Answer { .. } | Self::Unfit(_) => StatusCode::BAD_GATEWAY,
            Self::Call { error, .. } => match error {
                EgressError::Late(_) => StatusCode::GATEWAY_TIMEOUT,
                EgressError::Connect(_) | EgressError::Resolve(_) | EgressError::Unreachable(_) => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                EgressError::Http(_)
                | EgressError::Redirect(_)
                | EgressError::TooLarge(_)
                | EgressError::Url => StatusCode::BAD_GATEWAY,
            },
            Self::Busy | Self::Unknown(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Returns the stable name, for the audit.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Answer { .. } => "provider_answer",
            Self::Busy => "provider_busy",
            Self::Call { .. } => "provider_unreachable",
            Self::Unfit(unfit) => unfit.code(),
            Self::Unknown(_) => "provider_unknown",
        }
    }
}

/// Takes an answer that is 200.
pub(super) fn body(
    asked: &'static str,
    answer: Result<Response<Bytes>, EgressError>,
) -> Result<Bytes, ProviderFailure> {
    let answer = answer.map_err(|error| ProviderFailure::Call { asked, error })?;
    match answer.status() {
        StatusCode::OK => Ok(answer.into_body()),
        status => {
            let why = format!("the status is {status}{}", told(answer.body()));
            Err(ProviderFailure::Answer { asked, why })
        }
    }
}

/// Reads an object of JSON, each member of it once, which is no error of OAuth: GitHub answers those with 200.
pub(super) fn object(asked: &'static str, body: &[u8]) -> Result<Map<String, Value>, ProviderFailure> {
    let object = json::object(body)
        .map_err(|error| ProviderFailure::Answer { asked, why: format!("it is {error}") })?;
    if object.contains_key("error") {
        return Err(ProviderFailure::Answer { asked, why: format!("it is an error{}", told(body)) });
    }
    Ok(object)
}

/// Returns a member that is text.
pub(super) fn text(
    asked: &'static str,
    object: &mut Map<String, Value>,
    name: &'static str,
) -> Result<String, ProviderFailure> {
    match object.remove(name) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(ProviderFailure::Answer { asked, why: format!("it has no `{name}` that is text") }),
    }
}

/// Returns the error of RFC 6749 §5.2 that an answer names, as far as it is one.
fn told(body: &[u8]) -> String {
    let error = json::object(body).ok().and_then(|object| object.get("error")?.as_str().map(str::to_owned));
    let plain = |error: &String| error.len() <= 64 && error.bytes().all(|byte| byte.is_ascii_graphic());
    error.filter(plain).map(|error| format!(", `{error}`")).unwrap_or_default()
}
