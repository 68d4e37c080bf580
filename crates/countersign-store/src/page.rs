//! Pages of rows in the order in which they were made.

use std::fmt;
use std::str::FromStr;

use countersign_core::timestamp::Timestamp;
use thiserror::Error;

use countersign_database::value::Value;

/// The most rows of one page.
const MAX_LIMIT: usize = 1000;

/// Where the next page begins: after this row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) created_at: Timestamp,
    pub(crate) id: String,
}

/// The text is no cursor of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected the cursor that the previous page gave")]
pub struct NotACursor;

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.created_at.millis(), self.id)
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let (millis, id) = text.split_once(':').ok_or(NotACursor)?;
        let created_at = Timestamp::from_millis(millis.parse().map_err(|_| NotACursor)?);
        let harmless = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if harmless { Ok(Self { created_at, id: id.to_owned() }) } else { Err(NotACursor) }
    }
}

/// Which rows of a list are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// How many, at most 1000.
    pub limit: usize,
    /// After which; `None`: from the beginning.
    pub cursor: Option<Cursor>,
}

/// Some rows of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows, the oldest first.
    pub rows: Vec<T>,
    /// Where the next page begins; `None`: there is none.
    pub next: Option<Cursor>,
}

impl PageRequest {
    /// Returns the parameters `created_at`, `id` and the number of rows to read, which is one more than wanted.
    pub(crate) fn parameters(&self) -> [Value; 3] {
        let limit = i64::try_from(self.limit()).unwrap_or(0) + 1;
        match &self.cursor {
            None => [Value::Int(i64::MIN), Value::from(""), Value::Int(limit)],
            Some(cursor) => [cursor.created_at.into(), cursor.id.as_str().into(), Value::Int(limit)],
        }
    }

    /// Cuts the row that only told that there is a next page.
    pub(crate) fn page<T>(&self, mut rows: Vec<T>, cursor: impl FnOnce(&T) -> Cursor) -> Page<T> {
        let more = rows.len() > self.limit();
        rows.truncate(self.limit());
        let next = rows.last().filter(|_| more).map(cursor);
        Page { rows, next }
    }

    fn limit(&self) -> usize {
        self.limit.min(MAX_LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn a_cursor_reads_back_and_foreign_text_does_not() {
        let cursor: Cursor = "17:key_1".parse().unwrap();
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "17", "x:key_1", "17:a'b"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
