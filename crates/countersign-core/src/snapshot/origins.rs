//! Whose scripts may call the authorization server: for each origin the clients that name it.

use std::collections::BTreeSet;
use std::sync::Arc;

use papaya::HashMap;

use crate::client_terms::ClientTerms;
use crate::id::OwnerId;
use crate::known::KnownOwner;
use crate::redirect_uri::Origin;

/// The clients of each origin.
#[derive(Debug, Default)]
pub(super) struct Origins(HashMap<Origin, HashMap<OwnerId, Arc<KnownOwner>>>);

impl Origins {
    /// Takes what a client names now in the place of what it named `before`.
    pub(super) fn learn(&self, before: Option<&ClientTerms>, owner: &Arc<KnownOwner>) {
        let named = |terms: Option<&ClientTerms>| -> BTreeSet<Origin> {
            terms.map(ClientTerms::allowed_origins).unwrap_or_default()
        };
        let (before, now) = (named(before), named(owner.client().as_deref()));
        let origins = self.0.pin();
        for gone in before.difference(&now) {
            if let Some(clients) = origins.get(gone) {
                clients.pin().remove(&owner.id());
            }
        }
        for fresh in now.difference(&before) {
            let clients = origins.get_or_insert_with(fresh.clone(), HashMap::new);
            clients.pin().insert(owner.id(), Arc::clone(owner));
        }
    }

    /// Tells whether a client that lives names an origin.
    pub(super) fn holds(&self, origin: &Origin) -> bool {
        let origins = self.0.pin();
        origins.get(origin).is_some_and(|clients| clients.pin().values().any(|client| client.is_live()))
    }
}
