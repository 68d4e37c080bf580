//! Routes and upstreams: from the settings to the table that the gateway decides by, replaced as a whole.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use arc_swap::ArcSwap;
use countersign_gateway::foreign_issuer::ForeignIssuers;
use countersign_gateway::route::{Route, RouteTable, Trust};
use countersign_gateway::upstream::Upstream;
use rustls::ClientConfig;

use crate::echo::Echo;
use crate::issuers::Issuers;
use crate::settings::resolved::{self, DEFAULT_UPSTREAM, EgressSpec, RouteSpec, Settings};
use crate::tls;

/// What is in force, and what it was made from.
#[derive(Debug)]
pub(crate) struct Routing {
    /// What requests are decided by.
    pub(crate) table: Arc<ArcSwap<RouteTable>>,
    /// The same in the operator's words.
    pub(crate) routes: Arc<ArcSwap<Vec<RouteSpec>>>,
    upstreams: Vec<Opened>,
    echo: Option<resolved::Upstream>,
    ca: PathBuf,
    issuers: Issuers,
    /// What tokens are for where a route does not say it.
    resource: String,
}

/// A table that nothing is decided by yet.
#[derive(Debug)]
pub(crate) struct Prepared {
    table: RouteTable,
    upstreams: Vec<Opened>,
    routes: Vec<RouteSpec>,
    issuers: (EgressSpec, ForeignIssuers),
}

/// An upstream, and what it was made from.
#[derive(Debug, Clone)]
struct Opened {
    spec: resolved::Upstream,
    upstream: Arc<Upstream>,
}

impl Routing {
    /// Makes the table of `settings`, and the built-in echo if its upstream is wanted and was not given. `ca` is the
    /// file of a certification authority that upstreams may have their certificate from, beside the system's; `resource`
    /// is what tokens are for where a route does not say it.
    ///
    /// # Errors
    ///
    /// A text that names the route or the upstream, and what is wrong with it.
    pub(crate) async fn open(
        settings: &Settings,
        ca: PathBuf,
        mut issuers: Issuers,
        resource: String,
    ) -> Result<(Self, Option<Echo>)> {
        let (spec, echo) = match wants_echo(settings) {
            true => start_echo().await.map(|(spec, echo)| (Some(spec), Some(echo)))?,
            false => (None, None),
        };
        let foreign = issuers.prepare(settings)?;
        let place = Place { ca: &ca, resource: &resource, issuers: &foreign };
        let (table, upstreams) = build(settings, (spec.as_ref(), &[]), place)?;
        issuers.put(&settings.egress, foreign);
        if table.may_object() {
            tracing::info!(
                routes = settings.routes.len(),
                "a path that folds onto an earlier route is refused with 400: case, ;parameters, and slashes, dots and \
                 blanks at an end are what upstreams ignore; give a path of its own a route of its own before"
            );
        }
        let routing = Self {
            table: Arc::new(ArcSwap::from_pointee(table)),
            routes: Arc::new(ArcSwap::from_pointee(settings.routes.clone())),
            upstreams,
            echo: spec,
            ca,
            issuers,
            resource,
        };
        Ok((routing, echo))
    }

    /// Makes the table of `settings`. Upstreams that stay as they are keep their connections and what is known of their
    /// health.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub(crate) fn prepare(&self, settings: &Settings) -> Result<Prepared> {
        let foreign = self.issuers.prepare(settings)?;
        let known = (self.echo.as_ref(), self.upstreams.as_slice());
        let place = Place { ca: &self.ca, resource: &self.resource, issuers: &foreign };
        let (table, upstreams) = build(settings, known, place)?;
        let issuers = (settings.egress.clone(), foreign);
        Ok(Prepared { table, upstreams, routes: settings.routes.clone(), issuers })
    }

    /// Decides by what was prepared from the next request on. Requests that were decided keep what they were decided by.
    pub(crate) fn put(&mut self, prepared: Prepared) {
        self.upstreams = prepared.upstreams;
        let (egress, foreign) = prepared.issuers;
        self.issuers.put(&egress, foreign);
        self.table.store(Arc::new(prepared.table));
        self.routes.store(Arc::new(prepared.routes));
    }

    /// Says where permitted requests go.
    pub(crate) fn words(&self) -> String {
        match self.upstreams.first() {
            _ if self.echo.is_some() => "built-in echo".to_owned(),
            Some(first) => first.spec.words(),
            None => String::new(),
        }
    }
}

fn wants_echo(settings: &Settings) -> bool {
    settings.routes.iter().any(|route| route.upstream == DEFAULT_UPSTREAM)
        && !settings.upstreams.iter().any(|upstream| upstream.name == DEFAULT_UPSTREAM)
}

async fn start_echo() -> Result<(resolved::Upstream, Echo)> {
    let echo = Echo::start().await?;
    let urls = vec![echo.url().parse()?];
    Ok((resolved::Upstream { name: DEFAULT_UPSTREAM.to_owned(), urls, health: None }, echo))
}

/// What a table is made with beside the settings.
#[derive(Clone, Copy)]
struct Place<'a> {
    ca: &'a std::path::Path,
    resource: &'a str,
    issuers: &'a ForeignIssuers,
}

/// Makes the table, with the built-in echo if there is one, and of upstreams what is known already.
fn build(
    settings: &Settings,
    (echo, known): (Option<&resolved::Upstream>, &[Opened]),
    Place { ca, resource, issuers }: Place<'_>,
) -> Result<(RouteTable, Vec<Opened>)> {
    let given = &settings.upstreams;
    let echo = echo.filter(|echo| given.iter().all(|upstream| upstream.name != echo.name));
    let specs: Vec<_> = given.iter().chain(echo).collect();
    let needs_tls = specs.iter().flat_map(|upstream| &upstream.urls).any(|url| url.scheme() == "https");
    let client = if needs_tls { Some(tls::client(ca)?) } else { None };
    let opened = specs.iter().map(|spec| open(spec, known, client.as_ref()));
    let opened: Vec<_> = opened.collect::<Result<_>>()?;
    let position = |route: &RouteSpec| {
        let known = specs.iter().position(|upstream| upstream.name == route.upstream);
        known.ok_or_else(|| unknown_upstream(route, &specs))
    };
    let routes: Result<Vec<_>> =
        settings.routes.iter().map(|spec| route(spec, position(spec)?, resource)).collect();
    let upstreams = opened.iter().map(|one| Arc::clone(&one.upstream)).collect();
    let trust = Trust { issuers: issuers.clone(), ..settings.trust.clone() };
    Ok((RouteTable::new(routes?, upstreams, trust)?, opened))
}

fn open(spec: &resolved::Upstream, known: &[Opened], client: Option<&Arc<ClientConfig>>) -> Result<Opened> {
    if let Some(same) = known.iter().find(|one| one.spec == *spec) {
        return Ok(same.clone());
    }
    let upstream = Upstream::of_several(&spec.name, &spec.urls, client, spec.health.clone())?;
    Ok(Opened { spec: spec.clone(), upstream: Arc::new(upstream) })
}

fn unknown_upstream(route: &RouteSpec, upstreams: &[&resolved::Upstream]) -> anyhow::Error {
    let names: Vec<_> = upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
    anyhow!(
        "{} ({}): there is no upstream `{}`; there are: {}",
        route.name,
        route.path,
        route.upstream,
        names.join(", ")
    )
}

fn route(spec: &RouteSpec, upstream: usize, resource: &str) -> Result<Route> {
    let methods: Result<Vec<http::Method>, _> = spec.methods.iter().map(|method| method.parse()).collect();
    let methods = methods.with_context(|| format!("{} ({}): methods", spec.name, spec.path))?;
    Ok(Route {
        name: spec.name.clone(),
        pattern: spec.path.clone(),
        methods: (!methods.is_empty()).then_some(methods),
        hosts: (!spec.hosts.is_empty()).then(|| spec.hosts.clone()),
        upstream,
        requirement: spec.requirement.clone().with_default_audience(resource),
        shadow: spec.shadow.clone().map(|shadow| shadow.with_default_audience(resource)),
        forward_credential: spec.forward_credential,
        preserve_host: spec.preserve_host,
        cost: spec.cost,
        upgrade: spec.upgrade.clone(),
    })
}
