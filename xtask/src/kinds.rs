//! Which kind a credential is of stands in its room and in the registers alone: everybody else reads the row.
//!
//! A room is a folder of core that holds a `kind.rs`. Elsewhere, unless [`HOLDERS`] says why, nobody names its row
//! (`api_key::KIND`, `api_key::SCHEME`), compares with its name (`"api_key"`), makes a kind's prefix or scheme, or
//! matches on a kind or scheme. The next kind is then a folder and a line.
//!
//! What it does not do: understand types. It reads words, and takes `kind` and `scheme` for what they say; of an owner,
//! an error or a URL they say something else.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use crate::modules::product_files;
use crate::rust::{Token, after, tokens, without_tests};
use crate::workspace::{Workspace, read, rust_files};

/// Files that may name or tell apart kinds outside their rooms, and why.
const HOLDERS: [(&str, &str); 17] = [
    (
        "crates/countersign-core/src/account/making.rs",
        "the keys that people make for themselves are API keys",
    ),
    ("crates/countersign-core/src/assertion.rs", "what assertions are named, which nobody presents"),
    ("crates/countersign-core/src/client/rules.rs", "a client is registered with its secret"),
    ("crates/countersign-core/src/imported/wire.rs", "an imported key is an API key"),
    ("crates/countersign-core/src/kinds.rs", "the register of kinds"),
    ("crates/countersign-core/src/owner.rs", "the kind is an owner's"),
    ("crates/countersign-core/src/mailed/rules.rs", "what mailed links are named, which nobody presents"),
    ("crates/countersign-core/src/signing_key.rs", "what signing keys are named, which nobody presents"),
    ("crates/countersign-core/src/token.rs", "what tokens are named, below their room"),
    ("crates/countersign-edge/src/frames.rs", "the kind is a frame's"),
    ("crates/countersign-gateway/src/redirect.rs", "the scheme is a URI's"),
    ("crates/countersign-gateway/src/worker.rs", "the scheme is written down, not told apart"),
    ("crates/countersign-server/src/account_keys.rs", "a page of API keys"),
    ("crates/countersign-server/src/bulk.rs", "an endpoint of API keys"),
    ("crates/countersign-store/src/credential.rs", "whether an operator's key is left"),
    ("crates/countersign/src/settings/resolved.rs", "the register of conditions"),
    ("crates/countersign-testkit/src/records.rs", "fixtures of tests"),
];

/// Where schemes and the prefixes of ids come from.
const MAKERS: [&str; 2] = ["crates/countersign-core/src/id.rs", "crates/countersign-core/src/scheme.rs"];

/// Whose `kind` or `scheme` is no credential's.
const OTHERS: [&str; 3] = ["error", "owner", "url"];

/// Says where kinds are told apart outside their rooms.
///
/// # Errors
///
/// If a source cannot be read.
pub(crate) fn problems(workspace: &Workspace) -> Result<Vec<String>> {
    let rooms = rooms(&workspace.path("crates/countersign-core/src"))?;
    let mut problems = Vec::new();
    let mut holding = BTreeSet::new();
    for package in workspace.packages().iter().filter(|package| package.name != "xtask") {
        for file in product_files(&package.sources())? {
            let (name, text) = (workspace.relative(&file), read(&file)?);
            let found = told_apart(&name, &without_tests(&tokens(&text)), &rooms);
            if HOLDERS.iter().any(|(holder, _)| *holder == name) {
                holding.extend((!found.is_empty()).then_some(name));
            } else {
                problems.extend(found);
            }
        }
    }
    let idle = HOLDERS.iter().filter(|(holder, _)| !holding.contains(*holder));
    problems.extend(idle.map(|(holder, why)| {
        format!(
            "{holder} tells no kinds apart any more ({why}): take it out of HOLDERS in xtask/src/kinds.rs"
        )
    }));
    Ok(problems)
}

/// Returns the names of the rooms of kinds.
fn rooms(core: &Path) -> Result<Vec<String>> {
    let rows = rust_files(core)?.into_iter().filter(|file| file.ends_with("kind.rs"));
    let folders = rows.filter_map(|file| Some(file.parent()?.to_owned())).filter(|folder| folder != core);
    Ok(folders.filter_map(|folder| Some(folder.file_name()?.to_str()?.to_owned())).collect())
}

/// Says where `file` tells kinds apart that are not its own.
fn told_apart(file: &str, source: &[Token<'_>], rooms: &[String]) -> Vec<String> {
    let foreign: Vec<&str> = rooms.iter().map(String::as_str).filter(|room| !is_of(file, room)).collect();
    let in_room = foreign.len() < rooms.len();
    let sights = (0..source.len()).filter_map(|at| {
        let (before, rest) = source.split_at_checked(at)?;
        let sight = row(rest, &foreign)
            .or_else(|| name(before, rest, &foreign))
            .or_else(|| maker(rest).filter(|_| !in_room && !MAKERS.contains(&file)))
            .or_else(|| scrutinee(rest))?;
        Some((rest.first()?.line, sight))
    });
    let told = |(line, sight)| {
        format!(
            "{file}:{line}: {sight} outside a room and the registers: read the kind's row (core/kind.rs), \
             or say in xtask/src/kinds.rs why this file may"
        )
    };
    sights.map(told).collect()
}

/// Tells whether a file belongs to a room: its folder in core, and the files of its endpoints and commands.
fn is_of(file: &str, room: &str) -> bool {
    let path = Path::new(file);
    path.file_stem().is_some_and(|stem| stem == room) || path.iter().any(|part| part == room)
}

/// Finds the row of a room: `api_key::KIND`, or the same in an import.
fn row(rest: &[Token<'_>], rooms: &[&str]) -> Option<String> {
    let room = rooms.iter().find(|room| rest.first().is_some_and(|token| token.text == **room))?;
    let path = after(rest, &[room, ":", ":"])?;
    let end = match path.first()?.text {
        "{" => path.iter().position(|token| token.text == "}")?,
        _ => 1,
    };
    let of_row = |token: &&Token<'_>| ["KIND", "SCHEME", "kind"].contains(&token.text);
    path.get(..end)?.iter().find(of_row).map(|token| format!("{room}::{}", token.text))
}

/// Finds a comparison with the name of a room: an arm or one side of an equation.
fn name(before: &[Token<'_>], rest: &[Token<'_>], rooms: &[&str]) -> Option<String> {
    let (literal, after) = rest.split_first()?;
    let room = rooms.iter().find(|room| literal.text.trim_matches('"') == **room)?;
    let is = |tokens: Option<&[Token<'_>]>, marks: [&str; 2]| {
        tokens.is_some_and(|tokens| tokens.iter().map(|token| token.text).eq(marks))
    };
    let next = after.get(..2);
    let last = before.len().checked_sub(2).and_then(|start| before.get(start..));
    let arm = is(next, ["=", ">"]) || after.first().is_some_and(|token| token.text == "|");
    let equation = [["=", "="], ["!", "="]].into_iter().any(|marks| is(next, marks) || is(last, marks));
    (literal.text.starts_with('"') && (arm || equation)).then(|| format!("a comparison with \"{room}\""))
}

/// Finds a kind's prefix or scheme that is made, or a variant of an enum of kinds.
fn maker(rest: &[Token<'_>]) -> Option<String> {
    let [kind, colon, other, what, ..] = rest else { return None };
    let of_kinds = ["CredentialKind", "IdPrefix", "Scheme"].contains(&kind.text);
    let is_path = colon.text == ":" && other.text == ":";
    let variant = what.text.starts_with(char::is_uppercase) && what.text.contains(char::is_lowercase);
    (of_kinds && is_path && (variant || what.text == "new")).then(|| format!("{}::{}", kind.text, what.text))
}

/// Finds a `match` or `matches!` on a kind or scheme.
fn scrutinee(rest: &[Token<'_>]) -> Option<String> {
    let (asked, end) = match after(rest, &["match"]) {
        Some(asked) => (asked, "{"),
        None => (after(rest, &["matches", "!", "("])?, ","),
    };
    let mut depth = 0_usize;
    let mut words = Vec::new();
    for token in asked {
        match token.text {
            text if depth == 0 && text == end => break,
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            text if depth == 0 => words.push(text),
            _ => {}
        }
    }
    let told = words.iter().find(|word| ["id_prefix", "kind", "kind_of", "scheme"].contains(word))?;
    let others = words.iter().any(|word| OTHERS.contains(word));
    (!others).then(|| format!("a match on `{told}`"))
}

#[cfg(test)]
mod tests {
    use super::told_apart;
    use crate::rust::{tokens, without_tests};

    const ELSEWHERE: &str = "crates/countersign-server/src/call.rs";

    /// Checks what is found in `source`, as part of `file`; nothing: `None`.
    #[track_caller]
    fn check_in(file: &str, source: &str, expected: Option<&str>) {
        let rooms = ["api_key", "management_key"].map(str::to_owned);
        let found = told_apart(file, &without_tests(&tokens(source)), &rooms);
        match expected {
            None => assert!(found.is_empty(), "{found:?}"),
            Some(words) => assert!(found.iter().any(|told| told.contains(words)), "{source}: {found:?}"),
        }
    }

    #[track_caller]
    fn check(source: &str, expected: Option<&str>) {
        check_in(ELSEWHERE, source, expected);
    }

    #[test]
    fn the_row_of_a_room_is_named_where_it_belongs() {
        check("if scheme == api_key::SCHEME {}", Some("call.rs:1: api_key::SCHEME outside a room"));
        check(
            "use countersign_core::{\n management_key::{KIND, LocalPeer}};",
            Some(":2: management_key::KIND"),
        );
        check("use crate::api_key::kind::KIND;", Some("api_key::kind"));
        check("use crate::api_key::{Create, id};", None);
        check("handler!(api_key::list)", None);
        check("#[cfg(test)] mod tests { use crate::api_key::SCHEME; }", None);
        for file in
            ["crates/countersign-core/src/api_key/rules.rs", "crates/countersign-server/src/api_key.rs"]
        {
            check_in(file, "Condition::of(api_key::SCHEME)", None);
            check_in(file, "Condition::of(management_key::SCHEME)", Some("management_key::SCHEME"));
        }
    }

    #[test]
    fn no_kind_is_told_by_its_name() {
        check("match kind.name() { \"api_key\" => 1, _ => 2 }", Some("a comparison with \"api_key\""));
        check("match x { \"api_key\" | \"other\" => 1, _ => 2 }", Some("a comparison"));
        check("x == \"management_key\"", Some("a comparison"));
        check("\"management_key\" != x", Some("a comparison"));
        check("json!({ \"management_key\": key })", None);
        check("if kind == \"key\" {}", None);
    }

    #[test]
    fn no_kind_is_made_outside_its_room() {
        check("IdPrefix::new(\"key\")", Some("IdPrefix::new"));
        check("const A: Scheme = Scheme::new(\"a\", None);", Some("Scheme::new"));
        check("CredentialKind::ApiKey => 1", Some("CredentialKind::ApiKey"));
        check("Scheme::ANONYMOUS", None);
        check("OwnerKind::Client", None);
        check("Kind::Path", None);
        check_in("crates/countersign-core/src/api_key/kind.rs", "Scheme::new(\"api_key\", None)", None);
    }

    #[test]
    fn no_match_is_on_a_kind() {
        check("match id.kind() { a => 1 }", Some("a match on `kind`"));
        check("match *principal.scheme() { a => 1 }", Some("a match on `scheme`"));
        check("matches!(kind_of(id), Some(a) if a == b)", Some("a match on `kind_of`"));
        check("match self.kind.name() { a => 1 }", Some("a match on `kind`"));
        check("match row.id_prefix { a => 1 }", Some("a match on `id_prefix`"));
        check("match endable(self.kind, permit) { Ok(a) => 1 }", None);
        check("match owner.id.kind() { a => 1 }", None);
        check("matches!(error.kind(), A | B)", None);
        check("match url.scheme() { \"http\" => 1 }", None);
        check("match order { a => kind }", None);
    }
}
