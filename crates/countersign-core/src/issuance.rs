//! What a client gets (RFC 6749 §5.1): its tokens, and what they say.
//!
//! **Invariant.** One is made by the issuer alone, or opened from what the issuer has sealed.

use countersign_jose::jwt::Claims;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ledger::Unavailable;
use crate::secret::Secret;
use crate::token::{AccessClaims, NotOurs};

/// What a client gets.
#[derive(Debug)]
pub struct Issuance {
    /// What the access token says.
    pub claims: AccessClaims,
    /// Its text, which is shown once.
    pub token: Secret<String>,
    /// What it may be renewed with.
    pub refresh_token: Option<Secret<String>>,
    /// What is said of the person.
    pub id_token: Option<Secret<String>>,
}

/// How it is sealed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    claims: Map<String, Value>,
    token: String,
    refresh_token: Option<String>,
    id_token: Option<String>,
}

impl Issuance {
    pub(crate) const fn of(claims: AccessClaims, token: Secret<String>) -> Self {
        Self { claims, token, refresh_token: None, id_token: None }
    }

    /// Writes it as it is sealed.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Corrupt`], which no issuance causes.
    pub(crate) fn to_bytes(&self) -> Result<Secret<Vec<u8>>, Unavailable> {
        let text = |secret: &Secret<String>| secret.expose().clone();
        let written = Written {
            claims: self.claims.to_json(""),
            token: text(&self.token),
            refresh_token: self.refresh_token.as_ref().map(text),
            id_token: self.id_token.as_ref().map(text),
        };
        serde_json::to_vec(&written).map(Secret::new).map_err(|error| Unavailable::Corrupt(error.to_string()))
    }

    /// Reads what was sealed.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Corrupt`].
    pub(crate) fn read(bytes: &Secret<Vec<u8>>) -> Result<Self, Unavailable> {
        let corrupt = || Unavailable::Corrupt("an answer that is to be repeated".to_owned());
        let written: Written = serde_json::from_slice(bytes.expose()).map_err(|_| corrupt())?;
        let Written { claims, token, refresh_token, id_token } = written;
        let claims = Claims::from_members(claims).map_err(|_| NotOurs).and_then(AccessClaims::read);
        Ok(Self {
            claims: claims.map_err(|_| corrupt())?,
            token: Secret::new(token),
            refresh_token: refresh_token.map(Secret::new),
            id_token: id_token.map(Secret::new),
        })
    }
}
