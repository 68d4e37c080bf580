//! The issuer's listener: the certification authority, and the reports of leaked keys.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use countersign_edge::body::Content;
use countersign_edge::host::Hosts;
use countersign_edge::serve::{Peer, Serve};
use countersign_edge::wire_error::{self, Problem};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;

use crate::app::App;
use crate::github::Github;
use crate::leaks::Leaks;
use crate::render::{Answer, json_answer};

/// The issuer listener. It publishes the certification authority; OAuth and OpenID Connect are not served yet.
pub struct Issuer {
    /// The endpoints' ground.
    pub app: Arc<App>,
    /// The names under which the listener may be called.
    pub hosts: Hosts,
    /// What takes reports of leaked keys.
    pub leaks: Leaks,
    /// What takes GitHub's reports; `None` where the operator did not ask for it.
    pub github: Option<Github>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Issuer").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl Serve for Issuer {
    type Body = Full<Bytes>;

    async fn serve(&self, request: Request<Content>, peer: Peer) -> Answer {
        if let Err(refusal) = self.hosts.admit(request.uri(), request.headers()) {
            return wire_error::from_host(refusal, None);
        }
        if request.uri().path() == REVOKE_LEAKED {
            if request.method() != Method::POST {
                return wire_error::method_not_allowed(&[Method::POST], None);
            }
            return self.leaks.take(&self.app, request, peer.ip()).await;
        }
        if let Some(github) = self.github.as_ref().filter(|_| request.uri().path() == FROM_GITHUB) {
            if request.method() != Method::POST {
                return wire_error::method_not_allowed(&[Method::POST], None);
            }
            return github.take(&self.app, request, peer.ip()).await;
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return wire_error::problem(Problem::NotFound, "The issuer serves no OAuth endpoint yet", None);
        }
        match request.uri().path() {
            "/" => json_answer(StatusCode::OK, self.about()),
            "/pki/ca.pem" => pem(&self.app.ca_pem),
            _ => wire_error::problem(
                Problem::NotFound,
                "The issuer serves /, /pki/ca.pem and /v1/keys/revoke-leaked; OAuth is not served yet",
                None,
            ),
        }
    }
}

impl Issuer {
    fn about(&self) -> Vec<u8> {
        let from_github = self.github.is_some().then_some(FROM_GITHUB);
        let serves: Vec<_> = ["/pki/ca.pem", REVOKE_LEAKED].into_iter().chain(from_github).collect();
        let about = serde_json::json!({
            "product": "Countersign", "version": env!("CARGO_PKG_VERSION"), "issuer": self.app.issuer_url,
            "serves": serves, "note": "OAuth and OpenID Connect are not served yet",
        });
        about.to_string().into_bytes()
    }
}

fn pem(text: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text.to_owned())));
    // RFC 8555 §9.1 registers the type of certificate chains in PEM.
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/pem-certificate-chain"));
    answer
}

/// Where anybody may report leaked keys.
const REVOKE_LEAKED: &str = "/v1/keys/revoke-leaked";
/// Where GitHub reports what its secret scanning found.
const FROM_GITHUB: &str = "/v1/leaks/github";
