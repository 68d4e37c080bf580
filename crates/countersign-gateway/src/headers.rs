//! Which header fields cross the gateway.
//!
//! **Invariants.** The upstream sees under `Countersign-*` and `X-Forwarded-*` only what the gateway has set, in
//! whatever spelling a client tried, and nothing under the names that others' upstreams believe ([`DroppedFields`]). Hop-by-hop fields end here (RFC 9110 §7.6.1), those named by `Connection`
//! first, so that no client can have an identity field removed. Field names are letters, digits and `-`: some
//! upstreams fold everything else into `-` or `_`, so that `Countersign_Subject` would become ours. Cookies of ours reach no
//! upstream, since the ports of one host share them, and none sets one (SAFETY 15).

use std::fmt::{Display, Write as _};

use countersign_core::principal::Principal;
use countersign_edge::cookie::{Left, sets_ours, without_ours};
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderName, HeaderValue};

use crate::caller::Caller;
use crate::field_names::DroppedFields;

/// Everything that tells the upstream who called.
const OWN_PREFIX: &str = "countersign-";

const SUBJECT: HeaderName = HeaderName::from_static("countersign-subject");
const CLIENT: HeaderName = HeaderName::from_static("countersign-client");
const SCOPE: HeaderName = HeaderName::from_static("countersign-scope");
const CREDENTIAL: HeaderName = HeaderName::from_static("countersign-credential");
const ASSERTION: HeaderName = HeaderName::from_static("countersign-assertion");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const API_KEY: HeaderName = HeaderName::from_static(countersign_core::key_string::KEY_HEADER);

/// Fields of one connection (RFC 9110 §7.6.1), and those by which a hop would be made another protocol's.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    EXPECT,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Whether the credential goes on to the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialFields {
    /// It ends here.
    Removed,
    /// The route says `forward_credential`.
    Kept,
}

/// What the upstream is told of the call.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Who calls.
    pub principal: &'a Principal,
    /// The same, signed for the upstream; `None`: nobody does, or it cannot be signed.
    pub assertion: Option<&'a HeaderValue>,
    /// Where the call comes from.
    pub caller: &'a Caller,
    /// The header fields that carry imported keys.
    pub key_headers: &'a [HeaderName],
    /// What ends here because upstreams believe it.
    pub dropped: &'a DroppedFields,
    /// The host that the upstream is called by.
    pub authority: &'a HeaderValue,
    /// What becomes of the credential.
    pub credential: CredentialFields,
}

/// Makes the upstream's header fields of those received.
#[must_use]
pub fn upstream(received: HeaderMap, call: &Call<'_>) -> HeaderMap {
    let named: Vec<HeaderValue> = received.get_all(CONNECTION).iter().cloned().collect();
    let host = received.get(HOST).cloned();
    let mut headers = HeaderMap::with_capacity(received.len() + 8);
    let mut current = None;
    for (name, value) in received {
        // Of a repeated field, only the first entry carries the name.
        if let Some(name) = name {
            current = crosses(&name, &named, call).then_some(name);
        }
        let Some(name) = &current else { continue };
        match if *name == COOKIE { without_ours(&value) } else { Left::All } {
            Left::All => headers.append(name.clone(), value),
            Left::Some(left) => headers.append(name.clone(), left),
            Left::Nothing => continue,
        };
    }
    describe(&mut headers, host, call);
    headers
}

fn crosses(name: &HeaderName, named: &[HeaderValue], call: &Call<'_>) -> bool {
    if is_hop_by_hop(name, named) || !is_plain(name) || *name == HOST {
        return false;
    }
    let kept = call.credential == CredentialFields::Kept;
    if *name == AUTHORIZATION || *name == API_KEY || call.key_headers.contains(name) {
        return kept;
    }
    // DIVERGES: RFC 9110 §7.6.1 wants them forwarded; the upstream would believe them.
    !call.dropped.contains(name)
}

fn describe(headers: &mut HeaderMap, host: Option<HeaderValue>, call: &Call<'_>) {
    // One buffer for all: a value is a copy of its very length.
    let mut text = String::with_capacity(64);
    let mut set = |name: HeaderName, told: &dyn Display| {
        text.clear();
        // Ids, scopes and addresses are visible ASCII.
        if write!(text, "{told}").is_ok()
            && let Ok(value) = HeaderValue::from_str(&text)
        {
            headers.insert(name, value);
        }
    };
    let principal = call.principal;
    if let Some(subject) = principal.subject() {
        set(SUBJECT, subject);
    }
    if let Some(client) = principal.client() {
        set(CLIENT, &client);
    }
    if let Some(credential) = principal.credential() {
        set(CREDENTIAL, &credential);
    }
    if !principal.scopes().is_empty() {
        set(SCOPE, principal.scopes());
    }
    if let Some(assertion) = call.assertion {
        headers.insert(ASSERTION, assertion.clone());
    }
    if let Some(chain) = call.caller.forwarded_for() {
        headers.insert(FORWARDED_FOR, chain);
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(call.caller.uri_scheme));
    if let Some(host) = host {
        headers.insert(FORWARDED_HOST, host);
    }
    headers.insert(HOST, call.authority.clone());
}

/// Removes from an upstream's answer what is not for the caller.
pub fn downstream(headers: &mut HeaderMap) {
    let named: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
    let removed: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_hop_by_hop(name, &named) || folded(name).starts_with(OWN_PREFIX))
        .cloned()
        .collect();
    for name in removed {
        headers.remove(name);
    }
    if headers.get_all(SET_COOKIE).iter().any(sets_ours) {
        let kept: Vec<_> =
            headers.get_all(SET_COOKIE).iter().filter(|field| !sets_ours(field)).cloned().collect();
        headers.remove(SET_COOKIE);
        for field in kept {
            headers.append(SET_COOKIE, field);
        }
    }
}

/// Tells whether the content is coded for its transfer by `chunked` and by nothing else, in one field.
pub(crate) fn is_chunked_alone(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let only = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    matches!((codings.next(), codings.next()), (Some(coding), None) if only(coding))
}

fn is_hop_by_hop(name: &HeaderName, named: &[HeaderValue]) -> bool {
    HOP_BY_HOP.contains(name)
        || *name == PROXY_AUTHORIZATION
        || name.as_str() == "proxy-connection"
        || (*name != CONTENT_LENGTH && named.iter().any(|value| names(value, name)))
}

/// Tells whether a `Connection` field names `name`.
fn names(value: &HeaderValue, name: &HeaderName) -> bool {
    value
        .as_bytes()
        .split(|byte| *byte == b',')
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
}

fn is_plain(name: &HeaderName) -> bool {
    name.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Writes a name as the most forgiving reader would.
fn folded(name: &HeaderName) -> String {
    name.as_str().chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect()
}

#[cfg(test)]
mod tests;
