//! What must hold of this crate's parsers for any bytes. Part of tests and of `fuzz/` alone.

use std::sync::LazyLock;

use clap::Parser;

use crate::cli::Up;
use crate::master_key::MasterKey;
use crate::settings::file;
use crate::settings::resolved::Settings;

/// A master key that is read holds peppers.
pub fn master_key(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(key) = MasterKey::parse(text) {
        assert!(key.peppers().is_ok());
    }
}

/// A file of settings means what it means when it is written again; a mistake is told in words.
pub fn settings(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let mut read = match file::read("countersign.toml", text, &[]) {
        Ok(read) => read,
        Err(mistakes) => return assert!(mistakes.0.iter().all(|mistake| !mistake.is_empty())),
    };
    let written = read.written.to_string();
    for listener in [&mut read.admin, &mut read.gateway, &mut read.issuer, &mut read.mtls] {
        // A name would be looked up.
        listener.listen = None;
    }
    let Some(up) = UP.as_ref() else { return };
    let (Ok(meant), Ok(mut again)) = (Settings::resolve(read, up), file::read("again", &written, &[])) else {
        return;
    };
    for listener in [&mut again.admin, &mut again.gateway, &mut again.issuer, &mut again.mtls] {
        listener.listen = None;
    }
    let again = Settings::resolve(again, up).map(|again| format!("{again:?}")).ok();
    assert_eq!(again, Some(format!("{meant:?}")), "{written}");
}

/// What `up` would be told.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    up: Up,
}

static UP: LazyLock<Option<Up>> =
    LazyLock::new(|| Arguments::try_parse_from(["up"]).ok().map(|found| found.up));

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn kept_master_key() {
        replay("master_key", super::master_key);
    }

    #[test]
    fn kept_settings() {
        replay("settings", super::settings);
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;
