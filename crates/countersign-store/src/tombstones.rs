//! Tombstones: this node's own record of what has ended, in its data directory, and of how far it knew each node.
//!
//! A store may go back: a lagging standby is promoted, a backup is restored. What ended since is in no table then, and this
//! node may have been started again meanwhile. Lines are appended, flushed to the disk before an ending of ours is
//! acknowledged, and never edited; a file whose first line is [`KEEP`] old makes room for a new one.
//!
//! **Invariant.** What is written back is conditional: nothing is ended that was not, and nothing that a later version
//! has taken back (SAFETY 3). A line that cannot be read, torn by a crash, ends nothing.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_core::audit::ChainHash;
use countersign_core::authority::Authority;
use countersign_core::ending::Ending;
use countersign_core::ledger::Unavailable;
use countersign_core::timestamp::Timestamp;

use crate::node::Head;
use crate::trouble::Trouble;

/// How long a tombstone is kept at least, and twice as long at most: a standby that lags further behind, or an older
/// backup, is a restore.
const KEEP: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The record of this node.
#[derive(Debug)]
pub(crate) struct Tombstones {
    path: PathBuf,
    /// When the file's first line was written.
    since: Option<Timestamp>,
    /// What is not on the disk yet.
    waiting: Vec<Ending>,
    /// How far each node was known when it was last written down.
    seen: HashMap<String, Head>,
    trouble: Trouble,
}

/// One line.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Ended(Ending),
    Seen(String, Head),
}

impl Tombstones {
    /// Opens the record, and reads how far each node was known.
    ///
    /// # Errors
    ///
    /// What the system says of the file.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        let mut file = appending(&path)?;
        if is_torn(&mut file)? {
            file.write_all(b"\n")?;
        }
        let mut since = None;
        let mut seen = HashMap::new();
        for (at, line) in lines(&path)? {
            since = since.or(Some(at));
            match line {
                Line::Ended(_) => {}
                Line::Seen(node, head) => drop(seen.insert(node, head)),
            }
        }
        let trouble = Trouble::new("what has ended is not written down in the data directory");
        Ok(Self { path, since, waiting: Vec::new(), seen, trouble })
    }

    /// Returns how far each node was known, before this start too.
    pub(crate) const fn seen(&self) -> &HashMap<String, Head> {
        &self.seen
    }

    /// Returns where the record lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes endings, to be written by the next [`Self::write`].
    pub(crate) fn note(&mut self, endings: Vec<Ending>) {
        self.waiting.extend(endings);
    }

    /// Writes what waits, if anything does, and how far the nodes are `known` now. What cannot be written waits on.
    pub(crate) async fn write(&mut self, known: &HashMap<String, Head>, now: Timestamp) {
        if !self.waiting.is_empty() {
            self.write_seen(known, now).await;
        }
    }

    /// Writes what waits, and how far the nodes are `known` now.
    pub(crate) async fn write_seen(&mut self, known: &HashMap<String, Head>, now: Timestamp) {
        let moved = known.iter().filter(|(node, head)| self.seen.get(*node) != Some(*head));
        let seen = moved.map(|(node, head)| Line::Seen(node.clone(), *head));
        let ended = self.waiting.iter().copied().map(Line::Ended);
        let text: String = ended.chain(seen).map(|line| line.text(now)).collect();
        let fresh = self.since.is_none_or(|since| since.plus(KEEP) <= now);
        let path = self.path.clone();
        let outcome = tokio::task::spawn_blocking(move || append(&path, fresh, &text)).await;
        let outcome = outcome.map_err(io::Error::other).and_then(|written| written);
        if outcome.is_ok() {
            self.waiting.clear();
            self.since = if fresh { Some(now) } else { self.since };
            self.seen.clone_from(known);
        }
        self.trouble.note(&outcome.map_err(|error| Unavailable::Store(error.to_string())));
    }

    /// Reads every ending that is written down, the oldest first.
    ///
    /// # Errors
    ///
    /// What the system says of the file.
    pub(crate) fn endings(&self) -> io::Result<impl Iterator<Item = Ending> + Send + use<>> {
        let waiting = self.waiting.clone();
        let written = lines(&self.path)?.filter_map(|(_, line)| match line {
            Line::Ended(ending) => Some(ending),
            Line::Seen(..) => None,
        });
        Ok(written.chain(waiting))
    }
}

impl Line {
    fn text(&self, now: Timestamp) -> String {
        let now = now.millis();
        match self {
            Self::Ended(ending) => format!("{now} {}\n", ending_text(ending)),
            Self::Seen(node, head) => {
                let hash: String =
                    head.event_hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
                format!(
                    "{now} seen {node} {} {} {} {hash}\n",
                    head.incarnation, head.last_change, head.last_event
                )
            }
        }
    }
}

fn ending_text(ending: &Ending) -> String {
    match ending {
        Ending::Disabled { credential, at, version } => {
            format!("disabled {credential} {} {version}", at.millis())
        }
        Ending::OwnerDisabled { owner, at, version, by } => {
            let by = by.map_or("-", Authority::name);
            format!("owner_disabled {owner} {} {version} {by}", at.millis())
        }
        Ending::Generation { owner, generation } => format!("generation {owner} {generation}"),
        Ending::Incarnation { n } => format!("incarnation {n}"),
        Ending::KeyRevoked { key, at } => format!("key_revoked {key} {}", at.millis()),
        Ending::TokenEnded { token, until } => format!("token_ended {token} {}", until.millis()),
        Ending::Removed { credential } => format!("removed {credential}"),
        Ending::Revoked { credential, at } => format!("revoked {credential} {}", at.millis()),
        Ending::Shortened { credential, at, version } => {
            format!("shortened {credential} {} {version}", at.millis())
        }
    }
}

/// Reads a line; `None`: it was torn.
fn line(text: &str) -> Option<(Timestamp, Line)> {
    let words: Vec<&str> = text.split(' ').collect();
    let (noted, words) = words.split_first()?;
    let time = |text: &str| text.parse().ok().map(Timestamp::from_millis);
    let line = match *words {
        ["disabled", id, at, version] => Line::Ended(Ending::Disabled {
            credential: id.parse().ok()?,
            at: time(at)?,
            version: version.parse().ok()?,
        }),
        ["owner_disabled", id, at, version, by] => Line::Ended(Ending::OwnerDisabled {
            owner: id.parse().ok()?,
            at: time(at)?,
            version: version.parse().ok()?,
            by: if by == "-" { None } else { Some(by.parse().ok()?) },
        }),
        ["generation", owner, generation] => Line::Ended(Ending::Generation {
            owner: owner.parse().ok()?,
            generation: generation.parse().ok()?,
        }),
        ["incarnation", n] => Line::Ended(Ending::Incarnation { n: n.parse().ok()? }),
        ["key_revoked", id, at] => Line::Ended(Ending::KeyRevoked { key: id.parse().ok()?, at: time(at)? }),
        ["token_ended", id, until] => {
            Line::Ended(Ending::TokenEnded { token: id.parse().ok()?, until: time(until)? })
        }
        ["removed", id] => Line::Ended(Ending::Removed { credential: id.parse().ok()? }),
        ["revoked", id, at] => Line::Ended(Ending::Revoked { credential: id.parse().ok()?, at: time(at)? }),
        ["shortened", id, at, version] => Line::Ended(Ending::Shortened {
            credential: id.parse().ok()?,
            at: time(at)?,
            version: version.parse().ok()?,
        }),
        ["seen", node, incarnation, last_change, last_event, hash] => Line::Seen(
            node.to_owned(),
            Head {
                incarnation: incarnation.parse().ok()?,
                last_change: last_change.parse().ok()?,
                last_event: last_event.parse().ok()?,
                event_hash: ChainHash::from_bytes(&bytes(hash)?)?,
            },
        ),
        _ => return None,
    };
    Some((time(noted)?, line))
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    hex.as_bytes()
        .chunks_exact(2)
        .map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.last()?)?))
        .collect()
}

/// Reads every line of both files, the oldest first.
fn lines(path: &Path) -> io::Result<impl Iterator<Item = (Timestamp, Line)> + Send + use<>> {
    let mut files = Vec::new();
    for path in [&before(path), path] {
        match File::open(path) {
            Ok(file) => files.push(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let texts = files.into_iter().flat_map(|file| BufReader::new(file).split(b'\n').map_while(Result::ok));
    let texts = texts.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(texts.filter(|text| !text.is_empty()).filter_map(|text| {
        let read = line(&text);
        if read.is_none() {
            tracing::warn!("a line of the record of what has ended cannot be read and is passed over");
        }
        read
    }))
}

/// Returns where the file before lies.
fn before(path: &Path) -> PathBuf {
    path.with_extension("before")
}

fn append(path: &Path, fresh: bool, text: &str) -> io::Result<()> {
    if fresh && path.exists() {
        std::fs::rename(path, before(path))?;
    }
    let mut file = appending(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    if fresh && let Some(directory) = path.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

fn appending(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path)
}

/// Tells whether a crash has torn the last line.
fn is_torn(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io::Write;

    use countersign_core::audit::ChainHash;
    use countersign_core::authority::Authority;
    use countersign_core::context::SeededEntropy;
    use countersign_core::ending::Ending;
    use countersign_core::id::{CredentialId, IdPrefix, OwnerId, OwnerKind};
    use countersign_core::timestamp::Timestamp;

    use super::{KEEP, Tombstones};
    use crate::node::Head;

    const AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn endings() -> [Ending; 10] {
        let mut entropy = SeededEntropy::new(1);
        let credential = CredentialId::random(IdPrefix::new("key"), &mut entropy);
        let owner = OwnerId::random(OwnerKind::Client, &mut entropy);
        [
            Ending::Disabled { credential, at: AT, version: 3 },
            Ending::OwnerDisabled { owner, at: AT, version: 4, by: None },
            Ending::OwnerDisabled { owner, at: AT, version: 4, by: Some(Authority::Organisation) },
            Ending::Removed { credential },
            Ending::Revoked { credential, at: AT },
            Ending::Shortened { credential, at: AT, version: 2 },
            Ending::Generation { owner, generation: 7 },
            Ending::Incarnation { n: 3 },
            Ending::KeyRevoked { key: credential, at: AT },
            Ending::TokenEnded { token: credential, until: AT },
        ]
    }

    fn known(last_event: i64) -> HashMap<String, Head> {
        let event_hash = ChainHash::START.next(last_event, "x");
        HashMap::from([(
            "node_a".to_owned(),
            Head { incarnation: 2, last_change: 7, last_event, event_hash },
        )])
    }

    fn read(tombstones: &Tombstones) -> Vec<Ending> {
        tombstones.endings().unwrap().collect()
    }

    #[tokio::test]
    async fn safety_3_what_was_written_reads_back_and_what_was_torn_ends_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tombstones");
        let mut tombstones = Tombstones::open(path.clone()).unwrap();
        tombstones.write(&known(1), AT).await;
        assert_eq!(std::fs::read(&path).unwrap(), b"", "nothing has ended");
        tombstones.note(endings().to_vec());
        assert_eq!(read(&tombstones), endings(), "also before it is on the disk");
        tombstones.write(&known(2), AT).await;
        let torn = |bytes: &[u8]| {
            std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(bytes).unwrap();
        };
        torn(b"1800000000000 revoked key_x");
        let mut again = Tombstones::open(path.clone()).unwrap();
        assert_eq!((read(&again), again.seen()), (endings().to_vec(), &known(2)));
        again.note(vec![endings()[0]]);
        again.write(&known(3), AT).await;
        torn(b"\0\xff\0");
        let last = Tombstones::open(path).unwrap();
        assert_eq!(read(&last), [endings().to_vec(), vec![endings()[0]]].concat());
        assert_eq!(last.seen(), &known(3));
    }

    #[tokio::test]
    async fn a_tombstone_is_kept_for_thirty_days_at_least() {
        let directory = tempfile::tempdir().unwrap();
        let mut tombstones = Tombstones::open(directory.path().join("tombstones")).unwrap();
        let mut now = AT;
        for expected in [[1, 1], [2, 2], [2, 2]] {
            for (ending, count) in endings().into_iter().zip(expected) {
                tombstones.note(vec![ending]);
                tombstones.write(&known(1), now).await;
                let kept = read(&tombstones).iter().filter(|kept| **kept == ending).count();
                assert_eq!(kept, count, "{ending:?} at {now}");
                now = now.plus(KEEP / 2);
            }
        }
    }
}
