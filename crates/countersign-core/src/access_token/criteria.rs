//! What a route may ask of an access token beyond scopes, owner and audience.

use serde_json::{Map, Value};

use crate::decision::{Asked, Audience, Condition, Issuer, Judge, OwnCriteria, OwnDenial, TokenSource};
use crate::identity::OPENID;
use crate::kind::{NotACondition, Setting, read};
use crate::token::AccessClaims;

use super::kind::{KIND, SCHEME};

/// The settings of [`TokenCriteria`].
pub(super) static SETTINGS: &[Setting] = &[
    Setting {
        name: "audience",
        holds: "URI",
        default: "the default resource",
        meaning: "The resource that the token must be made for.",
    },
    Setting {
        name: "claims",
        holds: "table of values",
        default: "none",
        meaning: "The claims that the token must hold, each with this value, or with a list that holds it. Where a person's `acr` alone is another, the client is told which (RFC 9470).",
    },
];

/// It lacks a claim.
pub(crate) const WRONG_CLAIMS: OwnDenial =
    OwnDenial { code: "wrong_claims", why: "the token lacks a claim that is required", nearness: 0 };

/// What is asked of a token itself.
#[derive(Debug, Clone, PartialEq)]
struct TokenCriteria {
    claims: Map<String, Value>,
}

impl Judge for TokenCriteria {
    type Own = AccessClaims;

    fn meets(&self, own: &AccessClaims) -> Result<(), OwnDenial> {
        if own.lacking(&self.claims).next().is_none() { Ok(()) } else { Err(WRONG_CLAIMS) }
    }

    fn step_up(&self, own: &AccessClaims) -> Option<&str> {
        let mut missing = own.lacking(&self.claims);
        match (missing.next(), missing.next(), &own.delegation) {
            (Some((name, Value::String(acr))), None, Some(_)) if name == ACR => Some(acr),
            _ => None,
        }
    }
}

/// What is asked of a token that acts for a person.
#[derive(Debug, Clone, PartialEq)]
struct OfPerson;

impl Judge for OfPerson {
    type Own = AccessClaims;

    fn meets(&self, own: &AccessClaims) -> Result<(), OwnDenial> {
        if own.delegation.is_some() {
            return Ok(());
        }
        Err(OwnDenial { code: "no_person", why: "the token acts for no person", nearness: 0 })
    }
}

/// What the userinfo endpoint asks (OpenID Connect Core 1.0 §5.3.1): a token for whichever resource, of a person who has allowed
/// `openid`. The issuer is no resource of its own: what it tells is whom the token is about.
#[must_use]
pub fn userinfo() -> Condition {
    let token = TokenSource { issuer: Issuer::Own, audience: None };
    let asked = Asked { own: OwnCriteria::new(OfPerson), token: Some(token), web_app: None };
    let condition = Condition { audience: Audience::Any, ..Condition::of(SCHEME, asked) };
    condition.holding(OPENID.parse().unwrap_or_default())
}

/// Reads the criteria out of a route's settings.
pub(super) fn criteria(settings: &Map<String, Value>) -> Result<Asked, NotACondition> {
    let own = match settings.get("claims") {
        None => OwnCriteria::NONE,
        Some(Value::Object(claims)) if claims.get(ACR).is_some_and(|acr| !is_acr(acr)) => {
            return Err(
                KIND.not("claims", "expected `acr` to be a text without spaces, quotes and backslashes")
            );
        }
        Some(Value::Object(claims)) => OwnCriteria::new(TokenCriteria { claims: claims.clone() }),
        Some(_) => return Err(KIND.not("claims", "expected a table of values")),
    };
    let audience: Option<String> = read(settings, "audience").map_err(|why| KIND.not("audience", why))?;
    let token = TokenSource { issuer: Issuer::Own, audience: audience.map(Into::into) };
    Ok(Asked { own, token: Some(token), web_app: None })
}

/// The claim that says how well a person has signed in.
const ACR: &str = "acr";

/// What may be named in a challenge (RFC 9470 §3, RFC 9110 §5.6.4), where spaces part values.
fn is_acr(value: &Value) -> bool {
    let allowed = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
    value.as_str().is_some_and(|text| !text.is_empty() && text.bytes().all(allowed))
}
