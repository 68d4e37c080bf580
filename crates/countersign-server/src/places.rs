//! Places for what costs memory: so many at a time, and of one sender a share of them.
//!
//! **Invariant.** A credential holds no more than its share, whatever its tenant's others hold, so that whoever has stolen
//! one keeps nobody from revoking it; a tenant holds no more than half, however many credentials it makes. And operators
//! wait for no tenants, however many these are: who can end their keys has places beside theirs.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use countersign_core::id::{CredentialId, OwnerId};
use countersign_core::principal::Principal;
use countersign_core::reach::{Reach, reach};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Shares that are remembered before those of which nothing is taken are forgotten.
const REMEMBERED: usize = 1_000;
/// How many credentials' shares a tenant has.
const OF_TENANT: usize = 4;

/// Who takes a place, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sender {
    /// Whoever is at this address.
    Address(Option<IpAddr>),
    /// A proven caller of a tenant: its organisation and its credential.
    Tenant(Option<OwnerId>, Option<CredentialId>),
    /// A proven operator: its credential, which the operator of this machine does not have.
    Operator(Option<CredentialId>),
}

impl Sender {
    /// Names a proven caller.
    pub(crate) fn of(principal: &Principal) -> Self {
        match reach(principal) {
            Reach::Installation => Self::Operator(principal.credential()),
            Reach::Organisation(_) | Reach::Owner(_) | Reach::Nothing => {
                Self::Tenant(principal.organisation(), principal.credential())
            }
        }
    }
}

/// Places of one kind.
#[derive(Debug)]
pub(crate) struct Places {
    all: Arc<Semaphore>,
    of_one: usize,
    of_tenant: usize,
    shares: Mutex<HashMap<Holder, Weak<Semaphore>>>,
}

/// Who has a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Holder {
    Address(Option<IpAddr>),
    Credential(Option<CredentialId>),
    Tenant(Option<OwnerId>),
}

/// A place that is taken, of each share and of all; given up when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permits: [Option<OwnedSemaphorePermit>; 3],
}

impl Places {
    /// Makes `all` places, of which one credential or address has at most `share`.
    pub(crate) fn new(all: usize, share: usize) -> Self {
        let of_tenant = share.saturating_mul(OF_TENANT).min(all.div_ceil(2)).max(share);
        Self { all: Arc::new(Semaphore::new(all)), of_one: share, of_tenant, shares: Mutex::default() }
    }

    /// Waits for a place, first of one's own share: whoever has none left keeps nobody else waiting. `None` never comes,
    /// since the places are not closed.
    pub(crate) async fn take(&self, sender: Sender) -> Option<Place> {
        let (one, tenant) = match sender {
            Sender::Address(address) => (Holder::Address(address), None),
            Sender::Tenant(tenant, credential) => {
                (Holder::Credential(credential), Some(Holder::Tenant(tenant)))
            }
            Sender::Operator(credential) => (Holder::Credential(credential), None),
        };
        let one = self.share(one, self.of_one).acquire_owned().await.ok()?;
        let tenant = match tenant {
            Some(tenant) => Some(self.share(tenant, self.of_tenant).acquire_owned().await.ok()?),
            None => None,
        };
        let all = match sender {
            Sender::Address(_) | Sender::Tenant(..) => {
                Some(Arc::clone(&self.all).acquire_owned().await.ok()?)
            }
            Sender::Operator(_) => None,
        };
        Some(Place { _permits: [Some(one), tenant, all] })
    }

    fn share(&self, holder: Holder, most: usize) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&holder).and_then(Weak::upgrade) {
            return share;
        }
        if shares.len() >= REMEMBERED {
            shares.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(Semaphore::new(most));
        shares.insert(holder, Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::context::SeededEntropy;
    use countersign_core::id::{CredentialId, OwnerId, OwnerKind};
    use countersign_core::management_key;
    use futures_util::FutureExt as _;

    use super::{Place, Places, Sender};

    /// Takes as many places as there are now.
    fn all_of(places: &Places, senders: &[Sender]) -> Vec<Place> {
        let mut taken = Vec::new();
        for sender in senders.iter().cycle() {
            match places.take(*sender).now_or_never().flatten() {
                Some(place) => taken.push(place),
                None => return taken,
            }
        }
        taken
    }

    #[test]
    fn a_credential_has_a_share_a_tenant_several_and_nobody_all() {
        let mut entropy = SeededEntropy::new(1);
        let mut caller = |tenant| {
            Sender::Tenant(tenant, Some(CredentialId::random(management_key::KIND.id_prefix, &mut entropy)))
        };
        let tenant = Some(OwnerId::random(OwnerKind::Organisation, &mut SeededEntropy::new(2)));
        let (stolen, own, operator) = (caller(tenant), caller(tenant), Sender::Operator(None));
        let many: Vec<_> = (0..40).map(|_| caller(tenant)).collect();
        let places = Places::new(16, 2);
        let _held = all_of(&places, &[stolen]);
        assert_eq!(_held.len(), 2);
        assert!(
            places.take(own).now_or_never().is_some(),
            "the thief keeps the owner of the key from nothing"
        );
        assert_eq!(all_of(&places, &many).len(), 6, "of the tenant's half, two are taken");
        let _held = (_held, all_of(&places, &many));
        assert!(places.take(own).now_or_never().is_none());
        assert!(places.take(operator).now_or_never().is_some());
        assert!(places.take(Sender::Address(None)).now_or_never().is_some());
    }

    #[test]
    fn operators_have_places_beside_those_of_all_tenants() {
        let mut entropy = SeededEntropy::new(1);
        let key = |entropy: &mut SeededEntropy| CredentialId::random(management_key::KIND.id_prefix, entropy);
        let mut tenant = || {
            let organisation = OwnerId::random(OwnerKind::Organisation, &mut entropy);
            Sender::Tenant(Some(organisation), Some(key(&mut entropy)))
        };
        let tenants: Vec<_> = (0..40).map(|_| tenant()).collect();
        let places = Places::new(16, 2);
        let _held = all_of(&places, &tenants);
        assert_eq!(_held.len(), 16);
        assert!(places.take(tenant()).now_or_never().is_none());
        for operator in [Sender::Operator(None), Sender::Operator(Some(key(&mut SeededEntropy::new(2))))] {
            assert_eq!(all_of(&places, &[operator]).len(), 2, "and no more than a share: {operator:?}");
        }
    }
}
