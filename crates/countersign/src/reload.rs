//! Reload: routes, upstreams and the operator's certificate, while requests are served.
//!
//! All of a reload holds or nothing: a file that cannot be read, or means nothing that can be served, changes nothing.
//! What differs is written to the log and to the audit; what differs and needs a restart is named.

use std::fs::metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use countersign_core::audit::{Actor, AuditEvent};
use countersign_core::context::Clock;
use countersign_edge::metrics::Metrics;
use countersign_store::Store;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};
use toml::Table;

use crate::certificates::Certificates;
use crate::cli::Up;
use crate::environment;
use crate::routing::Routing;
use crate::settings::difference::{Change, difference, replaced};
use crate::settings::resolved::{self, Settings};
use crate::system::SystemClock;

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
    routing: Routing,
    certificates: Certificates,
    store: Arc<Store>,
    metrics: Arc<Metrics>,
}

impl Reload {
    /// Prepares for reloads of what was started from `settings`.
    pub(crate) fn new(
        up: &Up,
        settings: &Settings,
        routing: Routing,
        certificates: Certificates,
        store: Arc<Store>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let mut up = up.clone();
        // A file that was there and is gone is a mistake, whether or not it was named.
        up.config = resolved::present(up.config);
        Self { up, running: settings.written.clone(), routing, certificates, store, metrics }
    }

    /// Reloads when it is `asked` to and when a file has changed, for as long as it is polled.
    pub(crate) async fn work(mut self, asked: Arc<Notify>) {
        let mut files = Files::new(self.files());
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = asked.notified() => files.forget(),
                _ = look.tick() => if !files.have_changed() { continue },
            }
            self.reload();
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let settings = self.up.config.clone().unwrap_or_else(|| PathBuf::from(resolved::DEFAULT_FILE));
        std::iter::once(settings).chain(self.certificates.files()).collect()
    }

    fn reload(&mut self) {
        let applied = self.apply();
        self.metrics.reloaded(applied.is_ok());
        match applied {
            Ok(changes) => self.tell(&changes),
            Err(error) => tracing::error!(
                error = format!("{error:#}"),
                "the settings are not reloaded: what was in force stays in force"
            ),
        }
    }

    /// Reads everything before it replaces anything.
    fn apply(&mut self) -> Result<Vec<Change>> {
        let settings = Settings::read(&self.up, &environment::variables())?;
        let certificate = self.certificates.reread()?;
        self.routing.replace(&settings)?;
        self.metrics.forget_upstream_addresses();
        self.certificates.replace(certificate);
        let changes = difference(&self.running, &settings.written);
        self.running = replaced(&self.running, &settings.written);
        Ok(changes)
    }

    fn tell(&self, changes: &[Change]) {
        let (live, waiting): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change.live);
        for change in &live {
            tracing::info!(%change, "reloaded");
        }
        for change in &waiting {
            tracing::warn!(
                setting = change.setting,
                "changed in the file: it takes effect at the next start"
            );
        }
        tracing::info!(changes = live.len(), "the settings are reloaded");
        if !live.is_empty() {
            let words: Vec<_> = live.iter().map(ToString::to_string).collect();
            let words: String = words.join("; ").chars().take(AUDITED).collect();
            let event = AuditEvent::granted(SystemClock.now(), "settings.reload", Actor::SYSTEM);
            self.store.append_audit(vec![event.detail("changes", words)]);
        }
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
