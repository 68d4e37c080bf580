//! What a person has decided, as it is stored.

use serde::{Deserialize, Serialize};

use crate::id::CredentialId;
use crate::known::KnownOwner;
use crate::scope::ScopeSet;
use crate::timestamp::Timestamp;
use crate::token::{Generations, PersonGenerations};

/// What a person has decided, as it is stored with codes and refresh tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authorized {
    /// The resource that tokens are for.
    pub audience: Box<str>,
    /// What the client may be given.
    pub scopes: ScopeSet,
    /// When the person signed in.
    pub auth_time: Timestamp,
    /// How (RFC 8176).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// Which claims the ID token shall say beside (OpenID Connect Core 1.0 §5.5).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub id_token_claims: Vec<String>,
    /// In which session of the browser.
    pub session: CredentialId,
    /// The generations of the installation, the client and the person, as they were.
    pub generations: [i64; 5],
}

impl Authorized {
    /// Returns the generations as they are now.
    #[must_use]
    pub fn generations(incarnation: i64, client: &KnownOwner, person: &KnownOwner) -> [i64; 5] {
        let (of_client, of_person) = (Generations::now(incarnation, client), PersonGenerations::now(person));
        [
            of_client.incarnation,
            of_client.organisation,
            of_client.client,
            of_person.organisation,
            of_person.person,
        ]
    }

    /// Tells whether none of them was raised since.
    pub(crate) fn stands_in(&self, now: [i64; 5]) -> bool {
        self.generations.iter().zip(now).all(|(then, now)| *then >= now)
    }
}
