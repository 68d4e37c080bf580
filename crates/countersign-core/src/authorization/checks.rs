//! The check table: what a request has to be, in the order in which it is looked at.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::authorization_code::is_challenge;
use crate::client_terms::{ClientTerms, GrantType};
use crate::identity;
use crate::issuing::target;
use crate::resource::{Resource, Resources};
use crate::scope::{Scope, ScopeSet};

use super::claims::ClaimsRequest;
use super::model::{AuthorizationError, Prompt, ResponseMode};
use super::request::{Addressed, Request};

use AuthorizationError::{
    InvalidRequest, InvalidScope, InvalidTarget, RegistrationNotSupported, RequestNotSupported,
    RequestUriNotSupported, UnauthorizedClient, UnmetAuthenticationRequirements, UnsupportedResponseType,
};

/// The longest `state` and `nonce`: they go through a browser's address and are stored; a bound, not a clause.
const MAX_ECHOED: usize = 2048;

/// A request that may be asked of a person.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Whom the answer goes to.
    pub addressed: Addressed,
    /// How.
    pub mode: ResponseMode,
    /// What is given back with it.
    pub state: Option<String>,
    /// What the first ID token repeats.
    pub nonce: Option<String>,
    /// The challenge, by `S256`.
    pub challenge: Option<String>,
    /// What tokens are for.
    pub resource: Arc<Resource>,
    /// What is asked for.
    pub scopes: ScopeSet,
    /// Which claims are asked for by name.
    pub claims: ClaimsRequest,
    /// What the client wants the person to be asked.
    pub prompts: BTreeSet<Prompt>,
    /// How many seconds ago the person may have signed in.
    pub max_age: Option<u64>,
    /// Who the client thinks it is.
    pub login_hint: Option<String>,
    /// Whom it has to be, by the `sub` of tokens (OpenID Connect Core 1.0 §5.5.1); `id_token_hint` says it too.
    pub meant: Option<String>,
}

/// What a check looks at.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    request: &'a Request,
    addressed: &'a Addressed,
    resources: &'a Resources,
}

impl std::fmt::Debug for Asked<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Asked").field("request", self.request).finish_non_exhaustive()
    }
}

/// A row: what is checked, by which clause.
#[derive(Debug)]
pub struct Check {
    /// The parameter that it looks at.
    pub parameter: &'static str,
    /// The clause.
    pub clause: &'static str,
    holds: fn(Asked<'_>) -> Result<(), AuthorizationError>,
}

/// Every check.
pub static CHECKS: &[Check] = &[
    Check {
        parameter: "response_mode",
        clause: "OAuth 2.0 Multiple Response Types §2.1",
        holds: |asked| mode(asked.request).map(drop),
    },
    Check {
        parameter: "(any)",
        clause: "RFC 6749 §3.1",
        holds: |asked| unless(asked.request.repeats(), InvalidRequest("a parameter is there twice")),
    },
    Check {
        parameter: "request",
        clause: "OpenID Connect Core 1.0 §6",
        holds: |asked| unless(asked.request.has("request"), RequestNotSupported),
    },
    Check {
        parameter: "request_uri",
        clause: "OpenID Connect Core 1.0 §6",
        holds: |asked| unless(asked.request.has("request_uri"), RequestUriNotSupported),
    },
    Check {
        parameter: "registration",
        clause: "OpenID Connect Core 1.0 §7.2.1",
        holds: |asked| unless(asked.request.has("registration"), RegistrationNotSupported),
    },
    Check { parameter: "response_type", clause: "RFC 6749 §3.1.1", holds: response_type },
    Check {
        parameter: "client_id",
        clause: "RFC 6749 §4.1.2.1",
        holds: |asked| unless(!asked.addressed.may(GrantType::AuthorizationCode), UnauthorizedClient),
    },
    Check { parameter: "code_challenge", clause: "RFC 7636 §4.4.1", holds: challenge },
    Check { parameter: "state", clause: "RFC 6749 §4.1.1", holds: |asked| echoed(asked.request, "state") },
    Check {
        parameter: "nonce",
        clause: "OpenID Connect Core 1.0 §3.1.2.1",
        holds: |asked| echoed(asked.request, "nonce"),
    },
    Check { parameter: "resource", clause: "RFC 8707 §2", holds: |asked| resource(asked).map(drop) },
    Check { parameter: "scope", clause: "RFC 6749 §3.3", holds: |asked| scopes(asked).map(drop) },
    Check {
        parameter: "claims",
        clause: "OpenID Connect Core 1.0 §5.5",
        holds: |asked| ClaimsRequest::read(asked.request).map(drop),
    },
    Check {
        parameter: "claims (acr)",
        clause: "OpenID Connect Core 1.0 §5.5.1.1",
        holds: |asked| {
            let essential = ClaimsRequest::read(asked.request)?.essential;
            unless(
                essential.is_some_and(|essential| !essential.can_be_met()),
                UnmetAuthenticationRequirements,
            )
        },
    },
    Check {
        parameter: "prompt",
        clause: "OpenID Connect Core 1.0 §3.1.2.1",
        holds: |asked| prompts(asked.request).map(drop),
    },
    Check {
        parameter: "max_age",
        clause: "OpenID Connect Core 1.0 §3.1.2.1",
        holds: |asked| max_age(asked.request).map(drop),
    },
];

/// Checks a request.
///
/// # Errors
///
/// The first row that does not hold. The answer goes to who is `addressed`.
pub fn check(
    request: &Request,
    addressed: Addressed,
    resources: &Resources,
) -> Result<Checked, AuthorizationError> {
    let asked = Asked { request, addressed: &addressed, resources };
    CHECKS.iter().try_for_each(|row| (row.holds)(asked))?;
    let owned = |name| request.get(name).map(str::to_owned);
    let claims = ClaimsRequest::read(request)?;
    Ok(Checked {
        mode: mode(request)?,
        state: owned("state"),
        nonce: owned("nonce"),
        challenge: owned("code_challenge"),
        resource: resource(asked)?,
        scopes: claims.scopes(&scopes(asked)?),
        meant: claims.subject.clone(),
        claims,
        prompts: prompts(request)?,
        max_age: max_age(request)?,
        login_hint: owned("login_hint").filter(|hint| hint.len() <= MAX_ECHOED),
        addressed,
    })
}

fn unless(wrong: bool, error: AuthorizationError) -> Result<(), AuthorizationError> {
    if wrong { Err(error) } else { Ok(()) }
}

fn mode(request: &Request) -> Result<ResponseMode, AuthorizationError> {
    let Some(text) = request.get("response_mode") else { return Ok(ResponseMode::Query) };
    text.parse().map_err(|_| InvalidRequest("expected response_mode=query or form_post"))
}

fn response_type(asked: Asked<'_>) -> Result<(), AuthorizationError> {
    match asked.request.get("response_type") {
        Some("code") => Ok(()),
        Some(_) => Err(UnsupportedResponseType),
        None => Err(InvalidRequest("expected response_type=code")),
    }
}

/// RFC 7636 §4.3: `S256` alone; where no method is named, `plain` is meant, which is not taken.
fn challenge(asked: Asked<'_>) -> Result<(), AuthorizationError> {
    let Asked { request, addressed, .. } = asked;
    match (request.get("code_challenge"), request.get("code_challenge_method")) {
        (Some(challenge), Some("S256")) if is_challenge(challenge) => Ok(()),
        (Some(_), Some("S256")) => {
            Err(InvalidRequest("expected a code_challenge of 43 base64url characters"))
        }
        (Some(_), _) => Err(InvalidRequest("expected code_challenge_method=S256")),
        (None, Some(_)) => Err(InvalidRequest("expected a code_challenge with its method")),
        (None, None) if needs_pkce(&addressed.terms) => {
            Err(InvalidRequest("expected a code_challenge (RFC 7636)"))
        }
        (None, None) => Ok(()),
    }
}

/// Only a client that proves itself may be registered to need none.
const fn needs_pkce(terms: &ClientTerms) -> bool {
    terms.require_pkce || !terms.auth_method.is_confidential()
}

fn echoed(request: &Request, name: &str) -> Result<(), AuthorizationError> {
    let is_long = request.get(name).is_some_and(|text| text.len() > MAX_ECHOED);
    unless(is_long, InvalidRequest("expected a state and a nonce of at most 2048 bytes"))
}

fn resource(asked: Asked<'_>) -> Result<Arc<Resource>, AuthorizationError> {
    let named = match (asked.request.get("resource"), asked.request.get("audience")) {
        (Some(resource), Some(audience)) if resource != audience => return Err(InvalidTarget),
        (one, other) => one.or(other),
    };
    target(asked.resources, &asked.addressed.terms, named).map_err(|_| InvalidTarget)
}

fn scopes(asked: Asked<'_>) -> Result<ScopeSet, AuthorizationError> {
    let terms = &asked.addressed.terms;
    asked_scopes(terms, &*resource(asked)?, asked.request.get("scope")).ok_or(InvalidScope)
}

/// Reads what is asked for, or else takes all that the client is registered for: known to the resource, or to every client
/// that acts for people. `None`: it is malformed, or more than that.
pub(crate) fn asked_scopes(
    terms: &ClientTerms,
    resource: &Resource,
    asked: Option<&str>,
) -> Option<ScopeSet> {
    let registered = |scope: &Scope| terms.scopes.contains(scope.as_str()) && resource.takes(scope);
    let Some(text) = asked else {
        let all: Vec<_> = terms.scopes.iter().filter(|scope| registered(scope)).cloned().collect();
        return ScopeSet::try_from(all).ok();
    };
    let scopes: ScopeSet = text.parse().ok()?;
    let may = scopes.iter().all(|scope| identity::is_identity(scope) || registered(scope));
    may.then_some(scopes)
}

fn prompts(request: &Request) -> Result<BTreeSet<Prompt>, AuthorizationError> {
    let words = request.get("prompt").into_iter().flat_map(|text| text.split(' '));
    let prompts: Result<BTreeSet<Prompt>, _> = words.map(str::parse).collect();
    let prompts = prompts
        .map_err(|_| InvalidRequest("expected prompt to be of none, login, consent, select_account"))?;
    let alone = !prompts.contains(&Prompt::None) || prompts.len() == 1;
    if alone { Ok(prompts) } else { Err(InvalidRequest("expected prompt=none to stand alone")) }
}

fn max_age(request: &Request) -> Result<Option<u64>, AuthorizationError> {
    let age = request.get("max_age").map(str::parse).transpose();
    age.map_err(|_| InvalidRequest("expected max_age to be a number of seconds"))
}
