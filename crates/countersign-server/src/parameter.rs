//! What an endpoint may be told beside its body, and how it is read.

use countersign_edge::form::Form;
use serde_json::{Value, json};

use crate::failure::Failure;

/// A parameter of a query.
#[derive(Debug)]
pub struct Parameter {
    /// The name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// One sentence.
    pub meaning: &'static str,
}

/// What a parameter holds.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number within bounds, with its default.
    Number {
        /// The least.
        least: u32,
        /// The most.
        most: u32,
        /// What it is where it is not sent.
        default: u32,
    },
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Text, which the handler reads.
    Text,
}

impl Kind {
    /// Returns the JSON Schema.
    pub(crate) fn schema(self) -> Value {
        match self {
            Self::Flag => json!({ "type": "boolean", "default": false }),
            Self::Number { least, most, default } => {
                json!({ "type": "integer", "minimum": least, "maximum": most, "default": default })
            }
            Self::OneOf(words) => json!({ "type": "string", "enum": words }),
            Self::Text => json!({ "type": "string" }),
        }
    }

    /// Says what is expected of a value, unless it is that.
    fn expected(self, value: &str) -> Option<String> {
        let expected = match self {
            Self::Flag if matches!(value, "true" | "false") => return None,
            Self::Flag => "`true` or `false`".to_owned(),
            Self::Number { least, most, .. } => match value.parse() {
                Ok(number) if (least..=most).contains(&number) && !value.starts_with('+') => return None,
                _ => format!("{least} to {most}"),
            },
            Self::OneOf(words) if words.contains(&value) => return None,
            Self::OneOf(words) => format!("one of {}", words.join(", ")),
            Self::Text => return None,
        };
        Some(expected)
    }
}

/// What a query holds, each value as its parameter's row says.
#[derive(Debug)]
pub(crate) struct Query {
    parameters: &'static [Parameter],
    sent: Form,
}

impl Query {
    /// Reads values of the parameters of an endpoint.
    ///
    /// # Errors
    ///
    /// The first parameter whose value is not what its row says.
    pub(crate) fn read(parameters: &'static [Parameter], sent: Form) -> Result<Self, Failure> {
        for Parameter { name, kind, .. } in parameters {
            if let Some(expected) = sent.get(name).and_then(|value| kind.expected(value)) {
                return Err(Failure::Invalid(format!("the query parameter `{name}`: expected {expected}")));
            }
        }
        Ok(Self { parameters, sent })
    }

    /// Returns what was sent as `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.sent.get(name)
    }

    /// Tells whether the flag `name` was sent as true.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// Returns the number `name`, or its default.
    pub(crate) fn number(&self, name: &str) -> usize {
        let row = self.parameters.iter().find(|row| row.name == name);
        let default = match row.map(|row| row.kind) {
            Some(Kind::Number { default, .. }) => default,
            Some(Kind::Flag | Kind::OneOf(_) | Kind::Text) | None => 0,
        };
        let sent = self.get(name).and_then(|value| value.parse().ok()).unwrap_or(default);
        usize::try_from(sent).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[track_caller]
    fn check(kind: Kind, good: &[&str], bad: &[&str], expected: &str) {
        for value in good {
            assert_eq!(kind.expected(value), None, "{value}");
        }
        for value in bad {
            assert_eq!(kind.expected(value).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn a_value_is_what_its_row_says() {
        let number = Kind::Number { least: 1, most: 500, default: 50 };
        check(number, &["1", "500", "007"], &["0", "501", "", "x", "-1", "+1", "1.0", " 1"], "1 to 500");
        check(Kind::Flag, &["true", "false"], &["", "1", "True"], "`true` or `false`");
        check(Kind::OneOf(&["a", "b"]), &["a", "b"], &["", "c", "A"], "one of a, b");
        check(Kind::Text, &["", "anything"], &[], "");
    }
}
