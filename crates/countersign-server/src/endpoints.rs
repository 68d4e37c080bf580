//! `ENDPOINTS`: what every listener answers, as one table. It feeds dispatch, authorisation, the reading of parameters,
//! `OpenAPI` and coverage tests.

use countersign_core::reach::ManagementScope;
use countersign_edge::endpoint::ListenerName::{Admin, Issuer, Local};
use countersign_edge::endpoint::{
    GATEWAY_HEALTH, GATEWAY_KEYS, ListenerName, Place, RESOURCE_METADATA, RESOURCE_METADATA_OF, WEB_CALLBACK,
    WEB_LOGIN,
};
use countersign_edge::wire_error::Problem;
use schemars::SchemaGenerator;

use crate::client_json::{
    ClientAmend, ClientCreate, ClientRegistered, ClientShown, ClientView, ResourceAmend, ResourceBody,
    SecretMinted, SecretRotate,
};
use crate::device::{self, DeviceParameters, DeviceView};
use crate::endpoint::{Answered, Body, Callers, Desk, Endpoint, Handler, Scripts, Shape};
use crate::github::{self, Feedback, Finding};
use crate::grants::{self, GrantView};
use crate::import::{self, MAX_IMPORT};
use crate::leaks::{self, MAX_REPORT, Report};
use crate::metadata::{self, KeySet, ServerMetadata};
use crate::pages::assets;
use crate::parameter::{Kind, Parameter};
use crate::schema::{
    AssertionKeys, AuditLine, ChainView, DecisionView, IssuerView, KeyAmend, KeyCreate, KeyImport, KeyMinted,
    KeyRotate, KeyVerdict, KeyVerify, KeyView, KeysImported, KeysRevoke, KeysRevoked, ManagementKeyCreate,
    OwnerEnter, OwnerView, Page, ReloadView, ResourceMetadata, RouteView, StatusView,
};
use crate::signing_key::{self, SigningKeyRotate, SigningKeyView};
use crate::token::{self, GrantParameters, TokenView};
use crate::token_state::{self, TokenParameters, TokenState};
use crate::tokens::{self, TokensRevoke};
use crate::user_json::{
    MembershipView, UserAmend, UserCreate, UserMail, UserReset, UserRoles, UserShown, UserView,
};
use crate::userinfo::{self, UserInfo};
use crate::web_account::{self, SessionView};
use crate::{
    account_apps, account_clients, account_identities, account_keys, account_password, account_sessions,
    api_key, audit, authorize, bulk, by_form, client, decision, device_page, federation, issuer, logout,
    mailed, management_key, observe, openapi, owner, reload, resource, sign_in, user, web_login,
};

macro_rules! shape {
    ($type:ty) => {
        |generator: &mut SchemaGenerator| generator.subschema_for::<$type>()
    };
}

macro_rules! permitted {
    ($path:path) => {
        Handler::Permitted(|desk, call| Box::pin($path(&desk.app, call)))
    };
}

macro_rules! open {
    ($path:path) => {
        Handler::Open(|desk, _| Box::pin($path(&desk.app)))
    };
}

/// Where the management API answers.
const API: &[ListenerName] = &[Admin, Local];
const ISSUER: &[ListenerName] = &[Issuer];
/// Where people see pages.
const PAGES: &[ListenerName] = &[Issuer, ListenerName::Gateway, ListenerName::Mtls];
/// Where web apps are.
const GATEWAY: &[ListenerName] = &[ListenerName::Gateway, ListenerName::Mtls];

const LIMIT: Parameter = Parameter {
    name: "limit",
    kind: Kind::Number { least: 1, most: 500, default: 50 },
    meaning: "Rows of a page.",
};
const CURSOR: Parameter = text("cursor", "`next_cursor` of the page before.");
const PAGING: &[Parameter] = &[LIMIT, CURSOR];
const KEYS: &[Parameter] = &[
    text("owner", "Only keys of this owner."),
    words("state", &["live", "revoked", "disabled", "expired"], "Only keys in this state."),
    text("prefix", "Only keys of this key set."),
    words("environment", &["live", "test"], "Only keys made for this environment."),
    text("expires_before", "Only keys that end before this instant (RFC 3339)."),
    text("expiring_within", "Only live keys that end within this time, such as `30d`."),
    text("created_before", "Only keys minted before this instant (RFC 3339)."),
    text("unused_since", "Only keys that were not used since this instant (RFC 3339)."),
    LIMIT,
    CURSOR,
];
const AUDIT: &[Parameter] = &[
    text("node", "Only the chain of this node."),
    CURSOR,
    Parameter {
        name: "last",
        kind: Kind::Flag,
        meaning: "The latest events instead of the first, the oldest of them first; one page.",
    },
    LIMIT,
];
const GRANTS: &[Parameter] = &[
    text("client", "Only what is allowed to this client."),
    text("subject", "Only what this person allows."),
    LIMIT,
    CURSOR,
];
const DEVICE: &[Parameter] = &[
    text("user_code", "The code that the device shows."),
    text("ui_locales", "Languages, the best first (OpenID Connect Core 1.0 §3.1.2.1)."),
];
const WEB_SESSION: &[Parameter] =
    &[text("client", "The web app; where the routes name one alone it may be left out.")];
const LOGIN: &[Parameter] = &[
    text("client", "The web app; where the routes name one alone it may be left out."),
    text("return_to", "The path to go on to."),
];
const ROWS_AFTER: &[Parameter] = &[text("cursor", "Where the page before has ended.")];
const SESSIONS: &[Parameter] = &[
    text("sessions", "Where the page before has ended, of sessions at the issuer."),
    text("web_sessions", "Where the page before has ended, of sessions at web apps."),
];
const MAILED: &[Parameter] = &[text("token", "What the mailed link holds.")];
const RECENT: &[Parameter] = &[LIMIT];

const fn text(name: &'static str, meaning: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Text, meaning }
}

const fn words(name: &'static str, words: &'static [&'static str], meaning: &'static str) -> Parameter {
    Parameter { name, kind: Kind::OneOf(words), meaning }
}

const fn body(shape: Shape) -> Body {
    Body::Json { shape, most: None }
}

/// A row with everything optional left out.
const ROW: Endpoint = Endpoint {
    place: GATEWAY_HEALTH,
    id: "",
    summary: "",
    clause: "",
    callers: Callers::Anybody,
    by_any_name: false,
    scripts: Scripts::Own,
    parameters: &[],
    repeatable: false,
    body: Body::Nothing,
    answer: Answered::NOTHING,
    refusals: &[],
    offered: |_| true,
    handler: Handler::Gateway,
};

/// Returns the paths of a desk's listener.
fn paths(desk: &Desk) -> Vec<&'static str> {
    let here = desk.table.iter().filter(|row| row.place.listeners.contains(&desk.listener));
    here.filter(|row| (row.offered)(desk)).map(|row| row.place.path).collect()
}

/// Everything that is answered, in the order of its paths.
pub static ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        place: Place::get(ISSUER, "/"),
        id: "describeIssuer",
        summary: "Tells what the issuer serves.",
        clause: "RFC 9110 §9.3.1",
        answer: Answered::json(shape!(IssuerView)),
        handler: Handler::Open(|desk, _| Box::pin(issuer::about(&desk.app, paths(desk)))),
        ..ROW
    },
    Endpoint {
        place: Place::get(ISSUER, "/.well-known/jwks.json"),
        id: "readSigningKeys",
        summary: "Publishes the keys by which access tokens are verified, those that will sign among them.",
        clause: "RFC 7517 §5",
        scripts: Scripts::All,
        answer: Answered::json(shape!(KeySet)),
        handler: open!(metadata::keys),
        ..ROW
    },
    Endpoint {
        place: Place::get(ISSUER, "/.well-known/oauth-authorization-server"),
        id: "describeAuthorizationServer",
        summary: "Describes the authorization server.",
        clause: "RFC 8414 §3",
        scripts: Scripts::All,
        answer: Answered::json(shape!(ServerMetadata)),
        handler: Handler::Open(|desk, _| Box::pin(metadata::server(desk))),
        ..ROW
    },
    Endpoint {
        place: Place::get(ISSUER, "/.well-known/openid-configuration"),
        id: "describeOpenidProvider",
        summary: "Describes the authorization server, where OpenID Connect looks for it.",
        clause: "OpenID Connect Discovery 1.0 §4",
        scripts: Scripts::All,
        answer: Answered::json(shape!(ServerMetadata)),
        handler: Handler::Open(|desk, _| Box::pin(metadata::server(desk))),
        ..ROW
    },
    Endpoint {
        place: Place::get(PAGES, "/.countersign/assets/countersign.css"),
        id: "readStylesheet",
        summary: "Gives the stylesheet of the pages.",
        clause: "RFC 9111 §5.2.2.4",
        answer: Answered::text(assets::CSS),
        handler: Handler::Open(|_, received| Box::pin(assets::stylesheet(received))),
        ..ROW
    },
    Endpoint {
        place: Place::get(PAGES, "/.countersign/assets/countersign.svg"),
        id: "readPicture",
        summary: "Gives the picture on the pages.",
        clause: "RFC 9111 §5.2.2.4",
        answer: Answered::text(assets::SVG),
        handler: Handler::Open(|_, received| Box::pin(assets::picture(received))),
        ..ROW
    },
    Endpoint {
        place: Place::get(ISSUER, "/account"),
        id: "showSessions",
        summary: "Shows a person where they are signed in.",
        clause: "OWASP ASVS 5.0 §7.5.2",
        parameters: SESSIONS,
        answer: Answered::page(),
        refusals: &[Problem::Unavailable],
        handler: Handler::Open(|desk, received| Box::pin(account_sessions::show(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/account"),
        id: "endSessions",
        summary: "Signs a person out: here, at one place, or everywhere.",
        clause: "OWASP ASVS 5.0 §7.5.2",
        answer: Answered::page(),
        refusals: &[Problem::Forbidden, Problem::Unavailable],
        handler: Handler::Open(|desk, received| Box::pin(account_sessions::take(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::get(ISSUER, "/account/apps"),
        id: "showApps",
        summary: "Shows a person what they allow applications.",
        clause: "RFC 6749 §1.1",
        parameters: ROWS_AFTER,
        answer: Answered::page(),
        refusals: &[Problem::Unavailable],
        handler: Handler::Open(|desk, received| Box::pin(account_apps::show(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/account/apps"),
        id: "removeApp",
        summary: "Takes back what a person allowed an application, with everything that it has obtained.",
        clause: "RFC 6749 §1.1",
        answer: Answered::page(),
        refusals: &[Problem::Forbidden, Problem::Unavailable],
        handler: Handler::Open(|desk, received| Box::pin(account_apps::take(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::get(ISSUER, "/account/clients"),
        id: "showOwnClients",
        summary: "Shows a person the clients that they have registered; where the settings let people register some.",
        clause: "RFC 6749 §2",
        parameters: ROWS_AFTER,
        answer: Answered::page(),
        refusals: &[Problem::Unavailable],
        offered: |desk| desk.app.policy.load().self_service.clients.is_some(),
        handler: Handler::Open(|desk, received| Box::pin(account_clients::show(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/account/clients"),
        id: "changeOwnClients",
        summary: "Registers a client for a person, or changes, switches or gives a new secret to one of theirs.",
        clause: "RFC 6749 §2",
        answer: Answered::page(),
        refusals: &[Problem::Forbidden, Problem::Unavailable],
        offered: |desk| desk.app.policy.load().self_service.clients.is_some(),
        handler: Handler::Open(|desk, received| Box::pin(account_clients::take(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::get(ISSUER, "/account/identities"),
        id: "showIdentities",
        summary: "Shows a person the accounts elsewhere by which they sign in.",
        clause: "OpenID Connect Core 1.0 §5.7",
        answer: Answered::page(),
        refusals: &[Problem::Unavailable],
        handler: Handler::Open(|desk, received| Box::pin(account_identities::show(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/account/identities"),
        id: "changeIdentities",
        summary: "Sends a person to connect an account elsewhere, or disconnects one.",
        clause: "OpenID Connect Core 1.0 §5.7",
        answer: Answered::page(),
        refusals: &[Problem::Forbidden, Problem::Unavailable],
        handler: Handler::Open(|desk, received| Box::pin(account_identities::take(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::get(ISSUER, "/account/keys"),
        id: "showOwnKeys",
        summary: "Shows a person their API keys; where the settings let people make some.",
        clause: "RFC 6750 §5.3",
        parameters: ROWS_AFTER,
        answer: Answered::page(),
        refusals: &[Problem::Unavailable],
        offered: |desk| desk.app.policy.load().self_service.api_keys.is_some(),
        handler: Handler::Open(|desk, received| Box::pin(account_keys::show(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/account/keys"),
        id: "changeOwnKeys",
        summary: "Mints an API key for a person, or ends one of theirs.",
        clause: "RFC 6750 §5.3",
        answer: Answered::page(),
        refusals: &[Problem::Forbidden, Problem::Unavailable],
        offered: |desk| desk.app.policy.load().self_service.api_keys.is_some(),
        handler: Handler::Open(|desk, received| Box::pin(account_keys::take(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::get(ISSUER, "/account/password"),
        id: "askForPassword",
        summary: "Asks a person for their password and a new one.",
        clause: "OWASP ASVS 5.0 §6.2.3",
        answer: Answered::page(),
        refusals: &[Problem::Unavailable],
        handler: Handler::Open(|desk, received| Box::pin(account_password::show(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/account/password"),
        id: "changePassword",
        summary: "Changes a person's password, and ends every session and token of theirs but this browser's.",
        clause: "OWASP ASVS 5.0 §6.2.3",
        answer: Answered::page(),
        refusals: &[Problem::Forbidden, Problem::TooManyRequests, Problem::Unavailable],
        handler: Handler::Open(|desk, received| Box::pin(account_password::take(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/oauth/device_authorization"),
        id: "authorizeDevice",
        summary: "Lets a device ask for what a person then allows it at a browser.",
        clause: "RFC 8628 §3.1",
        callers: Callers::Client,
        scripts: Scripts::Registered,
        body: Body::Parameters(shape!(DeviceParameters)),
        answer: Answered::json(shape!(DeviceView)),
        refusals: &[Problem::TooManyRequests],
        handler: Handler::Client(|desk, call| Box::pin(device::authorize(&desk.app, call))),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/oauth/introspect"),
        id: "introspectToken",
        summary: "Tells a client whether an access token is good now, if it may know.",
        clause: "RFC 7662 §2",
        callers: Callers::Client,
        body: Body::Parameters(shape!(TokenParameters)),
        answer: Answered::json(shape!(TokenState)),
        handler: Handler::Client(|desk, call| Box::pin(token_state::introspect(&desk.app, call))),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/logout"),
        id: "decideSignOut",
        summary: "Takes what a person decides on the page that asks whether to sign out.",
        clause: "OpenID Connect RP-Initiated Logout 1.0 §2",
        answer: Answered::page(),
        refusals: &[Problem::Forbidden, Problem::Unavailable],
        handler: Handler::Visit(|desk, received| Box::pin(logout::decided(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::asked(ISSUER, "/oauth/authorize"),
        id: "authorize",
        summary: "Takes a client's request of a person: shows a page, or sends the browser back with a code.",
        clause: "RFC 6749 §3.1",
        answer: Answered::page(),
        refusals: &[Problem::Unavailable],
        handler: Handler::Visit(|desk, received| Box::pin(authorize::authorize(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/oauth/authorize"),
        id: "authorizeByForm",
        summary: "Takes the same by a form.",
        clause: "OpenID Connect Core 1.0 §3.1.2.1",
        answer: Answered::page(),
        refusals: &[Problem::Unavailable],
        handler: Handler::Visit(|desk, received| Box::pin(by_form::send_on(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/consent"),
        id: "decideConsent",
        summary: "Takes what a person decides on the page that asks what a client may do.",
        clause: "RFC 6749 §4.1.1",
        answer: Answered::page(),
        refusals: &[Problem::Forbidden, Problem::Unavailable],
        handler: Handler::Visit(|desk, received| Box::pin(authorize::consent(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::asked(ISSUER, "/oauth/logout"),
        id: "signOut",
        summary: "Signs a person out, also at a client's word, and asks them first where it brings no ID token of theirs.",
        clause: "OpenID Connect RP-Initiated Logout 1.0 §2",
        answer: Answered::page(),
        refusals: &[Problem::Unavailable],
        handler: Handler::Visit(|desk, received| Box::pin(logout::logout(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/oauth/logout"),
        id: "signOutByForm",
        summary: "Takes the same by a form.",
        clause: "OpenID Connect RP-Initiated Logout 1.0 §2",
        answer: Answered::page(),
        refusals: &[Problem::Unavailable],
        handler: Handler::Visit(|desk, received| Box::pin(by_form::send_on(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::get(ISSUER, "/oauth/userinfo"),
        id: "readUserInfo",
        summary: "Tells a client about the person for whom its access token acts.",
        clause: "OpenID Connect Core 1.0 §5.3",
        scripts: Scripts::Registered,
        answer: Answered::json(shape!(UserInfo)),
        refusals: &[Problem::InvalidRequest, Problem::InvalidToken, Problem::Forbidden, Problem::Unavailable],
        handler: Handler::Visit(|desk, received| Box::pin(userinfo::userinfo(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/oauth/userinfo"),
        id: "readUserInfoByForm",
        summary: "Tells the same, also to who sends the token in a form.",
        clause: "OpenID Connect Core 1.0 §5.3.1",
        scripts: Scripts::Registered,
        answer: Answered::json(shape!(UserInfo)),
        refusals: &[Problem::InvalidRequest, Problem::InvalidToken, Problem::Forbidden, Problem::Unavailable],
        handler: Handler::Visit(|desk, received| Box::pin(userinfo::userinfo(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/oauth/revoke"),
        id: "revokeToken",
        summary: "Ends an access token at its client's word.",
        clause: "RFC 7009 §2",
        callers: Callers::Client,
        scripts: Scripts::Registered,
        body: Body::Parameters(shape!(TokenParameters)),
        answer: Answered::DONE,
        handler: Handler::Client(|desk, call| Box::pin(token_state::revoke(&desk.app, call))),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/oauth/token"),
        id: "issueToken",
        summary: "Issues an access token for a grant.",
        clause: "RFC 6749 §3.2",
        callers: Callers::Client,
        scripts: Scripts::Registered,
        body: Body::Parameters(shape!(GrantParameters)),
        answer: Answered::json(shape!(TokenView)),
        refusals: &[Problem::TooManyRequests],
        handler: Handler::Client(|desk, call| Box::pin(token::issue_token(&desk.app, call))),
        ..ROW
    },
    Endpoint {
        place: WEB_LOGIN,
        id: "beginWebSession",
        summary: "Sends a browser to sign in to a web app, and remembers where it wanted to go.",
        clause: "RFC 6749 §4.1.1",
        parameters: LOGIN,
        answer: Answered::page(),
        handler: Handler::Open(|desk, received| Box::pin(web_login::begin(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: WEB_CALLBACK,
        id: "finishWebSession",
        summary: "Takes a browser back that has signed in, and begins its session.",
        clause: "RFC 6749 §4.1.2",
        answer: Answered::page(),
        refusals: &[Problem::Unavailable],
        handler: Handler::Visit(|desk, received| Box::pin(web_login::finish(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::get(GATEWAY, "/.countersign/session"),
        id: "readWebSession",
        summary: "Tells a front end who is signed in.",
        clause: "RFC 6265 §8.4",
        parameters: WEB_SESSION,
        answer: Answered::json(shape!(SessionView)),
        refusals: &[Problem::CredentialRequired, Problem::InvalidToken, Problem::Unavailable],
        handler: Handler::Open(|desk, received| Box::pin(web_account::show(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::post(GATEWAY, "/.countersign/logout"),
        id: "endWebSession",
        summary: "Signs a person out of the web apps of this gateway, or of one, and of the issuer.",
        clause: "OWASP ASVS 5.0 §7.4.1",
        answer: Answered::NOTHING,
        refusals: &[Problem::Forbidden, Problem::Unavailable],
        handler: Handler::Visit(|desk, received| Box::pin(web_account::sign_out(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: GATEWAY_HEALTH,
        id: "readGatewayHealth",
        summary: "Tells whether the gateway can answer.",
        clause: "SAFETY 4",
        answer: Answered::json(shape!(StatusView)),
        handler: Handler::Gateway,
        ..ROW
    },
    Endpoint {
        place: GATEWAY_KEYS,
        id: "readAssertionKeys",
        summary: "Publishes the keys by which upstreams verify a `Countersign-Assertion`.",
        clause: "RFC 7517 §5",
        answer: Answered::json(shape!(AssertionKeys)),
        refusals: &[Problem::Unavailable],
        ..ROW
    },
    Endpoint {
        place: RESOURCE_METADATA,
        id: "describeResource",
        summary: "Describes the protected resource whose identifier has no path: who issues its tokens, and its scopes.",
        clause: "RFC 9728 §3",
        answer: Answered::json(shape!(ResourceMetadata)),
        refusals: &[Problem::NotFound],
        ..ROW
    },
    Endpoint {
        place: RESOURCE_METADATA_OF,
        id: "describeResourceWithPath",
        summary: "Describes the protected resource whose identifier has this path.",
        clause: "RFC 9728 §3.1",
        answer: Answered::json(shape!(ResourceMetadata)),
        ..ROW
    },
    Endpoint {
        place: Place::get(API, "/healthz"),
        id: "readHealth",
        summary: "Tells that the process lives.",
        clause: "SAFETY 15",
        by_any_name: true,
        answer: Answered::json(shape!(StatusView)),
        handler: open!(observe::health),
        ..ROW
    },
    Endpoint {
        place: Place::get(ISSUER, "/device"),
        id: "showDevice",
        summary: "Shows people what a device asks for, once they have signed in and named its code.",
        clause: "RFC 8628 §3.3",
        parameters: DEVICE,
        answer: Answered::page(),
        handler: Handler::Open(|desk, received| Box::pin(device_page::show(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/device"),
        id: "decideDevice",
        summary: "Takes the code that a device shows, or what a person decides about it.",
        clause: "RFC 8628 §3.3",
        answer: Answered::page(),
        refusals: &[Problem::Forbidden, Problem::TooManyRequests],
        handler: Handler::Open(|desk, received| Box::pin(device_page::take(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/federation/{name}"),
        id: "signInElsewhere",
        summary: "Sends somebody who wants to sign in to an identity provider of the settings.",
        clause: "OpenID Connect Core 1.0 §3.1.2.1",
        answer: Answered::page(),
        refusals: &[Problem::Forbidden, Problem::Unavailable],
        handler: Handler::Open(|desk, received| Box::pin(federation::sign_in(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::asked(ISSUER, "/federation/{name}/callback"),
        id: "finishSignInElsewhere",
        summary: "Takes somebody back from an identity provider, and signs them in or makes an account there theirs.",
        clause: "OpenID Connect Core 1.0 §3.1.2.5",
        answer: Answered::page(),
        refusals: &[Problem::Forbidden, Problem::Unavailable],
        handler: Handler::Visit(|desk, received| Box::pin(federation::finish(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::get(ISSUER, "/login"),
        id: "showSignIn",
        summary: "Asks who somebody is, by a page.",
        clause: "OpenID Connect Core 1.0 §3.1.2.3",
        answer: Answered::page(),
        handler: Handler::Open(|desk, received| Box::pin(sign_in::show(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/login"),
        id: "signIn",
        summary: "Signs a person in with what the page asked for, and sends them on.",
        clause: "OpenID Connect Core 1.0 §3.1.2.3",
        answer: Answered::page(),
        refusals: &[Problem::Forbidden, Problem::TooManyRequests, Problem::Unavailable],
        handler: Handler::Open(|desk, received| Box::pin(sign_in::take(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::get(API, "/metrics"),
        id: "readMetrics",
        summary: "Tells what is counted.",
        clause: "OpenMetrics 1.0",
        by_any_name: true,
        answer: Answered::text(observe::OPEN_METRICS),
        handler: open!(observe::metrics),
        ..ROW
    },
    Endpoint {
        place: Place::get(ISSUER, "/pki/ca.pem"),
        id: "readCertificationAuthority",
        summary: "Shows the certificate of the certification authority.",
        clause: "RFC 8555 §9.1",
        answer: Answered::text(issuer::CERTIFICATE_CHAIN),
        handler: open!(issuer::certification_authority),
        ..ROW
    },
    Endpoint {
        place: Place::get(API, "/readyz"),
        id: "readReadiness",
        summary: "Tells whether requests can be answered: what is known is fresh.",
        clause: "SAFETY 4",
        by_any_name: true,
        answer: Answered::json(shape!(StatusView)),
        refusals: &[Problem::Unavailable],
        handler: open!(observe::readiness),
        ..ROW
    },
    Endpoint {
        place: Place::get(ISSUER, "/reset-password"),
        id: "askForReset",
        summary: "Asks whose password was forgotten, or, of who follows a mailed link, for a new one; where mail is sent.",
        clause: "OWASP ASVS 5.0 §6.4.3",
        parameters: MAILED,
        answer: Answered::page(),
        refusals: &[Problem::Forbidden],
        offered: |desk| desk.app.mail.is_open(),
        handler: Handler::Open(|desk, received| Box::pin(mailed::ask_reset(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/reset-password"),
        id: "resetPassword",
        summary: "Has a link mailed, if there is somebody to mail it to, or takes a new password of who has one.",
        clause: "OWASP ASVS 5.0 §6.4.3",
        answer: Answered::page(),
        refusals: &[Problem::Forbidden, Problem::TooManyRequests, Problem::Unavailable],
        offered: |desk| desk.app.mail.is_open(),
        handler: Handler::Open(|desk, received| Box::pin(mailed::reset(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::get(API, "/v1/audit"),
        id: "listAuditEvents",
        summary: "Lists audit events, node by node, in the order of each node's chain.",
        clause: "SAFETY 20",
        callers: Callers::Management(Some(ManagementScope::AuditRead)),
        parameters: AUDIT,
        answer: Answered::json(shape!(Page<AuditLine>)),
        handler: permitted!(audit::list),
        ..ROW
    },
    Endpoint {
        place: Place::get(API, "/v1/audit/chains"),
        id: "verifyAuditChains",
        summary: "Recomputes every node's chain, and tells where one is broken; in the order of the nodes' names.",
        clause: "SAFETY 20",
        callers: Callers::Management(Some(ManagementScope::Operator)),
        answer: Answered::json(shape!(Page<ChainView>)),
        handler: permitted!(audit::chains),
        ..ROW
    },
    Endpoint {
        place: Place::get(API, "/v1/clients"),
        id: "listClients",
        summary: "Lists clients of the authorization server, the oldest first.",
        clause: "RFC 6749 §2",
        callers: Callers::Management(Some(ManagementScope::ClientsRead)),
        parameters: PAGING,
        answer: Answered::json(shape!(Page<ClientView>)),
        handler: permitted!(client::list),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/clients"),
        id: "createClient",
        summary: "Registers a client; its secret is in this answer alone.",
        clause: "RFC 6749 §2",
        callers: Callers::Management(Some(ManagementScope::ClientsWrite)),
        repeatable: true,
        body: body(shape!(ClientCreate)),
        answer: Answered::created(shape!(ClientRegistered)),
        refusals: &[Problem::Conflict, Problem::NotFound, Problem::UnprocessableContent],
        handler: permitted!(client::create),
        ..ROW
    },
    Endpoint {
        place: Place::get(API, "/v1/clients/{id}"),
        id: "showClient",
        summary: "Shows a client and its secrets, never their texts.",
        clause: "RFC 6749 §2",
        callers: Callers::Management(Some(ManagementScope::ClientsRead)),
        answer: Answered::json(shape!(ClientShown)),
        handler: permitted!(client::show),
        ..ROW
    },
    Endpoint {
        place: Place::patch(API, "/v1/clients/{id}"),
        id: "updateClient",
        summary: "Changes a client's name, or what is registered of it.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::ClientsWrite)),
        body: body(shape!(ClientAmend)),
        answer: Answered::json(shape!(ClientView)),
        handler: permitted!(client::amend),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/clients/{id}/disable"),
        id: "disableClient",
        summary: "Disables a client: it is proven no more, and its tokens are refused at the next request.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::ClientsWrite)),
        answer: Answered::json(shape!(ClientView)),
        refusals: &[Problem::Conflict],
        handler: permitted!(client::disable),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/clients/{id}/enable"),
        id: "enableClient",
        summary: "Enables a client again.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::ClientsWrite)),
        answer: Answered::json(shape!(ClientView)),
        refusals: &[Problem::Conflict],
        handler: permitted!(client::enable),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/clients/{id}/rotate-secret"),
        id: "rotateClientSecret",
        summary: "Mints a client's next secret; those before go on working for the overlap, never longer than before.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::ClientsWrite)),
        body: body(shape!(SecretRotate)),
        answer: Answered::created(shape!(SecretMinted)),
        refusals: &[Problem::Conflict],
        handler: permitted!(client::rotate_secret),
        ..ROW
    },
    Endpoint {
        place: Place::get(API, "/v1/decisions"),
        id: "listDecisions",
        summary: "Lists the gateway's latest decisions on this node, the newest first; operators only.",
        clause: "SAFETY 21",
        callers: Callers::Management(Some(ManagementScope::RoutesRead)),
        parameters: RECENT,
        answer: Answered::json(shape!(Page<DecisionView>)),
        handler: permitted!(decision::decisions),
        ..ROW
    },
    Endpoint {
        place: Place::get(API, "/v1/grants"),
        id: "listGrants",
        summary: "Lists what people allow clients, the oldest first.",
        clause: "RFC 6749 §1.3",
        callers: Callers::Management(Some(ManagementScope::GrantsRead)),
        parameters: GRANTS,
        answer: Answered::json(shape!(Page<GrantView>)),
        handler: permitted!(grants::list),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/grants/{id}/revoke"),
        id: "revokeGrant",
        summary: "Ends what a person allows a client, and every token that came of it.",
        clause: "SAFETY 17",
        callers: Callers::Management(Some(ManagementScope::TokensWrite)),
        answer: Answered::NOTHING,
        refusals: &[Problem::NotFound],
        handler: permitted!(grants::revoke),
        ..ROW
    },
    Endpoint {
        place: Place::get(API, "/v1/keys"),
        id: "listKeys",
        summary: "Lists API keys, the oldest first.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::KeysRead)),
        parameters: KEYS,
        answer: Answered::json(shape!(Page<KeyView>)),
        handler: permitted!(api_key::list),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/keys"),
        id: "createKey",
        summary: "Mints an API key; its text is in this answer alone.",
        clause: "draft-ietf-httpapi-idempotency-key-header §2",
        callers: Callers::Management(Some(ManagementScope::KeysWrite)),
        repeatable: true,
        body: body(shape!(KeyCreate)),
        answer: Answered::created(shape!(KeyMinted)),
        refusals: &[Problem::Conflict, Problem::NotFound, Problem::UnprocessableContent],
        handler: permitted!(api_key::create),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/keys/import"),
        id: "importKeys",
        summary: "Takes over keys that another system minted, by their hashes; at most 1000 in one call. A new key set only by an operator.",
        clause: "SAFETY 14",
        callers: Callers::Management(Some(ManagementScope::KeysWrite)),
        body: Body::Json { shape: shape!(KeyImport), most: Some(MAX_IMPORT) },
        answer: Answered::json(shape!(KeysImported)),
        refusals: &[Problem::Conflict, Problem::NotFound],
        handler: permitted!(import::import),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/keys/revoke"),
        id: "revokeKeys",
        summary: "Revokes every API key that a filter names, at most 500 in one call; a dry run only tells which.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::KeysWrite)),
        body: body(shape!(KeysRevoke)),
        answer: Answered::json(shape!(KeysRevoked)),
        handler: permitted!(bulk::revoke),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/v1/keys/revoke-leaked"),
        id: "reportLeakedKeys",
        summary: "Ends the keys in a report; says nothing about them. A limited number for each address.",
        clause: "SAFETY 16",
        body: Body::Json { shape: shape!(Report), most: Some(MAX_REPORT) },
        answer: Answered::ACCEPTED,
        refusals: &[Problem::Forbidden, Problem::TooManyRequests, Problem::Unavailable],
        handler: Handler::Open(|desk, received| {
            Box::pin(leaks::take(&desk.app, desk.leaks.as_ref(), received))
        }),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/keys/verify"),
        id: "verifyKey",
        summary: "Tells whether an API key is good for what is asked.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::KeysVerify)),
        body: body(shape!(KeyVerify)),
        answer: Answered::json(shape!(KeyVerdict)),
        handler: permitted!(api_key::verify),
        ..ROW
    },
    Endpoint {
        place: Place::get(API, "/v1/keys/{id}"),
        id: "showKey",
        summary: "Shows an API key, never its text.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::KeysRead)),
        answer: Answered::json(shape!(KeyView)),
        handler: permitted!(api_key::show),
        ..ROW
    },
    Endpoint {
        place: Place::patch(API, "/v1/keys/{id}"),
        id: "updateKey",
        summary: "Changes an API key's name, scopes, metadata or end, or switches it on or off.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::KeysWrite)),
        body: body(shape!(KeyAmend)),
        answer: Answered::json(shape!(KeyView)),
        refusals: &[Problem::Conflict],
        handler: permitted!(api_key::amend),
        ..ROW
    },
    Endpoint {
        place: Place::delete(API, "/v1/keys/{id}"),
        id: "deleteKey",
        summary: "Revokes an API key and forgets it; its audit remains.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::KeysWrite)),
        handler: permitted!(api_key::forget),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/keys/{id}/revoke"),
        id: "revokeKey",
        summary: "Revokes an API key: the next request that presents it is refused.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::KeysWrite)),
        answer: Answered::json(shape!(KeyView)),
        handler: permitted!(api_key::revoke),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/keys/{id}/rotate"),
        id: "rotateKey",
        summary: "Mints a successor; the old key goes on working for the overlap, never longer than before.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::KeysWrite)),
        body: body(shape!(KeyRotate)),
        answer: Answered::created(shape!(KeyMinted)),
        refusals: &[Problem::Conflict],
        handler: permitted!(api_key::rotate),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/v1/leaks/github"),
        id: "reportLeakedKeysFromGithub",
        summary: "Takes what GitHub's secret scanning found, if `leaks.github` is set, and tells which tokens are keys.",
        clause: "GitHub: Secret scanning partner program",
        callers: Callers::Github,
        body: Body::Json { shape: shape!(Vec<Finding>), most: Some(MAX_REPORT) },
        answer: Answered::json(shape!(Vec<Feedback>)),
        refusals: &[Problem::TooManyRequests, Problem::Unavailable],
        offered: |desk| desk.github.load().is_some(),
        handler: Handler::Open(|desk, received| {
            Box::pin(github::take(&desk.app, desk.github.load_full(), received))
        }),
        ..ROW
    },
    Endpoint {
        place: Place::get(API, "/v1/management-keys"),
        id: "listManagementKeys",
        summary: "Lists management keys, the oldest first.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::ManagementKeysWrite)),
        parameters: KEYS,
        answer: Answered::json(shape!(Page<KeyView>)),
        handler: permitted!(management_key::list),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/management-keys"),
        id: "createManagementKey",
        summary: "Mints a management key that can do at most what the caller can.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::ManagementKeysWrite)),
        body: body(shape!(ManagementKeyCreate)),
        answer: Answered::created(shape!(KeyMinted)),
        refusals: &[Problem::Conflict, Problem::NotFound],
        handler: permitted!(management_key::create),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/management-keys/rotate"),
        id: "replaceManagementKey",
        summary: "Replaces the installation's own management key; the old one ends at once.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::Operator)),
        answer: Answered::created(shape!(KeyMinted)),
        refusals: &[Problem::Conflict],
        handler: permitted!(management_key::replace),
        ..ROW
    },
    Endpoint {
        place: Place::delete(API, "/v1/management-keys/{id}"),
        id: "deleteManagementKey",
        summary: "Revokes a management key and forgets it; its audit remains.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::ManagementKeysWrite)),
        handler: permitted!(management_key::forget),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/management-keys/{id}/revoke"),
        id: "revokeManagementKey",
        summary: "Revokes a management key.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::ManagementKeysWrite)),
        answer: Answered::json(shape!(KeyView)),
        handler: permitted!(management_key::revoke),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/management-keys/{id}/rotate"),
        id: "rotateManagementKey",
        summary: "Mints a successor of a management key.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::ManagementKeysWrite)),
        body: body(shape!(KeyRotate)),
        answer: Answered::created(shape!(KeyMinted)),
        refusals: &[Problem::Conflict],
        handler: permitted!(management_key::rotate),
        ..ROW
    },
    Endpoint {
        place: Place::get(API, "/v1/openapi.json"),
        id: "describeApi",
        summary: "Describes this API in OpenAPI 3.1.",
        clause: "OpenAPI 3.1",
        callers: Callers::Management(None),
        answer: Answered::json(shape!(serde_json::Map<String, serde_json::Value>)),
        handler: Handler::Permitted(|desk, _| Box::pin(openapi::describe(desk.table))),
        ..ROW
    },
    Endpoint {
        place: Place::get(API, "/v1/owners"),
        id: "listOwners",
        summary: "Lists owners, the oldest first: organisations, clients and users.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::OwnersRead)),
        parameters: PAGING,
        answer: Answered::json(shape!(Page<OwnerView>)),
        handler: permitted!(owner::list),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/owners"),
        id: "createOwner",
        summary: "Enters an owner; a new organisation only by an operator.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::OwnersWrite)),
        body: body(shape!(OwnerEnter)),
        answer: Answered::created(shape!(OwnerView)),
        refusals: &[Problem::Conflict, Problem::NotFound],
        handler: permitted!(owner::enter),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/owners/{id}/disable"),
        id: "disableOwner",
        summary: "Disables an owner: all of its credentials are refused at the next request.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::OwnersWrite)),
        answer: Answered::json(shape!(OwnerView)),
        refusals: &[Problem::Conflict],
        handler: permitted!(owner::disable),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/owners/{id}/enable"),
        id: "enableOwner",
        summary: "Enables an owner again.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::OwnersWrite)),
        answer: Answered::json(shape!(OwnerView)),
        refusals: &[Problem::Conflict],
        handler: permitted!(owner::enable),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/reload"),
        id: "reloadSettings",
        summary: "Reads settings, routes, certificates and trust again: all of them or none. Tells what differs.",
        clause: "SAFETY 5",
        callers: Callers::Management(Some(ManagementScope::Operator)),
        answer: Answered::json(shape!(ReloadView)),
        refusals: &[Problem::Conflict],
        handler: permitted!(reload::reload),
        ..ROW
    },
    Endpoint {
        place: Place::get(API, "/v1/resources"),
        id: "listResources",
        summary: "Lists what tokens may be for: the resources of the settings and those that are stored.",
        clause: "RFC 8707 §2",
        callers: Callers::Management(Some(ManagementScope::ClientsRead)),
        answer: Answered::json(shape!(Page<ResourceBody>)),
        handler: Handler::Permitted(|desk, _| Box::pin(resource::list(&desk.app))),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/resources"),
        id: "createResource",
        summary: "Declares a resource that is stored; operators only.",
        clause: "RFC 8707 §2",
        callers: Callers::Management(Some(ManagementScope::Operator)),
        body: body(shape!(ResourceBody)),
        answer: Answered::created(shape!(ResourceBody)),
        refusals: &[Problem::Conflict],
        handler: permitted!(resource::create),
        ..ROW
    },
    Endpoint {
        place: Place::delete(API, "/v1/resources/{id}"),
        id: "deleteResource",
        summary: "Removes a resource that is stored, and that no client is registered for; operators only. Its id is percent-encoded.",
        clause: "RFC 8707 §2",
        callers: Callers::Management(Some(ManagementScope::Operator)),
        refusals: &[Problem::Conflict],
        handler: permitted!(resource::delete),
        ..ROW
    },
    Endpoint {
        place: Place::patch(API, "/v1/resources/{id}"),
        id: "updateResource",
        summary: "Replaces the key that tokens for a stored resource are encrypted for; operators only. Its id is percent-encoded.",
        clause: "RFC 9068 §2.1",
        callers: Callers::Management(Some(ManagementScope::Operator)),
        body: body(shape!(ResourceAmend)),
        answer: Answered::json(shape!(ResourceBody)),
        refusals: &[Problem::Conflict],
        handler: permitted!(resource::amend),
        ..ROW
    },
    Endpoint {
        place: Place::get(API, "/v1/routes"),
        id: "listRoutes",
        summary: "Lists the gateway's routes in the order in which they are tried; operators only.",
        clause: "SAFETY 21",
        callers: Callers::Management(Some(ManagementScope::RoutesRead)),
        answer: Answered::json(shape!(Page<RouteView>)),
        handler: permitted!(decision::routes),
        ..ROW
    },
    Endpoint {
        place: Place::get(API, "/v1/signing-keys"),
        id: "listSigningKeys",
        summary: "Lists signing keys, the oldest first, with their states; never their private parts.",
        clause: "RFC 7517 §5",
        callers: Callers::Management(Some(ManagementScope::SigningKeysRead)),
        parameters: PAGING,
        answer: Answered::json(shape!(Page<SigningKeyView>)),
        handler: permitted!(signing_key::list),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/signing-keys/rotate"),
        id: "rotateSigningKey",
        summary: "Makes a successor that signs at once, or once it was published for a while.",
        clause: "NIST SP 800-57 part 1 §5.3",
        callers: Callers::Management(Some(ManagementScope::SigningKeysWrite)),
        body: body(shape!(SigningKeyRotate)),
        answer: Answered::created(shape!(SigningKeyView)),
        refusals: &[Problem::NotFound],
        handler: permitted!(signing_key::rotate),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/signing-keys/{id}/revoke"),
        id: "revokeSigningKey",
        summary: "Ends a signing key at once, and every token that it signed; another takes its place.",
        clause: "NIST SP 800-57 part 1 §5.3.4",
        callers: Callers::Management(Some(ManagementScope::SigningKeysWrite)),
        answer: Answered::json(shape!(SigningKeyView)),
        handler: permitted!(signing_key::revoke),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/tokens/revoke"),
        id: "revokeTokens",
        summary: "Ends one access token, what one authorization has obtained, what a person allows a client, or everything that was issued until now to a client, a person, an organisation, or to all.",
        clause: "SAFETY 17",
        callers: Callers::Management(Some(ManagementScope::TokensWrite)),
        body: body(shape!(TokensRevoke)),
        answer: Answered::NOTHING,
        refusals: &[Problem::NotFound],
        handler: permitted!(tokens::revoke),
        ..ROW
    },
    Endpoint {
        place: Place::get(API, "/v1/users"),
        id: "listUsers",
        summary: "Lists users, the oldest first.",
        clause: "RFC 6749 §1.1",
        callers: Callers::Management(Some(ManagementScope::UsersRead)),
        parameters: PAGING,
        answer: Answered::json(shape!(Page<UserView>)),
        handler: permitted!(user::list),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/users"),
        id: "createUser",
        summary: "Enters a user: a person who signs in.",
        clause: "RFC 6749 §1.1",
        callers: Callers::Management(Some(ManagementScope::UsersWrite)),
        body: body(shape!(UserCreate)),
        answer: Answered::created(shape!(UserShown)),
        refusals: &[Problem::Conflict, Problem::NotFound, Problem::Unavailable],
        handler: permitted!(user::create),
        ..ROW
    },
    Endpoint {
        place: Place::get(API, "/v1/users/{id}"),
        id: "showUser",
        summary: "Shows a user, and what they are in which organisation.",
        clause: "RFC 6749 §1.1",
        callers: Callers::Management(Some(ManagementScope::UsersRead)),
        answer: Answered::json(shape!(UserShown)),
        handler: permitted!(user::show),
        ..ROW
    },
    Endpoint {
        place: Place::patch(API, "/v1/users/{id}"),
        id: "updateUser",
        summary: "Changes what is told of a user.",
        clause: "OpenID Connect Core 1.0 §5.1",
        callers: Callers::Management(Some(ManagementScope::UsersWrite)),
        body: body(shape!(UserAmend)),
        answer: Answered::json(shape!(UserView)),
        handler: permitted!(user::amend),
        ..ROW
    },
    Endpoint {
        place: Place::delete(API, "/v1/users/{id}"),
        id: "deleteUser",
        summary: "Disables a user and forgets what is registered of them; their audit remains.",
        clause: "OWASP ASVS 5.0 §7.4.2",
        callers: Callers::Management(Some(ManagementScope::UsersWrite)),
        refusals: &[Problem::Conflict],
        handler: permitted!(user::delete),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/users/{id}/disable"),
        id: "disableUser",
        summary: "Disables a user: they sign in no more, and all that was obtained in their name has ended.",
        clause: "OWASP ASVS 5.0 §7.4.2",
        callers: Callers::Management(Some(ManagementScope::UsersWrite)),
        answer: Answered::json(shape!(UserView)),
        refusals: &[Problem::Conflict],
        handler: permitted!(user::disable),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/users/{id}/enable"),
        id: "enableUser",
        summary: "Enables a user again; they have to sign in.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::UsersWrite)),
        answer: Answered::json(shape!(UserView)),
        refusals: &[Problem::Conflict],
        handler: permitted!(user::enable),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/users/{id}/mail"),
        id: "mailUser",
        summary: "Has a link mailed to a user: to choose a new password, or to confirm their address.",
        clause: "OWASP ASVS 5.0 §6.4.3",
        callers: Callers::Management(Some(ManagementScope::UsersWrite)),
        body: body(shape!(UserMail)),
        answer: Answered::ACCEPTED,
        refusals: &[Problem::Conflict, Problem::Unavailable],
        handler: permitted!(user::mail),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/users/{id}/reset"),
        id: "resetUser",
        summary: "Replaces a user's password, and ends all that was obtained in their name.",
        clause: "OWASP ASVS 5.0 §7.4.3",
        callers: Callers::Management(Some(ManagementScope::UsersWrite)),
        body: body(shape!(UserReset)),
        answer: Answered::json(shape!(UserView)),
        refusals: &[Problem::Conflict, Problem::Unavailable],
        handler: permitted!(user::reset),
        ..ROW
    },
    Endpoint {
        place: Place::post(API, "/v1/users/{id}/roles"),
        id: "setRolesOfUser",
        summary: "Says what a user is in an organisation; `null` ends their membership, with an answer that is empty.",
        clause: "SAFETY 13",
        callers: Callers::Management(Some(ManagementScope::UsersWrite)),
        body: body(shape!(UserRoles)),
        answer: Answered::json(shape!(MembershipView)),
        refusals: &[Problem::Conflict],
        handler: permitted!(user::set_roles),
        ..ROW
    },
    Endpoint {
        place: Place::get(ISSUER, "/verify-email"),
        id: "askForVerification",
        summary: "Asks who follows a mailed link whether the address is theirs; where mail is sent.",
        clause: "OpenID Connect Core 1.0 §5.1",
        parameters: MAILED,
        answer: Answered::page(),
        refusals: &[Problem::Forbidden],
        offered: |desk| desk.app.mail.is_open(),
        handler: Handler::Open(|desk, received| Box::pin(mailed::ask_verification(&desk.app, received))),
        ..ROW
    },
    Endpoint {
        place: Place::post(ISSUER, "/verify-email"),
        id: "verifyEmail",
        summary: "Takes that an address is of who has the link that was mailed to it.",
        clause: "OpenID Connect Core 1.0 §5.1",
        answer: Answered::page(),
        refusals: &[Problem::Forbidden],
        offered: |desk| desk.app.mail.is_open(),
        handler: Handler::Open(|desk, received| Box::pin(mailed::verify(&desk.app, received))),
        ..ROW
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use countersign_edge::endpoint::{ListenerName, Matched, find};

    use super::ENDPOINTS;
    use crate::endpoint::{Callers, Endpoint, Handler};

    const LISTENERS: [ListenerName; 5] = [
        ListenerName::Admin,
        ListenerName::Gateway,
        ListenerName::Issuer,
        ListenerName::Local,
        ListenerName::Mtls,
    ];

    /// Endpoints without authorisation. A line more is a decision: read what its reason says, and whether it holds.
    const OPEN: &[(&str, &str)] = &[
        ("describeIssuer", "names paths that are published anyway"),
        ("readAssertionKeys", "public keys, published so that upstreams verify what they are told"),
        ("describeResource", "tells clients where to get a token, before they have one (RFC 9728 §3)"),
        ("describeResourceWithPath", "the same"),
        ("readCertificationAuthority", "a certificate is public; RFC 8555 clients fetch it first"),
        ("readGatewayHealth", "tells a balancer whether to send requests here, and no more"),
        ("readHealth", "tells a supervisor that the process lives, and no more"),
        ("signInElsewhere", "the form is ours; nobody is proven before they come back"),
        ("finishSignInElsewhere", "takes what a provider has proven, by an attempt of this very browser"),
        ("showDevice", "shows nothing before a sign-in"),
        ("decideDevice", "the session and a form of ours are proven here"),
        ("authorize", "people come here, and are proven before anything is decided (RFC 6749 §3.1)"),
        ("authorizeByForm", "the same"),
        ("decideConsent", "the form is bound to the session of who was shown it"),
        ("decideSignOut", "the same"),
        ("signOut", "whoever is signed in is asked, or named by an ID token"),
        ("signOutByForm", "the same"),
        ("readUserInfo", "the access token is judged where it is read (OpenID Connect Core 1.0 §5.3)"),
        ("readUserInfoByForm", "the same"),
        ("showSessions", "the session is proven here; without one it is a sign-in"),
        ("endSessions", "the same, and a form of ours that was shown in it"),
        ("showApps", "the session is proven here; without one it is a sign-in"),
        ("removeApp", "the same, and a form of ours that was shown in it"),
        ("showOwnClients", "the session is proven here; without a recent one it is a sign-in"),
        ("changeOwnClients", "the same, and a form of ours that was shown in it"),
        ("showIdentities", "the session is proven here; without a recent one it is a sign-in"),
        ("changeIdentities", "the same, and a form of ours that was shown in it"),
        ("showOwnKeys", "the session is proven here; without a recent one it is a sign-in"),
        ("changeOwnKeys", "the same, and a form of ours that was shown in it"),
        ("askForPassword", "the session is proven here; without one it is a sign-in"),
        ("changePassword", "the same, a form of ours, and the password before; guesses are counted"),
        ("showSignIn", "people come here to be proven"),
        ("askForReset", "whoever forgot their password is proven by no other means than the mail"),
        ("resetPassword", "the same; a link is proof of who reads the mail, and works once"),
        ("askForVerification", "the link is the proof"),
        ("verifyEmail", "the same"),
        ("signIn", "people are proven here; guesses are counted"),
        (
            "readMetrics",
            "counts, with labels from registers alone; whoever may not see them is kept off the listener",
        ),
        ("beginWebSession", "people come here to be sent to the issuer, and are promised nothing"),
        ("finishWebSession", "the browser's own attempt and a code are proven here"),
        ("readWebSession", "the session is proven here"),
        ("endWebSession", "the same; a page of the same origin alone may do it"),
        ("readPicture", "part of every page, and the same for all"),
        ("readStylesheet", "the same"),
        ("readSigningKeys", "public keys, published so that tokens are verified"),
        ("describeAuthorizationServer", "what the issuer can do is published (RFC 8414)"),
        ("describeOpenidProvider", "the same, where OpenID Connect looks for it"),
        ("readReadiness", "tells a balancer whether requests can be answered, and no more"),
        ("reportLeakedKeys", "whoever holds a key may end it; the answer tells nothing (SAFETY 16)"),
        ("reportLeakedKeysFromGithub", "the report is signed, and only what is signed is read"),
    ];

    #[test]
    fn safety_13_an_endpoint_without_authorisation_was_looked_at() {
        let open: BTreeSet<_> = ENDPOINTS.iter().filter(|row| is_open(row)).map(|row| row.id).collect();
        assert_eq!(open, OPEN.iter().map(|(id, _)| *id).collect());
    }

    fn is_open(row: &Endpoint) -> bool {
        match row.callers {
            Callers::Anybody | Callers::Github => true,
            Callers::Client | Callers::Management(_) => false,
        }
    }

    #[test]
    fn only_who_is_proven_gets_to_a_handler_that_takes_a_proof() {
        for row in ENDPOINTS {
            let permitted = matches!(row.callers, Callers::Management(_));
            assert_eq!(permitted, matches!(row.handler, Handler::Permitted(_)), "{row:?}");
            let client = row.callers == Callers::Client;
            assert_eq!(client, matches!(row.handler, Handler::Client(_)), "{row:?}");
            // What the gateway does not answer itself, it has answered from here.
            if matches!(row.handler, Handler::Gateway) {
                assert!(row.place.listeners.contains(&ListenerName::Gateway), "{row:?}");
            }
        }
    }

    #[test]
    fn every_endpoint_is_found_by_its_own_path_on_each_of_its_listeners_alone() {
        for (row, listener) in ENDPOINTS.iter().flat_map(|row| LISTENERS.map(|listener| (row, listener))) {
            let path = row.place.path.replace("{id}", "key_1").replace("{*path}", "a/b");
            let method = row.place.method.parse().unwrap();
            match find(ENDPOINTS, |row| &row.place, listener, &method, &path) {
                Matched::Endpoint(found, _) if row.place.listeners.contains(&listener) => {
                    assert!(std::ptr::eq(found, row), "{row:?} is hidden by {found:?}");
                }
                Matched::Endpoint(found, _) => assert_ne!(found.id, row.id, "{listener:?}"),
                Matched::OtherMethods(_) | Matched::Nothing => {
                    assert!(!row.place.listeners.contains(&listener), "{row:?} is not found");
                }
            }
        }
    }

    #[test]
    fn every_row_is_whole() {
        let mut ids = BTreeSet::new();
        for row in ENDPOINTS {
            assert!(ids.insert(row.id) && !row.id.is_empty(), "{row:?}: the name is another's");
            assert!(row.summary.ends_with('.') && !row.clause.is_empty(), "{row:?}");
            assert!(row.parameters.iter().all(|parameter| parameter.meaning.ends_with('.')), "{row:?}");
        }
    }
}
