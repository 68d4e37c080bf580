//! What an authorization request is made of, and why one is refused.

use std::sync::Arc;

use thiserror::Error;

use crate::id::CredentialId;
use crate::known::KnownOwner;
use crate::registered::names;
use crate::timestamp::Timestamp;

/// A person who has signed in at this browser.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The session.
    pub session: CredentialId,
    /// Who it is.
    pub person: Arc<KnownOwner>,
    /// When they signed in.
    pub auth_time: Timestamp,
    /// Whether nobody says when they have proven who they are: that is never lately.
    pub is_undated: bool,
    /// How (RFC 8176).
    pub amr: Vec<String>,
}

names! {
    /// How the answer reaches the client.
    ResponseMode, "query or form_post" {
        /// In the query of the redirect URI (RFC 6749 §4.1.2).
        Query = "query",
        /// In a form that the browser posts (OAuth 2.0 Form Post Response Mode §2).
        FormPost = "form_post",
    }
}

names! {
    /// What the client wants the person to be asked (OpenID Connect Core 1.0 §3.1.2.1).
    Prompt, "none, login, consent or select_account" {
        /// Nothing.
        None = "none",
        /// To sign in again.
        Login = "login",
        /// To allow it again.
        Consent = "consent",
        /// Who they are; here that is to sign in again.
        SelectAccount = "select_account",
    }
}

/// Why the browser is sent nowhere: whom to is not proven. A page says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unanswerable {
    /// The parameters cannot be read, or name no client or redirect URI, or two.
    #[error("expected one client_id and one redirect_uri (RFC 6749 §3.1)")]
    Malformed,
    /// There is no such client, or it is disabled.
    #[error("there is no such client: compare its client_id with `client list`")]
    UnknownClient,
    /// The redirect URI is none of the client's (RFC 6749 §3.1.2.4).
    #[error("the redirect_uri is not registered for the client, byte for byte: see `client show`")]
    RedirectUri,
}

impl Unanswerable {
    /// Returns the stable name: the reason in the audit and on the page.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "invalid_request",
            Self::UnknownClient => "unknown_client",
            Self::RedirectUri => "redirect_uri_mismatch",
        }
    }
}

/// Why a request is refused, as the client is told: RFC 6749 §4.1.2.1, RFC 8707 §2, OpenID Connect Core 1.0 §3.1.2.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AuthorizationError {
    /// The person says no.
    #[error("the request was denied")]
    AccessDenied,
    /// The person would have to be asked for their consent.
    #[error("the person has to be asked for consent, which prompt=none forbids")]
    ConsentRequired,
    /// A parameter is missing, repeated, or cannot be understood.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// The scope is unknown, or more than the client may have.
    #[error("the scope is malformed, unknown to the resource, or more than the client is registered for")]
    InvalidScope,
    /// The resource is unknown, or not one of the client's.
    #[error("the resource is unknown, or the client is not registered for it, or has to name one")]
    InvalidTarget,
    /// The person would have to sign in.
    #[error("the person has to sign in, which prompt=none forbids, or is another than was meant")]
    LoginRequired,
    /// There are no registrations in requests.
    #[error("the parameter registration is not supported")]
    RegistrationNotSupported,
    /// There are no request objects.
    #[error("the parameter request is not supported")]
    RequestNotSupported,
    /// There are no request objects elsewhere.
    #[error("the parameter request_uri is not supported")]
    RequestUriNotSupported,
    /// It is not known.
    #[error("this cannot be answered now")]
    TemporarilyUnavailable,
    /// The client may not use the code grant.
    #[error("the client is not registered for the grant authorization_code")]
    UnauthorizedClient,
    /// Nobody can sign in here as the client insists (OpenID Connect Core Unmet Authentication Requirements 1.0 §2).
    #[error("no sign-in here has one of the essential acr values: see acr_values_supported")]
    UnmetAuthenticationRequirements,
    /// It is not `code`.
    #[error("expected response_type=code; tokens are not sent through a browser")]
    UnsupportedResponseType,
}

impl AuthorizationError {
    /// Returns the registered name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::ConsentRequired => "consent_required",
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::LoginRequired => "login_required",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Self::UnsupportedResponseType => "unsupported_response_type",
        }
    }
}
