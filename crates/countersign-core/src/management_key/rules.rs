//! The decisions about management keys, and about the operator at the local socket.

use std::sync::Arc;

use crate::audit::{Actor, AuditEvent};
use crate::authority::Authority;
use crate::context::Context;
use crate::credential::Unproven;
use crate::decision::Permit;
use crate::effect::{Effect, Outcome};
use crate::environment::Environment;
use crate::exchange::Act;
use crate::key_evidence::KeyEvidence;
use crate::lifecycle::{new_line, reaches};
use crate::minting::{Expiry, Minted, end_of_life, granted, mint, mintable, valid_name};
use crate::own::Evidence;
use crate::principal::{Principal, Proof};
use crate::question::{Holder, HolderOf};
use crate::reach::{ManagementScope, authority};
use crate::record::{CredentialRecord, Terms};
use crate::refusal::Refusal;
use crate::rejection::Rejection;
use crate::scheme::Scheme;
use crate::scope::{Grantable, ScopeSet};

use super::kind::KIND;
use super::model::Create;
use super::wire::PREFIX;

/// What the operating system says of the local socket's two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalPeer {
    /// The effective user id of the peer, from the kernel.
    pub peer_uid: u32,
    /// The effective user id of the server.
    pub server_uid: u32,
}

/// Decides whether the peer of the local socket is the operator: the server's own user, or root.
///
/// # Errors
///
/// [`Rejection::UNKNOWN`] for any other user, with its line.
pub fn local_operator(context: &Context<'_>, peer: LocalPeer) -> Result<Principal, Unproven> {
    if peer.peer_uid != peer.server_uid && peer.peer_uid != 0 {
        let rejection = Rejection::UNKNOWN;
        let audit =
            AuditEvent::refused(context.now, "local_socket.verify", Actor::UNVERIFIED, rejection.code());
        return Err(Unproven { rejection, uses: Vec::new(), audit: Box::new(audit) });
    }
    let own = KeyEvidence { prefix: None, environment: Environment::Live, grantable: everything_grantable() };
    Ok(Principal::assertion(Proof {
        scopes: Arc::new(ManagementScope::everything()),
        own: Arc::new(Evidence(Arc::new(own))),
        ..Proof::nothing(Scheme::LOCAL_SOCKET)
    }))
}

pub(super) fn everything_grantable() -> Grantable {
    Grantable::new("*".parse().unwrap_or_default())
}

pub(super) fn terms(name: &str, scopes: ScopeSet, grantable: Grantable) -> Result<Terms, Refusal> {
    let prefix = PREFIX.parse().map_err(|_| Refusal::ReservedPrefix)?;
    Ok(Terms { grantable, ..Terms::new(valid_name(name)?, prefix, Environment::Live, scopes) })
}

impl Act for Create {
    type Question = HolderOf;
    type By = Permit;
    type Answer = Minted;
    type Reason = Refusal;

    fn question(&self, _: &Context<'_>, _: &Permit) -> HolderOf {
        HolderOf(self.owner)
    }

    fn decide(
        &self,
        context: &mut Context<'_>,
        permit: &Permit,
        found: Option<Holder>,
    ) -> Outcome<Minted, Refusal> {
        let line = new_line(context, KIND.verbs.create, permit, String::new());
        let (draft, room) = match self.draft(context, permit, found) {
            Ok(draft) => draft,
            Err(refusal) => {
                return Outcome::refused(refusal.clone(), Vec::new(), line.refused(refusal.code()));
            }
        };
        let minted = mint(context, draft);
        let record = &minted.record;
        let audit = line
            .granted()
            .about(record.id.to_string())
            .within(Some(record.organisation))
            .detail("name", record.terms.name.clone())
            .detail("hint", record.terms.hint.clone())
            .detail("scope", record.terms.scopes.to_string());
        let mut effects = Vec::from_iter(room);
        effects.push(Effect::Insert(record.clone().into()));
        Outcome::granted(minted, effects, audit)
    }
}

impl Create {
    fn draft(
        &self,
        context: &Context<'_>,
        permit: &Permit,
        found: Option<Holder>,
    ) -> Result<(CredentialRecord, Option<Effect>), Refusal> {
        let holder = found
            .filter(|Holder { owner, .. }| reaches(permit, owner.organisation, owner.id))
            .ok_or(Refusal::OwnerNotFound)?;
        let expires_at = match self.expiry {
            Expiry::Unspecified => None,
            Expiry::At(_) | Expiry::After(_) | Expiry::Never => {
                end_of_life(context, &KIND, self.expiry, None)?
            }
        };
        let terms = terms(&self.name, self.scopes.clone(), self.grantable.clone())?;
        let record = CredentialRecord::draft(KIND.id_prefix, &holder.owner, expires_at, terms);
        let room = mintable(&KIND, context, permit, &holder, &record)?;
        Ok((record, room))
    }
}

/// Nobody locks out who can do more: what a management key can do, whoever ends or switches it can do too. An operator
/// is above everybody who is none.
///
/// # Errors
///
/// [`Refusal::Outranked`].
pub(crate) fn not_above(permit: &Permit, key: &CredentialRecord) -> Result<(), Refusal> {
    let operators = key.terms.scopes.contains(ManagementScope::Operator.name());
    match authority(permit.principal()) {
        Authority::Operator if !operators => Ok(()),
        Authority::Operator | Authority::Organisation | Authority::Owner => {
            granted(&KIND, permit, key).map_err(|excess| Refusal::Outranked(Box::new(excess)))
        }
    }
}
