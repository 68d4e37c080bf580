//! Web apps of the routes: registered as they are asked for, and connected to the issuer.

use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use countersign_core::client::{Wanted, WebAppTerms, wanted};
use countersign_core::decision::Condition;
use countersign_core::ledger::Unavailable;
use countersign_core::rejection::Rejection;
use countersign_core::scope::ScopeSet;
use countersign_core::web_app::WebAppName;
use countersign_edge::body::Content;
use countersign_edge::endpoint::ListenerName;
use countersign_edge::host::Hosts;
use countersign_edge::serve::{Peer, Transport};
use countersign_edge::wire_error::from_unavailable;
use countersign_gateway::web::{Later, Renewed, Web};
use countersign_server::app::App;
use countersign_server::endpoint::Desk;
use countersign_server::received::Caller;
use countersign_server::web_apps::WebApps;
use countersign_server::{web_app, web_session};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use url::Url;

use crate::settings::resolved::Settings;

/// The issuer's side of browsers: known once it serves.
#[derive(Default)]
pub(crate) struct OfIssuer(OnceLock<Desk>);

impl OfIssuer {
    /// Answers from now on, for these web apps.
    pub(crate) fn serve(&self, app: &Arc<App>, apps: WebApps) {
        app.web_apps.store(Arc::new(apps));
        let desk = Desk::at(ListenerName::Gateway, Arc::clone(app), Hosts::with_loopback([]));
        // It is told once in the life of a process.
        let _known = self.0.set(desk);
    }
}

impl Web for OfIssuer {
    fn answer(&self, request: Request<Content>, peer: Peer) -> Later<'_, Response<Full<Bytes>>> {
        Box::pin(async move {
            let Some(desk) = self.0.get() else { return from_unavailable(&Unavailable::Stale, None) };
            let caller = match peer.transport() {
                Transport::Local(local) => Caller::Local(local),
                Transport::Plain(_) | Transport::Tls(_) => Caller::Network(Arc::clone(peer.connection())),
            };
            let (head, body) = desk.respond(caller, request).await.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            Response::from_parts(head, Full::new(body))
        })
    }

    fn renew<'a>(
        &'a self,
        app: &'a WebAppName,
        text: &'a str,
    ) -> Later<'a, Result<Result<Renewed, Rejection>, Unavailable>> {
        Box::pin(async move {
            let desk = self.0.get().ok_or(Unavailable::Stale)?;
            let session = web_session::renew(&desk.app, app, text).await?;
            Ok(session.map(|session| Renewed { expires_at: session.claims.expires_at, token: session.token }))
        })
    }
}

/// Returns the web apps of the routes. `gateway` is the URL that its listener has, and `resource` what tokens are for where nothing
/// is said: where that is a URL of its own, it is how the gateway is called.
///
/// # Errors
///
/// If two routes disagree about one.
pub(crate) fn web_apps(settings: &Settings, gateway: &str, resource: &str) -> Result<WebApps> {
    let conditions = settings.routes.iter().flat_map(|route| route.requirement.conditions());
    let apps = wanted(conditions.collect::<Vec<&Condition>>()).context("routes")?;
    let origin =
        |text: &str| text.parse::<Url>().ok().map(|url| url.origin()).filter(|origin| origin.is_tuple());
    let told = settings.gateway_url.as_deref().and_then(origin);
    let origin = told.or_else(|| origin(resource)).map(|origin| origin.ascii_serialization());
    Ok(WebApps { apps, origin: origin.unwrap_or_else(|| gateway.to_owned()) })
}

/// Registers each web app as its routes ask for it.
///
/// # Errors
///
/// If the store does not answer, or one cannot be registered.
pub(crate) async fn register(app: &App, apps: &WebApps) -> Result<()> {
    for one in &apps.apps {
        let terms = terms(apps, one).with_context(|| format!("the web app {}", one.app.name))?;
        web_app::register(app, terms).await?;
    }
    Ok(())
}

fn terms(apps: &WebApps, Wanted { app, scopes }: &Wanted) -> Result<WebAppTerms> {
    Ok(WebAppTerms {
        name: app.name.clone(),
        scopes: ScopeSet::try_from(scopes.iter().cloned().collect::<Vec<_>>())?,
        audience: app.audience.as_deref().map(str::parse).transpose()?,
        redirect_uri: apps.redirect_uri().parse()?,
    })
}
