//! What must hold of this crate's parsers for any bytes. Part of tests and of `fuzz/` alone.

use std::cell::Cell;

use countersign_core::decision::{Condition, Decision, Requirement, decide};
use countersign_edge::serve::{Peer, Transport};
use http::header::{HeaderMap, HeaderName, HeaderValue, LOCATION, REFRESH};

use crate::caller::{Caller, Dialect, TrustedProxies};
use crate::field_names::{DroppedFields, FieldPattern};
use crate::fold::fold;
use crate::forwarded::{Element, elements};
use crate::headers::{Call, CredentialFields, downstream, upstream};
use crate::path::NormalPath;
use crate::pattern::Pattern;
use crate::redirect::{KnownAs, rewrite};

/// A pattern prints as itself, and a name ends here if some pattern of it is met: each line is a pattern and a name.
pub fn field_names(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let added: Vec<_> = text.lines().filter_map(|line| FieldPattern::dropped(line).ok()).collect();
    let passed: Vec<_> =
        text.lines().rev().step_by(2).filter_map(|line| FieldPattern::passed(line).ok()).collect();
    for pattern in added.iter().chain(&passed) {
        assert_eq!(pattern.to_string().parse().as_ref(), Ok(pattern));
    }
    let dropped = DroppedFields::new(added.clone(), passed.clone());
    let by_default = DroppedFields::default();
    for name in text.lines().filter_map(|line| line.parse::<HeaderName>().ok()) {
        let met =
            |patterns: &[FieldPattern]| patterns.iter().any(|pattern| meets(&pattern.to_string(), &name));
        let ends = (by_default.contains(&name) || met(&added)) && !met(&passed);
        assert_eq!(dropped.contains(&name), ends, "{name}");
    }
    for name in ["countersign-subject", "forwarded", "x-forwarded-for"] {
        assert!(dropped.contains(&HeaderName::from_static(name)), "{name}");
    }
    for name in ["content-length", "content-type", "host"] {
        assert!(!dropped.contains(&HeaderName::from_static(name)), "{name}");
    }
}

fn meets(pattern: &str, name: &HeaderName) -> bool {
    pattern.strip_suffix('*').map_or(name == pattern, |beginning| name.as_str().starts_with(beginning))
}

/// What an upstream sees under our names is ours, whatever a client sends, and no connection's own field crosses.
pub fn fields(bytes: &[u8]) {
    let received = headers(bytes);
    let requirement = Requirement::Any(vec![Condition::anonymous()]);
    let Decision::Permit(permit) = decide(None, &requirement) else { return };
    let caller = Caller { address: None, via: Vec::new(), uri_scheme: "https" };
    let call = Call {
        principal: permit.principal(),
        assertion: None,
        caller: &caller,
        key_headers: &[],
        dropped: &DroppedFields::default(),
        authority: &HeaderValue::from_static("upstream"),
        credential: CredentialFields::Removed,
    };
    let sent = upstream(received.clone(), &call);
    for name in sent.keys().map(HeaderName::as_str) {
        let ours = ["host", "x-forwarded-host", "x-forwarded-proto"].contains(&name);
        let likeness = name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
        let taken = likeness == "forwarded"
            || likeness.starts_with("countersign-")
            || likeness.starts_with("x-forwarded");
        let of_one_hop = ["authorization", "connection", "te", "transfer-encoding", "upgrade", "x-api-key"];
        assert!(ours || !taken && !of_one_hop.contains(&name), "{name}");
    }
    assert_eq!(sent.get_all("x-forwarded-proto").iter().collect::<Vec<_>>(), ["https"]);
    assert_eq!(sent.get_all("host").iter().collect::<Vec<_>>(), ["upstream"]);
    let mut answer = received;
    downstream(&mut answer);
    assert!(!answer.keys().any(|name| name.as_str().replace('_', "-").starts_with("countersign-")));
    assert!(!answer.contains_key("connection") && !answer.contains_key("transfer-encoding"));
}

/// Reads `name: value` lines; what is no field is left out.
fn headers(bytes: &[u8]) -> HeaderMap {
    let field = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        let value = HeaderValue::from_bytes(value.get(1..)?.trim_ascii()).ok()?;
        Some((HeaderName::from_bytes(name).ok()?, value))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in bytes.split(|byte| *byte == b'\n').take(64).filter_map(field) {
        headers.append(name, value);
    }
    headers
}

/// Only trusted proxies stand between the client and the gateway, and the chain reads back as it was written.
pub fn forwarded(bytes: &[u8]) {
    for element in elements(bytes) {
        let _read = Element::read(element);
    }
    let blocks: Vec<_> =
        ["10.0.0.0/8", "2001:db8::/32"].iter().filter_map(|text| text.parse().ok()).collect();
    let Ok(peer) = "10.0.0.9:1".parse().map(|address| Peer::new(Transport::Plain(address))) else { return };
    let own = TrustedProxies { blocks: blocks.clone(), dialect: Dialect::XForwarded };
    for (dialect, name) in [(Dialect::XForwarded, "x-forwarded-for"), (Dialect::Forwarded, "forwarded")] {
        let mut headers = HeaderMap::new();
        for line in bytes.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()) {
            headers.append(name, line.clone());
            headers.append("x-forwarded-proto", line);
        }
        let trusted = TrustedProxies { blocks: blocks.clone(), dialect };
        let Ok(caller) = trusted.resolve(&peer, &headers) else { continue };
        assert!(
            caller.via.iter().all(|proxy| blocks.iter().any(|block| block.contains(*proxy))),
            "{caller:?}"
        );
        assert!(matches!(caller.uri_scheme, "http" | "https"));
        let chain = caller.forwarded_for().and_then(|chain| chain.to_str().map(str::to_owned).ok());
        let chain = chain.as_deref().and_then(|chain| chain.strip_suffix(", 10.0.0.9")).unwrap_or_default();
        let Ok(chain) = HeaderValue::from_str(chain) else { continue };
        let again =
            own.resolve(&peer, &HeaderMap::from_iter([(HeaderName::from_static("x-forwarded-for"), chain)]));
        let again = again.map(|again| (again.address, again.via));
        assert_eq!(again, Ok((caller.address, caller.via)));
    }
}

/// A normal path is its own normal form, and no decoder finds a dot segment or another delimiter in it.
pub fn path(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let Ok(normal) = NormalPath::parse(text) else { return };
    let target = normal.to_target();
    let again = NormalPath::parse(&target);
    assert!(again.is_ok_and(|again| again.is_as_received() && again.path() == normal.path()), "{text:?}");
    let mut path = normal.path().to_owned();
    let slashes = path.matches('/').count();
    for _ in 0..3 {
        path = decoded(&path);
        assert_eq!(path.matches(['/', '\\']).count(), slashes, "{text:?} decodes to {path:?}");
        let dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
        assert!(!path.split('/').any(dots), "{text:?} decodes to {path:?}");
    }
    let folded = fold(normal.path());
    assert!(folded.starts_with('/') && !folded.contains("//"), "{text:?} folds to {folded:?}");
}

/// Decodes every percent-encoding of ASCII once.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let octet = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(u8::is_ascii);
        match octet.zip(part.get(2..)) {
            Some((octet, rest)) => {
                decoded.push(char::from(octet));
                decoded.push_str(rest);
            }
            None => {
                decoded.push('%');
                decoded.push_str(part);
            }
        }
    }
    decoded
}

/// A pattern that meets a path meets its fold too, as long as the fold leaves no segment out. The first line is the
/// pattern, the second the path.
pub fn pattern(bytes: &[u8]) {
    let Some((pattern, path)) = str::from_utf8(bytes).ok().and_then(|text| text.split_once('\n')) else {
        return;
    };
    let (Ok(pattern), Ok(path)) = (Pattern::parse(pattern), NormalPath::parse(path)) else { return };
    let folded = fold(path.path());
    let segments = |path: &str| path.split('/').filter(|segment| !segment.is_empty()).count();
    if pattern.matches(path.path()) && segments(&folded) == segments(path.path()) {
        assert!(pattern.folded().matches_folded(&folded), "{pattern:?} {path:?} {folded}");
    }
}

/// A reference that is changed leads to the caller's host and nowhere else.
pub fn redirect(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let known_as = KnownAs { scheme: "https", host: HeaderValue::from_static("api.example.com") };
    let mut headers = HeaderMap::from_iter([(LOCATION, value.clone()), (REFRESH, value.clone())]);
    let own = Cell::new(false);
    rewrite(&mut headers, &known_as, |host, port| {
        let is_own = host == "orders.internal" && port == 80;
        own.set(own.get() || is_own);
        is_own
    });
    assert!(own.get() || headers.values().all(|new| *new == value), "{headers:?}");
    if let Some(new) = headers.get(LOCATION).filter(|new| **new != value) {
        let path = new.as_bytes().strip_prefix(b"https://api.example.com");
        assert!(matches!(path, Some([] | [b'/' | b'?' | b'#', ..])), "{value:?} became {new:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn kept_field_names() {
        replay("field_names", super::field_names);
    }

    #[test]
    fn kept_fields() {
        replay("fields", super::fields);
    }

    #[test]
    fn kept_forwarded() {
        replay("forwarded", super::forwarded);
    }

    #[test]
    fn kept_path() {
        replay("path", super::path);
    }

    #[test]
    fn kept_pattern() {
        replay("pattern", super::pattern);
    }

    #[test]
    fn kept_redirect() {
        replay("redirect", super::redirect);
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;
