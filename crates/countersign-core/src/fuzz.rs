//! What must hold of this crate's parsers for any bytes. Part of tests and of `fuzz/` alone.

use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};

use crate::authenticators::{GATEWAY, MANAGEMENT};
use crate::base62;
use crate::carried::{Connection, NoSets, RequestHead};
use crate::credential::Row;
use crate::decision::{Condition, OwnCriteria, Requirement};
use crate::duration::{format_duration, parse_duration};
use crate::environment::Environment;
use crate::id::{CredentialId, EventId, OwnerId};
use crate::imported::read_digest;
use crate::imported_set::{Digest, Encoding, ImportedSet, Part, Source};
use crate::key_string::{KEY_HEADER, KeyPrefix, KeyString, checksum};
use crate::meter::{AllowanceName, Every};
use crate::network::AddressBlock;
use crate::presentation::{kinds_of, recognise};
use crate::rejection::Rejection;
use crate::scope::{Grantable, Scope, ScopeSet};
use crate::timestamp::Timestamp;

/// A request presents one credential or none, and at most one register recognises it. Each line is a header field.
pub fn credentials(bytes: &[u8]) {
    let field = |line: &[u8]| {
        let (name, value) = line.split_at_checked(line.iter().position(|byte| *byte == b':')?)?;
        let value = HeaderValue::from_bytes(value.get(1..)?.trim_ascii()).ok()?;
        Some((HeaderName::from_bytes(name).ok()?, value))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in bytes.split(|byte| *byte == b'\n').take(16).filter_map(field) {
        headers.append(name, value);
    }
    let found = [GATEWAY, MANAGEMENT].map(|register| presented(register, &headers));
    let places = ["authorization", KEY_HEADER, "x-acme-key"];
    match places.iter().flat_map(|name| headers.get_all(*name)).count() {
        0 => assert!(found.iter().all(|found| *found == Ok(0)), "{headers:?}"),
        1 => assert!(found.iter().filter(|found| **found == Ok(1)).count() <= 1, "{headers:?}"),
        _ => assert!(found.iter().all(Result::is_err), "{headers:?}"),
    }
}

/// Counts what a register recognises, where each of its kinds is asked for.
fn presented(register: &'static [Row], headers: &HeaderMap) -> Result<usize, Rejection> {
    let (method, target) = (&Method::GET, &Uri::default());
    let connection =
        Connection { peer: None, server_name: None, certificate: None, version: Version::HTTP_11 };
    let (connection, key_fields) = (&Arc::new(connection), &[HeaderName::from_static("x-acme-key")]);
    let head = RequestHead { method, target, headers, connection, key_fields, sets: &NoSets, session: None };
    let asked = kinds_of(register).map(|kind| Condition::of(kind.scheme, OwnCriteria::NONE));
    recognise(register, &head, &Requirement::Any(asked.collect())).map(|found| found.members().count())
}

/// A key keeps its text and shows at most its hint; a text with the right checksum is a key if its shape is.
pub fn key_string(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    reads_back::<KeyPrefix>(text);
    if let Ok(key) = KeyString::parse(text) {
        assert!(key.prefix().parse::<KeyPrefix>().is_ok_and(|prefix| prefix.as_str() == key.prefix()));
        assert_eq!(key.hint().chars().count(), key.prefix().len() + "_…".chars().count() + 4);
        assert_eq!(key.into_secret().expose(), text);
    }
    let Some((prefix, body)) = text.rsplit_once('_') else { return };
    let right = prefix.parse::<KeyPrefix>().is_ok() && body.len() == 43 && base62::is_base62(body);
    assert_eq!(KeyString::parse(&format!("{text}{}", checksum(body))).is_ok(), right, "{text:?}");
}

/// A hash is read as it would be written; a declared set claims nothing of ours, and no field that has a meaning.
pub fn imported(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    for (digest, length) in [(Digest::Sha256, 32), (Digest::Sha512, 64)] {
        for encoding in [Encoding::Hex, Encoding::Base64, Encoding::Base64Url] {
            let Ok(read) = read_digest(text, &digest, encoding) else { continue };
            let written = match encoding {
                Encoding::Hex => read.iter().map(|byte| format!("{byte:02x}")).collect(),
                Encoding::Base64 => STANDARD_NO_PAD.encode(&read),
                Encoding::Base64Url => URL_SAFE_NO_PAD.encode(&read),
            };
            let bare = text.trim_end_matches('=');
            assert_eq!(read.len(), length);
            assert!(if encoding == Encoding::Hex { bare.to_lowercase() == written } else { bare == written });
        }
    }
    let (prefix, header) = text.split_once('\n').map_or((text, None), |(prefix, name)| (prefix, Some(name)));
    let Ok(set) = ImportedSet::new(prefix, header, Digest::Sha256, Part::Secret) else { return };
    assert!(
        prefix.is_empty()
            || !set.claims(Source::Anywhere, "cs_live_x") && !set.claims(Source::Anywhere, "cs_")
    );
    if let Some(header) = &set.header {
        assert_eq!(*header, header.to_ascii_lowercase());
        let taken = ["authorization", "cookie", "forwarded", "host", "x-api-key", "x-forwarded-for"];
        assert!(!taken.contains(&header.as_str()), "{header}");
    }
}

/// What is a word prints as one that means the same.
pub fn words(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    reads_back::<AddressBlock>(text);
    reads_back::<CredentialId>(text);
    reads_back::<EventId>(text);
    reads_back::<Every>(text);
    reads_back::<OwnerId>(text);
    reads_back::<Scope>(text);
    reads_back::<ScopeSet>(text);
    reads_back::<Timestamp>(text);
    if let Ok(name) = text.parse::<AllowanceName>() {
        assert_eq!(name.as_str(), text);
    }
    if let Ok(environment) = text.parse::<Environment>() {
        assert_eq!(environment.name(), text);
    }
    if let Ok(duration) = parse_duration(text) {
        assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
    }
    if let Ok(grantable) = text.parse().map(Grantable::parse)
        && let Ok(grantable) = grantable
    {
        assert!(
            grantable
                .patterns()
                .iter()
                .all(|pattern| pattern.as_str().ends_with('*') || grantable.covers(pattern.as_str()))
        );
    }
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
    fn kept_credentials() {
        replay("credentials", super::credentials);
    }

    #[test]
    fn kept_imported() {
        replay("imported", super::imported);
    }

    #[test]
    fn kept_key_string() {
        replay("key_string", super::key_string);
    }

    #[test]
    fn kept_words() {
        replay("words", super::words);
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;
