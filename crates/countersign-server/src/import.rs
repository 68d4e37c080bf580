//! `/v1/keys/import`: keys that another system minted.

use countersign_core::api_key::{Create, Import};
use countersign_core::imported::{may_take_over, read_digest};
use countersign_core::imported_set::{Algorithm, Digest, Encoding, ImportedSet, Part};
use countersign_core::key_string::KeyPrefix;
use countersign_core::ledger::Unavailable;
use countersign_core::refusal::Refusal;
use countersign_core::secret::Secret;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Map, Value};

use crate::api_key::creation;
use crate::app::App;
use crate::call::{Call, member};
use crate::failure::Failure;
use crate::json::{self, NotRead};
use crate::reply::Reply;
use crate::schema::{ImportedKey, KeyImport, KeyImported, KeysImported};

/// The most bytes of one call: a thousand keys with 4 KiB each of terms and metadata.
pub(crate) const MAX_IMPORT: usize = 4 * 1024 * 1024;
/// The most keys of one call; a bound, not a clause.
const MAX_KEYS: usize = 1000;
/// Characters of a key that a hint shows.
const HINT: usize = 4;
/// Keys that are decided on at a time: enough to fill a group commit.
const AT_ONCE: usize = 32;

pub(crate) async fn import(app: &App, call: Call) -> Result<Reply, Failure> {
    let asked: KeyImport = call.json()?;
    if asked.keys.is_empty() || asked.keys.len() > MAX_KEYS {
        return Err(Failure::Invalid(format!("the member `keys`: expected 1 to {MAX_KEYS} keys")));
    }
    let batch = Batch::read(app, &asked)?;
    let (snapshot, set) = (app.store.snapshot(), &batch.set);
    let declared = snapshot.declaration(set);
    may_take_over(&call.permit, &batch.prefix, declared.as_ref(), snapshot.imported_sets())?;
    let outcomes: Vec<_> = stream::iter(asked.keys.into_iter().enumerate())
        .map(|(index, key)| batch.take(app, &call, index, key))
        .buffered(AT_ONCE)
        .collect()
        .await;
    let data = outcomes.into_iter().collect::<Result<Vec<_>, Unavailable>>()?;
    let count = |outcome: &str| data.iter().filter(|one| one.outcome == outcome).count();
    let (imported, existing, refused) = (count("imported"), count("exists"), count("refused"));
    Reply::ok(&KeysImported { imported, existing, refused, dry_run: asked.dry_run, data })
}

/// Reads a line of a file of keys, as an import reads each key.
///
/// # Errors
///
/// [`NotRead`] with the column, and the nearest name for a member that is unknown.
pub fn import_line(line: &str) -> Result<Map<String, Value>, NotRead> {
    json::object::<ImportedKey>(line.as_bytes())?;
    json::object(line.as_bytes())
}

/// What all keys of a call have in common.
struct Batch {
    set: ImportedSet,
    prefix: KeyPrefix,
    encoding: Encoding,
    dry_run: bool,
}

impl Batch {
    fn read(app: &App, asked: &KeyImport) -> Result<Self, Failure> {
        let header = asked.header.as_deref();
        let digest = digest(app, asked)?;
        let of = match asked.of.as_deref() {
            None | Some("key") => Part::Key,
            Some("secret") => Part::Secret,
            Some(_) => {
                return Err(Failure::Invalid("the member `of`: expected `key` or `secret`".to_owned()));
            }
        };
        let set = ImportedSet::new(&asked.prefix, header, digest, of)
            .map_err(|error| Failure::Invalid(format!("the key set: {error}")))?;
        Ok(Self {
            set,
            prefix: prefix_of(asked)?,
            encoding: member("encoding", asked.encoding.as_deref().unwrap_or("hex"))?,
            dry_run: asked.dry_run,
        })
    }

    async fn take(
        &self,
        app: &App,
        call: &Call,
        index: usize,
        key: ImportedKey,
    ) -> Result<KeyImported, Unavailable> {
        let outcome = |outcome, id, reason| KeyImported { index, outcome, id, reason };
        let act = match self.act(call, key) {
            Ok(act) => act,
            Err(Failure::Invalid(reason)) => return Ok(outcome("refused", None, Some(reason))),
            Err(Failure::Answered(refused)) => {
                return Ok(outcome("refused", None, Some(refused.status().to_string())));
            }
            Err(Failure::Refused { detail, .. }) => return Ok(outcome("refused", None, Some(detail))),
            Err(Failure::Unavailable(unavailable)) => return Err(unavailable),
        };
        Ok(match self.decide(app, call, &act).await? {
            Ok(id) => outcome("imported", id, None),
            Err(Refusal::TakenOver) => outcome("exists", None, None),
            Err(refusal) => outcome("refused", None, Some(refusal.to_string())),
        })
    }

    /// Decides, and commits unless that is only tried.
    async fn decide(
        &self,
        app: &App,
        call: &Call,
        act: &Create,
    ) -> Result<Result<Option<String>, Refusal>, Unavailable> {
        if self.dry_run {
            return Ok(app.rehearse(&call.permit, act).await?.map(|_| None));
        }
        let minted = app.attempt(&call.permit, act).await?;
        Ok(minted.map(|minted| Some(minted.record.id.to_string())))
    }

    fn act(&self, call: &Call, key: ImportedKey) -> Result<Create, Failure> {
        let digest = read_digest(key.hash.trim(), &self.set.digest, self.encoding)
            .map_err(|error| Failure::Invalid(format!("the member `hash`: {error}")))?;
        let hint = key.hint.as_deref().map(|hint| hinted(&self.set, hint));
        let imported = Some(Import { set: self.set.clone(), digest, hint });
        Ok(Create { imported, ..creation(call, key.into_terms(&self.prefix))? })
    }
}

/// Shows the last four characters of what the importer wrote, as for a key that was minted here: whatever it was, it
/// is not the key.
fn hinted(set: &ImportedSet, hint: &str) -> String {
    let letters: Vec<char> = hint.chars().filter(char::is_ascii_graphic).collect();
    let last: String = letters.iter().skip(letters.len().saturating_sub(HINT)).collect();
    format!("{}…{last}", set.prefix)
}

fn prefix_of(asked: &KeyImport) -> Result<KeyPrefix, Failure> {
    let text = match &asked.key_set {
        Some(text) => text.clone(),
        None => {
            asked.prefix.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric()).to_ascii_lowercase()
        }
    };
    text.parse().map_err(|error| Failure::Invalid(format!("the member `key_set`: {error}, found `{text}`")))
}

fn digest(app: &App, asked: &KeyImport) -> Result<Digest, Failure> {
    let algorithm = member("algorithm", &asked.algorithm)?;
    let key = match (algorithm, &asked.hmac_key) {
        (Algorithm::Sha256, None) => return Ok(Digest::Sha256),
        (Algorithm::Sha512, None) => return Ok(Digest::Sha512),
        (Algorithm::HmacSha256, Some(key)) if !key.is_empty() => Secret::new(key.clone().into_bytes()),
        (Algorithm::HmacSha256, _) => {
            return Err(Failure::Invalid("the member `hmac_key`: expected the key of the HMAC".to_owned()));
        }
        (Algorithm::Sha256 | Algorithm::Sha512, Some(_)) => {
            return Err(Failure::Invalid("the member `hmac_key`: only `hmac-sha256` has one".to_owned()));
        }
    };
    seal(app, asked, &key)
        .ok_or_else(|| Failure::Unavailable(Unavailable::Store("sealing failed".to_owned())))
}

fn seal(app: &App, asked: &KeyImport, key: &Secret<Vec<u8>>) -> Option<Digest> {
    let snapshot = app.store.snapshot();
    // The same key for the same set is sealed once: otherwise each call would declare a set of its own.
    let known = snapshot.hmac_digest(&asked.prefix, asked.header.as_deref(), key);
    known.or_else(|| {
        let (pepper, header) = (snapshot.peppers().current(), asked.header.as_deref());
        ImportedSet::seal_hmac_key(pepper, &asked.prefix, header, key, (app.entropy)().as_mut()).ok()
    })
}
