//! What a route may ask of a session.

use serde_json::{Map, Value};

use crate::access_token::WRONG_CLAIMS;
use crate::decision::{Asked, Judge, OwnCriteria, OwnDenial};
use crate::id::OwnerId;
use crate::kind::{NotACondition, Setting, read};
use crate::token::AccessClaims;
use crate::web_app::WebApp;

use super::kind::KIND;

/// The settings of [`SessionCriteria`].
pub(super) static SETTINGS: &[Setting] = &[
    Setting {
        name: "client",
        holds: "name",
        default: "none: it has to be named",
        meaning: "The web app that people are signed in to: a name that the routes choose, which is registered by itself.",
    },
    Setting {
        name: "token",
        holds: "`opaque` or `jwt`",
        default: "opaque",
        meaning: "What the browser keeps: a text that says nothing, or a short-lived token that each node verifies by itself.",
    },
    Setting {
        name: "audience",
        holds: "URI",
        default: "the default resource",
        meaning: "The resource whose scopes the people of the web app are asked for.",
    },
    Setting {
        name: "claims",
        holds: "table of values",
        default: "none",
        meaning: "The claims that the session must hold, each with this value, or with a list that holds it.",
    },
];

/// It is a session at another web app.
const WRONG_APP: OwnDenial =
    OwnDenial { code: "wrong_client", why: "the session is one at another web app", nearness: 0 };

/// What is asked of a session itself.
#[derive(Debug, Clone, PartialEq)]
struct SessionCriteria {
    client: OwnerId,
    claims: Map<String, Value>,
}

impl Judge for SessionCriteria {
    type Own = AccessClaims;

    fn meets(&self, own: &AccessClaims) -> Result<(), OwnDenial> {
        if own.client != self.client {
            return Err(WRONG_APP);
        }
        if own.lacking(&self.claims).next().is_none() { Ok(()) } else { Err(WRONG_CLAIMS) }
    }
}

/// Reads the criteria out of a route's settings.
pub(super) fn criteria(settings: &Map<String, Value>) -> Result<Asked, NotACondition> {
    let claims = match settings.get("claims") {
        None => Map::new(),
        Some(Value::Object(claims)) => claims.clone(),
        Some(_) => return Err(KIND.not("claims", "expected a table of values")),
    };
    let name = read(settings, "client").map_err(|why| KIND.not("client", why))?;
    let name = name.ok_or_else(|| KIND.not("client", "expected the name of a web app, such as `web`"))?;
    let keeps = read(settings, "token").map_err(|why| KIND.not("token", why))?.unwrap_or_default();
    let audience: Option<String> = read(settings, "audience").map_err(|why| KIND.not("audience", why))?;
    let app = WebApp { name, keeps, audience: audience.map(Into::into) };
    let own = OwnCriteria::new(SessionCriteria { client: app.name.client(), claims });
    Ok(Asked { own, token: None, web_app: Some(app) })
}
