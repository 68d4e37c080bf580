//! Where endpoints answer, and which of them a request names: what the tables of server and gateway share.
//!
//! **Invariant.** A path that a row names exactly is that row's, whatever pattern would match it too. HEAD is answered
//! where GET only reads (RFC 9110 §9.3.2).
//!
//! What it does not do: say who may call. That stands in each row, beside its [`Place`].

use std::fmt;

use http::Method;

use crate::form::Form;
use crate::unknown::unknown;

/// A listener of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListenerName {
    /// The management API's.
    Admin,
    /// The gateway's.
    Gateway,
    /// The issuer's.
    Issuer,
    /// The socket in the data directory.
    Local,
    /// The gateway's with TLS and client certificates.
    Mtls,
}

/// Where an endpoint answers, and to which method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The listeners on which it answers.
    pub listeners: &'static [ListenerName],
    /// The method.
    pub method: &'static str,
    /// Whether reading is all that it does (RFC 9110 §9.2.1): HEAD is answered too.
    pub safe: bool,
    /// The path's pattern: a segment `{name}` takes any text, and a last one `{*name}` all that is left.
    pub path: &'static str,
}

/// What a method and a path name in a table.
#[derive(Debug)]
pub enum Matched<'t, E> {
    /// A row, with what its pattern named in the path.
    Endpoint(&'t E, Vec<(&'static str, String)>),
    /// A path that takes other methods.
    OtherMethods(Vec<Method>),
    /// Nothing.
    Nothing,
}

/// Where the gateway says whether it can answer.
pub const GATEWAY_HEALTH: Place =
    Place::get(&[ListenerName::Gateway, ListenerName::Mtls], "/.countersign/health");

/// Where the gateway publishes the keys that its assertions are verified by.
pub const GATEWAY_KEYS: Place =
    Place::get(&[ListenerName::Gateway, ListenerName::Mtls], "/.countersign/jwks.json");

/// Where browsers are sent from to sign in to a web app.
pub const WEB_LOGIN: Place =
    Place::asked(&[ListenerName::Gateway, ListenerName::Mtls], "/.countersign/login");

/// Where they come back to.
pub const WEB_CALLBACK: Place =
    Place::asked(&[ListenerName::Gateway, ListenerName::Mtls], "/.countersign/callback");

/// Where the gateway describes the resource whose identifier has no path (RFC 9728 §3).
pub const RESOURCE_METADATA: Place =
    Place::get(&[ListenerName::Gateway, ListenerName::Mtls], "/.well-known/oauth-protected-resource");

/// Where it describes those whose identifier has one (RFC 9728 §3.1).
pub const RESOURCE_METADATA_OF: Place =
    Place::get(&[ListenerName::Gateway, ListenerName::Mtls], "/.well-known/oauth-protected-resource/{*path}");

impl ListenerName {
    /// Returns the name, as settings, logs and metrics write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Gateway => "gateway",
            Self::Issuer => "issuer",
            Self::Local => "local",
            Self::Mtls => "mtls",
        }
    }

    /// Returns where it listens unless that is set; `None`: it has no address.
    #[must_use]
    pub const fn default_address(self) -> Option<&'static str> {
        match self {
            Self::Admin => Some("127.0.0.1:8081"),
            Self::Gateway => Some("127.0.0.1:8000"),
            Self::Issuer => Some("127.0.0.1:8080"),
            Self::Local => None,
            Self::Mtls => Some("127.0.0.1:8443"),
        }
    }
}

impl Place {
    /// Names what is read.
    #[must_use]
    pub const fn get(listeners: &'static [ListenerName], path: &'static str) -> Self {
        Self { listeners, method: "GET", safe: true, path }
    }

    /// Names what is asked for by an address and done: where a person's browser brings a client's request. A HEAD, which
    /// machines send to look, does nothing there: 405.
    #[must_use]
    pub const fn asked(listeners: &'static [ListenerName], path: &'static str) -> Self {
        Self { listeners, method: "GET", safe: false, path }
    }

    /// Names what is done.
    #[must_use]
    pub const fn post(listeners: &'static [ListenerName], path: &'static str) -> Self {
        Self { listeners, method: "POST", safe: false, path }
    }

    /// Names what is changed.
    #[must_use]
    pub const fn patch(listeners: &'static [ListenerName], path: &'static str) -> Self {
        Self { listeners, method: "PATCH", safe: false, path }
    }

    /// Names what is removed.
    #[must_use]
    pub const fn delete(listeners: &'static [ListenerName], path: &'static str) -> Self {
        Self { listeners, method: "DELETE", safe: false, path }
    }

    /// Returns the names of the path's segments that take any text.
    pub fn segments(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(named)
    }

    fn takes(&self, method: &Method) -> bool {
        self.method == method.as_str() || (self.safe && *method == Method::HEAD)
    }

    /// Matches a path with the pattern, segment by segment, and returns what the pattern names.
    fn reads(&self, path: &str) -> Option<Vec<(&'static str, String)>> {
        let (mut pattern, mut path) = (self.path.split('/'), path.split('/'));
        let mut found = Vec::new();
        loop {
            match (pattern.next(), path.next()) {
                (None, None) => return Some(found),
                (Some(wanted), Some(text)) => match named(wanted) {
                    Some(name) if wanted.starts_with("{*") => {
                        let rest: Vec<_> = std::iter::once(text).chain(path).collect();
                        found.push((name, rest.join("/")));
                        return Some(found);
                    }
                    Some(name) => found.push((name, text.to_owned())),
                    None if wanted == text => {}
                    None => return None,
                },
                (None, Some(_)) | (Some(_), None) => return None,
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, self.path)
    }
}

fn named(segment: &'static str) -> Option<&'static str> {
    Some(segment.strip_prefix('{')?.strip_suffix('}')?.trim_start_matches('*'))
}

/// Finds the row that answers `method` and `path` on the listener `on`.
#[must_use]
pub fn find<'t, E>(
    table: &'t [E],
    place: fn(&E) -> &Place,
    on: ListenerName,
    method: &Method,
    path: &str,
) -> Matched<'t, E> {
    let here = || table.iter().filter(|row| place(row).listeners.contains(&on));
    let matching = || here().filter_map(|row| Some((row, place(row).reads(path)?)));
    // A row without a named segment is nearer: `/v1/keys/verify` is no key of the name `verify`.
    let nearest = matching().filter(|(row, _)| place(row).takes(method)).min_by_key(|(_, named)| named.len());
    if let Some((row, named)) = nearest {
        return Matched::Endpoint(row, named);
    }
    let mut methods = Vec::new();
    for (row, _) in matching() {
        let of_row: Option<Method> = place(row).method.parse().ok();
        let head = place(row).safe.then_some(Method::HEAD);
        methods.extend(of_row.into_iter().chain(head));
    }
    if methods.is_empty() { Matched::Nothing } else { Matched::OtherMethods(methods) }
}

/// Reads a request's query, whose parameters are `known` to the endpoint: whoever sends others meant something.
///
/// # Errors
///
/// A text that names the parameter that is unknown or repeated, or what cannot be read.
pub fn query(text: Option<&str>, known: &[&str]) -> Result<Form, String> {
    let query =
        Form::read(text.unwrap_or_default().as_bytes()).map_err(|error| format!("the query: {error}"))?;
    if let Some(name) = query.names().find(|name| !known.contains(name)) {
        return Err(unknown("query parameter", name, known));
    }
    Ok(query)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::{ListenerName, Matched, Place, find, query};

    const ADMIN: &[ListenerName] = &[ListenerName::Admin];

    fn found(method: &Method, path: &str) -> String {
        let table = [
            Place::get(ADMIN, "/v1/keys"),
            Place::post(ADMIN, "/v1/keys"),
            Place::post(ADMIN, "/v1/keys/verify"),
            Place::get(ADMIN, "/v1/keys/{id}"),
            Place::post(ADMIN, "/v1/keys/{id}"),
            Place::get(&[ListenerName::Issuer], "/"),
            Place::get(ADMIN, "/of/{*path}"),
            Place::asked(ADMIN, "/asked"),
            Place::post(ADMIN, "/asked"),
        ];
        match find(&table, |row| row, ListenerName::Admin, method, path) {
            Matched::Endpoint(place, named) => format!("{place} {named:?}"),
            Matched::OtherMethods(methods) => format!("{methods:?}"),
            Matched::Nothing => String::new(),
        }
    }

    #[track_caller]
    fn check(method: &Method, path: &str, expected: &str) {
        assert_eq!(found(method, path), expected, "{path}");
    }

    #[test]
    fn the_nearest_row_answers() {
        check(&Method::POST, "/v1/keys/verify", "POST /v1/keys/verify []");
        check(&Method::POST, "/v1/keys/a", "POST /v1/keys/{id} [(\"id\", \"a\")]");
        check(&Method::GET, "/v1/keys/verify", "GET /v1/keys/{id} [(\"id\", \"verify\")]");
        for path in ["/v1", "/v1/keys/", "/v1/keys/a/b", "//v1/keys", "/v1/Keys", ""] {
            let answered = found(&Method::GET, path);
            assert!(answered.is_empty() || answered.contains("[(\"id\", \"\")]"), "{path}: {answered}");
        }
        check(&Method::GET, "/", "");
        check(&Method::GET, "/of/a/b/", "GET /of/{*path} [(\"path\", \"a/b/\")]");
        check(&Method::GET, "/of", "");
    }

    #[test]
    fn rfc9110_9_3_2_head_is_answered_where_get_only_reads() {
        check(&Method::HEAD, "/v1/keys", "GET /v1/keys []");
        check(&Method::HEAD, "/v1/keys/a", "GET /v1/keys/{id} [(\"id\", \"a\")]");
        check(&Method::PUT, "/v1/keys", "[GET, HEAD, POST]");
        check(&Method::OPTIONS, "/v1/keys/a", "[GET, HEAD, POST]");
        check(&Method::GET, "/asked", "GET /asked []");
        check(&Method::HEAD, "/asked", "[GET, POST]");
    }

    #[test]
    fn a_parameter_that_is_unknown_or_repeated_is_an_error() {
        let read = |text: &str| {
            let read = query(Some(text), &["limit", "cursor"]);
            read.map(|query| query.names().map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(read(""), Ok(vec![]));
        assert_eq!(query(None, &[]).map(|query| query.names().count()), Ok(0));
        assert_eq!(read("cursor=x&limit=1"), Ok(vec!["cursor".to_owned(), "limit".to_owned()]));
        for (text, words) in [
            ("limits=1", "unknown query parameter `limits`; did you mean `limit`?"),
            ("lim%69t=1&limit=2", "the query: the parameter `limit` is there twice"),
            ("unrelated", "unknown query parameter `unrelated`; known: limit, cursor"),
            ("x=%zz", "the query: expected percent-encoded UTF-8"),
        ] {
            assert_eq!(read(text), Err(words.to_owned()), "{text}");
        }
        assert_eq!(query(Some("x=1"), &[]).unwrap_err(), "unknown query parameter `x`; there is none");
    }
}
