//! `POST /v1/keys/revoke-leaked` on the issuer listener: whoever holds a key may end it.
//!
//! **Invariant.** The answer is 202 whatever the keys are, and is given before they are looked at: neither its words
//! nor its time tell whether there is such a key (SAFETY 16).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::leak::{End, Held};
use countersign_core::ledger::Unavailable;
use countersign_edge::wire_error::{self, Problem};
use http::header::AUTHORIZATION;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::app::App;
use crate::failure::Failure;
use crate::intake::Intake;
use crate::places::Sender;
use crate::received::Received;
use crate::reply::Reply;
use crate::throttle::Throttle;

/// Reports that an address may make at once, and how soon it may make one more: what GitHub's endpoint of the same
/// purpose allows, 60 in an hour.
const AT_ONCE: u32 = 60;
const REFILL: Duration = Duration::from_secs(60);
/// Credentials in one report: what GitHub's endpoint takes.
const MOST: usize = 1000;
/// The most bytes of a report: a thousand of the longest credentials.
pub(crate) const MAX_REPORT: usize = 1024 * 1024;
/// Reports beyond 64 KiB that are read at a time, and those of one address: together at most 16 MiB.
const READ_AT_ONCE: (usize, usize) = (16, 2);
/// Reports that wait to be looked at.
const WAITING: usize = 64;

/// A report of leaked keys.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Report {
    /// Whole keys, as they were found: 1 to 1000.
    #[schemars(length(min = 1, max = 1000))]
    credentials: Vec<String>,
}

/// A report that was taken.
#[derive(Debug)]
pub struct Taken {
    credentials: Vec<String>,
    reporter: Option<IpAddr>,
}

/// Takes reports of leaked keys.
#[derive(Debug)]
pub struct Leaks {
    throttle: Throttle,
    intake: Intake,
    queue: mpsc::Sender<Taken>,
}

/// Makes what takes reports, each to arrive `within` a time, and what [`work`] reads.
#[must_use]
pub fn leaks(within: Duration) -> (Leaks, mpsc::Receiver<Taken>) {
    let (queue, taken) = mpsc::channel(WAITING);
    let (most, share) = READ_AT_ONCE;
    let intake = Intake::new(most, share, within);
    (Leaks { throttle: Throttle::new(AT_ONCE, REFILL), intake, queue }, taken)
}

/// Takes a report.
pub(crate) async fn take(app: &App, leaks: Option<&Leaks>, received: Received) -> Result<Reply, Failure> {
    let Some(leaks) = leaks else { return Err(Failure::Unavailable(Unavailable::Contended)) };
    let reporter = received.address();
    let now = app.clock.monotonic();
    if let Some(Err(wait)) = reporter.map(|reporter| leaks.throttle.admit(reporter, now)) {
        return Err(wire_error::too_many(wait).into());
    }
    // Who is known has the management API; a credential sent along by mistake is not one to be looked at here.
    if received.head.headers.contains_key(AUTHORIZATION) {
        let detail = "Report without a credential of your own".to_owned();
        return Err(Failure::Refused { problem: Problem::Forbidden, detail });
    }
    let sender = Sender::Address(reporter);
    let _place = leaks.intake.enter(sender).await?;
    let body = leaks.intake.read(sender, received.body, MAX_REPORT).await?;
    let credentials = match serde_json::from_slice::<Report>(&body) {
        Ok(report) if (1..=MOST).contains(&report.credentials.len()) => report.credentials,
        Ok(_) | Err(_) => {
            let expected = "Expected {\"credentials\": [\"…\"]} with 1 to 1000 of them";
            return Err(Failure::Invalid(expected.to_owned()));
        }
    };
    match leaks.queue.try_send(Taken { credentials, reporter }) {
        Ok(()) => Ok(Reply::accepted()),
        Err(_full) => Err(Failure::Unavailable(Unavailable::Contended)),
    }
}

/// Ends the keys of reports, one report after the other, for as long as reports can come.
pub async fn work(app: Arc<App>, mut taken: mpsc::Receiver<Taken>) {
    while let Some(report) = taken.recv().await {
        // A key that was minted a moment ago at another node is ended too.
        if let Err(error) = app.store.catch_up().await {
            tracing::warn!(%error, "a report of leaked keys is judged by what is known here");
        }
        let reporter = report.reporter.map(|address| address.to_string()).unwrap_or_default();
        let act = End { words: vec![("reporter", reporter)] };
        for text in &report.credentials {
            let ended = end_one(&app, text, &act).await;
            if let Err(error) = ended {
                tracing::error!(%error, "a key that was reported as leaked is not revoked");
            }
        }
    }
}

/// Ends one key, if it is one; says whether it is.
pub(crate) async fn end_one(app: &App, text: &str, act: &End) -> Result<bool, Unavailable> {
    let Some(held) = Held::find(app.store.snapshot(), text) else {
        return Ok(false);
    };
    // A report that is repeated asks the store nothing.
    if !held.has_ended() && app.attempt(&held, act).await?.is_ok() {
        tracing::warn!(credential = %held.id(), "a leaked key is revoked");
    }
    Ok(true)
}
