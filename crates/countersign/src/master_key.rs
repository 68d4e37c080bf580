//! The master key: what opens sealed values, and the peppers that are held with it. All its versions are lines of one
//! text; the highest is the current one.
//!
//! **Invariant.** It never enters the store (SAFETY 14).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::context::Entropy;
use countersign_core::keyring::{Keyring, SealingKey};
use countersign_core::secret::{Pepper, Peppers, Secret};
use zeroize::Zeroizing;

use crate::data_directory::{DataDirectory, write_durably};

/// Where the master key comes from.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// A file that the operator names.
    File(PathBuf),
    /// The environment variable `COUNTERSIGN_MASTER_KEY`.
    Environment(String),
    /// The data directory; made on the first start.
    DataDirectory,
}

/// The master key, ready for use.
#[derive(Debug)]
pub(crate) struct MasterKey {
    /// The newest first; never empty.
    masters: Vec<(u32, Secret<[u8; 32]>)>,
    /// The newest first; never empty.
    peppers: Vec<(u32, Secret<[u8; 32]>)>,
    made_at: Option<PathBuf>,
}

impl MasterKey {
    /// Reads the master key, or makes one in a new data directory.
    ///
    /// # Errors
    ///
    /// A text that names the source and what is wrong with it.
    pub(crate) fn open(
        origin: &Origin,
        directory: &DataDirectory,
        entropy: &mut dyn Entropy,
    ) -> Result<Self> {
        match origin {
            Origin::File(path) => Self::read(path),
            Origin::Environment(text) => Self::parse(text).context("the variable COUNTERSIGN_MASTER_KEY"),
            Origin::DataDirectory if directory.master_key().exists() => Self::read(&directory.master_key()),
            Origin::DataDirectory => Self::make(directory.master_key(), entropy),
        }
    }

    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map(Zeroizing::new);
        let text = text.with_context(|| format!("cannot read the master key {}", path.display()))?;
        let open = fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o077 != 0);
        if open {
            tracing::warn!(path = %path.display(), "the master key can be read by others: chmod 600");
        }
        Self::parse(&text).with_context(|| format!("the master key {}", path.display()))
    }

    fn make(path: PathBuf, entropy: &mut dyn Entropy) -> Result<Self> {
        let mut line = |name: &str| fresh_line(name, 1, entropy);
        let text = Zeroizing::new(format!(
            "# Countersign master key. Whoever holds this and the database can open what is sealed: keep them apart.\n\
             {}{}",
            line("master").as_str(),
            line("pepper").as_str()
        ));
        // On disk before anything is sealed under it: a crash in between must not lose the key of a sealed store.
        write_durably(&path, text.as_bytes())?;
        let mut made = Self::parse(&text)?;
        made.made_at = Some(path);
        Ok(made)
    }

    /// Reads the text of a master key.
    ///
    /// # Errors
    ///
    /// What was expected.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (mut masters, mut peppers) = (Vec::new(), Vec::new());
        for line in
            text.split(['\n', ';']).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["master", version, key] => masters.push((version.parse()?, key_bytes(key)?)),
                ["pepper", version, key] => peppers.push((version.parse()?, key_bytes(key)?)),
                _ => bail!("expected lines `master N KEY` and `pepper N KEY`"),
            }
        }
        in_order("master", &mut masters)?;
        in_order("pepper", &mut peppers)?;
        Ok(Self { masters, peppers, made_at: None })
    }

    /// Adds a new version to the file that the key was read from.
    ///
    /// # Errors
    ///
    /// A text that names the file, or says that the key lies in none.
    pub(crate) fn rotate(
        origin: &Origin,
        directory: &DataDirectory,
        entropy: &mut dyn Entropy,
    ) -> Result<Self> {
        let path = match origin {
            Origin::File(path) => path.clone(),
            Origin::DataDirectory => directory.master_key(),
            Origin::Environment(_) => bail!(
                "the master key comes from the variable COUNTERSIGN_MASTER_KEY, which cannot be written from here; \
                 put its lines into a file, and name it with --master-key FILE"
            ),
        };
        let (before, text) = (Self::read(&path)?, Zeroizing::new(fs::read_to_string(&path)?));
        let version = before.version().checked_add(1).context("the master key has no version left")?;
        let line = fresh_line("master", version, entropy);
        let text = Zeroizing::new(format!("{}\n{}", text.trim_end(), line.as_str()));
        // On disk before anything is sealed under it, and beside the version that still opens everything.
        write_durably(&path, text.as_bytes())?;
        Self::parse(&text)
    }

    /// Returns the current version.
    pub(crate) fn version(&self) -> u32 {
        self.masters.first().map_or(0, |(version, _)| *version)
    }

    /// Returns what seals under the current version, and opens what any has sealed.
    pub(crate) fn keyring(&self) -> Result<Keyring> {
        let mut keys = self.masters.iter().map(|(version, key)| SealingKey::new(*version, key));
        let current = keys.next().ok_or_else(|| anyhow!("the master key has no version"))??;
        Ok(Keyring::new(current, keys.collect::<Result<_, _>>()?))
    }

    /// Returns the peppers, the newest as the current one.
    pub(crate) fn peppers(&self) -> Result<Peppers> {
        let mut peppers = self.peppers.iter().map(|(version, key)| Pepper::new(*version, key));
        let current = peppers.next().ok_or_else(|| anyhow!("the master key holds no pepper"))?;
        Ok(Peppers::new(current, peppers.collect()))
    }

    /// Removes the file that this start made: the store turned out to be sealed under another key.
    pub(crate) fn discard(&self) {
        if let Some(path) = &self.made_at {
            let _removed = fs::remove_file(path);
        }
    }
}

fn fresh_line(name: &str, version: u32, entropy: &mut dyn Entropy) -> Zeroizing<String> {
    let mut key = Zeroizing::new([0_u8; 32]);
    entropy.fill(key.as_mut());
    Zeroizing::new(format!("{name} {version} {}\n", URL_SAFE_NO_PAD.encode(key.as_ref())))
}

/// Puts the newest version first. Of two keys of one version it would not be said which is meant.
fn in_order(name: &str, keys: &mut [(u32, Secret<[u8; 32]>)]) -> Result<()> {
    keys.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    if keys.is_empty() {
        bail!("expected at least one line `{name} N KEY`");
    }
    if let Some((version, _)) =
        keys.iter().zip(keys.iter().skip(1)).find_map(|(one, next)| (one.0 == next.0).then_some(one))
    {
        bail!("expected one line `{name} {version} KEY`, found two");
    }
    Ok(())
}

fn key_bytes(text: &str) -> Result<Secret<[u8; 32]>> {
    let bytes =
        Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| anyhow!("expected a key in base64url"))?);
    let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| anyhow!("expected a key of 32 bytes"))?;
    Ok(Secret::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::MasterKey;

    fn parse(lines: &[&str]) -> anyhow::Result<MasterKey> {
        let good = "A".repeat(43);
        MasterKey::parse(&lines.join("\n").replace("KEY", &good))
    }

    #[test]
    fn the_newest_version_is_the_current_one() {
        let key =
            parse(&["# a comment", "master 1 KEY", "pepper 1 KEY", "master 3 KEY", "pepper 2 KEY"]).unwrap();
        assert_eq!((key.version(), key.peppers().unwrap().current().version()), (3, 2));
    }

    #[test]
    fn a_broken_master_key_is_told() {
        for (lines, told) in [
            (&[""][..], "at least one line `master N KEY`"),
            (&["master 1 KEY"], "at least one line `pepper N KEY`"),
            (&["pepper 1 KEY"], "at least one line `master N KEY`"),
            (&["master 1 AAAA", "pepper 1 KEY"], "expected a key of 32 bytes"),
            (
                &["master 1 KEY", "master 1 KEY", "pepper 1 KEY"],
                "expected one line `master 1 KEY`, found two",
            ),
            (&["master one KEY", "pepper 1 KEY"], "invalid digit"),
            (&["mister 1 KEY", "pepper 1 KEY"], "expected lines `master N KEY`"),
        ] {
            let error = parse(lines).unwrap_err().to_string();
            assert!(error.contains(told), "{lines:?}: {error}");
        }
    }
}
