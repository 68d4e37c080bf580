//! What must hold of this crate's parsers for any bytes. Part of tests and of `fuzz/` alone.

use crate::chunks::{Broken, Chunks};
use crate::frames::{self, Frames, PREFACE};
use crate::head::{Fault, Heads};
use crate::host::{Host, Hosts, canonical};
use crate::hpack::Blocks;

/// A chunked body ends where a reader of whole lines sees it end, however its bytes arrive.
pub fn chunks(bytes: &[u8]) {
    let whole = Chunks::default().feed(bytes);
    let (mut chunks, mut single) = (Chunks::default(), Ok(None));
    for (at, byte) in bytes.iter().enumerate() {
        match chunks.feed(std::slice::from_ref(byte)) {
            Ok(None) => continue,
            Ok(Some(_)) => single = Ok(Some(at + 1)),
            Err(Broken) => single = Err(Broken),
        }
        break;
    }
    assert_eq!(whole, single);
    if let Ok(Some(end)) = whole {
        assert_eq!(end_by_lines(bytes), Some(end));
    }
}

/// Finds the end of a chunked body in the words of RFC 9112 §7.1.
fn end_by_lines(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    loop {
        let (head, after) = line(rest)?;
        let digits = head.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(head.len());
        let size = u64::from_str_radix(str::from_utf8(head.get(..digits)?).ok()?, 16).ok()?;
        if size == 0 {
            rest = after;
            break;
        }
        rest = after.get(usize::try_from(size).ok()?..)?.strip_prefix(b"\r\n")?;
    }
    loop {
        let (trailer, after) = line(rest)?;
        if trailer.is_empty() {
            return Some(bytes.len() - after.len());
        }
        rest = after;
    }
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    Some((bytes.get(..end)?, bytes.get(end + 2..)?))
}

/// The first fault of a connection does not depend on how its bytes arrive.
pub fn http1_heads(bytes: &[u8]) {
    let whole = Heads::default().feed(bytes);
    for step in [1, 2, 7] {
        let mut heads = Heads::default();
        let found: Option<(u64, Fault)> = bytes.chunks(step).find_map(|part| heads.feed(part));
        assert_eq!(found, whole, "in steps of {step}");
    }
}

/// What is said of the header blocks of a connection does not depend on how its bytes arrive.
pub fn http2_frames(bytes: &[u8]) {
    let bytes = [PREFACE, bytes].concat();
    let whole = ends(&bytes, bytes.len());
    for step in [1, 3, 10] {
        assert_eq!(ends(&bytes, step), whole, "in steps of {step}");
    }
}

/// Returns where malformed blocks end when bytes arrive in steps, and whether nothing could be read after them.
fn ends(bytes: &[u8], step: usize) -> (Vec<usize>, bool) {
    let mut frames = Frames::new(256);
    let (mut ends, mut read) = (Vec::new(), 0);
    for part in bytes.chunks(step) {
        let mut rest = part;
        loop {
            match frames.feed(rest) {
                Ok(None) => break,
                Ok(Some(malformed)) => {
                    let end = read + part.len() - rest.len() + malformed.end;
                    rest = rest.get(malformed.end..).unwrap_or_default();
                    ends.push(end);
                }
                Err(frames::Broken) => return (ends, true),
            }
        }
        read += part.len();
    }
    (ends, false)
}

/// The dynamic table keeps its bound, whatever blocks say; each block is cut off by its first byte.
pub fn hpack(bytes: &[u8]) {
    let mut blocks = Blocks::default();
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first() {
        let (block, after) = after.split_at_checked(usize::from(*length)).unwrap_or((after, &[]));
        let read = blocks.read(block);
        assert!(blocks.is_within_bound());
        if read.is_err() {
            return;
        }
        rest = after;
    }
}

/// A host has one form, and is itself in that form alone.
pub fn host(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let Some(host) = canonical(text) else { return };
    let written = match host {
        Host::Address(address) if address.is_ipv6() => format!("[{address}]"),
        Host::Address(address) => address.to_string(),
        Host::Name(name) => name.to_ascii_uppercase(),
    };
    let again = canonical(&written).filter(|again| again.is(host) && host.is(*again));
    assert!(again.is_some_and(|again| Hosts::of([host]).contains(again)), "{text:?} is {written:?}");
}

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn kept_chunks() {
        replay("chunks", super::chunks);
    }

    #[test]
    fn kept_host() {
        replay("host", super::host);
    }

    #[test]
    fn kept_hpack() {
        replay("hpack", super::hpack);
    }

    #[test]
    fn kept_http1_heads() {
        replay("http1_heads", super::http1_heads);
    }

    #[test]
    fn kept_http2_frames() {
        replay("http2_frames", super::http2_frames);
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;
