//! What the gateway asks the issuer about browsers: it begins sessions, renews them and shows pages; the gateway verifies alone.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use countersign_core::ledger::Unavailable;
use countersign_core::rejection::Rejection;
use countersign_core::secret::Secret;
use countersign_core::timestamp::Timestamp;
use countersign_core::web_app::WebAppName;
use countersign_edge::body::Content;
use countersign_edge::serve::Peer;
use countersign_edge::wire_error::{self, Problem};
use http::{Request, Response};
use http_body_util::Full;

/// What takes its time.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The issuer's side of browsers.
pub trait Web: Send + Sync {
    /// Answers at a path of ours that the gateway does not answer itself.
    fn answer(&self, request: Request<Content>, peer: Peer) -> Later<'_, Response<Full<Bytes>>>;

    /// Renews the session of what a browser has shown.
    fn renew<'a>(
        &'a self,
        app: &'a WebAppName,
        text: &'a str,
    ) -> Later<'a, Result<Result<Renewed, Rejection>, Unavailable>>;
}

/// A session that goes on.
pub struct Renewed {
    /// Its session token.
    pub token: Secret<String>,
    /// When that ends.
    pub expires_at: Timestamp,
}

impl fmt::Debug for Renewed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Renewed").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Where nobody answers for the issuer.
#[derive(Debug, Clone, Copy)]
pub struct NoWeb;

impl Web for NoWeb {
    fn answer(&self, _: Request<Content>, _: Peer) -> Later<'_, Response<Full<Bytes>>> {
        Box::pin(async { wire_error::problem(Problem::NotFound, "", None) })
    }

    fn renew<'a>(
        &'a self,
        _: &'a WebAppName,
        _: &'a str,
    ) -> Later<'a, Result<Result<Renewed, Rejection>, Unavailable>> {
        Box::pin(async { Err(Unavailable::Stale) })
    }
}
