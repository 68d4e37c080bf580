//! An ID token of ours that somebody shows again: whom it names (OpenID Connect Core 1.0 §3.1.2.1 `id_token_hint`).

use countersign_jose::jws::Compact;
use serde_json::Value;

use crate::id::{CredentialId, OwnerId};
use crate::identity::ID_TOKEN;
use crate::signing_key::KeyPurpose;
use crate::snapshot::Snapshot;
use crate::standing::Knows as _;

/// The longest ID token that is read again; a bound, not a clause.
const MAX_HINT: usize = 8 * 1024;

/// What an ID token of ours says that somebody shows again (`id_token_hint`, §3.1.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// For whom it was made.
    pub client: OwnerId,
    /// Whom it is about.
    pub person: OwnerId,
    /// The session that it was made in.
    pub session: CredentialId,
}

/// Reads an ID token that was made here; `None`: it is none. That it has ended does not matter to who only names somebody.
#[must_use]
pub fn hint(text: &str, issuer: &str, known: &Snapshot) -> Option<Hint> {
    let message = Compact::parse(text, MAX_HINT).ok()?;
    let key: CredentialId = message.header().kid()?.parse().ok()?;
    let key = known.signing_key(key)?;
    let is_ours = key.record.slot.purpose == KeyPurpose::AccessToken && key.record.revoked_at.is_none();
    if !is_ours || !message.header().is_typ(ID_TOKEN) || message.is_signed_by(&key.public).is_err() {
        return None;
    }
    let claims =
        message.unverified_claims().ok().filter(|claims| claims.issuer.as_deref() == Some(issuer))?;
    let [client] = <[String; 1]>::try_from(claims.audience.unwrap_or_default()).ok()?;
    let session = claims.other.get("sid").and_then(Value::as_str)?;
    Some(Hint {
        client: client.parse().ok()?,
        person: claims.subject?.parse().ok()?,
        session: session.parse().ok()?,
    })
}
