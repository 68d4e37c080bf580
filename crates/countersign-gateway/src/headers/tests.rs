//! The header fields as tables.

use countersign_core::decision::{Condition, Decision, Permit, Requirement, decide};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Call, CredentialFields, downstream, upstream};
use crate::caller::Caller;
use crate::field_names::DroppedFields;

fn anonymous() -> Permit {
    match decide(None, &Requirement::Any(vec![Condition::anonymous()])) {
        Decision::Permit(permit) => permit,
        other @ (Decision::Challenge(_) | Decision::Deny(_)) => panic!("{other:?}"),
    }
}

fn fields(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn text(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    lines.sort_unstable();
    lines
}

/// Checks what of `received` reaches the upstream beside the fields that are always set.
#[track_caller]
fn check(received: &[(&str, &str)], credential: CredentialFields, expected: &[&str]) {
    let permit = anonymous();
    let authority = HeaderValue::from_static("upstream:3000");
    let address = Some("192.0.2.7".parse().unwrap());
    let caller = Caller { address, via: Vec::new(), uri_scheme: "https" };
    let principal = permit.principal();
    let dropped = DroppedFields::default();
    let (caller, authority, dropped) = (&caller, &authority, &dropped);
    let call = Call { principal, assertion: None, caller, key_headers: &[], dropped, authority, credential };
    let mut all = fields(received);
    all.insert("host", HeaderValue::from_static("api.example.com"));
    let mut expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
    for always in [
        "host: upstream:3000",
        "x-forwarded-for: 192.0.2.7",
        "x-forwarded-host: api.example.com",
        "x-forwarded-proto: https",
    ] {
        expected.push(always.to_owned());
    }
    expected.sort_unstable();
    assert_eq!(text(&upstream(all, &call)), expected);
}

#[test]
fn what_concerns_the_resource_crosses() {
    check(
        &[
            ("accept", "a"),
            ("accept", "b"),
            ("content-length", "5"),
            ("content-type", "x/y"),
            ("cookie", "a=b"),
        ],
        CredentialFields::Removed,
        &["accept: a", "accept: b", "content-length: 5", "content-type: x/y", "cookie: a=b"],
    );
}

#[test]
fn safety_15_our_cookies_reach_no_upstream() {
    for credential in [CredentialFields::Removed, CredentialFields::Kept] {
        check(
            &[
                ("cookie", "a=1; __Host-countersign-session=s"),
                ("cookie", "__Host-countersign-known=k"),
                ("cookie", "b=2"),
            ],
            credential,
            &["cookie: a=1", "cookie: b=2"],
        );
    }
}

#[test]
fn safety_15_no_upstream_sets_our_cookies() {
    let mut headers = fields(&[
        ("set-cookie", "a=1"),
        ("set-cookie", "__Host-countersign-session=evil; Path=/; Secure"),
        ("set-cookie", "b=2"),
    ]);
    downstream(&mut headers);
    assert_eq!(text(&headers), ["set-cookie: a=1", "set-cookie: b=2"]);
}

#[test]
fn rfc9110_7_6_1_hop_by_hop_fields_end_here() {
    check(
        &[
            ("connection", "keep-alive, X-Private"),
            ("connection", "x-second"),
            ("x-private", "1"),
            ("x-second", "2"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic YTpi"),
            ("proxy-anything", "1"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABk"),
            ("expect", "100-continue"),
        ],
        CredentialFields::Removed,
        &[],
    );
}

#[test]
fn no_client_speaks_in_our_name_in_any_spelling() {
    check(
        &[
            ("countersign-subject", "org_admin"),
            ("Countersign-Scope", "*"),
            ("countersign_subject", "org_admin"),
            ("countersign.subject", "org_admin"),
            ("countersign-anything", "x"),
            ("x_user", "admin"),
            ("x.user", "admin"),
            ("x!user", "admin"),
            ("connection", "Countersign-Subject, X-Forwarded-For, Host"),
        ],
        CredentialFields::Removed,
        &[],
    );
}

#[test]
fn no_client_speaks_in_another_proxys_name() {
    check(
        &[
            ("forwarded", "for=127.0.0.1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-uri", "/public"),
            ("x-forwarded-prefix", "/x"),
            ("x-forwarded-client-cert", "By=x"),
            ("x-real-ip", "10.0.0.1"),
            ("x-original-url", "/admin"),
            ("x-original-uri", "/admin"),
            ("x-rewrite-url", "/admin"),
            ("x-http-method-override", "DELETE"),
            ("x-http-method", "DELETE"),
            ("x-method-override", "DELETE"),
            ("x-envoy-original-path", "/admin"),
            ("client-cert", ":x:"),
            ("client-cert-chain", ":x:"),
            ("x-ssl-client-verify", "SUCCESS"),
        ],
        CredentialFields::Removed,
        &[],
    );
}

#[test]
fn the_credential_ends_here_unless_the_route_keeps_it() {
    let received = [("authorization", "Bearer x"), ("x-api-key", "y")];
    check(&received, CredentialFields::Removed, &[]);
    check(&received, CredentialFields::Kept, &["authorization: Bearer x", "x-api-key: y"]);
}

#[test]
fn an_answer_loses_what_is_not_the_callers() {
    let mut headers = fields(&[
        ("connection", "close, x-hop"),
        ("x-hop", "1"),
        ("transfer-encoding", "chunked"),
        ("countersign-subject", "org_admin"),
        ("countersign_subject", "org_admin"),
        ("content-type", "x/y"),
        ("set-cookie", "a"),
        ("set-cookie", "b"),
        ("x_custom", "kept"),
    ]);
    downstream(&mut headers);
    assert_eq!(text(&headers), ["content-type: x/y", "set-cookie: a", "set-cookie: b", "x_custom: kept"]);
}
