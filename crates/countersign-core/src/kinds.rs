//! The register of kinds of stored credentials. A new kind of credential is one line here.

use crate::id::CredentialId;
use crate::kind::Kind;
use crate::{api_key, client_authentication, foreign_token, management_key};

/// Every kind of credential.
pub static KINDS: &[&Kind] =
    &[&api_key::KIND, &client_authentication::KIND, &foreign_token::KIND, &management_key::KIND];

/// Finds the kind that `id` tells; `None`: no kind of this version.
#[must_use]
pub fn kind_of(id: CredentialId) -> Option<&'static Kind> {
    KINDS.iter().copied().find(|kind| kind.names(id))
}

#[cfg(test)]
mod tests {
    use super::KINDS;
    use crate::id::OwnerKind;

    #[test]
    fn no_two_kinds_share_a_name_or_a_prefix() {
        for (position, kind) in KINDS.iter().enumerate() {
            for other in KINDS.iter().skip(position + 1) {
                assert_ne!(kind.scheme, other.scheme);
                assert_ne!(kind.id_prefix, other.id_prefix);
            }
            assert!(OwnerKind::ALL.iter().all(|owner| owner.name() != kind.name()));
        }
    }
}
