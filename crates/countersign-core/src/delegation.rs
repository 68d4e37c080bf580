//! What a person has let a client do, as it travels from the person's decision to every token that comes of it.
//!
//! **Invariant.** What was decided is kept as it was decided, and judged anew at each step: the person lives, no
//! generation was raised since, and nothing that was granted grows.

use std::sync::Arc;
use std::time::Duration;

use crate::authorized::Authorized;
use crate::effect::Effect;
use crate::id::CredentialId;
use crate::issued::MEMORY;
use crate::known::KnownOwner;
use crate::question::FoundPerson;
use crate::record::{ArtifactRecord, EndedToken};
use crate::refreshing::{self, RefreshState};
use crate::scope::ScopeSet;
use crate::tagged::TaggedText;
use crate::timestamp::Timestamp;
use crate::token::{Delegation, PersonGenerations};

/// The longest life of an access token: an hour, that of [`crate::resource::Resource::lifetime`].
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// A grant of a person that a client has redeemed.
#[derive(Debug)]
pub struct Delegated {
    /// For whom the client acts.
    pub person: Arc<KnownOwner>,
    /// What is stored of them.
    pub told: Box<FoundPerson>,
    /// What the person allows the client.
    pub grant: CredentialId,
    /// What is obtained together.
    pub family: CredentialId,
    /// What was decided.
    pub authorized: Authorized,
    /// The `scope` of the request, where it asks for less (RFC 6749 §6).
    pub narrowed: Option<ScopeSet>,
    /// The `resource` of the request.
    pub resource: Option<String>,
    /// The `nonce` of the authorization request, which the first ID token repeats.
    pub nonce: Option<String>,
    /// How it goes on.
    pub going_on: GoingOn,
}

impl Delegated {
    /// Returns what its tokens hang on.
    pub(crate) fn delegation(&self) -> Delegation {
        let generations = PersonGenerations::now(&self.person);
        Delegation { grant: self.grant, family: self.family, session: None, generations }
    }
}

/// How a family goes on.
#[derive(Debug)]
pub enum GoingOn {
    /// It begins: the first refresh token is made, if the client may have one.
    Begins,
    /// By the next refresh token.
    From(Box<Redeemable>),
    /// As a session at a web app: what is kept of it.
    Session(Box<ArtifactRecord>),
}

/// A refresh token that was redeemed.
#[derive(Debug)]
pub struct Redeemable {
    /// What is kept of its family.
    pub record: ArtifactRecord,
    /// What that says.
    pub state: RefreshState,
    /// The token.
    pub presented: TaggedText,
}

/// What is kept of sessions at web apps, among artifacts.
pub const WEB_SESSION: &str = "web_session";

/// What a family is renewed by, among artifacts: one of them.
pub const RENEWED_BY: [&str; 2] = [refreshing::KIND, WEB_SESSION];

/// Ends a family: its access tokens, and what they are renewed by.
#[must_use]
pub fn end_family(now: Timestamp, family: CredentialId) -> Vec<Effect> {
    let kept = RENEWED_BY.map(|kind| Effect::Discard { kind, family });
    std::iter::once(end(now, family)).chain(kept).collect()
}

/// Ends what a person allows a client: its access tokens, and everything else that was handed out for it.
#[must_use]
pub fn end_grant(now: Timestamp, grant: CredentialId) -> Vec<Effect> {
    vec![end(now, grant), Effect::Withdraw(grant)]
}

/// Ends what began in a session of a browser at the issuer and hangs on it: sessions at web apps, and codes.
#[must_use]
pub fn end_session(now: Timestamp, session: CredentialId) -> Vec<Effect> {
    vec![end(now, session), Effect::Abandon(session)]
}

/// Ends access tokens by what they hang on. It is remembered for as long as one may live that was issued a moment ago.
fn end(now: Timestamp, token: CredentialId) -> Effect {
    Effect::End(EndedToken { token, until: now.plus(LONGEST).plus(MEMORY) })
}
