//! Which names cross, as tables.

use http::HeaderName;
use proptest::prelude::{prop_assert_eq, proptest};

use super::{DEFAULT, DroppedFields, FieldNames, FieldPattern, FieldPatternError};

#[track_caller]
fn check(dropped: &DroppedFields, name: &str, expected: bool) {
    let name: HeaderName = name.parse().unwrap();
    assert_eq!(dropped.contains(&name), expected, "{name}");
}

#[test]
fn the_default_list_is_in_order_and_says_nothing_twice() {
    for pair in DEFAULT.windows(2) {
        assert!(pair[0] < pair[1], "{pair:?}");
    }
    for text in DEFAULT {
        FieldPattern::dropped(text).unwrap();
        FieldPattern::passed(text).unwrap();
    }
    let patterns: Vec<FieldPattern> = DEFAULT.iter().map(|text| text.parse().unwrap()).collect();
    let kept = FieldNames::new(patterns.clone());
    let twice = patterns.iter().filter(|pattern| !kept.0.contains(pattern)).collect::<Vec<_>>();
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
fn names_that_upstreams_believe_are_dropped() {
    let dropped = DroppedFields::default();
    for name in BELIEVED {
        check(&dropped, name, true);
    }
}

#[test]
fn ordinary_fields_cross() {
    let dropped = DroppedFields::default();
    for name in ORDINARY {
        check(&dropped, name, false);
    }
}

#[test]
fn the_list_is_a_setting() {
    let list = |texts: &[&str], read: fn(&str) -> Result<FieldPattern, FieldPatternError>| {
        texts.iter().map(|text| read(text).unwrap()).collect::<Vec<_>>()
    };
    let added = list(&["X-Tenant", "x-corp-*"], FieldPattern::dropped);
    let passed = list(&["X-User-ID", "x-consumer-*"], FieldPattern::passed);
    let dropped = DroppedFields::new(added, passed);
    for (name, expected) in [
        ("x-tenant", true),
        ("x-tenant-id", false),
        ("x-corp-user", true),
        ("x-user-id", false),
        ("x-consumer-username", false),
        ("x-username", true),
        ("x-real-ip", true),
        ("countersign-subject", true),
        ("x-forwarded-for", true),
    ] {
        check(&dropped, name, expected);
    }
}

#[test]
fn a_pattern_that_is_none_is_refused() {
    for text in ["", "*", "x_y", "x y", "x*y", "x-**", "x.y", "é", ":path", "x-\r\n"] {
        assert_eq!(FieldPattern::dropped(text), Err(FieldPatternError::Syntax), "{text}");
        assert_eq!(FieldPattern::passed(text), Err(FieldPatternError::Syntax), "{text}");
    }
    for text in ["Content-Length", "content-*", "c*", "Host", "h*", "Content-Type"] {
        assert_eq!(FieldPattern::dropped(text), Err(FieldPatternError::Framing), "{text}");
    }
    for text in ["Countersign-Subject", "countersign*", "c*", "X-Forwarded-For", "x-*", "Forwarded", "f*"] {
        assert_eq!(FieldPattern::passed(text), Err(FieldPatternError::Own), "{text}");
    }
}

proptest! {
    #[test]
    fn one_search_finds_what_a_walk_finds(
        texts in proptest::collection::vec("[ab-]{1,4}[*]?", 0..12),
        name in "[ab-]{1,6}",
    ) {
        let patterns: Vec<FieldPattern> = texts.iter().map(|text| text.parse().unwrap()).collect();
        let walked = patterns.iter().any(|pattern| pattern.matches(&name));
        prop_assert_eq!(FieldNames::new(patterns).contains(&name), walked);
    }
}

const BELIEVED: &[&str] = &[
    "Proxy",
    "Proxy-Connection",
    "Client-IP",
    "ClientIP",
    "True-Client-IP",
    "X-Client-IP",
    "X-Real-IP",
    "X-Real-Port",
    "X-Cluster-Client-IP",
    "CF-Connecting-IP",
    "CF-Connecting-IPv6",
    "CF-IPCountry",
    "CF-Visitor",
    "Cf-Access-Authenticated-User-Email",
    "Cf-Access-Jwt-Assertion",
    "Fastly-Client-IP",
    "Fastly-SSL",
    "X-Azure-ClientIP",
    "X-Azure-SocketIP",
    "X-Appengine-User-IP",
    "X-AppEngine-Cron",
    "WL-Proxy-Client-IP",
    "WL-Proxy-SSL",
    "X-Originating-IP",
    "X-Remote-IP",
    "X-Remote-Addr",
    "X-Remote-User",
    "X-Remote-Group",
    "X-Remote-Extra-Scopes",
    "Remote-User",
    "Remote-Groups",
    "Remote-Email",
    "Remote-Name",
    "Fly-Client-IP",
    "X-Nf-Client-Connection-Ip",
    "X-Vercel-Forwarded-For",
    "X-Vercel-Ip-Country",
    "CloudFront-Viewer-Address",
    "Incap-Client-IP",
    "X-Sucuri-ClientIP",
    "X-ProxyUser-Ip",
    "Ali-CDN-Real-IP",
    "X-Envoy-External-Address",
    "X-Envoy-Original-Path",
    "X-Envoy-Internal",
    "X-Original-URL",
    "X-Original-URI",
    "X-Original-Method",
    "X-Original-Host",
    "X-Original-Forwarded-For",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "X-HTTP-Method",
    "X-Host",
    "X-Forwarded-Prefix",
    "X-Forwarded-Ssl",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-Forwarded-Access-Token",
    "X-Forwarded-Client-Cert",
    "X-Forwarded-Tls-Client-Cert-Info",
    "X-Forwarded",
    "Forwarded",
    "Front-End-Https",
    "X-Url-Scheme",
    "X-Scheme",
    "X-Client-Verify",
    "X-Client-Cert",
    "X-Client-Certificate",
    "X-Client-DN",
    "X-Client-S-DN",
    "Client-Cert",
    "Client-Cert-Chain",
    "SSL-Client-Cert",
    "SSL-Client-Verify",
    "SSL-Client-S-DN",
    "X-SSL-Client-Cert",
    "X-SSL-Client-CN",
    "X-SSL-CERT",
    "X-ARR-ClientCert",
    "X-ARR-SSL",
    "X-Amzn-Mtls-Clientcert",
    "X-Amzn-Oidc-Data",
    "X-Amzn-Oidc-Identity",
    "X-Amzn-Request-Context",
    "X-Consumer-ID",
    "X-Consumer-Username",
    "X-Consumer-Custom-ID",
    "X-Consumer-Groups",
    "X-Credential-Identifier",
    "X-Credential-Username",
    "X-Anonymous-Consumer",
    "X-Authenticated-Userid",
    "X-Authenticated-Scope",
    "X-Authenticated-User",
    "X-Goog-Authenticated-User-Email",
    "X-Goog-Authenticated-User-ID",
    "X-Goog-IAP-JWT-Assertion",
    "X-MS-Client-Principal",
    "X-MS-Client-Principal-Name",
    "X-MS-Client-Principal-Id",
    "X-MS-Token-AAD-Id-Token",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-Auth-Request-Access-Token",
    "X-Auth-User",
    "X-Auth-Username",
    "X-Auth-Email",
    "X-Auth-Groups",
    "X-WEBAUTH-USER",
    "X-WEBAUTH-ROLE",
    "X-Pomerium-Jwt-Assertion",
    "X-Pomerium-Claim-Email",
    "X-Authentik-Username",
    "X-Authentik-Groups",
    "X-Vouch-User",
    "X-Vouch-IdP-Claims-Name",
    "Tailscale-User-Login",
    "Tailscale-User-Name",
    "Teleport-Jwt-Assertion",
    "Impersonate-User",
    "Impersonate-Group",
    "Impersonate-Extra-X",
    "X-User",
    "X-User-Id",
    "X-Username",
    "X-User-Name",
    "X-User-Email",
    "X-User-Roles",
    "X-User-Groups",
    "X-Userinfo",
    "X-ID-Token",
    "X-JWT-Assertion",
    "X-JWT-Payload",
    "X-Token-Subject",
    "X-Endpoint-API-UserInfo",
    "X-Apigateway-Api-Userinfo",
    "Sec-Istio-Auth-Userinfo",
    "L5d-Client-Id",
    "L5d-Dst-Override",
    "X-Spiffe-Id",
    "OIDC-Claim-Sub",
    "IV-User",
    "IV-Groups",
    "SM-User",
    "SMUSER",
    "OAM-Remote-User",
    "X-SSO-User",
    "Shib-Session-ID",
    "EPPN",
    "X-Identity-Status",
    "X-Service-Identity-Status",
    "X-Scope-OrgID",
    "X-Auth-CouchDB-UserName",
    "X-Auth-CouchDB-Roles",
    "ES-Security-Runas-User",
    "X-Proxy-User",
    "X-Proxy-Roles",
    "X-Accel-Mapping",
    "X-Accel-Redirect",
    "X-Sendfile-Type",
    "X-Middleware-Subrequest",
    "X-Invoke-Path",
    "X-Matched-Path",
    "Surrogate-Capability",
    "X-Ingress-Path",
    "X-Script-Name",
    "Disguised-Host",
    "X-WAWS-Unencoded-URL",
    "X-CF-Forwarded-Url",
    "X-CF-Proxy-Signature",
    "X-Custom-IP-Authorization",
    "X-Internal-Request",
    "X-Msisdn",
    "X-Request-URI",
    "X-Akamai-Edgescape",
    "NS-Client-IP",
    "X-TLS-Client-Subject",
    "X-Mtls-Subject",
    "X-Forward-For",
    "Forwarded-For",
    "X-ProxiedEntitiesChain",
    "MS-ASPNETCORE-CLIENTCERT",
    "X-MS-Forwarded-Client-IP",
    "X-CloudTasks-QueueName",
    "X-Auth-Subject",
    "X-Auth-Audience",
    "X-Subject-DN",
    "X-Client-CN",
    "X-Principal",
    "X-Identity",
    "X-Subject",
    "X-Email",
    "X-Groups",
    "X-Roles",
    "Affiliation",
    "DO-Connecting-IP",
    "Entitlement",
    "Kubeflow-UserId",
    "Pairwise-Id",
    "Persistent-Id",
    "Subject-Id",
    "Targeted-Id",
    "Thanos-Tenant",
    "Unscoped-Affiliation",
    "X-Amzn-Lattice-Identity",
    "X-Astro-Path",
    "X-Clerk-Auth-Status",
    "X-Mashery-Oauth-User-Context",
    "X-Original-For",
    "X-Original-Prefix",
    "X-ProxyHost",
    "X-ProxyScheme",
    "X-ProxyContextPath",
    "X-RapidAPI-Proxy-Secret",
    "X-RapidAPI-Subscription",
    "X-RapidAPI-User",
    "X-React-Router-SPA-Mode",
];

const ORDINARY: &[&str] = &[
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Access-Control-Request-Method",
    "Baggage",
    "B3",
    "Cache-Control",
    "CDN-Loop",
    "Ce-Id",
    "Content-Digest",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Cookie",
    "Date",
    "Depth",
    "Destination",
    "DNT",
    "Early-Data",
    "Grpc-Timeout",
    "HX-Request",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Link",
    "MCP-Session-Id",
    "Origin",
    "Prefer",
    "Priority",
    "Range",
    "Referer",
    "Sec-Fetch-Site",
    "Sec-WebSocket-Key",
    "Signature",
    "Signature-Input",
    "Stripe-Signature",
    "Svix-Id",
    "Traceparent",
    "Tracestate",
    "User-Agent",
    "Via",
    "Webhook-Id",
    "Webhook-Signature",
    "X-Access-Token",
    "X-Amz-Content-Sha256",
    "X-Amz-Date",
    "X-Amzn-Trace-Id",
    "X-Api-Version",
    "X-App-Version",
    "X-Auth-Token",
    "X-B3-TraceId",
    "X-Client-Data",
    "X-Client-Id",
    "X-Client-Name",
    "X-Client-Version",
    "X-Cloud-Trace-Context",
    "X-Correlation-Id",
    "X-CSRF-Token",
    "X-Custom",
    "X-Device-Id",
    "X-Github-Event",
    "X-Gitlab-Token",
    "X-Goog-Api-Key",
    "X-Goog-Resource-State",
    "X-Grpc-Web",
    "X-Hub-Signature-256",
    "X-Idempotency-Key",
    "X-Inertia",
    "X-Livewire",
    "X-Ms-Blob-Type",
    "X-Ms-Version",
    "X-Request-Id",
    "X-Requested-With",
    "X-Request-Start",
    "X-Role",
    "X-Shopify-Hmac-Sha256",
    "X-Signature",
    "X-Slack-Signature",
    "X-Tenant-Id",
    "X-Timezone",
    "X-Trace-Id",
    "X-Up-Version",
    "X-Upload-Content-Type",
    "X-User-Agent",
    "X-Vault-Token",
    "X-XSRF-Token",
    "X-RapidAPI-Key",
    "X-RapidAPI-Host",
];
