//! Federation: people prove who they are at somebody else's identity provider, which is believed as far as the operator says.
//!
//! **Invariants.** A [`ProvenIdentity`] comes from an answer of its provider that was judged here, and from nothing else; an
//! identity is of one person at most, by the provider's issuer and its name for them, and by nothing that people choose there (OpenID
//! Connect Core 1.0 §5.7). It becomes a person's by a proof of both: that somebody is signed in as them, or that a provider whose
//! word the operator trusts says that the one verified address is theirs. Nobody takes the last way in away from themselves.
//!
//! What it does not do: fetch, or begin a session ([`crate::sign_in`]).

mod github;
mod id_token;
mod model;
mod rules;

pub use github::GithubUser;
pub use id_token::{Expected, IdToken};
pub use model::{
    Begun, Freshness, IdentityProvider, ProvenIdentity, ProviderName, Purpose, Recognised, Unfit,
};
pub use rules::{Join, LinkIdentity, NotJoined, NotLinked, UnlinkIdentity, recognise};

#[cfg(test)]
mod tests;
