//! JSON from outside, read strictly: what is unknown is an error that says where, and which name is nearest.

use std::collections::HashSet;
use std::fmt;

use countersign_edge::unknown::unknown;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// A text that is not the JSON that was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRead {
    /// Where, from 1.
    pub line: usize,
    /// Where in the line, from 1.
    pub column: usize,
    /// What was expected, or what is unknown and which name is nearest.
    pub message: String,
}

impl fmt::Display for NotRead {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (line {} column {})", self.message, self.line, self.column)
    }
}

/// Reads a JSON object; no text at all is `{}`.
pub(crate) fn object<T: DeserializeOwned>(text: &[u8]) -> Result<T, NotRead> {
    let text: &[u8] = if text.is_empty() { b"{}" } else { text };
    // A list would be read as the members in their order: nobody means that.
    if text.trim_ascii_start().first() != Some(&b'{') {
        return Err(NotRead { line: 1, column: 1, message: "expected a JSON object".to_owned() });
    }
    let read = serde_json::from_slice(text).map_err(|error| not_read(&error))?;
    let Unrepeated = serde_json::from_slice(text).map_err(|error| not_read(&error))?;
    Ok(read)
}

/// Any JSON in which no member is there twice, at any depth: of two, readers keep either one (RFC 8259 §4).
struct Unrepeated;

impl<'de> Deserialize<'de> for Unrepeated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unrepeated {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self, A::Error> {
        while values.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut seen = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if !seen.insert(name) {
                return Err(A::Error::custom("a member is there twice"));
            }
            members.next_value::<Self>()?;
        }
        Ok(self)
    }
}

fn not_read(error: &serde_json::Error) -> NotRead {
    let whole = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let reason = whole.strip_suffix(&place).unwrap_or(&whole);
    let message = if reason.starts_with("unknown field `") {
        // serde names the unknown member and then the known ones, each between backticks.
        let mut names = reason.split('`').skip(1).step_by(2);
        let name = names.next().unwrap_or_default();
        unknown("member", name, &names.collect::<Vec<_>>())
    } else {
        reason.to_owned()
    };
    NotRead { line: error.line(), column: error.column(), message }
}

#[cfg(test)]
mod tests {
    use super::{NotRead, object};
    use crate::schema::{ImportedKey, KeyAmend, KeyCreate, KeyImport, KeyRotate, KeysRevoke};

    #[track_caller]
    fn check(read: Result<(), NotRead>, expected: &str) {
        assert_eq!(read.unwrap_err().to_string(), expected);
    }

    #[test]
    fn an_unknown_member_is_an_error_with_its_place_and_the_nearest_name() {
        let create = |text: &str| object::<KeyCreate>(text.as_bytes()).map(drop);
        check(
            create(r#"{"name":"a","expire_in":"1d"}"#),
            "unknown member `expire_in`; did you mean `expires_in`? (line 1 column 23)",
        );
        check(
            create("{\"name\":\"a\",\n \"allowed_from\":[]}"),
            "unknown member `allowed_from`; did you mean `allow_from`? (line 2 column 15)",
        );
        check(
            create(r#"{"name":"a","limits":[{"name":"b","limit":1,"windows":"1s"}]}"#),
            "unknown member `windows`; did you mean `window`? (line 1 column 53)",
        );
        let far = create(r#"{"name":"a","unrelated":1}"#).unwrap_err().message;
        assert!(far.starts_with("unknown member `unrelated`; known: name, owner, prefix"), "{far}");
        let import = |text: &str| object::<KeyImport>(text.as_bytes()).map(drop);
        check(
            import(r#"{"algorithm":"sha256","keys":[{"hash":"0","scope":["a"]}]}"#),
            "unknown member `scope`; did you mean `scopes`? (line 1 column 49)",
        );
        let revoke = |text: &str| object::<KeysRevoke>(text.as_bytes()).map(drop);
        check(
            revoke(r#"{"filter":{"owners":"a"}}"#),
            "unknown member `owners`; did you mean `owner`? (line 1 column 19)",
        );
    }

    #[test]
    fn a_member_that_is_repeated_or_no_object_is_an_error() {
        let line = |text: &str| object::<ImportedKey>(text.as_bytes()).map(drop);
        check(
            line(r#"{"hash":"0","scopes":["a"],"scopes":[]}"#),
            "duplicate field `scopes` (line 1 column 35)",
        );
        let metadata = line(r#"{"hash":"0","metadata":{"team":"a","team":"b"}}"#);
        check(metadata, "a member is there twice (line 1 column 41)");
        let within = line(r#"{"hash":"0","metadata":{"a":[null,1,-1,1.5,true,"x",{"b":{},"\u0062":{}}]}}"#);
        assert!(within.unwrap_err().message.contains("twice"), "at any depth, however it is written");
        assert_eq!(line(r#"{"hash":"0","metadata":{"a":{"x":1},"b":[{"x":1},{"x":null}]}}"#), Ok(()));
        check(line(r#"["0"]"#), "expected a JSON object (line 1 column 1)");
        check(
            line(r#"{"hash":"0","prefix":"partner"}"#).map_err(|error| NotRead {
                message: error.message.split(';').next().unwrap_or_default().to_owned(),
                ..error
            }),
            "unknown member `prefix` (line 1 column 20)",
        );
    }

    #[test]
    fn absent_and_null_differ() {
        let amend = |text: &str| object::<KeyAmend>(text.as_bytes());
        let absent = amend("{}").unwrap();
        assert!(absent.expires_at.is_none() && absent.scopes.is_none() && absent.metadata.is_none());
        let text = r#"{"expires_at":null,"expires_in":null,"scopes":null,"limits":null,"allow_from":null,"metadata":null}"#;
        let null = amend(text).unwrap();
        assert_eq!((null.expires_at, null.expires_in), (Some(None), Some(None)));
        assert!(null.scopes == Some(None) && null.allow_from == Some(None) && null.metadata == Some(None));
        assert!(matches!(null.limits, Some(None)));
        for nothing in [r#"{"name":null}"#, r#"{"enabled":null}"#] {
            assert!(amend(nothing).unwrap_err().message.contains("null"), "{nothing}");
        }
        assert!(object::<KeyRotate>(br#"{"overlap":null}"#).is_err());
        assert!(
            object::<KeysRevoke>(br#"{"filter":{"prefix":"a","owner":null}}"#).is_err(),
            "null is not any"
        );
    }
}
