//! What `countersign login` has obtained, by issuer: one file in the person's configuration directory, theirs alone.
//!
//! **Invariant.** Whoever reads in order to renew holds the lock until what is new is written: a refresh token counts once, and
//! two that used the same would end everything (RFC 9700 §4.14.2).

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use countersign_core::context::Clock as _;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::environment;
use crate::system::SystemClock;

/// What is kept of one issuer.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The client that signed in.
    pub(crate) client_id: String,
    /// What it calls with.
    pub(crate) access_token: String,
    /// Until when, in seconds of Unix time.
    pub(crate) expires_at: i64,
    /// What it renews that with, if it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<String>,
}

impl Kept {
    /// Takes what an issuer has answered.
    ///
    /// # Errors
    ///
    /// If it holds no token.
    pub(crate) fn of(client_id: &str, answer: &Value) -> Result<Self> {
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        let lifetime = answer.get("expires_in").and_then(Value::as_i64).unwrap_or(0);
        Ok(Self {
            client_id: client_id.to_owned(),
            access_token: text("access_token").ok_or_else(|| anyhow!("the answer holds no access_token"))?,
            expires_at: seconds().saturating_add(lifetime),
            refresh_token: text("refresh_token"),
        })
    }

    /// Tells whether the token is good for a while: half a minute, so that it reaches whom it is for.
    pub(crate) fn is_fresh(&self) -> bool {
        self.expires_at > seconds().saturating_add(30)
    }
}

fn seconds() -> i64 {
    SystemClock.now().millis().div_euclid(1000)
}

/// Everything that is kept, locked for this process.
pub(crate) struct Tokens {
    directory: PathBuf,
    by_issuer: BTreeMap<String, Kept>,
    _lock: File,
}

impl Tokens {
    /// Opens what is kept, once nobody else has it open.
    ///
    /// # Errors
    ///
    /// If the directory cannot be used, or the file not be read.
    pub(crate) async fn lock() -> Result<Self> {
        tokio::task::spawn_blocking(Self::lock_here).await?
    }

    fn lock_here() -> Result<Self> {
        let directory = directory()?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        made.with_context(|| format!("cannot make {}", directory.display()))?;
        let lock = private(&directory.join("tokens.lock"))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        let file = directory.join("tokens.json");
        let by_issuer = match std::fs::read(&file).map(Zeroizing::new) {
            Ok(text) => serde_json::from_slice(&text)
                .with_context(|| format!("{} is damaged: remove it and sign in again", file.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        Ok(Self { directory, by_issuer, _lock: lock })
    }

    /// Returns what is kept of an issuer.
    pub(crate) fn of(&self, issuer: &str) -> Option<&Kept> {
        self.by_issuer.get(issuer)
    }

    /// Puts what is new in the place of what was kept.
    pub(crate) fn keep(&mut self, issuer: &str, kept: Kept) {
        self.by_issuer.insert(issuer.to_owned(), kept);
    }

    /// Forgets an issuer.
    pub(crate) fn forget(&mut self, issuer: &str) {
        self.by_issuer.remove(issuer);
    }

    /// Writes everything: whole, or not at all.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub(crate) fn save(&self) -> Result<()> {
        let text = Zeroizing::new(serde_json::to_vec_pretty(&self.by_issuer)?);
        let (fresh, file) = (self.directory.join("tokens.new"), self.directory.join("tokens.json"));
        let mut writer = private(&fresh)?;
        writer.set_len(0)?;
        writer.write_all(&text)?;
        writer.sync_all()?;
        std::fs::rename(&fresh, &file).with_context(|| format!("cannot write {}", file.display()))
    }
}

/// Opens a file that is this person's alone.
fn private(path: &std::path::Path) -> Result<File> {
    let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    opened.with_context(|| format!("cannot open {}", path.display()))
}

/// The XDG Base Directory Specification: `$XDG_CONFIG_HOME`, or `$HOME/.config`.
fn directory() -> Result<PathBuf> {
    let configuration = environment::variable("XDG_CONFIG_HOME").map(PathBuf::from);
    let configuration = configuration.filter(|path| path.is_absolute());
    let home = || environment::variable("HOME").map(|home| PathBuf::from(home).join(".config"));
    let base = configuration.or_else(home).context("set HOME or XDG_CONFIG_HOME: tokens are kept there")?;
    Ok(base.join("countersign"))
}
