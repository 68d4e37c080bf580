//! Health, readiness and metrics: for whoever reaches the management API's listener.

use countersign_core::ledger::Unavailable;

use crate::app::App;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::schema::StatusView;

/// The media type of metrics (OpenMetrics 1.0).
pub(crate) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(crate) async fn health(_: &App) -> Result<Reply, Failure> {
    Reply::ok(&StatusView { status: "ok" })
}

pub(crate) async fn readiness(app: &App) -> Result<Reply, Failure> {
    if app.store.snapshot().is_fresh(app.clock.monotonic()) {
        return Reply::ok(&StatusView { status: "ready" });
    }
    Err(Failure::Unavailable(Unavailable::Stale))
}

pub(crate) async fn metrics(app: &App) -> Result<Reply, Failure> {
    let snapshot = app.store.snapshot();
    app.metrics.observe_snapshot(snapshot.age(app.clock.monotonic()), snapshot.len());
    Ok(Reply::text(OPEN_METRICS, app.metrics.render()))
}
