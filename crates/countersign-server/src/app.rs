//! What every handler stands on: the store, the clock, entropy, the operator's policy, and the gateway's view.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use countersign_core::audit::Actor;
use countersign_core::context::{Clock, Context, Entropy, Policy};
use countersign_core::decision::Requirement;
use countersign_core::exchange::{self, Act};
use countersign_core::ledger::{Find, Unavailable};
use countersign_core::password::{NotHashed, Password, PasswordHash, ProvenPassword};
use countersign_core::question::FoundPerson;
use countersign_core::secret::Secret;
use countersign_core::timestamp::Timestamp;
use countersign_edge::metrics::Metrics;
use countersign_store::Store;
use http::Method;
use tokio::sync::{mpsc, oneshot};

use crate::client_keys::ClientKeys;
use crate::devices::Devices;
use crate::failure::Failure;
use crate::guesses::Guesses;
use crate::identity_provider::Providers;
use crate::intake::Intake;
use crate::known_passwords;
use crate::mail_queue::MailQueue;
use crate::passwords::{Busy, Passwords};
use crate::schema::{DecisionView, ReloadView, RouteView};
use crate::signing::Signing;
use crate::web_apps::WebApps;

/// Opens a source of entropy for one request.
pub type EntropySource = Arc<dyn Fn() -> Box<dyn Entropy> + Send + Sync>;

/// A route, as the verify API needs it.
#[derive(Debug, Clone)]
pub struct CalledRoute {
    /// Its name.
    pub name: String,
    /// What it requires.
    pub requirement: Requirement,
    /// What a call costs of its credential's limits.
    pub cost: u32,
}

/// What the gateway tells of itself. The server never calls the gateway; the binary connects the two.
pub trait GatewayView: Send + Sync {
    /// Returns the routes, in the order in which they are tried.
    fn routes(&self) -> Vec<RouteView>;

    /// Finds the route of a call.
    fn route(&self, method: &Method, host: &str, path: &str) -> Option<CalledRoute>;

    /// Returns this node's latest decisions, the newest first.
    fn decisions(&self, limit: usize) -> Vec<DecisionView>;
}

/// Asks for a reload.
#[derive(Debug)]
pub struct ReloadRequest {
    /// Who asks.
    pub by: Actor,
    /// Where the answer goes: what differs, or why everything stays as it was.
    pub answer: oneshot::Sender<Result<ReloadView, String>>,
}

/// The management API and the issuer, without their listeners.
#[derive(Clone)]
pub struct App {
    /// What is stored.
    pub store: Arc<Store>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where ids and secrets come from.
    pub entropy: EntropySource,
    /// What the operator's settings allow; replaced by a reload.
    pub policy: Arc<ArcSwap<Policy>>,
    /// Reads the bodies of the management API.
    pub intake: Arc<Intake>,
    /// Where passwords are hashed.
    pub passwords: Arc<Passwords>,
    /// How often passwords may be guessed.
    pub guesses: Arc<Guesses>,
    /// What is remembered of devices.
    pub devices: Arc<Devices>,
    /// Letters that are asked for.
    pub mail: Arc<MailQueue>,
    /// What signs.
    pub signing: Arc<Signing>,
    /// What clients publish.
    pub client_keys: Arc<ClientKeys>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The gateway; `None` when no server runs.
    pub gateway: Option<Arc<dyn GatewayView>>,
    /// What reloads the settings; `None` when no server runs.
    pub reload: Option<mpsc::Sender<ReloadRequest>>,
    /// The web apps of the routes in force; replaced by a reload.
    pub web_apps: Arc<ArcSwap<WebApps>>,
    /// The identity providers at which people may sign in; replaced by a reload.
    pub providers: Arc<ArcSwap<Providers>>,
    /// The issuer's URL: the `iss` of everything issued.
    pub issuer_url: String,
    /// The certification authority's certificate, PEM.
    pub ca_pem: String,
}

impl fmt::Debug for App {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("App").field("issuer_url", &self.issuer_url).finish_non_exhaustive()
    }
}

impl App {
    /// Returns the wall clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Runs `judge` with a context of this moment.
    pub(crate) fn with_context<T>(
        &self,
        address: Option<IpAddr>,
        judge: impl FnOnce(&mut Context<'_>) -> T,
    ) -> T {
        let mut entropy = (self.entropy)();
        let policy = self.policy.load_full();
        let mut context = self.context(&policy, entropy.as_mut(), address);
        judge(&mut context)
    }

    /// Returns a context of this moment, for a caller at `address`.
    pub(crate) fn context<'a>(
        &'a self,
        policy: &'a Policy,
        entropy: &'a mut dyn Entropy,
        address: Option<IpAddr>,
    ) -> Context<'a> {
        let peppers = self.store.snapshot().peppers();
        Context { now: self.now(), entropy, peppers, policy, address }
    }

    /// Performs an act, and tells a caller why it was refused.
    pub(crate) async fn perform<A: Act>(&self, by: &A::By, act: &A) -> Result<A::Answer, Failure>
    where
        Store: Find<A::Question>,
        Failure: From<A::Reason>,
    {
        Ok(self.attempt(by, act).await??)
    }

    /// Performs an act, for who looks at the reason of a refusal.
    pub(crate) async fn attempt<A: Act>(
        &self,
        by: &A::By,
        act: &A,
    ) -> Result<Result<A::Answer, A::Reason>, Unavailable>
    where
        Store: Find<A::Question>,
    {
        self.attempt_from(by, act, None).await
    }

    /// Performs an act that asks whence it is done.
    pub(crate) async fn attempt_from<A: Act>(
        &self,
        by: &A::By,
        act: &A,
        address: Option<IpAddr>,
    ) -> Result<Result<A::Answer, A::Reason>, Unavailable>
    where
        Store: Find<A::Question>,
    {
        let mut entropy = (self.entropy)();
        let policy = self.policy.load_full();
        let mut context = self.context(&policy, entropy.as_mut(), address);
        exchange::perform(self.store.as_ref(), &mut context, by, act).await
    }

    /// Performs many acts as [`Self::attempt`] does one, in one commit if nothing stands in its way.
    pub(crate) async fn attempt_each<A: Act>(
        &self,
        by: &A::By,
        acts: &[A],
    ) -> Result<Vec<Result<A::Answer, A::Reason>>, Unavailable>
    where
        Store: Find<A::Question>,
    {
        let mut entropy = (self.entropy)();
        let policy = self.policy.load_full();
        let mut context = self.context(&policy, entropy.as_mut(), None);
        exchange::perform_each(self.store.as_ref(), &mut context, by, acts).await
    }

    /// Decides as [`Self::attempt`] does, and commits nothing.
    pub(crate) async fn rehearse<A: Act>(
        &self,
        by: &A::By,
        act: &A,
    ) -> Result<Result<A::Answer, A::Reason>, Unavailable>
    where
        Store: Find<A::Question>,
    {
        let mut entropy = (self.entropy)();
        let policy = self.policy.load_full();
        let mut context = self.context(&policy, entropy.as_mut(), None);
        exchange::rehearse(self.store.as_ref(), &mut context, by, act).await.map(|outcome| outcome.answer)
    }

    /// Hashes a password for keeping.
    pub(crate) async fn hash(&self, password: &Password) -> Result<PasswordHash, Failure> {
        let hashing = self.with_context(None, |context| password.hashing(context));
        let hashed = self.passwords.work(|| hashing.run()).await?;
        hashed.map_err(|NotHashed| Busy.into())
    }

    /// Tells whether a password is on the operator's list of known ones.
    pub(crate) async fn is_known(&self, password: &Password) -> Result<bool, Failure> {
        let Some(list) = self.policy.load().people.known_passwords.clone() else { return Ok(false) };
        let text = Secret::new(password.text().to_owned());
        let held = self.passwords.work(move || known_passwords::holds(&list, text.expose())).await?;
        held.map_err(|error| Unavailable::Store(format!("password.known: {error}")).into())
    }

    /// Compares a password with a person's; `None`: with nobody's, for as long.
    pub(crate) async fn prove(
        &self,
        password: &Password,
        person: Option<&FoundPerson>,
    ) -> Result<Option<ProvenPassword>, Busy> {
        let stored = person.and_then(|found| Some((found.owner.id, found.person.password.as_ref()?)));
        let checking = password.checking(self.store.snapshot().peppers(), stored);
        self.passwords.work(|| checking.run()).await
    }
}
