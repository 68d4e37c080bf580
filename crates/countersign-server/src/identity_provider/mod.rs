//! Identity providers at which people sign in: how they are reached, and what they answer (OpenID Connect Core 1.0 §3.1, GitHub's
//! OAuth).
//!
//! **Invariants.** What is asked of a provider goes to where its own metadata say, which name the issuer of the settings (Discovery
//! 1.0 §4.3); every answer is bounded in bytes and time by the egress client. Few questions are under way at once, so that a provider
//! that hangs holds nobody else up.
//!
//! What it does not do: believe an answer ([`countersign_core::federation`]), or know browsers.

mod answer;
mod github;
mod metadata;
mod openid;

use std::fmt;
use std::sync::Arc;

use countersign_core::attempt::Attempt;
use countersign_core::context::Clock;
use countersign_core::federation::{Begun, IdentityProvider, ProvenIdentity};
use countersign_core::secret::Secret;
use countersign_core::timestamp::Timestamp;
use countersign_egress::client::Egress;
use tokio::sync::Semaphore;
use url::Url;

use crate::pages::sign_in::Elsewhere;

pub(crate) use answer::ProviderFailure;
use github::Github;
use openid::OpenId;

/// The most questions to one provider that are under way: as many as a hanging one may hold memory for; a bound, not a clause.
const MOST_CALLS: usize = 64;

/// How a provider is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialect {
    /// By OpenID Connect.
    OpenId,
    /// By the OAuth and the REST API of GitHub, or of a GitHub Enterprise Server.
    Github {
        /// Where people sign in.
        web: Url,
        /// Where the API is.
        api: Url,
    },
}

/// A provider as the settings say.
#[derive(Debug)]
pub struct ProviderSpec {
    /// What the operator believes of it.
    pub provider: IdentityProvider,
    /// How it is spoken to.
    pub dialect: Dialect,
    /// What proves us there.
    pub client_secret: Secret<String>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// What people call it.
    pub title: String,
}

/// A provider.
pub struct Provider {
    pub(crate) known: Arc<IdentityProvider>,
    pub(crate) title: String,
    way: Way,
    calls: Semaphore,
}

enum Way {
    OpenId(Box<OpenId>),
    Github(Box<Github>),
}

/// What is sent along with a request for a sign-in.
pub(crate) struct Sent<'a> {
    pub(crate) attempt: &'a Attempt<Begun>,
    pub(crate) redirect_uri: &'a str,
}

/// Who somebody is, and how more is learned of them.
pub(crate) struct Identified {
    pub(crate) identity: ProvenIdentity,
    userinfo: Option<(Url, Secret<String>)>,
}

impl fmt::Debug for Provider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Provider").field("known", &self.known).finish_non_exhaustive()
    }
}

impl Provider {
    /// Knows nothing of it yet; `egress` asks.
    ///
    /// # Errors
    ///
    /// [`url::ParseError`] for an issuer that is no URL.
    pub fn new(spec: &ProviderSpec, egress: Egress, clock: Arc<dyn Clock>) -> Result<Self, url::ParseError> {
        let ProviderSpec { provider, dialect, client_secret, scopes, title } = spec;
        let known = Arc::new(provider.clone());
        let client_secret = Secret::new(client_secret.expose().clone());
        let caller = Caller { known: Arc::clone(&known), client_secret, scope: scopes.join(" "), egress };
        let way = match dialect {
            Dialect::OpenId => Way::OpenId(Box::new(OpenId::new(caller, clock)?)),
            Dialect::Github { web, api } => Way::Github(Box::new(Github::new(caller, web, api)?)),
        };
        Ok(Self { known, title: title.clone(), way, calls: Semaphore::new(MOST_CALLS) })
    }

    /// Tells whether it can say when somebody has signed in there.
    pub(crate) const fn says_when(&self) -> bool {
        matches!(self.way, Way::OpenId(_))
    }

    /// Returns where a browser is sent to.
    pub(crate) async fn address(&self, sent: &Sent<'_>) -> Result<String, ProviderFailure> {
        let _call = self.calls.try_acquire().map_err(|_| ProviderFailure::Busy)?;
        match &self.way {
            Way::OpenId(way) => way.address(sent).await,
            Way::Github(way) => Ok(way.address(sent)),
        }
    }

    /// Tells whether an `iss` that came back is the provider's, or may be left out (RFC 9207 §2.4).
    pub(crate) async fn is_from(&self, issuer: Option<&str>) -> Result<bool, ProviderFailure> {
        match (issuer, &self.way) {
            (Some(issuer), _) => Ok(issuer == self.known.issuer),
            (None, Way::OpenId(way)) => Ok(!way.says_iss().await?),
            (None, Way::Github(_)) => Ok(true),
        }
    }

    /// Redeems a code, and judges who it is for.
    pub(crate) async fn identify(
        &self,
        sent: &Sent<'_>,
        code: &str,
        now: Timestamp,
    ) -> Result<Identified, ProviderFailure> {
        let _call = self.calls.try_acquire().map_err(|_| ProviderFailure::Busy)?;
        match &self.way {
            Way::OpenId(way) => way.identify(sent, code, now).await,
            Way::Github(way) => way.identify(sent, code).await,
        }
    }

    /// Learns what the provider tells of somebody beside who they are.
    pub(crate) async fn learn(&self, identified: Identified) -> Result<ProvenIdentity, ProviderFailure> {
        let _call = self.calls.try_acquire().map_err(|_| ProviderFailure::Busy)?;
        match (&self.way, identified.userinfo) {
            (Way::OpenId(way), Some(userinfo)) => way.learn(identified.identity, &userinfo).await,
            (Way::OpenId(_) | Way::Github(_), _) => Ok(identified.identity),
        }
    }
}

/// How we ask at a provider.
struct Caller {
    known: Arc<IdentityProvider>,
    client_secret: Secret<String>,
    scope: String,
    egress: Egress,
}

/// The providers in force.
#[derive(Debug, Default)]
pub struct Providers(pub Vec<Provider>);

impl Providers {
    /// Finds one by its name.
    pub(crate) fn find(&self, name: &str) -> Option<&Provider> {
        self.0.iter().find(|one| one.known.name.as_str() == name)
    }

    /// Returns what people call the provider of an issuer.
    pub(crate) fn title_of(&self, issuer: &str) -> Option<&str> {
        self.0.iter().find(|one| one.known.issuer == issuer).map(|one| one.title.as_str())
    }

    /// Returns the issuers by which people can sign in.
    pub(crate) fn issuers(&self) -> Vec<String> {
        self.0.iter().map(|one| one.known.issuer.clone()).collect()
    }

    /// Returns what the sign-in page shows of them.
    pub(crate) fn elsewhere(&self) -> Vec<Elsewhere> {
        let one = |provider: &Provider| Elsewhere {
            name: provider.known.name.to_string(),
            title: provider.title.clone(),
            place: provider.known.issuer.clone(),
        };
        self.0.iter().map(one).collect()
    }
}
