//! What the gateway says of the resources that it protects (RFC 9728), so that a client finds who issues their tokens.
//!
//! A resource is an audience that a route names, or the installation's default one. What is said of it is read from the
//! routes that are in force: where it can be asked for, by whose tokens, with which scopes.
//!
//! **Invariant.** Nothing is said of a resource that no route asks tokens for.
//!
//! What it does not do: decide anything.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use countersign_core::decision::{Condition, Issuer, Requirement, TokenSource};
use countersign_core::resource::Resources;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body_util::Full;
use serde::Serialize;
use url::Url;

use crate::route::RouteTable;

/// The first part of the path of every description (RFC 9728 §3).
pub(crate) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
/// How long it may be kept: routes change by a reload, a client that is refused asks anew, and a key is published a day
/// before it signs.
const KEPT: &str = "public, max-age=300";

/// What an installation calls itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The identifier of its authorization server (RFC 8414 §2).
    pub issuer: String,
    /// The resource that tokens are for where nothing else is said.
    pub resource: String,
}

/// What is known of resources: the routes in force, and what is declared.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) table: &'a RouteTable,
    pub(crate) resources: &'a Resources,
}

/// The members of RFC 9728 §2 that are said.
#[derive(Serialize)]
struct Metadata<'a> {
    resource: &'a str,
    authorization_servers: Vec<&'a str>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    scopes_supported: BTreeSet<String>,
    bearer_methods_supported: [&'static str; 1],
}

impl Identity {
    /// Describes the resource whose identifier has `path`, as a caller of `host` would know it; `None`: there is none.
    pub(crate) fn describe(&self, known: Known<'_>, host: &str, path: &str) -> Option<Response<Full<Bytes>>> {
        let table = known.table;
        let here = || asked(table).map(|(_, source)| self.audience(source)).filter(|one| has_path(one, path));
        // Resources on several hosts may have one path; a caller by another name is told the first.
        let resource = here().find(|one| is_at(one, host)).or_else(|| here().next())?;
        let metadata = serde_json::to_vec(&self.metadata(known, resource)).ok()?;
        Some(published(metadata.into()))
    }

    /// Returns where the resource that `requirement` asks tokens for describes itself; `None`: it asks for none, or it is
    /// called by no URL.
    pub(crate) fn described_at(&self, requirement: &Requirement) -> Option<String> {
        let source = requirement.conditions().find_map(Condition::token)?;
        let mut url: Url = self.audience(source).parse().ok().filter(is_web)?;
        // RFC 9728 §3.1: between host and path.
        let path = format!("{WELL_KNOWN}{}", without_root(url.path()));
        url.set_path(&path);
        Some(url.into())
    }

    fn metadata<'a>(&'a self, known: Known<'a>, resource: &'a str) -> Metadata<'a> {
        let of_resource = || asked(known.table).filter(|(_, source)| self.audience(source) == resource);
        let mut issuers = Vec::new();
        for issuer in of_resource().map(|(_, source)| self.issuer(source)) {
            if !issuers.contains(&issuer) {
                issuers.push(issuer);
            }
        }
        let asked = of_resource().flat_map(|(condition, _)| condition.scopes().iter());
        let mut scopes: BTreeSet<String> = asked.map(|scope| scope.as_str().to_owned()).collect();
        // What a resource declares can be asked for, whether or not a route does.
        let declared = known.resources.find(resource);
        let declared = declared.iter().filter_map(|one| one.scopes.as_ref()).flat_map(BTreeMap::keys);
        scopes.extend(declared.map(|scope| scope.as_str().to_owned()));
        Metadata {
            resource,
            authorization_servers: issuers,
            scopes_supported: scopes,
            bearer_methods_supported: ["header"],
        }
    }

    fn audience<'a>(&'a self, source: &'a TokenSource) -> &'a str {
        source.audience.as_deref().unwrap_or(&self.resource)
    }

    fn issuer<'a>(&'a self, source: &'a TokenSource) -> &'a str {
        match &source.issuer {
            Issuer::Own => &self.issuer,
            Issuer::Foreign(foreign) => &foreign.issuer,
        }
    }
}

/// Answers with what everybody may read, and keep for a while.
pub(crate) fn published(document: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(document));
    for (name, value) in [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, KEPT),
        // Clients in browsers read it before they have anything to send along.
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Walks what the routes ask tokens for.
fn asked(table: &RouteTable) -> impl Iterator<Item = (&Condition, &TokenSource)> {
    let conditions = table.routes().flat_map(|route| route.requirement().conditions());
    conditions.filter_map(|condition| Some((condition, condition.token()?)))
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// Tells whether an identifier has a path.
fn has_path(identifier: &str, path: &str) -> bool {
    let url: Option<Url> = identifier.parse().ok().filter(is_web);
    url.is_some_and(|url| without_root(url.path()) == without_root(path))
}

/// RFC 9728 §3.1: a slash that only ends the host is no path.
fn without_root(path: &str) -> &str {
    if path == "/" { "" } else { path }
}

fn is_at(identifier: &str, host: &str) -> bool {
    identifier.parse().is_ok_and(|url: Url| url.authority().eq_ignore_ascii_case(host))
}
