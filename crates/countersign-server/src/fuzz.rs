//! What must hold of this crate's parsers for any bytes. Part of tests and of `fuzz/` alone.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::github_keys::{ProviderKeys, Trust};
use crate::import::import_line;
use crate::json::object;
use crate::schema::{KeyAmend, KeyCreate, KeyFilter, KeyImport, KeyRotate, KeyVerify, KeysRevoke};
use crate::schema::{ManagementKeyCreate, OwnerEnter};

/// A body that is read is one JSON object, without a member that is there twice or unknown.
pub fn bodies(bytes: &[u8]) {
    let any = object::<Map<String, Value>>(bytes);
    if let Ok(members) = &any {
        let written = Value::Object(members.clone()).to_string();
        assert_eq!(object::<Map<String, Value>>(written.as_bytes()).as_ref(), Ok(members));
    }
    let known = [
        is_read::<KeyAmend>(bytes),
        is_read::<KeyCreate>(bytes),
        is_read::<KeyFilter>(bytes),
        is_read::<KeyImport>(bytes),
        is_read::<KeyRotate>(bytes),
        is_read::<KeyVerify>(bytes),
        is_read::<KeysRevoke>(bytes),
        is_read::<ManagementKeyCreate>(bytes),
        is_read::<OwnerEnter>(bytes),
        str::from_utf8(bytes).is_ok_and(|line| import_line(line).is_ok()),
    ];
    assert!(any.is_ok() || !known.contains(&true));
}

fn is_read<T: DeserializeOwned>(bytes: &[u8]) -> bool {
    object::<T>(bytes).is_ok()
}

/// What is fetched names keys, or is no set; what is not signed by one of them is not believed.
pub fn github_keys(bytes: &[u8]) {
    let Some(keys) = ProviderKeys::read(bytes) else { return };
    let ids = serde_json::from_slice::<Value>(bytes).ok();
    let rows = ids.as_ref().and_then(|document| document.get("public_keys")?.as_array());
    for id in rows.into_iter().flatten().filter_map(|row| row.get("key_identifier")?.as_str()) {
        if let Some(Trust::Current(key)) = keys.trust(id) {
            assert!(key.verify(bytes, bytes).is_none());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn kept_bodies() {
        replay("bodies", super::bodies);
    }

    #[test]
    fn kept_github_keys() {
        replay("github_keys", super::github_keys);
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;
