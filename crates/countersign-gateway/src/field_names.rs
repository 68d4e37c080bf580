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
pub const DEFAULT: [&str; 346] = [
    "affiliation",
    "akamai-*",
    "ali-cdn-real-ip",
    "cas-*",
    "cdn-client-ip",
    "cdn-real-ip",
    "cdn-src-ip",
    "cert-*",
    "cf-*",
    "client-address",
    "client-cert*",
    "client-dn",
    "client-ip",
    "client-verify",
    "clientip",
    "cloudfront-*",
    "cluster-client-ip",
    "coming-from",
    "dapr-caller-*",
    "disguised-host",
    "do-connecting-ip",
    "entitlement",
    "eppn",
    "es-security-runas-user",
    "fastly-*",
    "fly-*",
    "forwarded-for*",
    "front-end-https",
    "geoip-*",
    "host-override",
    "http-method-override",
    "https",
    "impersonate-*",
    "incap-client-ip",
    "iv-*",
    "kubeflow-*",
    "l5d-*",
    "mellon-*",
    "method-override",
    "ms-aspnetcore-*",
    "msisdn",
    "ns-client-ip",
    "oam-*",
    "oidc-*",
    "osso-*",
    "pairwise-id",
    "persistent-id",
    "proxy",
    "proxy-*",
    "real-ip",
    "remote-*",
    "rlnclientipaddr",
    "rut-*",
    "saml-*",
    "sec-istio-*",
    "shib-*",
    "sm-*",
    "smuser",
    "source-ip",
    "ssl-*",
    "subject-id",
    "surrogate-capability",
    "tailscale-*",
    "targeted-id",
    "teleport-*",
    "thanos-tenant",
    "tls-*",
    "true-client-ip",
    "unscoped-affiliation",
    "url-scheme",
    "webauth-*",
    "wl-proxy-*",
    "x-3scale-*",
    "x-accel-*",
    "x-act-as",
    "x-actor",
    "x-admin",
    "x-akamai-*",
    "x-ambassador-*",
    "x-amzn-lambda-context",
    "x-amzn-lattice-*",
    "x-amzn-mtls-*",
    "x-amzn-oidc-*",
    "x-amzn-request-context",
    "x-amzn-tls-*",
    "x-amzn-waf-*",
    "x-anonymous-consumer",
    "x-apigateway-*",
    "x-apigee-*",
    "x-appengine-*",
    "x-appservice-*",
    "x-arr-*",
    "x-astro-*",
    "x-auth-audience",
    "x-auth-claims",
    "x-auth-couchdb-*",
    "x-auth-email",
    "x-auth-expiresin",
    "x-auth-group",
    "x-auth-groups",
    "x-auth-id",
    "x-auth-identity",
    "x-auth-name",
    "x-auth-permissions",
    "x-auth-principal",
    "x-auth-request-*",
    "x-auth-role",
    "x-auth-roles",
    "x-auth-scope",
    "x-auth-scopes",
    "x-auth-subject",
    "x-auth-tenant",
    "x-auth-uid",
    "x-auth-user*",
    "x-authenticated*",
    "x-authentik-*",
    "x-authz-*",
    "x-azure-*",
    "x-backend*",
    "x-cas-*",
    "x-cdn-real-ip",
    "x-cdn-src-ip",
    "x-cert-*",
    "x-certificate*",
    "x-cf-*",
    "x-citrix-*",
    "x-clerk-auth-*",
    "x-client-addr",
    "x-client-address",
    "x-client-cert*",
    "x-client-cn",
    "x-client-dn",
    "x-client-fingerprint",
    "x-client-geo-*",
    "x-client-host",
    "x-client-i-dn",
    "x-client-ip",
    "x-client-issuer*",
    "x-client-proto",
    "x-client-region*",
    "x-client-s-dn",
    "x-client-san",
    "x-client-scheme",
    "x-client-serial",
    "x-client-spiffe*",
    "x-client-ssl-*",
    "x-client-subject*",
    "x-client-tls-*",
    "x-client-verify",
    "x-clientcert*",
    "x-clientip",
    "x-cloudscheduler*",
    "x-cloudtasks-*",
    "x-cluster-client-ip",
    "x-cognito-*",
    "x-coming-from",
    "x-consumer-*",
    "x-context-path",
    "x-credential-*",
    "x-current-user",
    "x-custom-ip-authorization",
    "x-dn",
    "x-edge-*",
    "x-effective-user",
    "x-email",
    "x-endpoint-api-*",
    "x-envoy-*",
    "x-ext-authz*",
    "x-f5-*",
    "x-fd-*",
    "x-forward-*",
    "x-front-end-https",
    "x-gateway-*",
    "x-geoip-*",
    "x-goog-authenticated-user-*",
    "x-goog-iap-*",
    "x-grafana-id",
    "x-grafana-user",
    "x-gravitee-*",
    "x-group",
    "x-groups",
    "x-h3g-msisdn",
    "x-haproxy-*",
    "x-hass-*",
    "x-heroku-*",
    "x-host",
    "x-host-override",
    "x-http-*",
    "x-https",
    "x-id-token",
    "x-identity*",
    "x-impersonate-*",
    "x-incap-*",
    "x-ingress-*",
    "x-internal",
    "x-internal-*",
    "x-invoke-*",
    "x-ip",
    "x-is-admin",
    "x-issuer*",
    "x-istio-*",
    "x-jwt-assertion",
    "x-jwt-claim*",
    "x-jwt-email",
    "x-jwt-payload",
    "x-jwt-sub",
    "x-jwt-subject",
    "x-jwt-user*",
    "x-kerberos-*",
    "x-kong-*",
    "x-krakend-*",
    "x-ldap-*",
    "x-logged-in-user",
    "x-login",
    "x-mashery-*",
    "x-matched-path",
    "x-method",
    "x-method-override",
    "x-middleware-*",
    "x-ms-adfs-*",
    "x-ms-client-principal*",
    "x-ms-endpoint-absolute-path",
    "x-ms-forwarded-*",
    "x-ms-proxy",
    "x-ms-token-*",
    "x-msisdn",
    "x-mtls-*",
    "x-netlify-*",
    "x-nf-*",
    "x-nginx-*",
    "x-nokia-msisdn",
    "x-now-route-matches",
    "x-oauth-*",
    "x-oidc-*",
    "x-on-behalf-of",
    "x-openid-*",
    "x-origin-ip",
    "x-original-args",
    "x-original-client*",
    "x-original-for",
    "x-original-forwarded-*",
    "x-original-host",
    "x-original-ip",
    "x-original-method",
    "x-original-path",
    "x-original-prefix",
    "x-original-proto",
    "x-original-query",
    "x-original-remote-addr",
    "x-original-scheme",
    "x-original-uri",
    "x-original-url",
    "x-original-user*",
    "x-originating-*",
    "x-override-*",
    "x-path-override",
    "x-peer-cert*",
    "x-pomerium-*",
    "x-principal*",
    "x-protocol",
    "x-proxied*",
    "x-proxy*",
    "x-railway-*",
    "x-rapidapi-proxy-secret",
    "x-rapidapi-subscription",
    "x-rapidapi-user",
    "x-react-router-*",
    "x-real-*",
    "x-realip",
    "x-remote-*",
    "x-render-*",
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
    "x-subject*",
    "x-sucuri-*",
    "x-svid",
    "x-teleport-*",
    "x-tls-*",
    "x-token-claims",
    "x-token-subject",
    "x-token-user*",
    "x-traefik-*",
    "x-true-client-ip",
    "x-true-ip",
    "x-trusted-*",
    "x-tunneled-method",
    "x-tyk-*",
    "x-up-calling-line-id",
    "x-upstream*",
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
mod tests;
