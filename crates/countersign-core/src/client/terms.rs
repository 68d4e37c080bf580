//! What may be registered of a client: whether it fits together, and whether the caller may give it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::authority::Authority;
use crate::client_terms::{AuthMethod, ClientTerms, GrantType};
use crate::decision::Permit;
use crate::key_evidence::grantable;
use crate::reach::authority;
use crate::refusal::Refusal;
use crate::resource::{ClaimSource, Offered, Resource, ResourceId};

/// The most resources of one client; a bound, not a clause.
const MAX_AUDIENCES: usize = 16;
/// The most places that one client sends resource owners back to; a bound, not a clause.
const MAX_REDIRECT_URIS: usize = 16;
/// The most metadata of one client, in bytes of JSON; a bound, not a clause.
const MAX_METADATA: usize = 4096;

/// Terms that fit together, and the resources that they name.
pub(super) struct Sound {
    pub(super) terms: ClientTerms,
    resources: Vec<Arc<Resource>>,
}

impl Sound {
    /// Takes what shall be registered.
    ///
    /// # Errors
    ///
    /// [`Refusal::ClientMetadata`], [`Refusal::UnknownAudience`] and [`Refusal::ScopeNotTaken`].
    pub(super) fn new(terms: ClientTerms, offered: &Offered) -> Result<Self, Refusal> {
        let mistakes = MISTAKES.iter().find(|(is_made, _)| is_made(&terms));
        if let Some((_, why)) = mistakes {
            return Err(Refusal::ClientMetadata(why));
        }
        let unknown = |id: &ResourceId| Refusal::UnknownAudience(id.clone());
        let resources = offered.named(&terms.audiences).map_err(unknown)?;
        let taken = |scope| resources.iter().any(|resource| resource.takes(scope));
        if let Some(scope) = terms.scopes.iter().find(|scope| !taken(scope)) {
            return Err(Refusal::ScopeNotTaken(scope.clone()));
        }
        Ok(Self { terms, resources })
    }

    /// Returns the terms if the caller may give them: every scope, every resource that is named, and every claim that a
    /// resource makes of the metadata (SAFETY 13). The default resource is free to everybody who may register at all.
    ///
    /// # Errors
    ///
    /// [`Refusal::ExcessScope`], [`Refusal::ExcessAudience`] and [`Refusal::ExcessClaim`].
    pub(super) fn granted(self, permit: &Permit) -> Result<ClientTerms, Refusal> {
        let grantable = grantable(permit.principal());
        if let Some(scope) = grantable.first_excess(&self.terms.scopes) {
            return Err(Refusal::ExcessScope(scope.clone()));
        }
        let excess = self.terms.audiences.iter().find(|one| !grantable.covers_audience(one.as_str()));
        match excess {
            Some(audience) => Err(Refusal::ExcessAudience(audience.clone())),
            None => self.claimed(permit),
        }
    }

    /// Returns the terms if nobody but an operator writes what tokens claim.
    fn claimed(self, permit: &Permit) -> Result<ClientTerms, Refusal> {
        let sources = self.resources.iter().flat_map(|resource| resource.claims.values());
        let mapped = sources.filter_map(|source| match source {
            ClaimSource::Metadata { metadata } => Some(metadata),
            ClaimSource::Text(_) => None,
        });
        let written = mapped.filter(|member| self.terms.metadata.contains_key(*member)).min();
        match authority(permit.principal()) {
            Authority::Operator => Ok(self.terms),
            Authority::Organisation | Authority::Owner => match written {
                Some(member) => Err(Refusal::ExcessClaim(member.clone())),
                None => Ok(self.terms),
            },
        }
    }
}

/// Tells whether what shall be registered is more than what was: whoever does that gives the whole of it anew.
pub(super) fn widens(before: &ClientTerms, next: &ClientTerms) -> bool {
    // All but what tokens are made of is the same; and of that there is no more.
    let kept = ClientTerms {
        grants: before.grants.clone(),
        scopes: before.scopes.clone(),
        audiences: before.audiences.clone(),
        token_format: before.token_format,
        id_token_signed_response_alg: before.id_token_signed_response_alg,
        ..next.clone()
    };
    !(kept == *before && covers(before, next))
}

/// Tells whether something is taken away: then it is taken from the client's tokens too.
pub(super) fn narrows(before: &ClientTerms, next: &ClientTerms) -> bool {
    !covers(next, before)
}

/// Tells whether `more` may have every token that `less` may.
fn covers(more: &ClientTerms, less: &ClientTerms) -> bool {
    less.grants.is_subset(&more.grants)
        && more.scopes.first_missing(&less.scopes).is_none()
        && less.audiences.iter().all(|one| more.audiences.contains(one))
        // No audience at all is the default one.
        && less.audiences.is_empty() == more.audiences.is_empty()
}

/// A mistake, and what is said of it.
type Mistake = (fn(&ClientTerms) -> bool, &'static str);

/// What does not fit together, in the order of RFC 7591 §2.
const MISTAKES: &[Mistake] = &[
    (
        |terms| {
            let most =
                [terms.redirect_uris.len(), terms.post_logout_redirect_uris.len(), terms.origins.len()];
            most.into_iter().any(|number| number > MAX_REDIRECT_URIS)
        },
        "expected at most 16 redirect URIs, 16 for after a sign-out, and 16 origins",
    ),
    (
        |terms| terms.jwks.is_some() && terms.jwks_uri.is_some(),
        "jwks and jwks_uri exclude each other (RFC 7591 §2)",
    ),
    (
        |terms| {
            let has_keys = terms.jwks.is_some() || terms.jwks_uri.is_some();
            (terms.auth_method == AuthMethod::PrivateKeyJwt) != has_keys
        },
        "private_key_jwt needs jwks or jwks_uri, and these are for private_key_jwt",
    ),
    (
        |terms| terms.auth_method == AuthMethod::Gateway,
        "gateway is how the web apps of routes are proven, which nobody registers and whose terms follow the routes",
    ),
    (|terms| terms.grants.is_empty(), "expected at least one grant"),
    (
        |terms| !terms.auth_method.is_confidential() && terms.grants.contains(&GrantType::ClientCredentials),
        "client_credentials is for clients that prove themselves, not for public ones (RFC 6749 §4.4)",
    ),
    (
        |terms| terms.grants.contains(&GrantType::AuthorizationCode) == terms.redirect_uris.is_empty(),
        "authorization_code needs a redirect URI, and a redirect URI the grant authorization_code",
    ),
    (
        |terms| {
            let given = [GrantType::AuthorizationCode, GrantType::DeviceCode];
            terms.grants.contains(&GrantType::RefreshToken)
                && !given.iter().any(|grant| terms.grants.contains(grant))
        },
        "refresh_token needs a grant that a person gives: authorization_code, or that of devices (RFC 6749 §4.4.3)",
    ),
    (
        |terms| !terms.auth_method.is_confidential() && !terms.require_pkce,
        "a public client has nothing but PKCE to prove that it asked (RFC 9700 §2.1.1)",
    ),
    (|terms| terms.audiences.len() > MAX_AUDIENCES, "expected at most 16 audiences"),
    (
        |terms| terms.audiences.iter().collect::<BTreeSet<_>>().len() < terms.audiences.len(),
        "an audience is there twice",
    ),
    (
        |terms| serde_json::to_vec(&terms.metadata).map_or(true, |text| text.len() > MAX_METADATA),
        "expected at most 4096 bytes of metadata",
    ),
];
