//! Reload: routes, upstreams, certificates, trust, policy and the log's level, while requests are served.
//!
//! All of a reload holds or nothing: a file that cannot be read, or means nothing that can be served, changes nothing.
//! What differs is written to the log and to the audit; what differs and needs a restart is named.

use std::fs::metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use arc_swap::ArcSwap;
use countersign_core::audit::{Actor, AuditEvent};
use countersign_core::context::Clock;
use countersign_edge::host::Hosts;
use countersign_server::app::{App, ReloadRequest};
use countersign_server::schema::{ChangeView, ReloadView};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use toml::Table;

use crate::certificates::Certificates;
use crate::cli::Up;
use crate::environment;
use crate::hosts;
use crate::reports::Reports;
use crate::routing::Routing;
use crate::settings::difference::{Change, difference, replaced};
use crate::settings::register::Mark;
use crate::settings::resolved::{self, Settings};
use crate::system::SystemClock;
use crate::web::{register, web_apps};

/// How often the files are looked at. A file is read when two looks in a row find it the same, so that one that is
/// still being written is left alone; a person who saves it waits for at most twice this.
const LOOK: Duration = Duration::from_secs(1);

/// The most characters of a reload that the audit keeps: the log has all of it.
const AUDITED: usize = 2_000;

/// What a reload reads, and what it replaces.
#[derive(Debug)]
pub(crate) struct Reload {
    up: Up,
    running: Table,
    live: Live,
}

/// What is replaced while requests are served.
#[derive(Debug)]
pub(crate) struct Live {
    /// Routes, upstreams, and what is believed of callers.
    pub(crate) routing: Routing,
    /// The listeners' certificates.
    pub(crate) certificates: Certificates,
    /// What takes GitHub's reports, and calls out for it.
    pub(crate) reports: Reports,
    /// The names of the management API.
    pub(crate) admin_hosts: Arc<ArcSwap<Hosts>>,
    /// The URL by which the gateway is called.
    pub(crate) gateway: String,
    /// What tokens are for where nothing is said.
    pub(crate) resource: String,
    /// What handlers stand on: the operator's policy, the store, the metrics.
    pub(crate) app: Arc<App>,
}

impl Reload {
    /// Prepares for reloads of what was started from `settings`.
    pub(crate) fn new(up: &Up, settings: &Settings, live: Live) -> Self {
        let mut up = up.clone();
        // A file that was there and is gone is a mistake, whether or not it was named.
        up.config = resolved::present(up.config);
        warn(settings);
        Self { up, running: settings.written.clone(), live }
    }

    /// Reloads when it is `asked` to and when a file has changed, for as long as it is polled.
    pub(crate) async fn work(mut self, mut asked: mpsc::Receiver<ReloadRequest>) {
        let mut files = Files::new(self.files(None));
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let request = tokio::select! {
                request = asked.recv() => request,
                _ = look.tick() => if files.have_changed() { None } else { continue },
            };
            // Before the files are read: what is written meanwhile is read the next time.
            files.forget();
            let (by, answer) = request.map_or((Actor::SYSTEM, None), |one| (one.by, Some(one.answer)));
            let reloaded = self.reload(by, &mut files);
            let app = &self.live.app;
            if let Err(error) = register(app, &app.web_apps.load_full()).await {
                tracing::error!(
                    error = format!("{error:#}"),
                    "nobody can sign in to a web app of the routes"
                );
            }
            if let Some(answer) = answer {
                let _gone = answer.send(reloaded);
            }
        }
    }

    /// Returns the files whose change is a reload: of settings and certificates, and what `settings` name.
    fn files(&self, settings: Option<&Settings>) -> Vec<PathBuf> {
        let file = self.up.config.clone().unwrap_or_else(|| PathBuf::from(resolved::DEFAULT_FILE));
        let extra_ca = settings.and_then(|settings| settings.egress.extra_ca.clone());
        [file].into_iter().chain(self.live.certificates.files()).chain(extra_ca).collect()
    }

    fn reload(&mut self, by: Actor, files: &mut Files) -> Result<ReloadView, String> {
        let applied = self.apply(files);
        self.live.app.metrics.reloaded(applied.is_ok());
        match applied {
            Ok(changes) => Ok(self.tell(by, &changes)),
            Err(error) => {
                let error = format!("{error:#}");
                let words = "the settings are not reloaded: what was in force stays in force";
                tracing::error!(error, "{words}");
                Err(format!("{words}: {error}"))
            }
        }
    }

    /// Reads and makes everything before it replaces anything: nothing fails once something is replaced.
    fn apply(&mut self, files: &mut Files) -> Result<Vec<Change>> {
        let settings = Settings::read(&self.up, &environment::variables())?;
        let certificates = self.live.certificates.prepare(&settings, &self.up)?;
        let reports = self.live.reports.prepare(&settings)?;
        let client_keys = self.live.reports.for_client_keys(&settings)?;
        let providers = self.live.reports.for_identity_providers(&settings)?;
        let routing = self.live.routing.prepare(&settings)?;
        let app = Arc::clone(&self.live.app);
        let resources = app.store.snapshot().resources();
        let web_apps = web_apps(&settings, &self.live.gateway, &self.live.resource)?;
        let declared = settings.resources.declared(&self.live.gateway)?;
        resources.admits(&declared)?;

        self.live.routing.put(routing);
        app.metrics.forget_upstream_addresses();
        self.live.certificates.put(certificates);
        self.live.reports.put(reports);
        app.client_keys.put(client_keys);
        app.providers.store(Arc::new(providers));
        resources.declare(declared);
        app.web_apps.store(Arc::new(web_apps));
        self.live.admin_hosts.store(Arc::new(hosts::admin(&settings)));
        app.policy.store(Arc::new(settings.policy.clone()));
        settings.log.set_level();
        warn(&settings);
        files.watch(self.files(Some(&settings)));
        let changes = difference(&self.running, &settings.written);
        self.running = replaced(&self.running, &settings.written);
        Ok(changes)
    }

    fn tell(&self, by: Actor, changes: &[Change]) -> ReloadView {
        for change in changes {
            match change.mark {
                Mark::Live => tracing::info!(%change, "reloaded"),
                Mark::Restart | Mark::Secret => {
                    tracing::warn!(%change, "changed in the file: it takes effect at the next start");
                }
            }
        }
        let live: Vec<_> = changes.iter().filter(|change| change.mark == Mark::Live).collect();
        tracing::info!(changes = live.len(), "the settings are reloaded");
        if !live.is_empty() {
            let words: Vec<_> = live.iter().map(ToString::to_string).collect();
            let words: String = words.join("; ").chars().take(AUDITED).collect();
            let event = AuditEvent::granted(SystemClock.now(), "settings.reload", by);
            self.live.app.store.append_audit(vec![event.detail("changes", words)]);
        }
        let view = |change: &Change| ChangeView {
            setting: change.setting.clone(),
            change: change.verb(),
            words: change.to_string(),
            restart: change.mark != Mark::Live,
        };
        ReloadView { changes: changes.iter().map(view).collect() }
    }
}

/// Names what weakens the product, at the start and whenever it is read again.
fn warn(settings: &Settings) {
    for field in settings.trust.dropped.passed() {
        tracing::warn!(%field, "danger_pass_headers: upstreams read what callers write into this header field");
    }
    let spec = &settings.egress;
    let leaks = spec.leaks.iter().filter(|_| settings.github_keys.is_some());
    let jwt = spec.jwt.iter().filter(|_| !settings.foreign_issuers.is_empty());
    let providers = spec.identity_providers.iter().filter(|_| !settings.identity_providers.is_empty());
    // Clients may publish keys at any time.
    for block in spec.allow.iter().chain(&spec.client_keys).chain(leaks).chain(jwt).chain(providers) {
        tracing::warn!(%block, "egress: Countersign itself may call what is not public");
    }
}

/// Files, and what was seen of them.
#[derive(Debug)]
struct Files {
    paths: Vec<PathBuf>,
    read: Vec<Option<Stamp>>,
    last: Vec<Option<Stamp>>,
}

/// What differs when a file was written or replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    changed: (i64, i64),
    size: u64,
}

impl Files {
    fn new(paths: Vec<PathBuf>) -> Self {
        let read: Vec<_> = paths.iter().map(stamp).collect();
        Self { last: read.clone(), read, paths }
    }

    /// Tells whether a file differs from what was read, and is no longer being written.
    fn have_changed(&mut self) -> bool {
        let now: Vec<_> = self.paths.iter().map(stamp).collect();
        let settled = now == self.last && now != self.read;
        if settled {
            self.read.clone_from(&now);
        }
        self.last = now;
        settled
    }

    /// Looks at `paths` from now on.
    fn watch(&mut self, paths: Vec<PathBuf>) {
        if self.paths != paths {
            *self = Self::new(paths);
        }
    }

    /// Takes the files as they are for read.
    fn forget(&mut self) {
        self.read = self.paths.iter().map(stamp).collect();
        self.last.clone_from(&self.read);
    }
}

fn stamp(path: &PathBuf) -> Option<Stamp> {
    let found = metadata(path).ok()?;
    Some(Stamp {
        inode: (found.dev(), found.ino()),
        changed: (found.ctime(), found.ctime_nsec()),
        size: found.size(),
    })
}

#[cfg(test)]
mod tests {
    use super::Files;

    #[test]
    fn a_file_is_read_once_it_rests() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write("one");
        let mut files = Files::new(vec![path.clone()]);
        assert!(!files.have_changed(), "as it was");
        write("one t");
        assert!(!files.have_changed(), "still being written");
        write("one two");
        assert!(!files.have_changed(), "still being written");
        assert!(files.have_changed(), "it rests");
        assert!(!files.have_changed(), "read");
        std::fs::remove_file(&path).unwrap();
        assert!(!files.have_changed(), "about to be replaced, perhaps");
        write("three three");
        assert!(!files.have_changed());
        assert!(files.have_changed(), "replaced");
        write("four four four");
        files.forget();
        assert!(!files.have_changed(), "read by request");
        assert!(!files.have_changed());
    }
}
