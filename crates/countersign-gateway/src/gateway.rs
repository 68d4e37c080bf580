//! The gateway as a whole: its settings, its workers, its end.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use countersign_core::context::{Clock, Entropy, Policy};
use countersign_core::snapshot::Snapshot;
use countersign_edge::drain::{Draining, Shutdown};
use countersign_edge::host::Hosts;
use countersign_edge::limits::Limits;
use countersign_edge::listen::{Budget, Listener, Socket};
use countersign_edge::metrics::Metrics;
use countersign_edge::tls::Tls;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use crate::assertions::Signs;
use crate::journal::{DecisionRecord, Journal};
use crate::report::DecisionSink;
use crate::resource::Identity;
use crate::route::RouteTable;
use crate::sources::Refresh;
use crate::sources::Sources;
use crate::upstream::UpstreamLimits;
use crate::web::Web;
use crate::worker::{Node, Reception, Worker};

/// How often a worker does what is due.
const TICK: Duration = Duration::from_secs(1);

/// Decisions that a node remembers for `explain` (SPEED.md).
pub const REMEMBERED_DECISIONS: usize = 100_000;

/// A socket that the gateway accepts from.
#[derive(Debug)]
pub struct GatewayListener {
    /// Its name in settings, logs and metrics.
    pub name: &'static str,
    /// The socket, bound and listening.
    pub socket: TcpListener,
    /// TLS, if it is spoken there.
    pub tls: Option<Arc<Tls>>,
}

/// Makes a source of unpredictable bytes for a worker.
pub trait EntropyFactory: Send + Sync {
    /// Makes one.
    fn entropy(&self) -> Box<dyn Entropy>;
}

impl<F: Fn() -> Box<dyn Entropy> + Send + Sync> EntropyFactory for F {
    fn entropy(&self) -> Box<dyn Entropy> {
        self()
    }
}

/// What a gateway is made of.
pub struct GatewayConfig {
    /// Where it accepts from.
    pub listeners: Vec<GatewayListener>,
    /// How many workers; 0: one for each core.
    pub workers: usize,
    /// The routes; replaced as a whole, for the next request.
    pub routes: Arc<ArcSwap<RouteTable>>,
    /// What the installation calls itself.
    pub identity: Identity,
    /// What signs the assertions of callers.
    pub signs: Arc<dyn Signs>,
    /// The issuer's side of browsers.
    pub web: Arc<dyn Web>,
    /// The hosts that are served; `None`: all.
    pub hosts: Option<Hosts>,
    /// What verifiers know.
    pub snapshot: Arc<Snapshot>,
    /// What feeds the snapshot.
    pub feed: Arc<dyn Refresh>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Unpredictable bytes.
    pub entropy: Arc<dyn EntropyFactory>,
    /// The operator's policy.
    pub policy: Arc<Policy>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who is told of decisions.
    pub sink: Arc<dyn DecisionSink>,
    /// The bounds on callers.
    pub limits: Limits,
    /// The bounds on upstreams.
    pub upstream_limits: UpstreamLimits,
}

impl fmt::Debug for GatewayConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GatewayConfig")
            .field("listeners", &self.listeners)
            .field("workers", &self.workers)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A running gateway. Dropping it ends it at once; [`Gateway::shutdown`] ends it in order.
pub struct Gateway {
    shutdown: Shutdown,
    addresses: Vec<SocketAddr>,
    workers: Vec<Running>,
}

struct Running {
    worker: Arc<Worker>,
    thread: thread::JoinHandle<()>,
    ended: oneshot::Receiver<usize>,
}

impl Gateway {
    /// Starts the workers.
    ///
    /// # Errors
    ///
    /// The operating system's, if a socket cannot be shared or a thread cannot be started.
    pub fn start(config: GatewayConfig) -> io::Result<Self> {
        let count = match config.workers {
            0 => thread::available_parallelism()?.get(),
            count => count,
        };
        let addresses =
            config.listeners.iter().map(|one| one.socket.local_addr()).collect::<Result<_, _>>()?;
        let budget = Budget::new(&config.limits);
        let node = node(&config);
        let shutdown = Shutdown::new();
        let mut workers = Vec::with_capacity(count);
        for number in 0..count {
            let journal = Journal::new(
                REMEMBERED_DECISIONS,
                count,
                Arc::clone(&config.sink),
                Arc::clone(&config.metrics),
            );
            let worker = Arc::new(Worker::new(node.clone(), journal, config.entropy.entropy()));
            let doors = doors(&config, &worker, &budget)?;
            workers.push(run(number, worker, doors, shutdown.draining())?);
        }
        // The workers hold the sockets now: when they let go, the ports are free.
        drop(config);
        Ok(Self { shutdown, addresses, workers })
    }

    /// Returns the addresses of the listeners, in their order.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns the last decisions, the newest first.
    #[must_use]
    pub fn recent_decisions(&self, limit: usize) -> Vec<DecisionRecord> {
        let mut records: Vec<_> = self
            .workers
            .iter()
            .flat_map(|running| running.worker.journal().recent().take(limit).cloned().collect::<Vec<_>>())
            .collect();
        records.sort_by_key(|one| std::cmp::Reverse(one.at));
        records.truncate(limit);
        records
    }

    /// Accepts nothing more, finishes what is in flight within `limit`, tells what is left to tell, and returns how
    /// many connections were cut.
    pub async fn shutdown(self, limit: Duration) -> usize {
        self.shutdown.begin(limit);
        let mut aborted = 0;
        for running in self.workers {
            // A worker that ended by a defect has said so in the log; the others still end in order.
            aborted += running.ended.await.unwrap_or_default();
            if running.thread.join().is_err() {
                tracing::error!("a gateway worker ended by a defect");
            }
        }
        aborted
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Gateway")
            .field("addresses", &self.addresses)
            .field("workers", &self.workers.len())
            .finish_non_exhaustive()
    }
}

fn node(config: &GatewayConfig) -> Node {
    Node {
        sources: Sources {
            snapshot: Arc::clone(&config.snapshot),
            feed: Arc::clone(&config.feed),
            clock: Arc::clone(&config.clock),
            policy: Arc::clone(&config.policy),
            metrics: Arc::clone(&config.metrics),
            sink: Arc::clone(&config.sink),
        },
        routes: Arc::clone(&config.routes),
        identity: Arc::new(config.identity.clone()),
        signs: Arc::clone(&config.signs),
        web: Arc::clone(&config.web),
        keeper: Arc::default(),
        hosts: config.hosts.clone(),
        metrics: Arc::clone(&config.metrics),
        limits: config.limits.clone(),
        upstream_limits: config.upstream_limits.clone(),
        places: Arc::new(Semaphore::new(config.upstream_limits.connections.min(Semaphore::MAX_PERMITS))),
    }
}

/// A listener of one worker, and its share of the socket.
type Door = (Listener<Reception>, Socket);

fn doors(config: &GatewayConfig, worker: &Arc<Worker>, budget: &Budget) -> io::Result<Vec<Door>> {
    let door = |listener: &GatewayListener| {
        let socket = Socket::Tcp(listener.socket.try_clone()?, listener.tls.clone());
        let listener = Listener {
            name: listener.name,
            service: Arc::new(Reception(Arc::clone(worker))),
            limits: config.limits.clone(),
            budget: budget.clone(),
            metrics: config.metrics.listener(listener.name),
        };
        Ok((listener, socket))
    };
    config.listeners.iter().map(door).collect()
}

fn run(number: usize, worker: Arc<Worker>, doors: Vec<Door>, draining: Draining) -> io::Result<Running> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (tell, ended) = oneshot::channel();
    let running = Arc::clone(&worker);
    let thread = thread::Builder::new().name(format!("gateway-{number}")).spawn(move || {
        let aborted = runtime.block_on(async {
            tokio::select! {
                aborted = work(&running, doors, draining) => aborted,
                never = running.watch_upstreams(number) => match never {},
            }
        });
        drop(runtime);
        running.close();
        // Nobody listens if the gateway was dropped.
        tell.send(aborted).unwrap_or_default();
    })?;
    Ok(Running { worker, thread, ended })
}

async fn work(worker: &Worker, doors: Vec<Door>, draining: Draining) -> usize {
    let mut listening = JoinSet::new();
    for (listener, socket) in doors {
        listening.spawn(listener.run(socket, draining.clone()));
    }
    let mut beat = tokio::time::interval(TICK);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut aborted = 0;
    loop {
        tokio::select! {
            _now = beat.tick() => worker.tick(),
            ended = listening.join_next() => match ended {
                None => return aborted,
                Some(Ok(Ok(drained))) => aborted += drained.aborted,
                Some(Ok(Err(error))) => tracing::error!(error = %error, "a gateway listener cannot be used"),
                Some(Err(error)) => tracing::error!(error = %error, "a gateway listener ended by a defect"),
            },
        }
    }
}
