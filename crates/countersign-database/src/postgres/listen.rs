//! Listens for other nodes' commits. Only a wake-up: what was committed is read from the `change` table, and a
//! lost announcement costs one polling interval.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_postgres::AsyncMessage;

use super::server::{Server, Unconnected};

/// The pause after a broken connection.
const PAUSE: Duration = Duration::from_secs(1);

/// Wakes whoever waits on `wake` at each announcement; never returns.
pub(crate) async fn listen(server: Arc<Server>, wake: Arc<Notify>) {
    loop {
        if let Err(error) = connected(&server, &wake).await {
            tracing::debug!(%error, "the listening connection to the store broke");
        }
        // Whatever was announced meanwhile was not heard.
        wake.notify_one();
        tokio::time::sleep(PAUSE).await;
    }
}

async fn connected(server: &Server, wake: &Notify) -> Result<(), Unconnected> {
    let (client, mut connection) = server.connect().await?;
    let mut listening = std::pin::pin!(client.batch_execute("LISTEN countersign"));
    let mut heard = false;
    std::future::poll_fn(|context| {
        if !heard && let std::task::Poll::Ready(answer) = listening.as_mut().poll(context) {
            answer?;
            heard = true;
        }
        loop {
            match std::task::ready!(connection.poll_message(context)) {
                Some(Ok(AsyncMessage::Notification(_))) => wake.notify_one(),
                Some(Ok(_)) => {}
                Some(Err(error)) => return std::task::Poll::Ready(Err(error)),
                None => return std::task::Poll::Ready(Ok(())),
            }
        }
    })
    .await
    .map_err(Unconnected::Refused)
}
