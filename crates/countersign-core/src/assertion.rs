//! What an upstream is told of a caller, so that it can believe it: the claims of the `Countersign-Assertion`.
//!
//! **Invariants.** An assertion names one upstream, lives for a minute, and has a type of its own (SAFETY 12): no kind of
//! credential takes that type. It says what was proven of whoever the route calls the subject, and nothing of the
//! credential's text. Nobody is asserted who presented nothing.
//!
//! What it does not do: sign.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use countersign_jose::base64url;

use crate::id::{CredentialId, IdPrefix, OwnerId};
use crate::principal::{Confirmation, Principal, Subject};
use crate::scope::ScopeSet;
use crate::timestamp::Timestamp;

/// Its `typ`, which no credential has.
pub const TYPE: &str = "countersign-assertion+jwt";
/// How long it is good: SAFETY 12.
pub const LIFE: Duration = Duration::from_secs(60);
/// How long one is told again of the same principal to the same upstream: half its life, so that an upstream has as much
/// to believe it in (PRODUCT §5).
pub const REUSED: Duration = Duration::from_secs(30);
/// What the names of assertions begin with.
pub const ASSERTION: IdPrefix = IdPrefix::new("ast");

/// Who asserts, and to whom.
#[derive(Debug, Clone, Copy)]
pub struct Parties<'a> {
    /// The installation: its issuer's identifier.
    pub issuer: &'a str,
    /// The upstream, as the settings name it.
    pub upstream: &'a str,
}

/// The claims, in the order in which they are read best.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: CredentialId,
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<OwnerId>,
    #[serde(skip_serializing_if = "ScopeSet::is_empty", serialize_with = "text")]
    scope: &'a ScopeSet,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<CredentialId>,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    organisation: Option<OwnerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Map<String, Value>>,
}

/// Writes what is asserted of `principal` from `now` on, under the name `id`; `None`: nobody was proven.
#[must_use]
pub fn claims(
    parties: Parties<'_>,
    principal: &Principal,
    id: CredentialId,
    now: Timestamp,
) -> Option<Vec<u8>> {
    let subject = principal.subject()?;
    let iat = now.millis().div_euclid(1000);
    let claims = Claims {
        iss: parties.issuer,
        aud: parties.upstream,
        iat,
        exp: iat.saturating_add(i64::try_from(LIFE.as_secs()).unwrap_or(0)),
        jti: id,
        sub: Subject::to_string(subject),
        client_id: principal.client(),
        scope: principal.scopes(),
        // A token's name would make each its own assertion, and tells an upstream nothing.
        credential: principal.kept(),
        kind: principal.scheme().name(),
        organisation: principal.organisation(),
        cnf: principal.confirmation().map(confirmation),
    };
    serde_json::to_vec(&claims).ok()
}

/// RFC 8705 §3.1, RFC 9449 §6.1: what the credential is bound to, and was presented with.
fn confirmation(confirmation: Confirmation) -> Map<String, Value> {
    let (name, thumbprint) = match confirmation {
        Confirmation::Certificate(thumbprint) => ("x5t#S256", thumbprint),
        Confirmation::Key(thumbprint) => ("jkt", thumbprint),
    };
    Map::from_iter([(name.to_owned(), json!(base64url::encode(&thumbprint)))])
}

fn text<S: serde::Serializer>(scopes: &ScopeSet, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(scopes)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{ASSERTION, Parties, claims};
    use crate::context::SeededEntropy;
    use crate::id::{CredentialId, OwnerKind};
    use crate::principal::Principal;
    use crate::testing::{Caller, Ground, NOW};

    const PARTIES: Parties<'_> = Parties { issuer: "https://auth.example.com", upstream: "orders" };

    fn asserted(principal: &Principal) -> Option<Value> {
        let id = CredentialId::random(ASSERTION, &mut SeededEntropy::new(1));
        claims(PARTIES, principal, id, NOW).map(|claims| serde_json::from_slice(&claims).unwrap())
    }

    #[test]
    fn safety_12_an_assertion_is_for_one_upstream_and_one_minute() {
        let mut ground = Ground::new();
        let home = ground.organisation.clone();
        let client = ground.member(OwnerKind::Client, &home);
        let (record, text) = ground.api_key(&client, "orders:read settle");
        let principal =
            ground.present(crate::authenticators::GATEWAY, &[("x-api-key", &text)]).unwrap().unwrap();
        let now = NOW.millis() / 1000;
        let jti = CredentialId::random(ASSERTION, &mut SeededEntropy::new(1));
        let expected = json!({ "iss": "https://auth.example.com", "aud": "orders", "iat": now, "exp": now + 60,
            "jti": jti, "sub": client.id, "client_id": client.id, "scope": "orders:read settle",
            "credential": record.id, "kind": "api_key", "organisation": home.id });
        assert_eq!(asserted(&principal), Some(expected));
        assert!(!asserted(&principal).unwrap().to_string().contains(&text));
    }

    #[test]
    fn nobody_is_asserted_who_presented_nothing() {
        assert_eq!(asserted(&Caller::nobody().principal()), None);
        assert_eq!(asserted(&Principal::anonymous()), None);
    }
}
