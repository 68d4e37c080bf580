//! Where gateway, store and management API meet: what each sees of the others.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use countersign_core::audit::Verdict;
use countersign_core::ledger::Unavailable;
use countersign_core::signing_key::{KeyPurpose, Slot};
use countersign_gateway::assertions::Signs;
use countersign_gateway::gateway::Gateway;
use countersign_gateway::journal::DecisionRecord;
use countersign_gateway::report::{DecisionSink, Dropped, PermitCount, Report};
use countersign_gateway::route::RouteTable;
use countersign_gateway::sources::Refresh;
use countersign_jose::algorithm::SignatureAlgorithm;
use countersign_jose::jwk::SigningKey;
use countersign_server::app::{App, CalledRoute, GatewayView};
use countersign_server::schema::{DecisionView, RouteView};
use countersign_store::{DecisionCount, Store};
use http::Method;

use crate::routing::Routing;
use crate::settings::resolved::RouteSpec;

/// The store, as the gateway sees it: it feeds the snapshot and takes reports. Neither touches SQL in the request.
#[derive(Debug)]
pub(crate) struct BehindGateway(pub(crate) Arc<Store>);

impl Refresh for BehindGateway {
    fn catch_up(&self) -> Pin<Box<dyn Future<Output = Result<(), Unavailable>> + Send + '_>> {
        Box::pin(self.0.catch_up())
    }
}

impl DecisionSink for BehindGateway {
    fn report(&self, report: Report) -> Result<(), Dropped> {
        match report {
            Report::Permits { minute, counts } => {
                let row = |count: &PermitCount| DecisionCount {
                    minute,
                    route: count.route.to_string(),
                    counted: count.counted,
                    verdict: "granted".to_owned(),
                    reason: String::new(),
                    count: i64::try_from(count.count).unwrap_or(i64::MAX),
                };
                self.0.count_decisions(&counts.iter().map(row).collect::<Vec<_>>());
            }
            Report::Audit { id, event } => {
                self.0.append_audit(vec![event.detail("instance", id.to_string())])
            }
            Report::Upgrade(upgrade) => self.0.upgrade(upgrade),
            Report::Use { credential, at } => self.0.report_use(credential, at),
        }
        Ok(())
    }
}

/// The key that signs assertions, as the gateway sees it.
#[derive(Debug)]
pub(crate) struct SignsAssertions(pub(crate) Arc<App>);

impl Signs for SignsAssertions {
    fn signer(&self) -> Option<Arc<SigningKey>> {
        self.0.signer(Slot { purpose: KeyPurpose::Assertion, algorithm: SignatureAlgorithm::Es256 })
    }
}

/// The gateway, as the management API sees it.
#[derive(Debug)]
pub(crate) struct OfGateway {
    /// Not owned: the gateway ends by itself, and only who owns it can end it.
    gateway: Weak<Gateway>,
    routes: Arc<ArcSwap<Vec<RouteSpec>>>,
    table: Arc<ArcSwap<RouteTable>>,
}

impl OfGateway {
    /// Looks at `gateway`, and at the routes in force.
    pub(crate) fn new(gateway: &Arc<Gateway>, routing: &Routing) -> Self {
        let (routes, table) = (Arc::clone(&routing.routes), Arc::clone(&routing.table));
        Self { gateway: Arc::downgrade(gateway), routes, table }
    }
}

impl GatewayView for OfGateway {
    fn routes(&self) -> Vec<RouteView> {
        let view = |route: &RouteSpec| RouteView {
            name: route.name.clone(),
            path: route.path.clone(),
            methods: route.methods.clone(),
            upstream: route.upstream.clone(),
            require: route.words.clone(),
        };
        self.routes.load().iter().map(view).collect()
    }

    fn route(&self, method: &Method, host: &str, path: &str) -> Option<CalledRoute> {
        let table = self.table.load();
        let route = table.called(method, host, path)?;
        Some(CalledRoute {
            name: route.name().to_string(),
            requirement: route.requirement().clone(),
            cost: route.cost(),
        })
    }

    fn decisions(&self, limit: usize) -> Vec<DecisionView> {
        let recent = self.gateway.upgrade().map(|gateway| gateway.recent_decisions(limit));
        recent.unwrap_or_default().iter().map(decision).collect()
    }
}

fn decision(record: &DecisionRecord) -> DecisionView {
    let mut members = BTreeMap::from([
        ("method", record.method.to_string()),
        ("path", record.path.clone()),
        ("verdict", if record.verdict == Verdict::Granted { "granted" } else { "refused" }.to_owned()),
    ]);
    let optional = [
        ("route", record.route.as_ref().map(ToString::to_string)),
        ("scheme", record.scheme.map(|scheme| scheme.name().to_owned())),
        ("credential", record.credential.map(|id| id.to_string())),
        ("reason", record.reason.map(str::to_owned)),
    ];
    members.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    DecisionView { id: record.event.map(|id| id.to_string()), at: record.at.to_string(), members }
}
