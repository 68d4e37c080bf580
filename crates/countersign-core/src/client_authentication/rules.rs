//! What the findings make of a client that was named.

use std::sync::Arc;

use super::kind::scheme;
use crate::audit::{Actor, AuditEvent};
use crate::client_terms::{AuthMethod, ClientTerms};
use crate::context::Context;
use crate::credential::{Proven, Unproven, Verified};
use crate::id::{OwnerId, OwnerKind};
use crate::known::{KnownCredential, KnownOwner};
use crate::ledger::FoundClient;
use crate::own::{Evidence, Own};
use crate::principal::{Principal, Proof, Subject};
use crate::rejection::Rejection;
use crate::standing::Standing;
use crate::verification::rejection_at;

/// Nothing that proves a client came with the request.
pub const MISSING: Rejection =
    Rejection::new("client_credentials_missing", "no method of client authentication was used");
/// The client is registered for another method.
pub(super) const WRONG_METHOD: Rejection =
    Rejection::new("wrong_client_authentication", "the client is registered to prove itself in another way");

/// What the act of proving is called in the audit.
const ACTION: &str = "client.authenticate";

/// A client as it names itself; not yet believed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claimed(Option<OwnerId>);

impl Claimed {
    pub(super) fn read(text: &str) -> Self {
        Self(text.parse().ok().filter(|id: &OwnerId| id.kind() == OwnerKind::Client))
    }

    /// Returns who it would be; `None`: nobody is called so.
    pub(super) const fn id(self) -> Option<OwnerId> {
        self.0
    }
}

/// How a client was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ClientEvidence(AuthMethod);

impl Own for ClientEvidence {}

/// A client that has proven itself: not merely named (RFC 6749 §2.1).
#[derive(Debug, Clone, Copy)]
pub struct Confidential<'a>(&'a Principal);

impl<'a> Confidential<'a> {
    /// Returns the client if it has proven itself; `None`: a public one, or no client at all.
    #[must_use]
    pub fn of(principal: &'a Principal) -> Option<Self> {
        let ClientEvidence(method) = principal.own()?;
        match method {
            AuthMethod::None => None,
            AuthMethod::Gateway
            | AuthMethod::ClientSecret
            | AuthMethod::ClientSecretBasic
            | AuthMethod::ClientSecretPost
            | AuthMethod::PrivateKeyJwt => Some(Self(principal)),
        }
    }

    /// Returns who it is.
    #[must_use]
    pub const fn principal(self) -> &'a Principal {
        self.0
    }
}

/// Decides whether the secret that came with a name is the client's.
pub(super) fn by_secret(context: &Context<'_>, method: AuthMethod, found: &FoundClient) -> Verified {
    let Some(secret) = &found.secret else { return refuse(context, found, Rejection::UNKNOWN) };
    let owns = found.owner.as_ref().is_some_and(|owner| owner.id() == secret.owner.id());
    if !owns {
        return refuse(context, found, Rejection::UNKNOWN);
    }
    if let Some(rejection) = rejection_at(context.now, context.address, secret) {
        return refuse(context, found, rejection);
    }
    let owner = match registered(context, found, method) {
        Ok((owner, _)) => owner,
        Err(unproven) => return Err(unproven),
    };
    let credential = Some(secret.id());
    let standing: Arc<dyn Standing> = Arc::<KnownCredential>::clone(secret);
    let proof = Proof { credential, standing, ..proof(owner, method) };
    Ok(Proven { principal: Principal::assertion(proof), uses: Vec::new() })
}

/// Decides whether the client that is named is registered for a method by which a name is enough, where that is used.
pub(super) fn by_name(context: &Context<'_>, method: AuthMethod, found: &FoundClient) -> Verified {
    let (owner, _) = registered(context, found, method)?;
    Ok(Proven { principal: Principal::assertion(proof(owner, method)), uses: Vec::new() })
}

/// Returns the client that was named, if it is enabled and registered for the method that has verified.
pub(super) fn registered<'f>(
    context: &Context<'_>,
    found: &'f FoundClient,
    method: AuthMethod,
) -> Result<(&'f Arc<KnownOwner>, Arc<ClientTerms>), Unproven> {
    let client = found.owner.as_ref().and_then(|owner| Some((owner, owner.client()?)));
    let Some((owner, terms)) = client else { return refuse(context, found, Rejection::UNKNOWN) };
    if !owner.is_live() {
        return refuse(context, found, Rejection::OWNER_DISABLED);
    }
    if !admits(terms.auth_method, method) {
        return refuse(context, found, WRONG_METHOD);
    }
    Ok((owner, terms))
}

/// Tells whether a client that is registered for one method may use another.
fn admits(registered: AuthMethod, used: AuthMethod) -> bool {
    use AuthMethod::{ClientSecret, ClientSecretBasic, ClientSecretPost};
    registered == used || registered == ClientSecret && [ClientSecretBasic, ClientSecretPost].contains(&used)
}

/// What is proven of a client, but for what proved it.
pub(crate) fn proof(owner: &Arc<KnownOwner>, method: AuthMethod) -> Proof {
    Proof {
        subject: Some(Subject::Owner(owner.id())),
        client: Some(owner.id()),
        owner: Some(Arc::clone(owner)),
        own: Arc::new(Evidence(Arc::new(ClientEvidence(method)))),
        ..Proof::nothing(scheme(method))
    }
}

/// Refuses whoever claims to be the client that was named; the line is filed under its tenant.
pub(super) fn refuse<T>(
    context: &Context<'_>,
    found: &FoundClient,
    rejection: Rejection,
) -> Result<T, Unproven> {
    let audit = AuditEvent::refused(context.now, ACTION, Actor::UNVERIFIED, rejection.code());
    let audit = match &found.owner {
        Some(owner) => audit.within(Some(owner.organisation())).about(owner.id().to_string()),
        None => audit,
    };
    Err(Unproven { rejection, uses: Vec::new(), audit: Box::new(audit) })
}
