//! `POST /v1/reload`: the settings are read again. What reads them is the binary's; it answers what came of it.

use countersign_core::audit::Actor;
use countersign_edge::wire_error::Problem;
use tokio::sync::{mpsc, oneshot};

use crate::app::{App, ReloadRequest};
use crate::call::Call;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::schema::ReloadView;

pub(crate) async fn reload(app: &App, call: Call) -> Result<Reply, Failure> {
    match ask(app.reload.as_ref(), Actor::of(call.permit.principal())).await {
        Some(Ok(view)) => Reply::ok(&view),
        Some(Err(detail)) => Err(Failure::Refused { problem: Problem::Conflict, detail }),
        None => {
            let detail = "no server runs here: settings are read at its start".to_owned();
            Err(Failure::Refused { problem: Problem::Conflict, detail })
        }
    }
}

/// Asks, and waits for the answer; `None`: nobody answers.
async fn ask(asked: Option<&mpsc::Sender<ReloadRequest>>, by: Actor) -> Option<Result<ReloadView, String>> {
    let (answer, answered) = oneshot::channel();
    asked?.send(ReloadRequest { by, answer }).await.ok()?;
    answered.await.ok()
}
