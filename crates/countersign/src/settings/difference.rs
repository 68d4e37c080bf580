//! What differs between two settings files, one line for each thing that an operator would name.

use std::fmt;

use toml::{Table, Value};

use super::register::{Mark, SETTINGS, mark};

/// The lists of tables: their members are told apart by name.
const LISTS: [&str; 4] = ["identity_provider", "resource", "route", "upstream"];

/// Something that differs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    /// The setting; members of an array are told apart by their name, or else by their position.
    pub(crate) setting: String,
    old: Option<Value>,
    new: Option<Value>,
    /// What it needs to take effect, and whether its values may be shown.
    pub(crate) mark: Mark,
}

impl Change {
    /// Says in one word what became of it.
    pub(crate) const fn verb(&self) -> &'static str {
        match (&self.old, &self.new) {
            (None, Some(_)) => "added",
            (Some(_), None) => "removed",
            (Some(_), Some(_)) | (None, None) => "changed",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.old, &self.new) {
            _ if self.mark == Mark::Secret => write!(formatter, "{} {}", self.setting, self.verb()),
            (None, Some(new)) => write!(formatter, "{} added: {new}", self.setting),
            (Some(_), None) => write!(formatter, "{} removed", self.setting),
            (Some(old), Some(new)) => write!(formatter, "{}: {old} became {new}", self.setting),
            (None, None) => write!(formatter, "{} changed", self.setting),
        }
    }
}

/// Lists what differs between `old` and `new`, in the order of their settings.
#[must_use]
pub(crate) fn difference(old: &Table, new: &Table) -> Vec<Change> {
    let mut changes = Vec::new();
    for section in LISTS {
        let list = |table: &Table| named(section, table.get(section));
        let (old, new) = (list(old), list(new));
        compare_lists(&old, &new, &mut changes);
        if moved(&old, &new) {
            changes.push(Change {
                setting: format!("order of [[{section}]]"),
                old: None,
                new: None,
                mark: Mark::Live,
            });
        }
    }
    let (old, new) = (without_lists(old), without_lists(new));
    compare_tables("", &old, &new, &mut changes);
    changes
}

/// Returns what runs when of `new` everything that can be replaced is replaced.
#[must_use]
pub(crate) fn replaced(old: &Table, new: &Table) -> Table {
    let mut running = without_lists(old);
    let lists = LISTS.into_iter().filter_map(|section| new.get_key_value(section));
    running.extend(lists.map(|(name, value)| (name.clone(), value.clone())));
    for setting in SETTINGS.iter().filter(|setting| setting.mark == Mark::Live) {
        if let Some((section, name)) = setting.path.split_once('.').filter(|_| !setting.path.contains("[]")) {
            let value = new.get(section).and_then(|table| table.get(name));
            put(&mut running, section, name, value);
        }
    }
    running
}

fn put(running: &mut Table, section: &str, name: &str, value: Option<&Value>) {
    let section = running.entry(section).or_insert_with(|| Value::Table(Table::new()));
    let Some(section) = section.as_table_mut() else { return };
    match value {
        Some(value) => section.insert(name.to_owned(), value.clone()),
        None => section.remove(name),
    };
}

fn without_lists(table: &Table) -> Table {
    let rest = table.iter().filter(|(name, _)| !LISTS.contains(&name.as_str()));
    rest.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn named(section: &str, list: Option<&Value>) -> Vec<(String, Table)> {
    let tables = list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table);
    let name = |(index, table): (usize, &Table)| {
        let key = if section == "resource" { "id" } else { "name" };
        let name = table.get(key).and_then(Value::as_str).map(str::to_owned);
        let name = name.unwrap_or_else(|| (index + 1).to_string());
        (format!("{section}[{name}]"), table.clone())
    };
    tables.enumerate().map(name).collect()
}

fn find<'a>(list: &'a [(String, Table)], name: &str) -> Option<&'a Table> {
    list.iter().find(|(one, _)| one == name).map(|(_, table)| table)
}

fn compare_lists(old: &[(String, Table)], new: &[(String, Table)], changes: &mut Vec<Change>) {
    let gone = old.iter().filter(|(name, _)| find(new, name).is_none());
    changes.extend(gone.map(|(name, table)| Change {
        setting: name.clone(),
        old: Some(Value::Table(table.clone())),
        new: None,
        mark: Mark::Live,
    }));
    for (name, table) in new {
        match find(old, name) {
            Some(before) => compare_tables(name, before, table, changes),
            None => changes.push(Change {
                setting: name.clone(),
                old: None,
                new: Some(Value::Table(table.clone())),
                mark: Mark::Live,
            }),
        }
    }
}

/// Tells whether what stays stays in another order: the first route that matches wins.
fn moved(old: &[(String, Table)], new: &[(String, Table)]) -> bool {
    let staying = |list: &[(String, Table)], other: &[(String, Table)]| {
        let names = list.iter().map(|(name, _)| name).filter(|name| find(other, name).is_some());
        names.cloned().collect::<Vec<_>>()
    };
    staying(old, new) != staying(new, old)
}

fn compare_tables(prefix: &str, old: &Table, new: &Table, changes: &mut Vec<Change>) {
    let added = new.keys().filter(|name| !old.contains_key(*name));
    for name in old.keys().chain(added) {
        let setting = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match (old.get(name), new.get(name)) {
            (before, after) if before == after => {}
            // Sections are opened; what stands in a route is shown whole.
            (before, after) if prefix.is_empty() => {
                let table =
                    |value: Option<&Value>| value.and_then(Value::as_table).cloned().unwrap_or_default();
                compare_tables(&setting, &table(before), &table(after), changes);
            }
            (before, after) => {
                let mark = mark(&setting);
                changes.push(Change { setting, old: before.cloned(), new: after.cloned(), mark });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Mark, difference, replaced};

    const OLD: &str = r#"
        store = { url = "postgres://u:hunter2@h/d" }
        [limits]
        drain = "1s"
        [[upstream]]
        name = "a"
        url = "http://a"
        [[route]]
        name = "one"
        path = "/one"
        require = { api_key = {} }
        [[route]]
        path = "/two"
    "#;

    #[track_caller]
    fn check(change: (&str, &str), expected: &[&str]) {
        let new = OLD.replace(change.0, change.1);
        let (old, new) = (toml::from_str(OLD).unwrap(), toml::from_str(&new).unwrap());
        let found: Vec<_> = difference(&old, &new).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "{change:?}");
        let rest = difference(&replaced(&old, &new), &new);
        assert!(rest.iter().all(|change| change.mark != Mark::Live), "{rest:?}");
    }

    #[test]
    fn each_difference_is_one_line_that_names_the_setting() {
        check(("", ""), &[]);
        check(("\"1s\"", "\"2s\""), &["limits.drain: \"1s\" became \"2s\""]);
        check(("[limits]", "log = { level = \"debug\" }\n[limits]"), &["log.level added: \"debug\""]);
        check(("hunter2", "hunter3"), &["store.url changed"]);
        check(
            ("{ api_key = {} }", "{ anonymous = {} }"),
            &["route[one].require: { api_key = {} } became { anonymous = {} }"],
        );
        check(
            ("name = \"one\"", "name = \"uno\""),
            &[
                "route[one] removed",
                "route[uno] added: { name = \"uno\", path = \"/one\", require = { api_key = {} } }",
            ],
        );
        check(("path = \"/two\"", "path = \"/two\"\ncost = 2"), &["route[2].cost added: 2"]);
        check(("http://a", "http://b"), &["upstream[a].url: \"http://a\" became \"http://b\""]);
    }

    #[test]
    fn another_order_of_routes_is_a_difference() {
        let table = |names: [&str; 2]| {
            let [one, two] = names;
            toml::from_str(&format!("[[route]]\nname = \"{one}\"\n[[route]]\nname = \"{two}\"")).unwrap()
        };
        let found = difference(&table(["a", "b"]), &table(["b", "a"]));
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), ["order of [[route]] changed"]);
    }
}
