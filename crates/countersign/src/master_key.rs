//! The master key: what opens sealed values, and the peppers that are held with it.
//!
//! **Invariant.** It never enters the store, and a sealed value opens only in the row, for the owner and for the
//! purpose that it was sealed for (SAFETY 14): those are authenticated beside it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use aws_lc_rs::aead::{AES_256_GCM, Aad, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::context::Entropy;
use countersign_core::secret::{Pepper, Peppers, Secret};
use zeroize::Zeroizing;

use crate::data_directory::{DataDirectory, write_durably};

/// AES-GCM's nonce, stored before the ciphertext.
const NONCE: usize = 12;

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
    sealing: RandomizedNonceKey,
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
        let mut line = |name: &str| {
            let mut key = Zeroizing::new([0_u8; 32]);
            entropy.fill(key.as_mut());
            Zeroizing::new(format!("{name} 1 {}\n", URL_SAFE_NO_PAD.encode(key.as_ref())))
        };
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
        let mut master = None;
        let mut peppers = Vec::new();
        for line in
            text.split(['\n', ';']).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["master", "1", key] => master = Some(key_bytes(key)?),
                ["pepper", version, key] => peppers.push((version.parse()?, key_bytes(key)?)),
                _ => bail!("expected lines `master 1 KEY` and `pepper N KEY`"),
            }
        }
        let master = master.ok_or_else(|| anyhow!("expected a line `master 1 KEY`"))?;
        if peppers.is_empty() {
            bail!("expected at least one line `pepper N KEY`");
        }
        peppers.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
        let sealing = RandomizedNonceKey::new(&AES_256_GCM, master.expose())
            .map_err(|_| anyhow!("not an AES-256 key"))?;
        Ok(Self { sealing, peppers, made_at: None })
    }

    /// Returns the peppers, the newest as the current one.
    pub(crate) fn peppers(&self) -> Result<Peppers> {
        let mut peppers = self.peppers.iter().map(|(version, key)| Pepper::new(*version, key));
        let current = peppers.next().ok_or_else(|| anyhow!("the master key holds no pepper"))?;
        Ok(Peppers::new(current, peppers.collect()))
    }

    /// Seals `plain` for one row.
    ///
    /// # Errors
    ///
    /// A text, if the cipher fails.
    pub(crate) fn seal(&self, place: &SealedRow<'_>, plain: &[u8]) -> Result<Vec<u8>> {
        let mut sealed = plain.to_vec();
        let nonce = self
            .sealing
            .seal_in_place_append_tag(Aad::from(place.text()), &mut sealed)
            .map_err(|_| anyhow!("a value cannot be sealed"))?;
        Ok(nonce.as_ref().iter().copied().chain(sealed).collect())
    }

    /// Opens what was sealed for the same row; `None` under another key, for another row, or if it was altered.
    pub(crate) fn unseal(&self, place: &SealedRow<'_>, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
        let nonce: [u8; NONCE] = nonce.try_into().ok()?;
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let length =
            self.sealing.open_in_place((&nonce).into(), Aad::from(place.text()), &mut buffer).ok()?.len();
        buffer.truncate(length);
        Some(buffer)
    }

    /// Removes the file that this start made: the store turned out to be sealed under another key.
    pub(crate) fn discard(&self) {
        if let Some(path) = &self.made_at {
            let _removed = fs::remove_file(path);
        }
    }
}

fn key_bytes(text: &str) -> Result<Secret<[u8; 32]>> {
    let bytes =
        Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| anyhow!("expected a key in base64url"))?);
    let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| anyhow!("expected a key of 32 bytes"))?;
    Ok(Secret::new(bytes))
}

/// The row that a sealed value belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SealedRow<'a> {
    /// What it is for.
    pub(crate) purpose: &'a str,
    /// Whose it is.
    pub(crate) owner: &'a str,
}

impl SealedRow<'_> {
    fn text(&self) -> String {
        format!("sealed\0{}\0{}", self.purpose, self.owner)
    }
}

#[cfg(test)]
mod tests {
    use super::{MasterKey, SealedRow};

    fn key(byte: &str) -> MasterKey {
        let text = byte.repeat(43);
        MasterKey::parse(&format!("# a comment\nmaster 1 {text}\npepper 1 {text}\npepper 2 {text}")).unwrap()
    }

    #[test]
    fn safety_14_a_sealed_value_opens_in_its_own_row_alone() {
        let key = key("A");
        let place = SealedRow { purpose: "ca", owner: "root" };
        let sealed = key.seal(&place, b"secret").unwrap();
        assert_eq!(key.unseal(&place, &sealed).unwrap().as_slice(), b"secret");
        assert!(key.unseal(&SealedRow { purpose: "ca", owner: "other" }, &sealed).is_none());
        assert!(key.unseal(&SealedRow { purpose: "signing", owner: "root" }, &sealed).is_none());
        assert!(super::tests::key("E").unseal(&place, &sealed).is_none());
        let mut altered = sealed.clone();
        altered[13] ^= 1;
        assert!(key.unseal(&place, &altered).is_none());
        assert!(key.unseal(&place, &[0; 5]).is_none());
    }

    #[test]
    fn the_newest_pepper_is_the_current_one() {
        assert_eq!(key("A").peppers().unwrap().current().version(), 2);
    }

    #[test]
    fn a_broken_master_key_is_told() {
        let good = "A".repeat(43);
        for text in [
            String::new(),
            format!("master 1 {good}"),
            format!("pepper 1 {good}"),
            format!("master 2 {good}"),
            format!("master 1 AAAA\npepper 1 {good}"),
        ] {
            assert!(MasterKey::parse(&text).is_err(), "{text}");
        }
    }
}
