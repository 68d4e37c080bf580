//! Health checks: each address of an upstream is asked, again and again, whether it is well.
//!
//! One worker asks for all. What is learnt stands in the address, where every worker reads it; a request never waits
//! for a check.
//!
//! **Invariant.** An address is asked once at a time, each question has a limit, and no question outlives the worker.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use countersign_edge::metrics::Metrics;
use http::header::{HOST, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Uri};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::address::{Address, HealthCheck};
use crate::connection::Connection;
use crate::outgoing::Outgoing;
use crate::route::RouteTable;

/// How long it may take until a change of the routes is noticed.
const LOOK: Duration = Duration::from_secs(1);

/// Asks the addresses of the table that is in force, for as long as it is polled.
pub(crate) async fn watch(routes: Arc<ArcSwap<RouteTable>>, metrics: Arc<Metrics>) -> Infallible {
    let mut asked = Asked::default();
    loop {
        let next = asked.ask(&routes.load(), &metrics).min(Instant::now() + LOOK);
        tokio::select! {
            () = sleep_until(next) => {}
            Some(answered) = asked.questions.join_next() => {
                // A question that panicked was asked; its address stays as it is until the table is replaced.
                if let Ok(address) = answered {
                    asked.due.insert(key(&address), Due::Answered(Instant::now()));
                }
            }
        }
    }
}

/// Questions that wait for their answers, and when the next ones are due.
#[derive(Default)]
struct Asked {
    questions: JoinSet<Arc<Address>>,
    due: BTreeMap<usize, Due>,
}

enum Due {
    Asked,
    Answered(Instant),
}

/// What tells two addresses apart: they are kept alive by the table, or by the question.
fn key(address: &Arc<Address>) -> usize {
    Arc::as_ptr(address).addr()
}

impl Asked {
    /// Asks what is due, and returns when something is due next.
    fn ask(&mut self, table: &RouteTable, metrics: &Arc<Metrics>) -> Instant {
        let now = Instant::now();
        let mut next = now + LOOK;
        let mut due = BTreeMap::new();
        for upstream in table.upstreams() {
            let Some(check) = upstream.health() else { continue };
            upstream.observe(metrics);
            for address in upstream.addresses().iter() {
                let state = match self.due.remove(&key(address)) {
                    Some(Due::Answered(at)) if now < at + check.interval => {
                        next = next.min(at + check.interval);
                        Due::Answered(at)
                    }
                    Some(Due::Asked) => Due::Asked,
                    Some(Due::Answered(_)) | None => {
                        self.questions.spawn(question(Arc::clone(address), check.clone()));
                        Due::Asked
                    }
                };
                due.insert(key(address), state);
            }
        }
        self.due = due;
        next
    }
}

async fn question(address: Arc<Address>, check: HealthCheck) -> Arc<Address> {
    let well = timeout(check.timeout, is_well(&address, &check.path)).await.unwrap_or(false);
    address.checked(well, &check);
    address
}

async fn is_well(address: &Arc<Address>, path: &PathAndQuery) -> bool {
    let Ok(mut connection) = Connection::open(address).await else {
        return false;
    };
    let mut request = Request::new(Outgoing::Empty);
    *request.uri_mut() = Uri::from(path.clone());
    request.headers_mut().insert(HOST, address.origin().authority().clone());
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("countersign-health"));
    connection.awaited.begin();
    connection.sender.send_request(request).await.is_ok_and(|answer| answer.status().is_success())
}
