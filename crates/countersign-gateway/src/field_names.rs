//! Names of header fields that end at the gateway.
//!
//! Proxies and frameworks tell each other in header fields who calls, from where, with which certificate and what was
//! really asked. A server believes such a name whoever wrote it, and its operator often does not know that it does. So a
//! client's word for any of them is dropped by default; the list is a setting.
//!
//! **Invariants.** What the gateway itself writes is dropped whatever the settings say. A name costs one search.
//!
//! What it does not do: look at values, or at names with anything but letters, digits and `-`, which never cross.

use std::fmt;
use std::str::FromStr;

use http::HeaderName;
use thiserror::Error;

/// A name, or the beginning of one: `X-Real-IP`, `X-Consumer-*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPattern {
    /// In lower case.
    text: Box<str>,
    open: bool,
}

/// Why a pattern was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FieldPatternError {
    /// It names a field that says how long a message is, or whose it is.
    #[error("expected a field that can be missing: without this one the upstream reads another request")]
    Framing,
    /// It is dropped whatever is set.
    #[error("what the gateway says itself, or hop by hop, never crosses")]
    Own,
    /// It is none.
    #[error("expected the name of a header field, or its beginning and a `*`, such as X-Consumer-*")]
    Syntax,
}

/// A set of patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldNames(Box<[FieldPattern]>);

/// What ends here beside the gateway's own fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedFields {
    dropped: FieldNames,
    passed: FieldNames,
}

impl FieldPattern {
    /// Reads a pattern of names that are to be dropped.
    ///
    /// # Errors
    ///
    /// [`FieldPatternError::Syntax`], and [`FieldPatternError::Framing`] if a request cannot be without it.
    pub fn dropped(text: &str) -> Result<Self, FieldPatternError> {
        let pattern: Self = text.parse()?;
        let meets = FRAMING.iter().any(|name| pattern.overlaps(&Self::closed(name)));
        if meets { Err(FieldPatternError::Framing) } else { Ok(pattern) }
    }

    /// Reads a pattern of names that are to cross although they are on the list.
    ///
    /// # Errors
    ///
    /// [`FieldPatternError::Syntax`], and [`FieldPatternError::Own`] for what crosses in no case.
    pub fn passed(text: &str) -> Result<Self, FieldPatternError> {
        let pattern: Self = text.parse()?;
        let own = OWN.iter().any(|own| own.parse().is_ok_and(|own: Self| pattern.overlaps(&own)));
        if own { Err(FieldPatternError::Own) } else { Ok(pattern) }
    }

    fn closed(name: &str) -> Self {
        Self { text: name.into(), open: false }
    }

    fn matches(&self, name: &str) -> bool {
        if self.open { name.starts_with(&*self.text) } else { *self.text == *name }
    }

    /// Tells whether some name matches both.
    fn overlaps(&self, other: &Self) -> bool {
        match (self.open, other.open) {
            (true, true) => self.text.starts_with(&*other.text) || other.text.starts_with(&*self.text),
            (true, false) => self.matches(&other.text),
            (false, _) => other.matches(&self.text),
        }
    }
}

impl FromStr for FieldPattern {
    type Err = FieldPatternError;

    fn from_str(text: &str) -> Result<Self, FieldPatternError> {
        let (name, open) = text.strip_suffix('*').map_or((text, false), |name| (name, true));
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if name.is_empty() || !plain {
            return Err(FieldPatternError::Syntax);
        }
        Ok(Self { text: name.to_ascii_lowercase().into(), open })
    }
}

impl fmt::Display for FieldPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.text, if self.open { "*" } else { "" })
    }
}

impl FieldNames {
    /// Sorts `patterns`, and leaves out what another one covers.
    fn new(mut patterns: Vec<FieldPattern>) -> Self {
        // The open one of two equal texts comes first, so that it covers the other.
        patterns.sort_by(|one, other| one.text.cmp(&other.text).then(other.open.cmp(&one.open)));
        let mut kept: Vec<FieldPattern> = Vec::with_capacity(patterns.len());
        for pattern in patterns {
            if !kept.last().is_some_and(|last| last.matches(&pattern.text)) {
                kept.push(pattern);
            }
        }
        Self(kept.into())
    }

    /// Tells whether `name`, in lower case, matches one.
    ///
    /// Whatever stands between a beginning and a name that begins so begins so too, and was left out: the last pattern
    /// up to the name is the only one that can match.
    fn contains(&self, name: &str) -> bool {
        let after = self.0.partition_point(|pattern| *pattern.text <= *name);
        let last = after.checked_sub(1).and_then(|last| self.0.get(last));
        last.is_some_and(|pattern| pattern.matches(name))
    }
}

impl DroppedFields {
    /// Drops the default list and `added`, but for `passed`.
    #[must_use]
    pub fn new(added: Vec<FieldPattern>, passed: Vec<FieldPattern>) -> Self {
        let list = OWN.iter().chain(&DEFAULT).filter_map(|text| text.parse().ok());
        Self { dropped: FieldNames::new(list.chain(added).collect()), passed: FieldNames::new(passed) }
    }

    /// Returns what crosses although it is on the list.
    pub fn passed(&self) -> impl Iterator<Item = &FieldPattern> {
        self.passed.0.iter()
    }

    /// Tells whether a client's field called `name` ends here.
    #[must_use]
    pub fn contains(&self, name: &HeaderName) -> bool {
        self.dropped.contains(name.as_str()) && !self.passed.contains(name.as_str())
    }
}

impl Default for DroppedFields {
    fn default() -> Self {
        Self::new(Vec::new(), Vec::new())
    }
}

/// Fields without which a request is another one, or none.
const FRAMING: [&str; 4] = ["content-encoding", "content-length", "content-type", "host"];

/// What the gateway writes itself, and what its chain of proxies is told by.
const OWN: [&str; 3] = ["countersign-*", "forwarded", "x-forwarded*"];

/// The default list, in alphabetical order.
///
/// Sources: the documentation of the products that set these names (content delivery networks, load balancers, identity
/// proxies, meshes and clouds), the middleware of frameworks that believes them, and the advisories that are named.
pub const DEFAULT: [&str; 252] = [
    "akamai-*",
    "ali-cdn-real-ip",
    "cas-*",
    "cdn-client-ip",
    "cdn-real-ip",
    "cdn-src-ip",
    "cf-*",
    "client-address",
    "client-cert*",
    "client-dn",
    "client-ip",
    "client-verify",
    "clientip",
    "cloudfront-*",
    "coming-from",
    "dapr-caller-*",
    "disguised-host",
    "eppn",
    "es-security-runas-user",
    "fastly-*",
    "fly-*",
    "front-end-https",
    "host-override",
    "impersonate-*",
    "incap-client-ip",
    "iv-*",
    "l5d-*",
    "mellon-*",
    "ns-client-ip",
    "oam-*",
    "oidc-*",
    "osso-*",
    "proxy",
    "proxy-*",
    "remote-*",
    "rlnclientipaddr",
    "saml-*",
    "sec-istio-*",
    "shib-*",
    "sm-*",
    "smuser",
    "ssl-*",
    "surrogate-capability",
    "tailscale-*",
    "teleport-*",
    "tls-client-*",
    "true-client-ip",
    "url-scheme",
    "webauth-*",
    "wl-proxy-*",
    "x-3scale-*",
    "x-accel-*",
    "x-akamai-*",
    "x-amzn-lambda-context",
    "x-amzn-mtls-*",
    "x-amzn-oidc-*",
    "x-amzn-request-context",
    "x-amzn-tls-*",
    "x-anonymous-consumer",
    "x-apigateway-*",
    "x-apigee-*",
    "x-appengine-*",
    "x-appservice-*",
    "x-arr-*",
    "x-auth-couchdb-*",
    "x-auth-email",
    "x-auth-group",
    "x-auth-groups",
    "x-auth-name",
    "x-auth-request-*",
    "x-auth-role",
    "x-auth-roles",
    "x-auth-subject",
    "x-auth-user*",
    "x-authenticated*",
    "x-authentik-*",
    "x-azure-*",
    "x-cas-*",
    "x-cdn-real-ip",
    "x-cdn-src-ip",
    "x-cert-*",
    "x-certificate*",
    "x-cf-*",
    "x-citrix-*",
    "x-client-addr",
    "x-client-address",
    "x-client-cert*",
    "x-client-dn",
    "x-client-fingerprint",
    "x-client-host",
    "x-client-i-dn",
    "x-client-ip",
    "x-client-issuer*",
    "x-client-proto",
    "x-client-s-dn",
    "x-client-scheme",
    "x-client-serial",
    "x-client-ssl-*",
    "x-client-subject*",
    "x-client-tls-*",
    "x-client-verify",
    "x-clientcert*",
    "x-clientip",
    "x-cluster-client-ip",
    "x-coming-from",
    "x-consumer-*",
    "x-context-path",
    "x-credential-*",
    "x-custom-ip-authorization",
    "x-email",
    "x-endpoint-api-*",
    "x-envoy-*",
    "x-f5-*",
    "x-fd-*",
    "x-front-end-https",
    "x-goog-authenticated-user-*",
    "x-goog-iap-*",
    "x-grafana-id",
    "x-grafana-user",
    "x-gravitee-*",
    "x-group",
    "x-groups",
    "x-hass-*",
    "x-host",
    "x-host-override",
    "x-http-*",
    "x-https",
    "x-id-token",
    "x-identity*",
    "x-impersonate-*",
    "x-ingress-*",
    "x-internal",
    "x-internal-*",
    "x-invoke-*",
    "x-ip",
    "x-istio-*",
    "x-jwt-assertion",
    "x-jwt-claim*",
    "x-jwt-payload",
    "x-kong-*",
    "x-login",
    "x-matched-path",
    "x-method",
    "x-method-override",
    "x-middleware-*",
    "x-ms-client-principal*",
    "x-ms-token-*",
    "x-msisdn",
    "x-mtls-*",
    "x-netlify-*",
    "x-nf-*",
    "x-now-route-matches",
    "x-on-behalf-of",
    "x-origin-ip",
    "x-original-args",
    "x-original-forwarded-*",
    "x-original-host",
    "x-original-ip",
    "x-original-method",
    "x-original-path",
    "x-original-proto",
    "x-original-query",
    "x-original-remote-addr",
    "x-original-scheme",
    "x-original-uri",
    "x-original-url",
    "x-originating-*",
    "x-override-method",
    "x-override-url",
    "x-path-override",
    "x-peer-cert*",
    "x-pomerium-*",
    "x-principal*",
    "x-protocol",
    "x-proxy-*",
    "x-proxyuser-*",
    "x-railway-*",
    "x-real-*",
    "x-realip",
    "x-remote-*",
    "x-reproxy-url",
    "x-request-host",
    "x-request-method",
    "x-request-path",
    "x-request-proto",
    "x-request-scheme",
    "x-request-uri",
    "x-request-url",
    "x-rewrite-*",
    "x-roles",
    "x-run-as*",
    "x-saml-*",
    "x-scheme",
    "x-scope-orgid",
    "x-scopes",
    "x-script-name",
    "x-sendfile*",
    "x-server-name",
    "x-server-port",
    "x-service-identity-status",
    "x-shib-*",
    "x-source-ip",
    "x-spiffe-*",
    "x-ssl",
    "x-ssl-*",
    "x-sso-*",
    "x-subject",
    "x-sucuri-*",
    "x-svid",
    "x-teleport-*",
    "x-tls-*",
    "x-token-claims",
    "x-token-subject",
    "x-token-user*",
    "x-true-client-ip",
    "x-true-ip",
    "x-tunneled-method",
    "x-tyk-*",
    "x-up-calling-line-id",
    "x-uri",
    "x-url",
    "x-url-*",
    "x-user",
    "x-user-claims",
    "x-user-dn",
    "x-user-domain*",
    "x-user-email",
    "x-user-group",
    "x-user-groups",
    "x-user-id",
    "x-user-info",
    "x-user-ip",
    "x-user-login",
    "x-user-mail",
    "x-user-name",
    "x-user-permissions",
    "x-user-role",
    "x-user-roles",
    "x-user-scopes",
    "x-user-sub",
    "x-user-subject",
    "x-userid",
    "x-userinfo",
    "x-username",
    "x-varnish",
    "x-vercel-*",
    "x-verified-*",
    "x-vouch-*",
    "x-waws-*",
    "x-webauth-*",
    "x-weblogic-*",
    "z-forwarded-for",
];

#[cfg(test)]
mod tests {
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
        for text in ["Countersign-Subject", "countersign*", "c*", "X-Forwarded-For", "x-*", "Forwarded", "f*"]
        {
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
        "X-Principal",
        "X-Identity",
        "X-Subject",
        "X-Email",
        "X-Groups",
        "X-Roles",
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
    ];
}
