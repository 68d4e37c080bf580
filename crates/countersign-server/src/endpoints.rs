//! `ENDPOINTS`: the management API as one table. It feeds dispatch, authorisation, `OpenAPI` and coverage tests.

use std::fmt;
use std::pin::Pin;

use countersign_core::reach::ManagementScope;
use schemars::{Schema, SchemaGenerator};

use crate::app::{App, Failure};
use crate::call::Call;
use crate::import::{self, MAX_IMPORT};
use crate::reply::Reply;
use crate::schema::{
    AuditLine, ChainView, DecisionView, KeyAmend, KeyCreate, KeyImport, KeyMinted, KeyRotate, KeyVerdict,
    KeyVerify, KeyView, KeysImported, KeysRevoke, KeysRevoked, ManagementKeyCreate, OwnerEnter, OwnerView,
    Page, RouteView,
};
use crate::{api_key, audit, bulk, decision, management_key, owner};

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send + 'a>>;
type Shape = fn(&mut SchemaGenerator) -> Schema;

/// One row: what may be called, by whom, and what answers.
pub struct Endpoint {
    /// The method.
    pub method: &'static str,
    /// The path's pattern.
    pub path: &'static str,
    /// The scope that a management key must hold.
    pub scope: ManagementScope,
    /// One sentence.
    pub summary: &'static str,
    pub(crate) request: Option<Shape>,
    pub(crate) answer: Option<Shape>,
    pub(crate) created: bool,
    /// The most bytes of a body; `None`: what every protocol message may have.
    pub(crate) body_bytes: Option<usize>,
    pub(crate) parameters: &'static [(&'static str, &'static str)],
    pub(crate) handler: for<'a> fn(&'a App, Call) -> Answer<'a>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, self.path)
    }
}

macro_rules! shape {
    ($type:ty) => {
        Some(|generator: &mut SchemaGenerator| generator.subschema_for::<$type>())
    };
}

macro_rules! handler {
    ($path:path) => {
        |app, call| Box::pin($path(app, call))
    };
}

const PAGING: &[(&str, &str)] =
    &[("limit", "Rows of a page: 1 to 500, default 50."), ("cursor", "`next_cursor` of the page before.")];
const KEYS: &[(&str, &str)] = &[
    ("owner", "Only keys of this owner."),
    ("state", "Only keys in this state: live, revoked, disabled or expired."),
    ("prefix", "Only keys of this key set."),
    ("environment", "Only keys made for this environment."),
    ("expires_before", "Only keys that end before this instant (RFC 3339)."),
    ("expiring_within", "Only live keys that end within this time, such as `30d`."),
    ("created_before", "Only keys minted before this instant (RFC 3339)."),
    ("unused_since", "Only keys that were not used since this instant (RFC 3339)."),
    ("limit", "Rows of a page: 1 to 500, default 50."),
    ("cursor", "`next_cursor` of the page before."),
];
const AUDIT: &[(&str, &str)] = &[
    ("node", "Only the chain of this node."),
    ("cursor", "`next_cursor` of the page before."),
    ("last", "`true`: the latest events instead of the first."),
    ("limit", "Rows of a page: 1 to 500, default 50."),
];
const RECENT: &[(&str, &str)] = &[("limit", "How many: 1 to 500, default 50.")];

/// A row with everything optional left out.
const ROW: Endpoint = Endpoint {
    method: "GET",
    path: "",
    scope: ManagementScope::Operator,
    summary: "",
    request: None,
    answer: None,
    created: false,
    body_bytes: None,
    parameters: &[],
    handler: handler!(decision::routes),
};

/// The management API, in the order of its paths.
pub static ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "/v1/audit",
        scope: ManagementScope::AuditRead,
        summary: "Lists audit events in the order of their chains.",
        answer: shape!(Page<AuditLine>),
        parameters: AUDIT,
        handler: handler!(audit::list),
        ..ROW
    },
    Endpoint {
        path: "/v1/audit/chains",
        scope: ManagementScope::Operator,
        summary: "Recomputes every node's chain, and tells where one is broken.",
        answer: shape!(Page<ChainView>),
        handler: handler!(audit::chains),
        ..ROW
    },
    Endpoint {
        path: "/v1/decisions",
        scope: ManagementScope::RoutesRead,
        summary: "Lists the gateway's latest decisions on this node; operators only.",
        answer: shape!(Page<DecisionView>),
        parameters: RECENT,
        handler: handler!(decision::decisions),
        ..ROW
    },
    Endpoint {
        path: "/v1/keys",
        scope: ManagementScope::KeysRead,
        summary: "Lists API keys, the oldest first.",
        answer: shape!(Page<KeyView>),
        parameters: KEYS,
        handler: handler!(api_key::list),
        ..ROW
    },
    Endpoint {
        method: "POST",
        path: "/v1/keys",
        scope: ManagementScope::KeysWrite,
        summary: "Mints an API key; its text is in this answer alone.",
        request: shape!(KeyCreate),
        answer: shape!(KeyMinted),
        created: true,
        handler: handler!(api_key::create),
        ..ROW
    },
    Endpoint {
        method: "POST",
        path: "/v1/keys/import",
        scope: ManagementScope::KeysWrite,
        summary: "Takes over keys that another system minted, by their hashes; at most 1000 in one call. A new key set only by an operator.",
        request: shape!(KeyImport),
        answer: shape!(KeysImported),
        body_bytes: Some(MAX_IMPORT),
        handler: handler!(import::import),
        ..ROW
    },
    Endpoint {
        method: "POST",
        path: "/v1/keys/revoke",
        scope: ManagementScope::KeysWrite,
        summary: "Revokes every API key that a filter names, at most 500 in one call; a dry run only tells which.",
        request: shape!(KeysRevoke),
        answer: shape!(KeysRevoked),
        handler: handler!(bulk::revoke),
        ..ROW
    },
    Endpoint {
        method: "POST",
        path: "/v1/keys/verify",
        scope: ManagementScope::KeysVerify,
        summary: "Tells whether an API key is good for what is asked.",
        request: shape!(KeyVerify),
        answer: shape!(KeyVerdict),
        handler: handler!(api_key::verify),
        ..ROW
    },
    Endpoint {
        path: "/v1/keys/{id}",
        scope: ManagementScope::KeysRead,
        summary: "Shows an API key, never its text.",
        answer: shape!(KeyView),
        handler: handler!(api_key::show),
        ..ROW
    },
    Endpoint {
        method: "PATCH",
        path: "/v1/keys/{id}",
        scope: ManagementScope::KeysWrite,
        summary: "Changes an API key's name, scopes, metadata or end, or switches it on or off.",
        request: shape!(KeyAmend),
        answer: shape!(KeyView),
        handler: handler!(api_key::amend),
        ..ROW
    },
    Endpoint {
        method: "DELETE",
        path: "/v1/keys/{id}",
        scope: ManagementScope::KeysWrite,
        summary: "Revokes an API key and forgets it; its audit remains.",
        handler: handler!(api_key::forget),
        ..ROW
    },
    Endpoint {
        method: "POST",
        path: "/v1/keys/{id}/revoke",
        scope: ManagementScope::KeysWrite,
        summary: "Revokes an API key: the next request that presents it is refused.",
        answer: shape!(KeyView),
        handler: handler!(api_key::revoke),
        ..ROW
    },
    Endpoint {
        method: "POST",
        path: "/v1/keys/{id}/rotate",
        scope: ManagementScope::KeysWrite,
        summary: "Mints a successor; the old key goes on working for the overlap, never longer than before.",
        request: shape!(KeyRotate),
        answer: shape!(KeyMinted),
        created: true,
        handler: handler!(api_key::rotate),
        ..ROW
    },
    Endpoint {
        path: "/v1/management-keys",
        scope: ManagementScope::ManagementKeysWrite,
        summary: "Lists management keys, the oldest first.",
        answer: shape!(Page<KeyView>),
        parameters: KEYS,
        handler: handler!(management_key::list),
        ..ROW
    },
    Endpoint {
        method: "POST",
        path: "/v1/management-keys",
        scope: ManagementScope::ManagementKeysWrite,
        summary: "Mints a management key that can do at most what the caller can.",
        request: shape!(ManagementKeyCreate),
        answer: shape!(KeyMinted),
        created: true,
        handler: handler!(management_key::create),
        ..ROW
    },
    Endpoint {
        method: "POST",
        path: "/v1/management-keys/rotate",
        scope: ManagementScope::Operator,
        summary: "Replaces the installation's own management key; the old one ends at once.",
        answer: shape!(KeyMinted),
        created: true,
        handler: handler!(management_key::replace),
        ..ROW
    },
    Endpoint {
        method: "DELETE",
        path: "/v1/management-keys/{id}",
        scope: ManagementScope::ManagementKeysWrite,
        summary: "Revokes a management key and forgets it; its audit remains.",
        handler: handler!(management_key::forget),
        ..ROW
    },
    Endpoint {
        method: "POST",
        path: "/v1/management-keys/{id}/revoke",
        scope: ManagementScope::ManagementKeysWrite,
        summary: "Revokes a management key.",
        answer: shape!(KeyView),
        handler: handler!(management_key::revoke),
        ..ROW
    },
    Endpoint {
        method: "POST",
        path: "/v1/management-keys/{id}/rotate",
        scope: ManagementScope::ManagementKeysWrite,
        summary: "Mints a successor of a management key.",
        request: shape!(KeyRotate),
        answer: shape!(KeyMinted),
        created: true,
        handler: handler!(management_key::rotate),
        ..ROW
    },
    Endpoint {
        path: "/v1/owners",
        scope: ManagementScope::OwnersRead,
        summary: "Lists owners: organisations, clients and users.",
        answer: shape!(Page<OwnerView>),
        parameters: PAGING,
        handler: handler!(owner::list),
        ..ROW
    },
    Endpoint {
        method: "POST",
        path: "/v1/owners",
        scope: ManagementScope::OwnersWrite,
        summary: "Enters an owner; a new organisation only by an operator.",
        request: shape!(OwnerEnter),
        answer: shape!(OwnerView),
        created: true,
        handler: handler!(owner::enter),
        ..ROW
    },
    Endpoint {
        method: "POST",
        path: "/v1/owners/{id}/disable",
        scope: ManagementScope::OwnersWrite,
        summary: "Disables an owner: all of its credentials are refused at the next request.",
        answer: shape!(OwnerView),
        handler: handler!(owner::disable),
        ..ROW
    },
    Endpoint {
        method: "POST",
        path: "/v1/owners/{id}/enable",
        scope: ManagementScope::OwnersWrite,
        summary: "Enables an owner again.",
        answer: shape!(OwnerView),
        handler: handler!(owner::enable),
        ..ROW
    },
    Endpoint {
        path: "/v1/routes",
        scope: ManagementScope::RoutesRead,
        summary: "Lists the gateway's routes in the order in which they are tried; operators only.",
        answer: shape!(Page<RouteView>),
        handler: handler!(decision::routes),
        ..ROW
    },
];
