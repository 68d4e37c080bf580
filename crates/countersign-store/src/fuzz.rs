//! What must hold of this crate's parsers for any bytes. Part of tests and of `fuzz/` alone.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use crate::audit_event::AuditCursor;
use crate::page::Cursor;

/// A cursor prints as one of the same place.
pub fn cursors(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    reads_back::<Cursor>(text);
    reads_back::<AuditCursor>(text);
}

fn reads_back<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let printed = value.to_string();
        assert!(printed.parse().is_ok_and(|again: T| again == value), "{text:?} prints as {printed:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn kept_cursors() {
        replay("cursors", super::cursors);
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;
