//! `countersign master-key …`

use std::process::ExitCode;

use anyhow::{Result, bail};
use countersign_core::audit::{Actor, AuditEvent};
use countersign_core::context::Clock as _;
use countersign_core::keyring::{Keyring, Rewrapping};
use countersign_core::ledger::{Commit, Durable as _};
use countersign_store::{SealedRow, Store};
use serde_json::json;

use crate::cli::{MasterKey as Verb, Remote};
use crate::data_directory::DataDirectory;
use crate::master_key::{MasterKey, Origin};
use crate::node::{Node, NodeConfig, sealed_place};
use crate::output;
use crate::system::{SystemClock, SystemEntropy};

/// Sealed values that are read at a time.
const PAGE: i64 = 100;

pub(crate) async fn run(command: Verb) -> Result<ExitCode> {
    match command {
        Verb::Rotate { remote } => rotate(&remote).await,
    }
}

/// Adds a version, and seals anew what is sealed under earlier ones. It may be interrupted, and run again: every version
/// stays in the file.
async fn rotate(remote: &Remote) -> Result<ExitCode> {
    if !remote.data.is_dir() {
        bail!("there is no data directory {}: name it with --data", remote.data.display());
    }
    let Ok(directory) = DataDirectory::open(&remote.data)? else {
        bail!(
            "a server runs on the data directory {}, and knows the master key as it was when it started: stop it, \
             rotate, and start it again",
            remote.data.display()
        );
    };
    let place = NodeConfig::of_command(remote)?;
    // Opening proves that the key is this store's, before anything is written.
    let node = Node::open(directory, &place).await?;
    let rotated = rewrap_all(&node, &place.master_key).await;
    node.close().await?;
    let (version, rewrapped) = rotated?;
    if remote.json {
        output::json(&json!({ "version": version, "rewrapped": rewrapped }))?;
    } else {
        output::line(&format!(
            "master key {version} is the current one; {rewrapped} sealed values were sealed anew"
        ))?;
        output::note(
            "Every node needs the file with the new line before it starts again. Earlier lines may go when no backup is \
             kept that was made before.",
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn rewrap_all(node: &Node, origin: &Origin) -> Result<(u32, u64)> {
    let key = MasterKey::rotate(origin, &node.directory, &mut SystemEntropy)?;
    let (keyring, mut rewrapped, mut after) = (key.keyring()?, 0, (String::new(), String::new()));
    loop {
        let rows = node.store.sealed_after(&after.0, &after.1, PAGE).await?;
        let Some(last) = rows.last() else {
            break;
        };
        after = (last.purpose.clone(), last.owner.clone());
        for row in rows {
            rewrapped += u64::from(rewrap(&node.store, &keyring, &row).await?);
        }
    }
    let audit = AuditEvent::granted(SystemClock.now(), "master_key.rotate", Actor::SYSTEM);
    let audit = audit.detail("version", key.version().to_string()).detail("rewrapped", rewrapped.to_string());
    node.store.commit(Vec::new(), vec![audit]).await?;
    Ok((key.version(), rewrapped))
}

async fn rewrap(store: &Store, keyring: &Keyring, row: &SealedRow) -> Result<bool> {
    let place = sealed_place(&row.purpose, &row.owner);
    let fresh = match keyring.rewrap(&place, &row.value, &mut SystemEntropy)? {
        Rewrapping::Current => return Ok(false),
        Rewrapping::Sealed(fresh) => fresh,
        Rewrapping::Unopened => {
            bail!(
                "the sealed value `{}` of `{}` opens under no line of the master key",
                row.purpose,
                row.owner
            )
        }
    };
    // Lost: another node has sealed it anew meanwhile.
    Ok(store.reseal(row, &fresh).await? == Commit::Done)
}
