//! The defaults that no other crate knows, with the source of each. The register prints them, like those of other crates.

use std::time::Duration;

/// Where GitHub publishes the keys of its secret scanning: its page on the partner programme.
pub(crate) const GITHUB_KEYS: &str = "https://api.github.com/meta/public_keys/secret_scanning";
/// Where people sign in to GitHub, and where its API is.
pub(crate) const GITHUB: &str = "https://github.com";
pub(crate) const GITHUB_API: &str = "https://api.github.com";
/// How long a call of our own may take: a third of what GitHub waits for our answer, which may wait for such a call.
pub(crate) const EGRESS_TIMEOUT: Duration = Duration::from_secs(10);
/// How long before its end a key is warned of: a working week and the days around it.
pub(crate) const WARN_BEFORE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How old what is known may be: SAFETY 4.
pub(crate) const FEED_MAX_AGE: Duration = Duration::from_secs(5);
/// How long requests in flight may take at the end: what Kubernetes waits before it kills.
pub(crate) const DRAIN: Duration = Duration::from_secs(30);
/// What a call costs of the limits of its key.
pub(crate) const COST: u32 = 1;

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use toml::{Table, Value};

    use crate::cli::{Cli, Command};
    use crate::settings::file::{read, scalar};
    use crate::settings::register::{Preset, SETTINGS};
    use crate::settings::resolved::Settings;

    /// A file that has one of everything that a default may belong to.
    const WRITTEN: &str = r#"
        [[identity_provider]]
        name = "a"
        issuer = "https://a"
        client_id = "a"
        client_secret_file = "/proc/sys/kernel/ostype"
        [[resource]]
        id = "urn:x"
        access_token = {}
        [[upstream]]
        name = "a"
        url = "http://a"
        health = { path = "/" }
        [[route]]
        path = "/"
        upstream = "a"
        require = { all = [ { api_key = {} } ] }
    "#;

    /// Puts `value` at `path`, into the first member of each list.
    fn put(table: &mut Table, path: &str, value: Value) {
        let Some((name, rest)) = path.split_once('.') else {
            table.insert(path.to_owned(), value);
            return;
        };
        let below = table.entry(name.trim_end_matches("[]")).or_insert_with(|| Value::Table(Table::new()));
        let below = if name.ends_with("[]") { &mut below.as_array_mut().unwrap()[0] } else { below };
        put(below.as_table_mut().unwrap(), rest, value);
    }

    fn meant(table: &Table) -> String {
        let Command::Up(up) = Cli::try_parse_from(["countersign", "up"]).unwrap().command else { panic!() };
        let file = read("c.toml", &table.to_string(), &[]).unwrap();
        let mut settings = Settings::resolve(file, &up).unwrap();
        settings.written = Table::new();
        settings.routes.iter_mut().for_each(|route| route.words.clear());
        format!("{settings:?}")
    }

    #[test]
    fn every_default_that_is_printed_is_what_is_done_without_it() {
        let without: Table = toml::from_str(WRITTEN).unwrap();
        let mut values = 0;
        for setting in SETTINGS {
            let Preset::Value(value) = setting.default else { continue };
            let mut with = without.clone();
            put(&mut with, setting.path, scalar(&value()));
            assert!(meant(&with) == meant(&without), "{} is not {}", setting.path, value());
            values += 1;
        }
        assert!(values > 30, "{values}");
    }
}
