//! What a route asks of a foreign token: whose it is, for whom, and how it is signed; and what its claims must be.

use countersign_jose::algorithm::SignatureAlgorithm;
use serde_json::{Map, Value};

use crate::assertion;
use crate::decision::{Asked, ForeignIssuer, Issuer, Judge, OwnCriteria, OwnDenial, TokenSource};
use crate::kind::{NotACondition, Setting};
use crate::rejection::Rejection;
use crate::uri::is_web;

use super::kind::KIND;
use super::model::ForeignEvidence;
use super::wire::WRONG_ALGORITHM;

/// The settings of [`TokenCriteria`].
pub(super) static SETTINGS: &[Setting] = &[
    Setting {
        name: "issuer",
        holds: "URL",
        default: "must be set",
        meaning: "Whose tokens are taken: their `iss`, letter for letter.",
    },
    Setting {
        name: "audience",
        holds: "text",
        default: "must be set",
        meaning: "For whom a token must be made: a member of its `aud`.",
    },
    Setting {
        name: "algorithms",
        holds: "list of algorithms",
        default: "must be set",
        meaning: "How a token may be signed: `RS256`, `PS256`, `ES256`, `EdDSA` and their like. An issuer's keys of others are not used.",
    },
    Setting {
        name: "jwks",
        holds: "URL",
        default: "by discovery",
        meaning: "Where the issuer's JWK Set is; without it, the issuer's metadata say so (OpenID Connect Discovery, RFC 8414). One for each issuer.",
    },
    Setting {
        name: "typ",
        holds: "text",
        default: "`JWT`, `at+jwt` or none",
        meaning: "The `typ` that a token's header must have.",
    },
    Setting {
        name: "claims",
        holds: "table of values",
        default: "none",
        meaning: "The claims that a token must have, each with this value; a claim that is a list must hold it.",
    },
];

/// The types that a token may have where nothing is said (RFC 7519 §5.1, RFC 9068 §2.1); it may also say none.
const USUAL: [&str; 2] = ["JWT", "at+jwt"];

const WRONG_ISSUER: Rejection =
    Rejection::new("wrong_issuer", "the token comes from an issuer that the route does not take");
const WRONG_AUDIENCE: Rejection =
    Rejection::new("wrong_audience", "the token's `aud` does not list the route's audience");
pub(super) const WRONG_TYPE: Rejection =
    Rejection::new("wrong_type", "the token's `typ` is not one that the route takes");

/// What is asked of a token.
#[derive(Debug, Clone, PartialEq)]
struct TokenCriteria {
    issuer: Box<str>,
    audience: Box<str>,
    algorithms: Vec<SignatureAlgorithm>,
    typ: Option<Box<str>>,
    claims: Map<String, Value>,
}

impl Judge for TokenCriteria {
    type Own = ForeignEvidence;

    fn believes(&self, own: &ForeignEvidence) -> Result<(), Rejection> {
        if own.issuer != *self.issuer {
            return Err(WRONG_ISSUER);
        }
        // CVE-2020-26160: one audience or a list of them, and the route's is among them.
        if !own.claims.audience.iter().flatten().any(|audience| **audience == *self.audience) {
            return Err(WRONG_AUDIENCE);
        }
        if !self.algorithms.contains(&own.algorithm) {
            return Err(WRONG_ALGORITHM);
        }
        let is_of_type = match &self.typ {
            Some(typ) => own.header.is_typ(typ),
            None => own.header.typ().is_none() || USUAL.iter().any(|typ| own.header.is_typ(typ)),
        };
        if is_of_type { Ok(()) } else { Err(WRONG_TYPE) }
    }

    fn meets(&self, own: &ForeignEvidence) -> Result<(), OwnDenial> {
        let has = |(name, wanted): (&String, &Value)| match own.claims.other.get(name) {
            Some(Value::Array(list)) if !wanted.is_array() => list.contains(wanted),
            found => found == Some(wanted),
        };
        if self.claims.iter().all(has) {
            return Ok(());
        }
        let why = "the token lacks a claim that the route asks for, or it has another value";
        Err(OwnDenial { code: "wrong_claim", why, nearness: 0 })
    }
}

/// Reads the criteria out of a route's settings.
pub(super) fn criteria(settings: &Map<String, Value>) -> Result<Asked, NotACondition> {
    let jwks = jwks(settings)?;
    let issuer = issuer(settings, jwks.is_some())?;
    let audience = text(settings, "audience")?.ok_or_else(|| missing("audience"))?;
    let algorithms = algorithms(settings)?;
    let foreign = ForeignIssuer { issuer: issuer.clone(), jwks, algorithms: algorithms.clone() };
    let source = TokenSource { issuer: Issuer::Foreign(foreign), audience: Some(audience.clone()) };
    let (typ, claims) = (typ(settings)?, claims(settings)?);
    let own = OwnCriteria::new(TokenCriteria { issuer, audience, algorithms, typ, claims });
    Ok(Asked { own, token: Some(source), web_app: None })
}

fn missing(name: &'static str) -> NotACondition {
    KIND.not(name, "it must be set: whose tokens are taken, for whom and how they are signed is not guessed")
}

fn text(settings: &Map<String, Value>, name: &'static str) -> Result<Option<Box<str>>, NotACondition> {
    match settings.get(name) {
        None => Ok(None),
        // Everything that an identifier or a URL may hold (RFC 3986 §2), and nothing that a header field would lose.
        Some(Value::String(text)) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(Some(text.as_str().into()))
        }
        Some(_) => Err(KIND.not(name, "expected text of visible ASCII")),
    }
}

/// RFC 8414 §2: an issuer that is asked for its keys is a URL without query and fragment.
fn issuer(settings: &Map<String, Value>, has_keys: bool) -> Result<Box<str>, NotACondition> {
    let issuer = text(settings, "issuer")?.ok_or_else(|| missing("issuer"))?;
    // What follows a `#` in what upstreams are told is the subject.
    let is_named = has_keys && !issuer.contains('#');
    if is_named || (is_web(&issuer) && !issuer.contains('?')) {
        return Ok(issuer);
    }
    Err(KIND.not("issuer", "expected an https URL without query and fragment, or another name beside `jwks`"))
}

fn jwks(settings: &Map<String, Value>) -> Result<Option<Box<str>>, NotACondition> {
    let jwks = text(settings, "jwks")?;
    if jwks.as_deref().is_none_or(is_web) {
        return Ok(jwks);
    }
    Err(KIND.not("jwks", "expected an https URL; http is for this machine alone"))
}

fn algorithms(settings: &Map<String, Value>) -> Result<Vec<SignatureAlgorithm>, NotACondition> {
    const NAME: &str = "algorithms";
    let wrong = |why: String| KIND.not(NAME, why);
    let list = settings.get(NAME).ok_or_else(|| missing(NAME))?.as_array().filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| wrong("expected a list with at least one algorithm".to_owned()))?;
    let algorithm = |value: &Value| {
        let name = value.as_str().ok_or_else(|| wrong("expected a list of texts".to_owned()))?;
        // CVE-2016-10555: a MAC's key would be whoever's who can read it.
        if name.starts_with("HS") {
            return Err(wrong(format!("`{name}` is a MAC: whoever verifies it could sign too")));
        }
        name.parse().map_err(|error| wrong(format!("`{name}`: {error}")))
    };
    list.iter().map(algorithm).collect()
}

fn typ(settings: &Map<String, Value>) -> Result<Option<Box<str>>, NotACondition> {
    let typ = text(settings, "typ")?;
    if typ.as_deref().is_some_and(|typ| typ.to_ascii_lowercase().ends_with(assertion::TYPE)) {
        return Err(KIND.not("typ", "what upstreams are told is no credential (SAFETY 12)"));
    }
    Ok(typ)
}

fn claims(settings: &Map<String, Value>) -> Result<Map<String, Value>, NotACondition> {
    match settings.get("claims") {
        None => Ok(Map::new()),
        Some(Value::Object(claims)) => Ok(claims.clone()),
        Some(_) => Err(KIND.not("claims", "expected a table of values")),
    }
}
