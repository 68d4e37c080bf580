//! The userinfo endpoint (OpenID Connect Core 1.0 §5.3): what a person has allowed a client to know of them.

use countersign_core::ledger::Find as _;
use countersign_core::principal::Subject;
use countersign_core::question::PersonOf;
use countersign_core::rejection::Rejection;
use countersign_edge::form::{Form, is_form};
use countersign_edge::wire_error::{self, Beside};
use http::Method;
use http::header::{AUTHORIZATION, HeaderValue};
use http::request::Parts;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::admission::admit_for_person;
use crate::app::App;
use crate::failure::Failure;
use crate::places::Sender;
use crate::received::{Caller, Received};
use crate::reply::Reply;

/// The most bytes of a form: a token of 12 KiB and its name.
const MOST: usize = 16 * 1024;

/// What is told of a person (§5.3.2).
#[derive(Serialize, JsonSchema)]
pub(crate) struct UserInfo {
    /// Who it is; the same as in the ID token.
    sub: String,
    /// What the scopes ask for (§5.4).
    #[serde(flatten)]
    claims: Map<String, Value>,
}

/// Tells a client about the person for whom its token acts.
pub(crate) async fn userinfo(app: &App, received: Received) -> Result<Reply, Failure> {
    let address = received.address();
    let Received { mut head, body, caller } = received;
    if head.method == Method::POST {
        let body = app.intake.read(Sender::Address(address), body, MOST).await?;
        from_form(&mut head, &body)?;
    }
    let Caller::Network(connection) = caller else { return Err(unknown()) };
    let permit = admit_for_person(app, &connection, &head).await.map_err(Failure::Answered)?;
    let principal = permit.principal();
    let Some(Subject::Owner(person)) = principal.subject() else { return Err(unknown()) };
    let found = app.store.find(PersonOf(*person)).await?.ok_or_else(unknown)?;
    Reply::ok(&UserInfo { sub: person.to_string(), claims: found.claims(principal.scopes()) })
}

/// Takes a token that is sent in a form (RFC 6750 §2.2) for one in the field: both at once are two (§2).
fn from_form(head: &mut Parts, body: &[u8]) -> Result<(), Failure> {
    if !is_form(&head.headers) {
        return Ok(());
    }
    let form = Form::read(body).map_err(|error| Failure::Invalid(error.to_string()))?;
    let Some(token) = form.get("access_token") else { return Ok(()) };
    let field = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| unknown())?;
    head.headers.append(AUTHORIZATION, field);
    Ok(())
}

fn unknown() -> Failure {
    wire_error::from_rejection(Rejection::UNKNOWN, Beside::default()).into()
}
