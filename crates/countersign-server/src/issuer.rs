//! What the issuer's listener publishes: what it serves, and the certification authority.

use crate::app::App;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::schema::IssuerView;

/// RFC 8555 §9.1 registers the type of certificate chains in PEM.
pub(crate) const CERTIFICATE_CHAIN: &str = "application/pem-certificate-chain";

/// Tells what is served at `paths`, of which it is one itself.
pub(crate) async fn about(app: &App, paths: Vec<&'static str>) -> Result<Reply, Failure> {
    Reply::ok(&IssuerView {
        product: "Countersign",
        version: env!("CARGO_PKG_VERSION"),
        issuer: app.issuer_url.clone(),
        serves: paths.into_iter().filter(|path| *path != "/").collect(),
        note: "OAuth 2.1 and OpenID Connect: /.well-known/openid-configuration tells the rest",
    })
}

pub(crate) async fn certification_authority(app: &App) -> Result<Reply, Failure> {
    Ok(Reply::text(CERTIFICATE_CHAIN, app.ca_pem.clone()))
}
