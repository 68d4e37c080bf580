//! The data directory: one process at a time (SAFETY 5), mode 0700, and what lies in it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use countersign_core::base62;
use countersign_core::context::Entropy;

/// A data directory that no other process can open until this value is dropped.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

/// Where a data directory was last used, and where it is: by the file that is written once.
#[derive(Debug)]
pub(crate) struct Origin {
    record: PathBuf,
    before: Option<String>,
    now: String,
}

/// Another process serves this data directory.
#[derive(Debug)]
pub(crate) struct InUse;

impl DataDirectory {
    /// Opens and locks the directory, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// A text that names the directory and what to do.
    pub(crate) fn open(path: &Path) -> Result<Result<Self, InUse>> {
        if !path.is_dir() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.with_context(|| format!("cannot make the data directory {}", path.display()))?;
        }
        let mode = fs::metadata(path).map(|about| about.permissions().mode() & 0o077).unwrap_or(0);
        if mode != 0 {
            bail!(
                "the data directory {} is open to other users; close it with: chmod 700 {}",
                path.display(),
                path.display()
            );
        }
        let lock_path = path.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock_path);
        let lock = lock.with_context(|| format!("cannot write in the data directory {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Ok(Self { path: path.to_owned(), _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(Err(InUse)),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", lock_path.display()))
            }
        }
    }

    /// Returns the directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns where the `SQLite` database lies.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("countersign.db")
    }

    /// Refuses to begin as an empty installation where a node has been: its database was elsewhere, or is lost.
    ///
    /// # Errors
    ///
    /// A text that says what to do.
    pub(crate) fn accept_database(&self) -> Result<()> {
        let (node, database) = (self.path.join("node"), self.database());
        if !node.exists() || database.exists() {
            return Ok(());
        }
        bail!(
            "the data directory {} belongs to a node, but there is no database: expected {}; if the node uses PostgreSQL, \
             name it with --store; if the file was lost, put a backup there; to begin with an empty installation, name \
             another directory with --data",
            self.path.display(),
            database.display()
        )
    }

    /// Returns where this node writes down what has ended.
    pub(crate) fn tombstones(&self) -> PathBuf {
        self.path.join("tombstones")
    }

    /// Says where this directory was last used: here, or where it was copied from.
    ///
    /// What a backup puts back is in new files, while a restart finds the old ones. A volume that goes back as a whole has
    /// the same files: nothing in it tells, and whoever does that ends all tokens (`docs/guide/tokens.md`).
    ///
    /// # Errors
    ///
    /// A text that names the file.
    pub(crate) fn origin(&self) -> Result<Origin> {
        let node = self.path.join("node");
        let about = fs::metadata(&node).with_context(|| format!("cannot read {}", node.display()))?;
        let born = about.created().ok().and_then(|born| born.duration_since(SystemTime::UNIX_EPOCH).ok());
        let now = format!("{} {}", about.ino(), born.map_or(0, |born| born.as_nanos()));
        let record = self.path.join("origin");
        let before = fs::read_to_string(&record).ok();
        Ok(Origin { record, before, now })
    }

    /// Returns where the master key lies, unless it lives elsewhere.
    pub(crate) fn master_key(&self) -> PathBuf {
        self.path.join("master.key")
    }

    /// Returns where the certification authority's certificate is written.
    pub(crate) fn ca(&self) -> PathBuf {
        self.path.join("ca.pem")
    }

    /// Returns this node's name, and draws one on the first start.
    ///
    /// # Errors
    ///
    /// A text that names the file.
    pub(crate) fn node(&self, entropy: &mut dyn Entropy) -> Result<String> {
        let path = self.path.join("node");
        if let Ok(text) = fs::read_to_string(&path) {
            let name = text.trim();
            if name.starts_with("node_") && base62::is_base62(name.trim_start_matches("node_")) {
                return Ok(name.to_owned());
            }
            bail!("{} does not hold a node's name; restore it or remove it", path.display());
        }
        let name = format!("node_{}", base62::random(entropy, 12));
        write_durably(&path, name.as_bytes())?;
        Ok(name)
    }
}

impl Origin {
    /// Tells whether the directory was copied since it was last used. One that says nothing is used for the first time, or
    /// was made by a version before.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.before.as_ref().is_some_and(|before| *before != self.now)
    }

    /// Says that it is used here.
    ///
    /// # Errors
    ///
    /// A text that names the file.
    pub(crate) fn settle(&self) -> Result<()> {
        if self.before.as_ref() == Some(&self.now) {
            return Ok(());
        }
        write_durably(&self.record, self.now.as_bytes())
    }
}

/// Returns where the local socket of a running server lies.
pub(crate) fn socket(directory: &Path) -> PathBuf {
    directory.join("countersign.sock")
}

/// Writes a private file so that it is whole or absent, whatever happens: aside, flushed, renamed, flushed.
///
/// # Errors
///
/// A text that names the file.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    write_aside(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn write_aside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}
