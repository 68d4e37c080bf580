//! One node without its listeners: data directory, master key, store, certification authority, and the endpoints.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use arc_swap::ArcSwap;
use countersign_core::client::RegisterCommandLine;
use countersign_core::context::{self, Clock, Entropy, Policy};
use countersign_core::exchange::{self, System};
use countersign_core::keyring::{Keyring, SealedPlace};
use countersign_core::kinds::KINDS;
use countersign_core::ledger::Find as _;
use countersign_core::management_key::first_key;
use countersign_core::owner::first_organisation;
use countersign_core::resource::Declared;
use countersign_core::secret::{Peppers, Secret};
use countersign_core::snapshot::Snapshot;
use countersign_edge::metrics::Metrics;
use countersign_pki::authority::{Authority, Stored};
use countersign_server::app::{App, EntropySource, GatewayView, ReloadRequest};
use countersign_server::client_keys::ClientKeys;
use countersign_server::intake::Intake;
use countersign_server::passwords::Passwords;
use countersign_server::signing::Signing;
use countersign_store::{History, Limits, Retention, Store, StoreConfig, StoreUrl};
use serde_json::json;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::cli::Remote;
use crate::data_directory::{DataDirectory, write_durably};
use crate::environment;
use crate::master_key::{MasterKey, Origin};
use crate::settings::defaults::FEED_MAX_AGE;
use crate::settings::resolved;
use crate::settings::resources::ResourceSpec;
use crate::settings::retention::retention;
use crate::system::{SystemClock, SystemEntropy};
use crate::tls;

/// The name of our certification authority; its certificates are recognised by it.
const AUTHORITY: &str = "Countersign CA";
/// The sealed value by which a wrong master key is noticed.
const CHECK: SealedPlace<'static> = installation("master-key-check");
/// The sealed certification authority.
const CA: SealedPlace<'static> = installation("certification-authority");

/// Returns the place of what is sealed for the whole installation.
const fn installation(purpose: &'static str) -> SealedPlace<'static> {
    sealed_place(purpose, "installation")
}

/// Returns the place of a row of the store's table of sealed values.
pub(crate) const fn sealed_place<'a>(purpose: &'a str, owner: &'a str) -> SealedPlace<'a> {
    SealedPlace { table: "sealed", row: owner, owner, purpose }
}

/// Imports that are read and worked on at a time: together at most 16 MiB of bodies.
const IMPORTS: usize = 4;
/// Imports with one credential among them; a tenant has two.
const IMPORTS_OF_ONE: usize = 1;

/// Where a node's things are.
#[derive(Debug)]
pub(crate) struct NodeConfig {
    /// The store, if it is not the data directory's own.
    pub(crate) store: Option<String>,
    /// Whether the store's connection may cross a network in clear.
    pub(crate) danger_store_plaintext: bool,
    /// Where the master key is.
    pub(crate) master_key: Origin,
    /// The setting `feed.max_age`.
    pub(crate) feed_max_age: Duration,
    /// What the operator allows.
    pub(crate) policy: Policy,
    /// How long is kept what grows.
    pub(crate) retention: Retention,
    /// What tokens may be for, until the listeners are bound.
    pub(crate) declared: Declared,
    /// The setting `limits.body_timeout`.
    pub(crate) body_timeout: Duration,
}

impl NodeConfig {
    /// Reads what a command that opens the store itself was told.
    ///
    /// # Errors
    ///
    /// The mistakes in the settings.
    pub(crate) fn of_command(remote: &Remote) -> Result<Self> {
        let file = resolved::read_file(remote.config.as_deref(), &environment::variables())?;
        Ok(Self {
            danger_store_plaintext: false,
            master_key: master_key_origin(remote.master_key.clone()),
            feed_max_age: FEED_MAX_AGE,
            // The operator's policy holds whichever way a command takes.
            policy: resolved::policy(&file)?,
            retention: retention(&file.retention)?,
            body_timeout: resolved::limits(&file.limits)?.body,
            declared: ResourceSpec::of_command(&file.resource)?,
            store: remote.store.clone().or(file.store.url),
        })
    }
}

/// Returns where the master key is: the flag's file, the environment, a credential of the service manager, or the
/// data directory.
pub(crate) fn master_key_origin(flag: Option<PathBuf>) -> Origin {
    if let Some(path) = flag {
        return Origin::File(path);
    }
    if let Some(text) = environment::variable("COUNTERSIGN_MASTER_KEY") {
        return Origin::Environment(text);
    }
    let credential = environment::variable("CREDENTIALS_DIRECTORY")
        .map(|directory| PathBuf::from(directory).join("countersign-master-key"))
        .filter(|path| path.exists());
    credential.map_or(Origin::DataDirectory, Origin::File)
}

/// A node, ready to serve.
pub(crate) struct Node {
    /// The endpoints.
    pub(crate) app: Arc<App>,
    /// The store.
    pub(crate) store: Arc<Store>,
    /// What verifiers know.
    pub(crate) snapshot: Arc<Snapshot>,
    /// The certification authority.
    pub(crate) authority: Arc<Authority>,
    /// The management key, if this start made it.
    pub(crate) management_key: Option<Secret<String>>,
    /// Held while the node lives.
    pub(crate) directory: DataDirectory,
}

impl Node {
    /// Opens everything that a node stands on, and makes what is missing.
    ///
    /// # Errors
    ///
    /// A text that names what cannot be opened and what to do.
    pub(crate) async fn open(directory: DataDirectory, place: &NodeConfig) -> Result<Self> {
        let master_key = MasterKey::open(&place.master_key, &directory, &mut SystemEntropy)?;
        let snapshot = Arc::new(Snapshot::new(KINDS, Arc::new(master_key.peppers()?), place.feed_max_age));
        snapshot.resources().declare(place.declared.clone());
        let store = Arc::new(open_store(&directory, place, &snapshot).await?);
        let node = assemble(directory, place, &master_key, Arc::clone(&store), snapshot).await;
        if node.is_err() {
            store.close().await;
        }
        node
    }

    /// Tells the endpoints what is known once the listeners are bound.
    pub(crate) fn announce(
        &mut self,
        gateway: Arc<dyn GatewayView>,
        reload: mpsc::Sender<ReloadRequest>,
        issuer_url: String,
    ) {
        let (gateway, reload) = (Some(gateway), Some(reload));
        self.snapshot.name_issuer(issuer_url.clone());
        self.app = Arc::new(App { gateway, reload, issuer_url, ..self.app.as_ref().clone() });
    }

    /// Writes what is queued, and closes the store.
    ///
    /// # Errors
    ///
    /// None so far; the store logs what it cannot write.
    pub(crate) async fn close(self) -> Result<()> {
        self.app.write_first_uses().await;
        self.store.close().await;
        Ok(())
    }
}

async fn assemble(
    directory: DataDirectory,
    place: &NodeConfig,
    master_key: &MasterKey,
    store: Arc<Store>,
    snapshot: Arc<Snapshot>,
) -> Result<Node> {
    let keyring = master_key.keyring()?;
    check_master_key(&store, master_key, &keyring).await?;
    let authority = Arc::new(open_authority(&store, &keyring).await?);
    let ca_pem = authority.certificate_pem().to_owned();
    write_durably(&directory.ca(), ca_pem.as_bytes())?;
    let management_key = initialise(&store, snapshot.peppers(), &place.policy).await?;
    register_command_line(&store, snapshot.peppers(), &place.policy).await?;
    let app = App {
        store: Arc::clone(&store),
        clock: Arc::new(SystemClock),
        entropy: entropy(),
        policy: Arc::new(ArcSwap::from_pointee(place.policy.clone())),
        intake: Arc::new(Intake::new(IMPORTS, IMPORTS_OF_ONE, place.body_timeout)),
        passwords: Arc::new(Passwords::new(available_parallelism().map_or(1, NonZero::get))),
        guesses: Arc::default(),
        devices: Arc::default(),
        mail: Arc::default(),
        signing: Arc::new(Signing::new(keyring)),
        client_keys: Arc::new(ClientKeys::new(Arc::new(SystemClock))),
        metrics: Arc::new(Metrics::new()),
        gateway: None,
        reload: None,
        web_apps: Arc::default(),
        providers: Arc::default(),
        issuer_url: String::new(),
        ca_pem,
    };
    Ok(Node { app: Arc::new(app), store, snapshot, authority, management_key, directory })
}

/// Returns the source of entropy for requests.
pub(crate) fn entropy() -> EntropySource {
    Arc::new(|| -> Box<dyn Entropy> { Box::new(SystemEntropy) })
}

async fn open_store(
    directory: &DataDirectory,
    place: &NodeConfig,
    snapshot: &Arc<Snapshot>,
) -> Result<Store> {
    let url = match &place.store {
        None => {
            directory.accept_database()?;
            StoreUrl::Sqlite(directory.database())
        }
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            StoreUrl::Postgres(url.clone())
        }
        Some(_) => bail!("store.url: expected postgres://user@host/database; without it SQLite is used"),
    };
    let node = directory.node(&mut SystemEntropy)?;
    let origin = directory.origin()?;
    let config = StoreConfig {
        url,
        node,
        snapshot: Arc::clone(snapshot),
        clock: Arc::new(SystemClock),
        tombstones: directory.tombstones(),
        history: if origin.is_elsewhere() { History::PutBack } else { History::GoesOn },
        danger_plaintext: place.danger_store_plaintext,
    };
    let limits = Limits { retention: place.retention.clone(), ..Limits::default() };
    let store = Store::open_with(config, limits).await.context("the store cannot be opened")?;
    // Only now: whoever is interrupted before is told again.
    origin.settle()?;
    Ok(store)
}

/// Refuses a master key that is not the one under which this store is sealed.
async fn check_master_key(store: &Store, master_key: &MasterKey, keyring: &Keyring) -> Result<()> {
    let fresh = keyring.seal(&CHECK, &Secret::new(b"countersign".to_vec()), &mut SystemEntropy)?;
    let sealed = store.sealed_or_insert(CHECK.purpose, CHECK.owner, fresh).await?;
    if keyring.open(&CHECK, &sealed).is_some() {
        return Ok(());
    }
    master_key.discard();
    bail!(
        "this store is sealed under another master key; name the right one with --master-key FILE \
         (the first node keeps it in its data directory as master.key; after a rotation every node needs the file with \
         the new line)"
    )
}

async fn open_authority(store: &Store, keyring: &Keyring) -> Result<Authority> {
    let fresh = seal_authority(keyring)?;
    let sealed = store.sealed_or_insert(CA.purpose, CA.owner, fresh).await?;
    let opened = keyring.open(&CA, &sealed).context("the certification authority's key does not open")?;
    let stored: serde_json::Value = serde_json::from_slice(opened.expose())?;
    let member =
        |name: &str| stored.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let stored = Stored { certificate_pem: member("certificate"), key_pem: Zeroizing::new(member("key")) };
    Ok(Authority::open(AUTHORITY, &stored)?)
}

fn seal_authority(keyring: &Keyring) -> Result<Vec<u8>> {
    let mut serial = [0; 16];
    SystemEntropy.fill(&mut serial);
    let made = Authority::generate(AUTHORITY, serial, tls::validity(&SystemClock, tls::AUTHORITY_LIFE)?)?;
    let text = json!({ "certificate": made.certificate_pem, "key": made.key_pem.as_str() }).to_string();
    Ok(keyring.seal(&CA, &Secret::new(text.into_bytes()), &mut SystemEntropy)?)
}

/// Registers the client of `countersign login`, once in a store's life: whoever disabled it or renamed it finds it so.
async fn register_command_line(store: &Store, peppers: &Peppers, policy: &Policy) -> Result<()> {
    let act = RegisterCommandLine::new()?;
    let mut entropy = SystemEntropy;
    let mut context =
        context::Context { now: SystemClock.now(), entropy: &mut entropy, peppers, policy, address: None };
    if store.find(act.question()).await?.is_some() {
        return Ok(());
    }
    match exchange::perform(store, &mut context, &System, &act).await {
        // Another node was first.
        Err(_) if store.find(act.question()).await?.is_some() => Ok(()),
        answer => answer?.map(drop).map_err(anyhow::Error::from),
    }
}

/// Makes the first organisation and its management key, once in a store's life.
async fn initialise(store: &Store, peppers: &Peppers, policy: &Policy) -> Result<Option<Secret<String>>> {
    let mut entropy = SystemEntropy;
    let mut context =
        context::Context { now: SystemClock.now(), entropy: &mut entropy, peppers, policy, address: None };
    let organisation = first_organisation(&mut context);
    let owner = organisation.answer?;
    let key = first_key(&mut context, &owner);
    let minted = key.answer?;
    let effects = organisation.effects.into_iter().chain(key.effects).collect();
    let made = store.initialise(effects, vec![organisation.audit, key.audit]).await?;
    Ok(minted.key.filter(|_| made))
}
