//! Values and rows as both databases know them: integers, texts, bytes and nothing.
//!
//! **Invariant.** A row that does not hold what its statement promises is `Unavailable::Corrupt`, never a default.

use std::str::FromStr;

use countersign_core::id::{CredentialId, OwnerId};
use countersign_core::ledger::Unavailable;
use countersign_core::secret::SecretHash;
use countersign_core::timestamp::Timestamp;

/// One value, bound or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// SQL's NULL.
    Null,
    /// A `BIGINT`.
    Int(i64),
    /// A `TEXT`.
    Text(String),
    /// A `BYTEA`, or `BLOB`.
    Blob(Vec<u8>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Blob(bytes.to_vec())
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        Self::Int(time.millis())
    }
}

impl From<SecretHash> for Value {
    fn from(hash: SecretHash) -> Self {
        Self::Blob(hash.as_bytes().to_vec())
    }
}

impl From<CredentialId> for Value {
    fn from(id: CredentialId) -> Self {
        Self::Text(id.to_string())
    }
}

impl From<OwnerId> for Value {
    fn from(id: OwnerId) -> Self {
        Self::Text(id.to_string())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// One row of an answer, its columns in the statement's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(pub Vec<Value>);

impl Row {
    /// Tells whether the column holds nothing.
    #[must_use]
    pub fn is_null(&self, column: usize) -> bool {
        matches!(self.0.get(column), Some(Value::Null))
    }

    /// Reads an integer.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Corrupt`] if the column holds something else.
    pub fn int(&self, column: usize) -> Result<i64, Unavailable> {
        match self.0.get(column) {
            Some(Value::Int(number)) => Ok(*number),
            other => Err(mismatch(column, "an integer", other)),
        }
    }

    /// Reads a text.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Corrupt`] if the column holds something else.
    pub fn text(&self, column: usize) -> Result<&str, Unavailable> {
        match self.0.get(column) {
            Some(Value::Text(text)) => Ok(text),
            other => Err(mismatch(column, "a text", other)),
        }
    }

    /// Takes the text of the last column out of the row.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Corrupt`] if the column holds something else.
    pub fn last_text(mut self) -> Result<String, Unavailable> {
        let column = self.0.len().saturating_sub(1);
        match self.0.pop() {
            Some(Value::Text(text)) => Ok(text),
            other => Err(mismatch(column, "a text", other.as_ref())),
        }
    }

    /// Reads bytes.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Corrupt`] if the column holds something else.
    pub fn blob(&self, column: usize) -> Result<&[u8], Unavailable> {
        match self.0.get(column) {
            Some(Value::Blob(bytes)) => Ok(bytes),
            other => Err(mismatch(column, "bytes", other)),
        }
    }

    /// Reads a time.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Corrupt`] if the column holds something else.
    pub fn time(&self, column: usize) -> Result<Timestamp, Unavailable> {
        self.int(column).map(Timestamp::from_millis)
    }

    /// Reads a time that may be absent.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Corrupt`] if the column holds something else.
    pub fn optional_time(&self, column: usize) -> Result<Option<Timestamp>, Unavailable> {
        if self.is_null(column) { Ok(None) } else { self.time(column).map(Some) }
    }

    /// Reads a hash of 32 bytes.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Corrupt`] if the column holds something else.
    pub fn hash(&self, column: usize) -> Result<SecretHash, Unavailable> {
        let bytes = self.blob(column)?;
        SecretHash::from_bytes(bytes)
            .ok_or_else(|| corrupt(format!("column {column}: expected 32 bytes, found {}", bytes.len())))
    }

    /// Reads a text that must parse; the text itself is not repeated in the error.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Corrupt`] if the column holds something else.
    pub fn parsed<T: FromStr>(&self, column: usize) -> Result<T, Unavailable> {
        let name = std::any::type_name::<T>();
        self.text(column)?.parse().map_err(|_| corrupt(format!("column {column}: the text is no {name}")))
    }
}

/// Says that the store holds what this version cannot read.
pub fn corrupt(what: impl Into<String>) -> Unavailable {
    Unavailable::Corrupt(what.into())
}

fn mismatch(column: usize, expected: &str, found: Option<&Value>) -> Unavailable {
    let found = match found {
        None => "no such column",
        Some(Value::Null) => "null",
        Some(Value::Int(_)) => "an integer",
        Some(Value::Text(_)) => "a text",
        Some(Value::Blob(_)) => "bytes",
    };
    corrupt(format!("column {column}: expected {expected}, found {found}"))
}

#[cfg(test)]
mod tests {
    use super::{Row, Value};
    use countersign_core::ledger::Unavailable;

    #[test]
    fn a_mismatch_is_corrupt_and_names_what_was_found() {
        let row = Row(vec![Value::Int(1), Value::Null, Value::Blob(vec![1])]);
        assert_eq!(row.int(0), Ok(1));
        for answer in
            [row.text(0).map(drop), row.int(1).map(drop), row.hash(2).map(drop), row.int(9).map(drop)]
        {
            assert!(matches!(answer, Err(Unavailable::Corrupt(_))), "{answer:?}");
        }
        assert_eq!(row.optional_time(1), Ok(None));
    }
}
