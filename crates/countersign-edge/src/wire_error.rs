//! Refusals and breakdowns on the wire: the only place with their status codes, header fields and bodies.
//!
//! Problem details (RFC 9457) and Bearer challenges (RFC 6750 §3). Two texts, as HOUSE §10 wants: what is said here
//! is safe and stable; the reason goes to the log and the audit under the event's id, which is the `instance`.
//!
//! **Invariant.** A credential that failed is answered with the same bytes whether it is malformed, unknown,
//! expired, revoked or of a kind that is not accepted; only the `instance` differs.

use std::time::Duration;

use bytes::Bytes;
use countersign_core::decision::{Challenge, Denial};
use countersign_core::exchange::Reason;
use countersign_core::id::EventId;
use countersign_core::ledger::Unavailable;
use countersign_core::meter::Exceeded;
use countersign_core::rejection::Rejection;
use countersign_core::timestamp::Timestamp;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use crate::body::BodyError;
use crate::host::HostRefusal;
use crate::rate_limit;

/// The media type of problem details (RFC 9457 §3).
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// The protection space of our challenges (RFC 9110 §11.5).
const REALM: &str = "countersign";

/// Seconds after which an unavailable answer is worth another try: the feed's own beat.
const RETRY_SECONDS: u32 = 1;

/// The kinds of problem. A closed set; each is `urn:countersign:problem:NAME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// An upstream sent no HTTP, or cannot be reached.
    BadGateway,
    /// The request's form is wrong.
    BadRequest,
    /// The state of what is asked for contradicts the request.
    Conflict,
    /// The body is too large.
    ContentTooLarge,
    /// A credential is needed and none was presented.
    CredentialRequired,
    /// Something is expected that is not met here (RFC 9110 §10.1.1).
    ExpectationFailed,
    /// The caller is known and may not.
    Forbidden,
    /// An upstream did not answer in time.
    GatewayTimeout,
    /// A defect of ours.
    InternalError,
    /// More than one credential (RFC 6750 §3.1 `invalid_request`).
    InvalidRequest,
    /// The credential is not good (RFC 6750 §3.1 `invalid_token`).
    InvalidToken,
    /// The method is not for this resource.
    MethodNotAllowed,
    /// The host is not served here.
    MisdirectedRequest,
    /// There is no such resource.
    NotFound,
    /// The body did not arrive in time.
    RequestTimeout,
    /// What is allowed within a time was spent (RFC 6585 §4).
    TooManyRequests,
    /// Not now; later.
    Unavailable,
    /// The members of the body are wrong.
    UnprocessableContent,
    /// The media type is not read here.
    UnsupportedMediaType,
}

impl Problem {
    /// Every kind.
    pub const ALL: [Self; 19] = [
        Self::BadGateway,
        Self::BadRequest,
        Self::Conflict,
        Self::ContentTooLarge,
        Self::CredentialRequired,
        Self::ExpectationFailed,
        Self::Forbidden,
        Self::GatewayTimeout,
        Self::InternalError,
        Self::InvalidRequest,
        Self::InvalidToken,
        Self::MethodNotAllowed,
        Self::MisdirectedRequest,
        Self::NotFound,
        Self::RequestTimeout,
        Self::TooManyRequests,
        Self::Unavailable,
        Self::UnprocessableContent,
        Self::UnsupportedMediaType,
    ];

    /// Returns the last part of the problem's `type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().1
    }

    /// Returns the status code.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.row().0
    }

    const fn row(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BadGateway => (StatusCode::BAD_GATEWAY, "bad-gateway", "Bad gateway"),
            Self::BadRequest => (StatusCode::BAD_REQUEST, "bad-request", "Bad request"),
            Self::Conflict => (StatusCode::CONFLICT, "conflict", "Conflict"),
            Self::ContentTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "content-too-large", "Content too large")
            }
            Self::CredentialRequired => {
                (StatusCode::UNAUTHORIZED, "credential-required", "A credential is required")
            }
            Self::ExpectationFailed => {
                (StatusCode::EXPECTATION_FAILED, "expectation-failed", "Expectation failed")
            }
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "Forbidden"),
            Self::GatewayTimeout => (StatusCode::GATEWAY_TIMEOUT, "gateway-timeout", "Gateway timeout"),
            Self::InternalError => (StatusCode::INTERNAL_SERVER_ERROR, "internal-error", "Internal error"),
            Self::InvalidRequest => (StatusCode::BAD_REQUEST, "invalid-request", "Invalid request"),
            Self::InvalidToken => {
                (StatusCode::UNAUTHORIZED, "invalid-token", "The credential is not accepted")
            }
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed")
            }
            Self::MisdirectedRequest => {
                (StatusCode::MISDIRECTED_REQUEST, "misdirected-request", "Misdirected request")
            }
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "request-timeout", "Request timeout"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable"),
            Self::TooManyRequests => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests")
            }
            Self::UnprocessableContent => {
                (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable-content", "Unprocessable content")
            }
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type")
            }
        }
    }
}

/// The members of RFC 9457 §3.1, in its order.
#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<EventId>,
}

/// Answers with a problem. `detail` is read by the caller: it holds no reason that is not theirs to know.
#[must_use]
pub fn problem(kind: Problem, detail: &str, instance: Option<EventId>) -> Response<Full<Bytes>> {
    let (status, name, title) = kind.row();
    let document = Document {
        r#type: format!("urn:countersign:problem:{name}"),
        title,
        status: status.as_u16(),
        detail,
        instance,
    };
    // Five plain members always serialise; an empty body would still carry the status.
    let body = serde_json::to_vec(&document).unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    with(&mut response, CONTENT_TYPE, PROBLEM_MEDIA_TYPE);
    with(&mut response, CACHE_CONTROL, "no-store");
    response
}

/// What a refusal says beside its reason.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<'a> {
    /// The event under which the operator finds the reason.
    pub instance: Option<EventId>,
    /// Where the resource says who issues its tokens (RFC 9728 §5.1); `None`: it takes none.
    pub resource_metadata: Option<&'a str>,
}

/// Asks for a credential where none was presented: challenges without an error code (RFC 6750 §3.1).
#[must_use]
pub fn from_challenge(challenge: &Challenge, beside: Beside<'_>) -> Response<Full<Bytes>> {
    let detail = match challenge.schemes.as_slice() {
        [] => "Present a credential of a kind that is accepted here",
        ["Bearer"] => "Present a credential: Authorization: Bearer …",
        [..] => "Present a credential of one of the schemes in WWW-Authenticate",
    };
    let mut response = problem(Problem::CredentialRequired, detail, beside.instance);
    for scheme in &challenge.schemes {
        let mut value = format!("{scheme} realm=\"{REALM}\"");
        // Scope-tokens, URLs, nonces and acr values hold neither quote nor backslash (RFC 6749 §3.3, RFC 9449 §8.1).
        let scope = (!challenge.scope.is_empty()).then(|| challenge.scope.to_string());
        for (name, text) in [
            ("scope", scope.as_deref()),
            ("resource_metadata", beside.resource_metadata),
            ("nonce", challenge.nonce.as_deref()),
            ("acr_values", challenge.acr.as_deref()),
        ] {
            if let Some(text) = text {
                value.push_str(&format!(", {name}=\"{text}\""));
            }
        }
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().append(WWW_AUTHENTICATE, value);
        }
    }
    response
}

/// Refuses a presented credential.
#[must_use]
pub fn from_rejection(rejection: Rejection, beside: Beside<'_>) -> Response<Full<Bytes>> {
    let (kind, code, text) = if rejection == Rejection::AMBIGUOUS {
        let text = "The request presents more than one credential, or one of them twice";
        (Problem::InvalidRequest, "invalid_request", text)
    } else {
        // One answer for all: which of them it was is for the operator (RFC 6750 §3.1, §5.2).
        let text = "The credential is malformed, unknown, expired or revoked, or of a kind not accepted here";
        (Problem::InvalidToken, "invalid_token", text)
    };
    let mut response = problem(kind, text, beside.instance);
    let metadata = metadata(beside);
    let value = format!("Bearer realm=\"{REALM}\", error=\"{code}\", error_description=\"{text}\"{metadata}");
    with(&mut response, WWW_AUTHENTICATE, &value);
    response
}

/// Refuses a proven caller.
#[must_use]
pub fn from_denial(denial: &Denial, beside: Beside<'_>) -> Response<Full<Bytes>> {
    let (detail, scope) = match denial {
        Denial::Disbelieved(rejection) => return from_rejection(*rejection, beside),
        // RFC 9068 §4, RFC 6750 §3.1: it is no token here, whatever else it is good for.
        Denial::WrongAudience => return from_rejection(Rejection::NOT_ACCEPTED, beside),
        Denial::InsufficientAuthentication { acr } => return step_up(acr, beside),
        // A scope-token holds neither quote nor backslash (RFC 6749 §3.3).
        Denial::InsufficientScope { necessary, .. } => {
            ("The credential lacks a scope that is required here", format!(", scope=\"{necessary}\""))
        }
        Denial::Own(_) | Denial::OwnersDisagree | Denial::WrongOwner | Denial::WrongScheme => {
            ("The credential is not for use here", String::new())
        }
    };
    let mut response = problem(Problem::Forbidden, detail, beside.instance);
    let metadata = metadata(beside);
    let value = format!("Bearer realm=\"{REALM}\", error=\"insufficient_scope\"{scope}{metadata}");
    with(&mut response, WWW_AUTHENTICATE, &value);
    response
}

/// Sends a client back to have the person sign in another way (RFC 9470 §3). An `acr` holds neither quote nor backslash.
fn step_up(acr: &str, beside: Beside<'_>) -> Response<Full<Bytes>> {
    let detail = "The person has to sign in another way for this: see acr_values in WWW-Authenticate";
    let mut response = problem(Problem::CredentialRequired, detail, beside.instance);
    let (error, metadata) = ("insufficient_user_authentication", metadata(beside));
    let value = format!("Bearer realm=\"{REALM}\", error=\"{error}\", acr_values=\"{acr}\"{metadata}");
    with(&mut response, WWW_AUTHENTICATE, &value);
    response
}

/// Says where the resource describes itself. A URL holds neither quote nor backslash.
fn metadata(beside: Beside<'_>) -> String {
    beside.resource_metadata.map_or_else(String::new, |url| format!(", resource_metadata=\"{url}\""))
}

/// Refuses whoever was not admitted, at `now`.
#[must_use]
pub fn from_reason(reason: &Reason, now: Timestamp, beside: Beside<'_>) -> Response<Full<Bytes>> {
    match reason {
        Reason::Challenge(challenge) => from_challenge(challenge, beside),
        Reason::Rejected(rejection) => from_rejection(*rejection, beside),
        Reason::Denied(denial) => from_denial(denial, beside),
        Reason::Exceeded(exceeded) => from_exceeded(exceeded, now, beside.instance),
    }
}

/// Answers a breakdown: never "allow", and worth another try.
#[must_use]
pub fn from_unavailable(_reason: &Unavailable, instance: Option<EventId>) -> Response<Full<Bytes>> {
    let mut response = problem(Problem::Unavailable, "Whether you may do this is not known now", instance);
    with(&mut response, RETRY_AFTER, &RETRY_SECONDS.to_string());
    // A balancer sends the next connection to a node that knows; this one would come back here.
    with(&mut response, CONNECTION, "close");
    response
}

/// Why a client is refused at an endpoint of OAuth (RFC 6749 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OAuthError {
    /// The client was not proven.
    InvalidClient,
    /// The request is malformed.
    InvalidRequest,
    /// Another registered reason.
    Other(&'static str),
    /// The client has as much as it may have: again after a while (RFC 6585 §4). No 503: nothing is wrong with the server,
    /// and a balancer would take it for ill.
    TooMany(Duration),
    /// Not now; later. RFC 6749 §4.1.2.1 has the name; where there is a status it is 503.
    Unavailable,
}

/// Refuses a client (RFC 6749 §5.2); `description` holds no reason that is not theirs to know.
#[must_use]
pub fn oauth(error: OAuthError, description: &str) -> Response<Full<Bytes>> {
    let (status, code) = match error {
        OAuthError::InvalidClient => (StatusCode::UNAUTHORIZED, "invalid_client"),
        OAuthError::InvalidRequest => (StatusCode::BAD_REQUEST, "invalid_request"),
        OAuthError::Other(code) => (StatusCode::BAD_REQUEST, code),
        OAuthError::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable"),
        OAuthError::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
    };
    // RFC 6749 §5.2: printable ASCII without quote and backslash.
    let plain: String = description
        .chars()
        .filter(|letter| matches!(letter, ' '..='~') && !"\"\\".contains(*letter))
        .collect();
    let document = serde_json::json!({ "error": code, "error_description": plain });
    let mut response = Response::new(Full::new(Bytes::from(document.to_string())));
    *response.status_mut() = status;
    with(&mut response, CONTENT_TYPE, "application/json");
    with(&mut response, CACHE_CONTROL, "no-store");
    match error {
        // RFC 9110 §11.6.1: a 401 has a challenge, however the client tried. RFC 7617 §2.1 names the encoding.
        OAuthError::InvalidClient => {
            let challenge = format!("Basic realm=\"{REALM}\", charset=\"UTF-8\"");
            with(&mut response, WWW_AUTHENTICATE, &challenge);
        }
        OAuthError::TooMany(wait) => with(&mut response, RETRY_AFTER, &(wait.as_secs() + 1).to_string()),
        OAuthError::Unavailable => with(&mut response, RETRY_AFTER, &RETRY_SECONDS.to_string()),
        OAuthError::InvalidRequest | OAuthError::Other(_) => {}
    }
    response
}

/// Refuses a proven caller who has spent what is allowed (RFC 6585 §4).
#[must_use]
pub fn from_exceeded(
    exceeded: &Exceeded,
    now: Timestamp,
    instance: Option<EventId>,
) -> Response<Full<Bytes>> {
    let binding = exceeded.binding();
    let detail = match binding {
        Some(level) => {
            format!("The limit `{}` of the credential is reached", level.allowance.name.as_str())
        }
        None => String::new(),
    };
    let mut response = problem(Problem::TooManyRequests, &detail, instance);
    if let Some(resets_at) = binding.and_then(|level| level.resets_at) {
        with(&mut response, RETRY_AFTER, &rate_limit::seconds_until(resets_at, now).to_string());
    }
    rate_limit::tell(response.headers_mut(), &exceeded.levels, now);
    response
}

/// Refuses an unknown caller who comes too often; `wait`: how long until one more call (RFC 6585 §4).
#[must_use]
pub fn too_many(wait: Duration) -> Response<Full<Bytes>> {
    let mut response = problem(Problem::TooManyRequests, "This address has called too often", None);
    with(&mut response, RETRY_AFTER, &(wait.as_secs() + 1).to_string());
    response
}

/// Refuses a call for which its upstream has no room: too much is in flight there already.
#[must_use]
pub fn exhausted() -> Response<Full<Bytes>> {
    let mut response = problem(Problem::Unavailable, "The upstream is busy with other requests", None);
    with(&mut response, RETRY_AFTER, &RETRY_SECONDS.to_string());
    response
}

/// Refuses a method; `allowed` are those of the resource (RFC 9110 §15.5.6).
#[must_use]
pub fn method_not_allowed(allowed: &[Method], instance: Option<EventId>) -> Response<Full<Bytes>> {
    let mut response = problem(Problem::MethodNotAllowed, "", instance);
    if let Some(allowed) = allow(allowed) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

/// Lists methods (RFC 9110 §10.2.1).
#[must_use]
pub fn allow(methods: &[Method]) -> Option<HeaderValue> {
    let names: Vec<_> = methods.iter().map(Method::as_str).collect();
    HeaderValue::try_from(names.join(", ")).ok()
}

/// Refuses a host.
#[must_use]
pub fn from_host(refusal: HostRefusal, instance: Option<EventId>) -> Response<Full<Bytes>> {
    match refusal {
        HostRefusal::Invalid => problem(Problem::BadRequest, "Name one host, once", instance),
        HostRefusal::Foreign => {
            problem(Problem::MisdirectedRequest, "This host is not served here", instance)
        }
    }
}

/// Refuses a body.
#[must_use]
pub fn from_body(error: BodyError, instance: Option<EventId>) -> Response<Full<Bytes>> {
    let (kind, detail) = match error {
        BodyError::Aborted => (Problem::BadRequest, "The body ended before its end"),
        BodyError::Stalled => (Problem::RequestTimeout, "The body did not arrive in time"),
        BodyError::TooLarge => (Problem::ContentTooLarge, "The body is larger than what is accepted here"),
    };
    problem(kind, detail, instance)
}

fn with(response: &mut Response<Full<Bytes>>, name: HeaderName, value: &str) {
    // Every value above is visible ASCII.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use countersign_core::decision::{Challenge, Denial, OwnDenial};
    use countersign_core::id::EventId;
    use countersign_core::key_string::Malformed;
    use countersign_core::ledger::Unavailable;
    use countersign_core::rejection::Rejection;
    use countersign_core::scope::ScopeSet;
    use http::{Method, Response};
    use http_body_util::{BodyExt as _, Full};

    use super::{
        Beside, OAuthError, Problem, from_challenge, from_denial, from_rejection, from_unavailable,
        method_not_allowed, oauth, problem,
    };

    fn beside() -> Beside<'static> {
        Beside { instance: event(), resource_metadata: None }
    }

    fn event() -> Option<EventId> {
        Some("evt_0000000000000000000001".parse().unwrap())
    }

    fn text(response: Response<Full<Bytes>>) -> String {
        let (head, body) = response.into_parts();
        let mut text = format!("{}\n", head.status.as_u16());
        for (name, value) in &head.headers {
            text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
        }
        let mut body = std::pin::pin!(body.collect());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(body) = body.as_mut().poll(&mut context) else { panic!("a whole body") };
        text + str::from_utf8(&body.unwrap().to_bytes()).unwrap()
    }

    #[track_caller]
    fn check(response: Response<Full<Bytes>>, expected: &str) {
        assert_eq!(text(response), expected);
    }

    #[test]
    fn rfc6750_3_1_no_credential_is_challenged_without_an_error() {
        check(
            from_challenge(&Challenge { schemes: vec!["Bearer"], ..Challenge::default() }, Beside::default()),
            "401\ncontent-type: application/problem+json\ncache-control: no-store\n\
             www-authenticate: Bearer realm=\"countersign\"\n\
             {\"type\":\"urn:countersign:problem:credential-required\",\"title\":\"A credential is required\",\
             \"status\":401,\"detail\":\"Present a credential: Authorization: Bearer …\"}",
        );
    }

    #[test]
    fn rfc6750_3_1_every_failed_credential_is_one_invalid_token() {
        let expected = "401\ncontent-type: application/problem+json\ncache-control: no-store\n\
            www-authenticate: Bearer realm=\"countersign\", error=\"invalid_token\", error_description=\"The \
            credential is malformed, unknown, expired or revoked, or of a kind not accepted here\"\n\
            {\"type\":\"urn:countersign:problem:invalid-token\",\"title\":\"The credential is not accepted\",\
            \"status\":401,\"detail\":\"The credential is malformed, unknown, expired or revoked, or of a kind \
            not accepted here\",\"instance\":\"evt_0000000000000000000001\"}";
        for rejection in [
            Rejection::ADDRESS_NOT_ALLOWED,
            Rejection::DISABLED,
            Rejection::EXPIRED,
            Malformed::Checksum.into(),
            Malformed::Shape.into(),
            Rejection::NOT_ACCEPTED,
            Rejection::NOT_YET_VALID,
            Rejection::OWNER_DISABLED,
            Rejection::REVOKED,
            Rejection::UNKNOWN,
            Rejection::UNRECOGNISED,
        ] {
            check(from_rejection(rejection, beside()), expected);
        }
    }

    #[test]
    fn rfc6750_3_1_two_credentials_are_an_invalid_request() {
        check(
            from_rejection(Rejection::AMBIGUOUS, Beside::default()),
            "400\ncontent-type: application/problem+json\ncache-control: no-store\n\
             www-authenticate: Bearer realm=\"countersign\", error=\"invalid_request\", error_description=\"The \
             request presents more than one credential, or one of them twice\"\n\
             {\"type\":\"urn:countersign:problem:invalid-request\",\"title\":\"Invalid request\",\"status\":400,\
             \"detail\":\"The request presents more than one credential, or one of them twice\"}",
        );
    }

    #[test]
    fn rfc6750_3_1_a_missing_scope_is_named() {
        let necessary: ScopeSet = "orders:read orders:write".parse().unwrap();
        check(
            from_denial(
                &Denial::InsufficientScope { missing: "orders:read".parse().unwrap(), necessary },
                Beside::default(),
            ),
            "403\ncontent-type: application/problem+json\ncache-control: no-store\n\
             www-authenticate: Bearer realm=\"countersign\", error=\"insufficient_scope\", \
             scope=\"orders:read orders:write\"\n\
             {\"type\":\"urn:countersign:problem:forbidden\",\"title\":\"Forbidden\",\"status\":403,\
             \"detail\":\"The credential lacks a scope that is required here\"}",
        );
        let others = [
            Denial::Own(OwnDenial { code: "wrong_environment", why: "", nearness: 0 }),
            Denial::OwnersDisagree,
            Denial::WrongOwner,
            Denial::WrongScheme,
        ];
        let texts: Vec<_> = others.iter().map(|one| text(from_denial(one, Beside::default()))).collect();
        assert!(
            texts.windows(2).all(|pair| pair[0] == pair[1]),
            "a denial does not tell what would be right"
        );
        assert!(!texts[0].contains("orders"));
    }

    #[test]
    fn rfc9728_5_1_every_challenge_says_where_the_resource_describes_itself() {
        let url = "https://api.example.com/.well-known/oauth-protected-resource/orders";
        let beside = Beside { instance: None, resource_metadata: Some(url) };
        let scope: ScopeSet = "orders:read".parse().unwrap();
        let missing = "orders:read".parse().unwrap();
        let lacking = Denial::InsufficientScope { missing, necessary: scope.clone() };
        let challenge = Challenge { schemes: vec!["Bearer"], scope, ..Challenge::default() };
        for (response, expected) in [
            (from_challenge(&challenge, beside), "realm=\"countersign\", scope=\"orders:read\""),
            (from_rejection(Rejection::EXPIRED, beside), "error=\"invalid_token\""),
            (from_denial(&Denial::Disbelieved(Rejection::UNKNOWN), beside), "error=\"invalid_token\""),
            (from_denial(&Denial::WrongAudience, beside), "error=\"invalid_token\""),
            (
                from_denial(&Denial::InsufficientAuthentication { acr: "phr".into() }, beside),
                "error=\"insufficient_user_authentication\", acr_values=\"phr\"",
            ),
            (from_denial(&lacking, beside), "error=\"insufficient_scope\", scope=\"orders:read\""),
        ] {
            let found = response.headers()["www-authenticate"].to_str().unwrap();
            assert!(found.starts_with("Bearer ") && found.contains(expected), "{found}");
            assert!(found.ends_with(&format!(", resource_metadata=\"{url}\"")), "{found}");
        }
    }

    #[test]
    fn unavailable_is_503_with_retry_after_and_without_the_reason() {
        check(
            from_unavailable(&Unavailable::Store("10.0.0.7 refused".into()), event()),
            "503\ncontent-type: application/problem+json\ncache-control: no-store\nretry-after: 1\nconnection: close\n\
             {\"type\":\"urn:countersign:problem:unavailable\",\"title\":\"Temporarily unavailable\",\"status\":503,\
             \"detail\":\"Whether you may do this is not known now\",\"instance\":\"evt_0000000000000000000001\"}",
        );
    }

    #[test]
    fn rfc6749_5_2_a_client_is_refused_in_words_of_oauth() {
        let refused = |error| oauth(error, "why");
        let head = "content-type: application/json\ncache-control: no-store\n";
        for (error, status, fields, code) in [
            (OAuthError::InvalidRequest, 400, "", "invalid_request"),
            (OAuthError::Other("invalid_scope"), 400, "", "invalid_scope"),
            (
                OAuthError::InvalidClient,
                401,
                "www-authenticate: Basic realm=\"countersign\", charset=\"UTF-8\"\n",
                "invalid_client",
            ),
            (
                OAuthError::TooMany(Duration::from_millis(1_500)),
                429,
                "retry-after: 2\n",
                "temporarily_unavailable",
            ),
            (OAuthError::Unavailable, 503, "retry-after: 1\n", "temporarily_unavailable"),
        ] {
            let body = format!(r#"{{"error":"{code}","error_description":"why"}}"#);
            check(refused(error), &format!("{status}\n{head}{fields}{body}"));
        }
    }

    #[test]
    fn rfc9110_15_5_6_a_wrong_method_is_told_the_right_ones() {
        check(
            method_not_allowed(&[Method::GET, Method::POST], None),
            "405\ncontent-type: application/problem+json\ncache-control: no-store\nallow: GET, POST\n\
             {\"type\":\"urn:countersign:problem:method-not-allowed\",\"title\":\"Method not allowed\",\
             \"status\":405}",
        );
    }

    #[test]
    fn problem_names_are_unique_and_fit_a_urn() {
        let names: std::collections::BTreeSet<_> = Problem::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), Problem::ALL.len());
        for kind in Problem::ALL {
            assert!(kind.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
            assert_eq!(problem(kind, "", None).status(), kind.status());
            assert!(kind.status().as_u16() >= 400);
        }
    }
}
