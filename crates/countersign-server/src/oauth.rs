//! What the endpoints of OAuth for clients have in common: parameters in two forms, a proven client, and the errors of
//! RFC 6749 §5.2.

use std::net::IpAddr;

use bytes::Bytes;
use countersign_core::client_authentication::{self, ClientRequest};
use countersign_core::exchange::authenticate;
use countersign_core::grant::{Form, GrantError};
use countersign_core::ledger::Unavailable;
use countersign_core::principal::Principal;
use countersign_core::rejection::Rejection;
use countersign_edge::form::{Form as Parameters, is_form, media_type};
use countersign_edge::wire_error::{self, OAuthError};
use http::HeaderMap;
use serde_json::{Map, Value};

use crate::app::App;
use crate::client_keys::ClientLedger;
use crate::failure::Failure;
use crate::json;
use crate::places::Sender;
use crate::received::Received;

/// The most bytes of a request: parameters are short, and an assertion or a token has at most 8 KiB.
const MAX_REQUEST: usize = 32 * 1024;

/// A call of a client that was proven.
#[derive(Debug)]
pub(crate) struct ClientCall {
    /// Who calls.
    pub(crate) client: Principal,
    /// What is asked.
    pub(crate) form: Form,
    /// Whence.
    pub(crate) address: Option<IpAddr>,
}

/// Why a client is not answered with what it asked for.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The client was not proven.
    Client(Rejection),
    /// The request was decided against.
    Grant(GrantError),
    /// The request cannot be understood.
    Request(String),
    /// The body could not be read.
    Unread(Failure),
    /// It is not known.
    Unavailable(Unavailable),
}

impl From<GrantError> for Refused {
    fn from(error: GrantError) -> Self {
        Self::Grant(error)
    }
}

impl From<Unavailable> for Refused {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let (error, words) = match refused {
            Refused::Client(rejection) if rejection == Rejection::AMBIGUOUS => {
                (OAuthError::InvalidRequest, "more than one method of client authentication".to_owned())
            }
            // An unknown client and a wrong secret are the same answer.
            Refused::Client(_) => (OAuthError::InvalidClient, "the client was not proven".to_owned()),
            Refused::Grant(GrantError::Full(full)) => (OAuthError::TooMany(full.wait()), full.to_string()),
            Refused::Grant(error) => (OAuthError::Other(error.code()), error.to_string()),
            Refused::Request(words) => (OAuthError::InvalidRequest, words),
            Refused::Unread(failure) => return failure,
            Refused::Unavailable(unavailable) => {
                tracing::warn!(%unavailable, "a client cannot be answered");
                (OAuthError::Unavailable, "this cannot be answered now".to_owned())
            }
        };
        wire_error::oauth(error, &words).into()
    }
}

/// Reads what a client asks, and proves the client.
///
/// # Errors
///
/// [`Refused`].
pub(crate) async fn receive(app: &App, received: Received) -> Result<ClientCall, Refused> {
    let address = received.address();
    let Received { head, body, .. } = received;
    let sender = Sender::Address(address);
    let body = app.intake.read(sender, body, MAX_REQUEST).await;
    let body = body.map_err(|unread| Refused::Unread(unread.into()))?;
    let form = form(&head.headers, &body)?;
    let request = ClientRequest { headers: &head.headers, form: &form, issuer: &app.issuer_url };
    let presented = client_authentication::recognise(request).map_err(Refused::Client)?;
    let mut entropy = (app.entropy)();
    let policy = app.policy.load_full();
    let mut context = app.context(&policy, entropy.as_mut(), address);
    let ledger = ClientLedger { stored: app.store.as_ref(), keys: &app.client_keys };
    let client = authenticate(&ledger, &mut context, &*presented).await?.map_err(Refused::Client)?;
    drop(presented);
    Ok(ClientCall { client, form, address })
}

/// Reads parameters: as RFC 6749 appendix B writes them, or as an object of JSON with the same members.
fn form(headers: &HeaderMap, body: &Bytes) -> Result<Form, Refused> {
    if is_form(headers) {
        let read = Parameters::read(body).map_err(|error| Refused::Request(error.to_string()))?;
        Ok(Form::new(read.into_pairs())?)
    } else if media_type(headers).eq_ignore_ascii_case("application/json") {
        let members: Map<String, Value> =
            json::object(body).map_err(|error| Refused::Request(error.to_string()))?;
        let text = |(name, value): (String, Value)| match value {
            Value::String(text) => Ok((name, text)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err(Refused::Request("expected the members to be texts".to_owned()))
            }
        };
        Ok(Form::new(members.into_iter().map(text).collect::<Result<Vec<_>, _>>()?)?)
    } else {
        let expected = "expected Content-Type: application/x-www-form-urlencoded, or application/json";
        Err(Refused::Request(expected.to_owned()))
    }
}
