//! JSON with one reading: no object has a member twice, at any depth; depth and size are bounded; nothing follows.
//!
//! RFC 7515 §4 and RFC 7519 §4 let a reader keep the last of two members of one name; two readers of one token would
//! then disagree. What it does not do: know what the members mean.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The most bytes of a text: more than any token or JWK Set has.
pub const SIZE: usize = 1 << 20;

/// The most arrays and objects inside each other.
pub const DEPTH: usize = 32;

/// Why a text is not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no JSON with one reading.
    #[error("not JSON with one reading: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It is a JSON value, but no object.
    #[error("expected a JSON object")]
    NotAnObject,
    /// It is longer than [`SIZE`].
    #[error("expected at most {SIZE} bytes of JSON, found {0}")]
    Size(usize),
}

/// Reads a value.
///
/// # Errors
///
/// [`Error::Malformed`] and [`Error::Size`].
pub fn value(bytes: &[u8]) -> Result<Value, Error> {
    if bytes.len() > SIZE {
        return Err(Error::Size(bytes.len()));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: DEPTH }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Reads an object.
///
/// # Errors
///
/// Each variant of [`Error`].
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, Error> {
    match value(bytes)? {
        Value::Object(members) => Ok(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(Error::NotAnObject)
        }
    }
}

/// Reads one value, with `depth` levels left below it.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let deeper = || E::custom(format_args!("more than {DEPTH} arrays and objects inside each other"));
        Ok(Self { depth: self.depth.checked_sub(1).ok_or_else(deeper)? })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(deeper)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut members = Map::new();
        while let Some(Name(name)) = items.next_key()? {
            let value = items.next_value_seed(deeper)?;
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member of an object occurs twice"));
            }
        }
        Ok(Value::Object(members))
    }
}

/// The name of a member.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        String::deserialize(reader).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::{DEPTH, Error, SIZE, object, value};

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let found = value(text.as_bytes());
        match expected {
            None => assert_eq!(found.unwrap(), serde_json::from_str::<serde_json::Value>(text).unwrap()),
            Some(reason) => {
                assert!(found.as_ref().is_err_and(|e| e.to_string().contains(reason)), "{found:?}")
            }
        }
    }

    #[test]
    fn what_has_one_reading_is_read_as_serde_json_reads_it() {
        check(r#" {"a":[1,-1,1.5,"é\u00e9",null,true,{}],"b":18446744073709551615} "#, None);
        check("1e400", Some("out of range"));
        check(r#""\ud800""#, Some("hex escape"));
    }

    #[test]
    fn rfc7519_4_a_member_that_occurs_twice_is_refused_at_every_depth() {
        check(r#"{"alg":"ES256","alg":"none"}"#, Some("twice"));
        check(r#"{"a":[{"b":{"c":1,"d":2,"c":1}}]}"#, Some("twice"));
        check(r#"{"a":1,"\u0061":2}"#, Some("twice"));
    }

    #[test]
    fn nothing_may_follow_and_nothing_may_be_missing() {
        check("{} {}", Some("trailing"));
        check("{}\0", Some("trailing"));
        check("{", Some("EOF"));
        check("", Some("EOF"));
        assert!(value(b"\"\xff\"").is_err());
        assert!(matches!(object(b"[]"), Err(Error::NotAnObject)));
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        check(&nested(DEPTH), None);
        check(&nested(DEPTH + 1), Some("inside each other"));
        check(&"[".repeat(SIZE), Some("inside each other"));
        check(&" ".repeat(SIZE + 1), Some("at most"));
    }
}
