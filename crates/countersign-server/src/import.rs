//! `/v1/keys/import`: keys that another system minted.

use countersign_core::api_key::{Create, Import};
use countersign_core::imported::{may_take_over, read_digest};
use countersign_core::imported_set::{Algorithm, Digest, Encoding, ImportedSet, Part};
use countersign_core::key_string::KeyPrefix;
use countersign_core::ledger::Unavailable;
use countersign_core::minting::Minted;
use countersign_core::refusal::Refusal;
use countersign_core::secret::Secret;
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

pub(crate) async fn import(app: &App, call: Call) -> Result<Reply, Failure> {
    let asked: KeyImport = call.json()?;
    if asked.keys.is_empty() || asked.keys.len() > MAX_KEYS {
        return Err(Failure::Invalid(format!("the member `keys`: expected 1 to {MAX_KEYS} keys")));
    }
    let batch = Batch::read(app, &asked)?;
    let (snapshot, set) = (app.store.snapshot(), &batch.set);
    let declared = snapshot.declaration(set);
    may_take_over(&call.permit, &batch.prefix, declared.as_ref(), snapshot.imported_sets())?;
    let data = batch.take(app, &call, asked.keys).await?;
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

    /// Takes keys over, those that are granted in one commit; tells what became of each, in their order.
    async fn take(
        &self,
        app: &App,
        call: &Call,
        keys: Vec<ImportedKey>,
    ) -> Result<Vec<KeyImported>, Failure> {
        let (mut acts, mut unread) = (Vec::with_capacity(keys.len()), Vec::new());
        for (index, key) in keys.into_iter().enumerate() {
            match self.act(call, key) {
                Ok(act) => acts.push((index, act)),
                Err(failure) => unread.push(KeyImported::refused(index, reason(failure)?)),
            }
        }
        let (indices, acts): (Vec<_>, Vec<_>) = acts.into_iter().unzip();
        let answers = self.decide(app, call, &acts).await?;
        let decided = indices.into_iter().zip(answers).map(|(index, answer)| match answer {
            Ok(id) => KeyImported { index, outcome: "imported", id, reason: None },
            Err(Refusal::TakenOver) => KeyImported { index, outcome: "exists", id: None, reason: None },
            Err(refusal) => KeyImported::refused(index, refusal.to_string()),
        });
        let mut data: Vec<_> = unread.into_iter().chain(decided).collect();
        data.sort_unstable_by_key(|one| one.index);
        Ok(data)
    }

    /// Decides, and commits unless that is only tried.
    async fn decide(
        &self,
        app: &App,
        call: &Call,
        acts: &[Create],
    ) -> Result<Vec<Result<Option<String>, Refusal>>, Unavailable> {
        if !self.dry_run {
            let answers = app.attempt_each(&call.permit, acts).await?;
            let id = |minted: Minted| Some(minted.record.id.to_string());
            return Ok(answers.into_iter().map(|answer| answer.map(id)).collect());
        }
        let mut answers = Vec::with_capacity(acts.len());
        for act in acts {
            answers.push(app.rehearse(&call.permit, act).await?.map(|_| None));
        }
        Ok(answers)
    }

    fn act(&self, call: &Call, key: ImportedKey) -> Result<Create, Failure> {
        let digest = read_digest(key.hash.trim(), &self.set.digest, self.encoding)
            .map_err(|error| Failure::Invalid(format!("the member `hash`: {error}")))?;
        let hint = key.hint.as_deref().map(|hint| hinted(&self.set, hint));
        let imported = Some(Import { set: self.set.clone(), digest, hint });
        Ok(Create { imported, ..creation(call, key.into_terms(&self.prefix))? })
    }
}

impl KeyImported {
    const fn refused(index: usize, reason: String) -> Self {
        Self { index, outcome: "refused", id: None, reason: Some(reason) }
    }
}

/// Returns why a key cannot be read.
///
/// # Errors
///
/// What is no fault of the key.
fn reason(failure: Failure) -> Result<String, Failure> {
    match failure {
        Failure::Invalid(reason) | Failure::Refused { detail: reason, .. } => Ok(reason),
        Failure::Answered(refused) => Ok(refused.status().to_string()),
        Failure::Unavailable(_) => Err(failure),
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
