//! Statements: one text for both databases, in the portable subset, with `$1` parameters.
//!
//! **Invariant.** SQLite never sees a `$1`: there it would be a *named* parameter, numbered by first appearance,
//! so that `SELECT $2, $1` would swap its values (DEPENDENCIES.md T17).

use std::sync::OnceLock;

use crate::value::{Row, Value};

/// Rows of one page of a large answer.
pub(crate) const PAGE: usize = 1_000;

/// One SQL text. Each is a `static` beside the function that runs it, and listed in `STATEMENTS`.
#[derive(Debug)]
pub struct Statement {
    text: &'static str,
    numbered: OnceLock<String>,
}

impl Statement {
    /// Takes a text with `$1` parameters.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self { text, numbered: OnceLock::new() }
    }

    /// Returns the text with `$1` parameters.
    pub const fn text(&self) -> &'static str {
        self.text
    }

    /// Returns the text with `?1` parameters.
    pub fn numbered(&self) -> &str {
        self.numbered.get_or_init(|| self.text.replace('$', "?"))
    }
}

/// What a step must have done, or its whole batch is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Exactly one row was changed.
    One,
    /// Any number of rows.
    Any,
    /// At least one row.
    Some,
}

/// The name of something that verifiers keep. What it means is nobody's business here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag(pub &'static str);

/// What verifiers learn from the rows that a step returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Yields {
    /// Nothing.
    Nothing,
    /// What is stored now.
    Stored(Tag),
    /// What is stored once the step is met: the row as it would be read, so that none has to be returned.
    Given(Tag, Row),
    /// What is stored no longer.
    Gone(Tag),
}

/// One statement of a batch.
#[derive(Debug, Clone)]
pub struct Step {
    /// The text.
    pub statement: &'static Statement,
    /// Its parameters, the first for `$1`.
    pub parameters: Vec<Value>,
    /// What it must have done.
    pub expect: Expect,
    /// What verifiers learn of it.
    pub yields: Yields,
}

impl Step {
    /// A step that must change exactly one row.
    pub const fn one(statement: &'static Statement, parameters: Vec<Value>) -> Self {
        Self { statement, parameters, expect: Expect::One, yields: Yields::Nothing }
    }

    /// A step that may change any number of rows.
    pub const fn any(statement: &'static Statement, parameters: Vec<Value>) -> Self {
        Self { statement, parameters, expect: Expect::Any, yields: Yields::Nothing }
    }

    /// A step that must change at least one row.
    pub const fn some(statement: &'static Statement, parameters: Vec<Value>) -> Self {
        Self { statement, parameters, expect: Expect::Some, yields: Yields::Nothing }
    }

    /// Says what verifiers learn of the step.
    #[must_use]
    pub fn yielding(mut self, yields: Yields) -> Self {
        self.yields = yields;
        self
    }

    /// Tells whether `done` is what the step had to do.
    pub fn is_met_by(&self, done: &Done) -> bool {
        match self.expect {
            Expect::One => done.changed == 1,
            Expect::Any => true,
            Expect::Some => done.changed > 0,
        }
    }
}

/// What a statement did.
#[derive(Debug, Default)]
pub struct Done {
    /// How many rows it changed or returned.
    pub changed: u64,
    /// What it returned.
    pub rows: Vec<Row>,
}

/// How the steps of a batch ended.
#[derive(Debug)]
pub enum Attempt {
    /// Every expectation was met; one answer per step.
    Met(Vec<Done>),
    /// An expectation was not met, or a unique value existed: all of the batch is undone.
    Lost,
    /// The database refuses this batch whatever the races: all of it is undone.
    Refused(String),
}

#[cfg(test)]
mod tests {
    use super::Statement;

    #[test]
    fn t17_parameters_are_numbered_not_named() {
        static SWAPPED: Statement = Statement::new("SELECT $2, $1, $10");
        assert_eq!(SWAPPED.numbered(), "SELECT ?2, ?1, ?10");
    }
}
