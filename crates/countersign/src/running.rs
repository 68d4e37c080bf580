//! A node with its listeners: bound, announced, drained.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use arc_swap::ArcSwap;
use countersign_core::audit::Actor;
use countersign_core::secret::Secret;
use countersign_edge::descriptors::{self, Shares};
use countersign_edge::drain::Shutdown;
use countersign_edge::endpoint::ListenerName;
use countersign_edge::limits::Limits;
use countersign_edge::listen::{Budget, Drained, Listener, Socket, bind};
use countersign_edge::unix::bind_local;
use countersign_gateway::gateway::{Gateway, GatewayConfig, GatewayListener};
use countersign_gateway::resource::Identity;
use countersign_gateway::route::RouteTable;
use countersign_gateway::sources::Refresh;
use countersign_gateway::upstream::UpstreamLimits;
use countersign_gateway::web::Web;
use countersign_server::app::{App, ReloadRequest};
use countersign_server::due::{self, Ahead};
use countersign_server::endpoint::Desk;
use countersign_server::first_use;
use countersign_server::leaks::{self, Leaks};
use countersign_server::mail::{self, Mailer};
use countersign_server::signers;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use url::Url;

use crate::calling::Calling;
use crate::certificates::Certificates;
use crate::cli::Up;
use crate::data_directory::socket;
use crate::echo::Echo;
use crate::hosts;
use crate::issuers::Issuers;
use crate::node::{Node, entropy};
use crate::reload::{Live, Reload};
use crate::reports::Reports;
use crate::routing::Routing;
use crate::settings::file::MailSettings;
use crate::settings::resolved::{ListenerAddress, Settings};
use crate::system::SystemClock;
use crate::view::{BehindGateway, OfGateway, SignsAssertions};
use crate::web::{OfIssuer, register, web_apps};

/// Reloads that may be asked for while one is under way.
const RELOADS: usize = 4;

/// Where the listeners answer.
#[derive(Debug, Clone)]
pub(crate) struct Urls {
    pub(crate) issuer: String,
    pub(crate) gateway: String,
    pub(crate) mtls: String,
    pub(crate) admin: String,
}

/// A node that serves.
pub(crate) struct Running {
    pub(crate) urls: Urls,
    /// Where permitted requests go, in words.
    pub(crate) upstream: String,
    node: Node,
    management_key: Option<Secret<String>>,
    gateway: Arc<Gateway>,
    reload_asked: mpsc::Sender<ReloadRequest>,
    shutdown: Shutdown,
    listeners: JoinSet<std::io::Result<Drained>>,
    /// What runs beside the requests, and loses nothing when it is cut.
    beside: Vec<JoinHandle<()>>,
    /// What ends leaked keys: it ends by itself once nobody can report.
    reports: JoinHandle<()>,
    echo: Option<Echo>,
}

/// The sockets, bound before anything is announced.
struct Sockets {
    issuer: TcpListener,
    gateway: TcpListener,
    mtls: TcpListener,
    admin: TcpListener,
}

impl Sockets {
    fn bind(settings: &Settings, tls: bool) -> Result<Self> {
        Ok(Self {
            issuer: bound("issuer.listen", &settings.issuer, tls)?,
            gateway: bound("gateway.listen", &settings.gateway, tls)?,
            mtls: bound("mtls.listen", &settings.mtls, true)?,
            admin: bound("admin.listen", &settings.admin, tls)?,
        })
    }

    fn urls(&self, scheme: &str) -> Result<Urls> {
        Ok(Urls {
            issuer: url(scheme, &self.issuer)?,
            gateway: url(scheme, &self.gateway)?,
            mtls: url("https", &self.mtls)?,
            admin: url(scheme, &self.admin)?,
        })
    }
}

impl Sockets {
    /// Returns where we listen: what we fetch is never fetched from there (SAFETY 15).
    fn own(&self) -> Result<Vec<SocketAddr>> {
        let sockets = [&self.issuer, &self.gateway, &self.mtls, &self.admin];
        sockets.into_iter().map(|socket| Ok(socket.local_addr()?)).collect()
    }
}

/// Binds a listener. Plain HTTP is for loopback; beyond it, TLS or a `danger_` setting is needed.
fn bound(setting: &'static str, listener: &ListenerAddress, tls: bool) -> Result<TcpListener> {
    let ListenerAddress { name, address, danger_plaintext } = *listener;
    if !tls && !address.ip().to_canonical().is_loopback() {
        if !danger_plaintext {
            bail!(
                "{setting}: {address} is not loopback, and credentials would cross the network in clear; \
                 use --https, or set {name}.danger_plaintext = true if something before it speaks TLS"
            );
        }
        tracing::warn!(listener = name, %address, "danger_plaintext: credentials cross the network in clear");
    }
    Ok(bind(setting, address)?)
}

fn url(scheme: &str, listener: &TcpListener) -> Result<String> {
    let address = listener.local_addr()?;
    let host = match address.ip() {
        // Browsers refuse passkeys on a bare address, so URLs say localhost.
        ip if ip.is_loopback() || ip.is_unspecified() => "localhost".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    Ok(format!("{scheme}://{host}:{}", address.port()))
}

impl Running {
    /// Binds, starts and connects everything.
    ///
    /// # Errors
    ///
    /// A text that names the setting and what is wrong with it; whatever was started is stopped.
    pub(crate) async fn start(mut node: Node, settings: Settings, up: &Up) -> Result<Self> {
        let management_key = node.management_key.take();
        match Self::try_start(&mut node, &settings, up).await {
            Ok(parts) => Ok(parts.into_running(node, management_key)),
            Err(error) => {
                node.close().await?;
                Err(error)
            }
        }
    }

    async fn try_start(node: &mut Node, settings: &Settings, up: &Up) -> Result<Parts> {
        let shares = shares_of_descriptors(&settings.limits);
        let certificates = Certificates::open(node, settings, up)?;
        let sockets = Sockets::bind(settings, certificates.https.is_some())?;
        let scheme = if certificates.https.is_some() { "https" } else { "http" };
        let urls = sockets.urls(scheme)?;
        let calling = Calling::new(sockets.own()?);
        let reports = Reports::new(calling.clone(), Arc::clone(&node.app.clock));
        let issuers = Issuers::new(calling, Arc::clone(&node.app.clock));
        let from_github = reports.prepare(settings)?;
        let local_socket = bind_local(&socket(node.directory.path()))?;
        let resource = settings.resources.default_id(&urls.gateway).to_owned();
        let (routing, echo) = Routing::open(settings, node.directory.ca(), issuers, resource.clone()).await?;
        let upstream = routing.words();
        let listeners = gateway_listeners(sockets.gateway, sockets.mtls, &certificates);
        let issuer_url = settings.issuer_url.as_ref().map_or_else(|| urls.issuer.clone(), identifier);
        let identity = Identity { issuer: issuer_url.clone(), resource: resource.clone() };
        let web = Arc::new(OfIssuer::default());
        let front = Front { listeners, identity, web: Arc::<OfIssuer>::clone(&web) };
        let web_apps = web_apps(settings, &urls.gateway, &resource)?;
        let config = gateway_config(node, settings, &routing.table, front, &shares);
        let gateway = Arc::new(Gateway::start(config)?);
        let (reload_asked, reload_requests) = mpsc::channel(RELOADS);
        node.announce(Arc::new(OfGateway::new(&gateway, &routing)), reload_asked.clone(), issuer_url);
        let mut serving =
            Serving { shutdown: Shutdown::new(), listeners: JoinSet::new(), limits: settings.limits.clone() };
        let (leaks, taken) = leaks::leaks(settings.limits.body);
        let leaks_work = tokio::spawn(leaks::work(Arc::clone(&node.app), taken));
        reports.put(from_github);
        node.app.client_keys.put(reports.for_client_keys(settings)?);
        node.app.providers.store(Arc::new(reports.for_identity_providers(settings)?));
        web.serve(&node.app, web_apps);
        let [issuer, admin, local] = desks(node, settings, leaks, &reports);
        let admin_hosts = Arc::clone(&admin.hosts);
        let tcp = |socket| Socket::Tcp(socket, certificates.https.clone());
        serving.add(issuer, tcp(sockets.issuer), shares.issuer, node);
        serving.add(admin, tcp(sockets.admin), shares.admin, node);
        serving.add(local, Socket::Unix(local_socket), shares.local, node);
        let renewal = certificates.keep_fresh();
        let live = Live {
            routing,
            certificates,
            reports,
            admin_hosts,
            gateway: urls.gateway.clone(),
            resource,
            app: Arc::clone(&node.app),
        };
        let reloading = tokio::spawn(Reload::new(up, settings, live).work(reload_requests));
        let ahead = Ahead { expiry_warning: settings.warn_before };
        let due_work = tokio::spawn(due::work(Arc::clone(&node.app), ahead));
        let first_uses = tokio::spawn(first_use::work(Arc::clone(&node.app)));
        let declared = settings.resources.declared(&urls.gateway)?;
        node.snapshot.resources().admits(&declared)?;
        node.snapshot.resources().declare(declared);
        node.app.prepare_signing().await?;
        register(&node.app, &node.app.web_apps.load_full()).await?;
        let signing_work = tokio::spawn(signers::work(Arc::clone(&node.app)));
        let mail_work = mail_work(&node.app, &settings.mail)?;
        tracing::info!(
            issuer = urls.issuer,
            gateway = urls.gateway,
            mtls = urls.mtls,
            admin = urls.admin,
            "ready"
        );
        Ok(Parts {
            urls,
            upstream,
            gateway,
            serving,
            reload_asked,
            beside: [renewal, due_work, first_uses, signing_work, reloading]
                .into_iter()
                .chain(mail_work)
                .collect(),
            reports: leaks_work,
            echo,
        })
    }

    /// Hands out the management key that this start made, once.
    pub(crate) fn take_management_key(&mut self) -> Option<Secret<String>> {
        self.management_key.take()
    }

    /// Asks for a reload of what can be replaced; the log says what came of it.
    pub(crate) fn reload(&self) {
        let (answer, _) = oneshot::channel();
        // One that is waiting already will read what is written now.
        let _full = self.reload_asked.try_send(ReloadRequest { by: Actor::SYSTEM, answer });
    }

    /// Waits until a listener or the store ends by itself, which neither should, and says why.
    pub(crate) async fn failed(&mut self) -> String {
        tokio::select! {
            ended = self.listeners.join_next() => format!("a listener ended: {ended:?}"),
            reason = self.node.store.failed() => reason,
        }
    }

    /// Finishes what is in flight, at most for `drain`, and closes everything in order.
    ///
    /// # Errors
    ///
    /// If the store cannot be closed.
    pub(crate) async fn stop(mut self, drain: Duration) -> Result<()> {
        for task in &self.beside {
            task.abort();
        }
        self.shutdown.begin(drain);
        while self.listeners.join_next().await.is_some() {}
        // A report that was answered with 202 is worked off before the store closes.
        if timeout(drain, &mut self.reports).await.is_err() {
            tracing::error!("reports of leaked keys are left: limits.drain ended first");
            self.reports.abort();
        }
        // Before the store: the gateway's last reports go there.
        if let Some(gateway) = Arc::into_inner(self.gateway) {
            let cut = gateway.shutdown(drain).await;
            if cut > 0 {
                tracing::warn!(connections = cut, "connections were cut: limits.drain ended first");
            }
        }
        if let Some(echo) = self.echo.take() {
            echo.stop().await;
        }
        let socket = socket(self.node.directory.path());
        let closed = self.node.close().await;
        let _removed = std::fs::remove_file(socket);
        closed
    }
}

/// What a start has made.
struct Parts {
    urls: Urls,
    upstream: String,
    gateway: Arc<Gateway>,
    reload_asked: mpsc::Sender<ReloadRequest>,
    serving: Serving,
    beside: Vec<JoinHandle<()>>,
    reports: JoinHandle<()>,
    echo: Option<Echo>,
}

impl Parts {
    fn into_running(self, node: Node, management_key: Option<Secret<String>>) -> Running {
        Running {
            urls: self.urls,
            upstream: self.upstream,
            node,
            management_key,
            gateway: self.gateway,
            reload_asked: self.reload_asked,
            shutdown: self.serving.shutdown,
            listeners: self.serving.listeners,
            beside: self.beside,
            reports: self.reports,
            echo: self.echo,
        }
    }
}

/// Starts to send mail, if the settings say how.
fn mail_work(app: &Arc<App>, settings: &MailSettings) -> Result<Option<JoinHandle<()>>> {
    let Some(url) = &settings.url else { return Ok(None) };
    let issuer: Url = app.issuer_url.parse()?;
    let host = issuer.host_str().unwrap_or("localhost");
    let from = settings.from.clone().unwrap_or_else(|| format!("Countersign <no-reply@{host}>"));
    let mailer = Mailer::new(url, &from)?;
    Ok(Some(tokio::spawn(mail::work(Arc::clone(app), mailer, app.mail.open()))))
}

/// Callers' connections that are enough for most: who has asked for no number is not told of fewer than the default.
const FEW: usize = 1_000;

/// Divides the descriptors of the process, and says if they are too few for what is set.
fn shares_of_descriptors(limits: &Limits) -> Shares {
    let descriptors = descriptors::raise();
    let shares = descriptors::shares(descriptors);
    let asked_for = limits.connections != Limits::default().connections;
    if shares.gateway < limits.connections && (asked_for || shares.gateway < FEW) {
        tracing::warn!(
            descriptors,
            connections = shares.gateway,
            wanted = limits.connections,
            "the limit of open files (RLIMIT_NOFILE, LimitNOFILE=) is too low for limits.connections: fewer are taken"
        );
    }
    shares
}

/// Allows no more connections than there are descriptors for.
fn within(limits: &Limits, share: usize) -> Limits {
    Limits { connections: limits.connections.min(share), ..limits.clone() }
}

/// The listeners of the shared runtime.
struct Serving {
    shutdown: Shutdown,
    listeners: JoinSet<std::io::Result<Drained>>,
    limits: Limits,
}

impl Serving {
    fn add(&mut self, desk: Desk, socket: Socket, share: usize, node: &Node) {
        let (name, service) = (desk.listener.name(), Arc::new(desk));
        let (limits, metrics) = (within(&self.limits, share), node.app.metrics.listener(name));
        let listener = Listener { name, service, budget: Budget::new(&limits), limits, metrics };
        self.listeners.spawn(listener.run(socket, self.shutdown.draining()));
    }
}

/// Makes what answers at the listeners of the shared runtime.
fn desks(node: &Node, settings: &Settings, leaks: Leaks, reports: &Reports) -> [Desk; 3] {
    let local = Desk::in_process(Arc::clone(&node.app));
    let at = |listener, hosts| Desk::at(listener, Arc::clone(&node.app), hosts);
    let issuer = at(ListenerName::Issuer, hosts::issuer(settings));
    let admin = at(ListenerName::Admin, hosts::admin(settings));
    [Desk { leaks: Some(leaks), github: reports.github(), ..issuer }, admin, local]
}

fn gateway_listeners(
    plain: TcpListener,
    mtls: TcpListener,
    certificates: &Certificates,
) -> Vec<GatewayListener> {
    vec![
        GatewayListener {
            name: ListenerName::Gateway.name(),
            socket: plain,
            tls: certificates.https.clone(),
        },
        GatewayListener {
            name: ListenerName::Mtls.name(),
            socket: mtls,
            tls: Some(Arc::clone(&certificates.mtls)),
        },
    ]
}

/// Writes an issuer as people do, and as tokens say it: a slash that only ends the host is a URL parser's.
fn identifier(url: &Url) -> String {
    let text = url.as_str();
    text.strip_suffix('/').filter(|_| url.path() == "/").unwrap_or(text).to_owned()
}

/// The gateway as callers meet it.
struct Front {
    listeners: Vec<GatewayListener>,
    identity: Identity,
    web: Arc<dyn Web>,
}

fn gateway_config(
    node: &Node,
    settings: &Settings,
    table: &Arc<ArcSwap<RouteTable>>,
    front: Front,
    shares: &Shares,
) -> GatewayConfig {
    let behind = Arc::new(BehindGateway(Arc::clone(&node.store)));
    let feed: Arc<dyn Refresh> = Arc::<BehindGateway>::clone(&behind);
    GatewayConfig {
        listeners: front.listeners,
        identity: front.identity,
        signs: Arc::new(SignsAssertions(Arc::clone(&node.app))),
        web: front.web,
        workers: settings.workers.unwrap_or(0),
        routes: Arc::clone(table),
        hosts: None,
        snapshot: Arc::clone(&node.snapshot),
        feed,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(|| entropy()()),
        policy: Arc::new(settings.policy.clone()),
        metrics: Arc::clone(&node.app.metrics),
        sink: behind,
        limits: within(&settings.limits, shares.gateway),
        upstream_limits: UpstreamLimits { connections: shares.upstreams, ..settings.upstream_limits.clone() },
    }
}
