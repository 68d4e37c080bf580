//! Statements: one text for both databases, in the portable subset, with `$1` parameters.
//!
//! **Invariant.** SQLite never sees a `$1`: there it would be a *named* parameter, numbered by first appearance,
//! so that `SELECT $2, $1` would swap its values (DEPENDENCIES.md T17).

use std::sync::OnceLock;

use crate::value::{Row, Value};

/// One SQL text. Each is a `static` beside the function that runs it, and listed in `STATEMENTS`.
#[derive(Debug)]
pub(crate) struct Statement {
    text: &'static str,
    numbered: OnceLock<String>,
}

impl Statement {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text, numbered: OnceLock::new() }
    }

    /// Returns the text with `$1` parameters.
    pub(crate) const fn text(&self) -> &'static str {
        self.text
    }

    /// Returns the text with `?1` parameters.
    pub(crate) fn numbered(&self) -> &str {
        self.numbered.get_or_init(|| self.text.replace('$', "?"))
    }
}

/// What a step must have done, or its whole batch is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Exactly one row was changed.
    One,
    /// Any number of rows.
    Any,
}

/// What verifiers learn from the rows that a step returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Yields {
    /// Nothing.
    Nothing,
    /// Whole credential rows.
    Credential,
    /// The id and lookup of removed credentials.
    Forgotten,
    /// Whole owner rows.
    Owner,
}

/// One statement of a batch.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) statement: &'static Statement,
    pub(crate) parameters: Vec<Value>,
    pub(crate) expect: Expect,
    pub(crate) yields: Yields,
}

impl Step {
    /// A step that must change exactly one row.
    pub(crate) const fn one(statement: &'static Statement, parameters: Vec<Value>) -> Self {
        Self { statement, parameters, expect: Expect::One, yields: Yields::Nothing }
    }

    /// A step that may change any number of rows.
    pub(crate) const fn any(statement: &'static Statement, parameters: Vec<Value>) -> Self {
        Self { statement, parameters, expect: Expect::Any, yields: Yields::Nothing }
    }

    /// Says what verifiers learn of the step.
    pub(crate) const fn yielding(mut self, yields: Yields) -> Self {
        self.yields = yields;
        self
    }

    /// Tells whether `done` is what the step had to do.
    pub(crate) fn is_met_by(&self, done: &Done) -> bool {
        match self.expect {
            Expect::One => done.changed == 1,
            Expect::Any => true,
        }
    }
}

/// What a statement did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// How many rows it changed or returned.
    pub(crate) changed: u64,
    /// What it returned.
    pub(crate) rows: Vec<Row>,
}

/// How the steps of a batch ended.
#[derive(Debug)]
pub(crate) enum Attempt {
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
