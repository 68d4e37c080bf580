//! `POST /v1/leaks/github` on the issuer listener: what GitHub's secret scanning found.
//!
//! The protocol is that of GitHub's page "Secret scanning partner program".
//!
//! **Invariant.** Nothing is read of a report, and nothing ended by it, before its raw bytes were proven to be signed
//! by a current key of GitHub ([`Signed`]). A report that comes twice changes nothing the second time.
//!
//! What it does not do: tell anybody but GitHub whether a token is a key of ours.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use countersign_core::ledger::Unavailable;
use countersign_edge::body::read_limited;
use countersign_edge::wire_error::{self, Problem};
use countersign_egress::client::Egress;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use url::Url;

use crate::app::App;
use crate::github_keys::{Fetched, KeySet, Signed, Standing};
use crate::leaks::end_one;
use crate::throttle::Throttle;

const KEY_IDENTIFIER: &str = "github-public-key-identifier";
const KEY_SIGNATURE: &str = "github-public-key-signature";

/// Reports that an address may make at once, and how soon one more: far beyond what GitHub sends, and a bound for
/// everybody else.
const AT_ONCE: u32 = 300;
const REFILL: Duration = Duration::from_millis(100);
/// The most bytes of a report.
const MAX_BODY: usize = 1024 * 1024;
/// The longest pause inside a report.
const PAUSE: Duration = Duration::from_secs(10);
/// The longest wait for keys: GitHub itself gives up after 30 s.
const WAIT: Duration = Duration::from_secs(20);
/// Reports that wait for keys.
const WAITING: usize = 64;
/// What a report is told that is not signed, by whom or how ever.
const UNSIGNED: &str = "Expected a report that is signed with a current key of GitHub's secret scanning";

type Answer = Response<Full<Bytes>>;

/// Takes GitHub's reports.
#[derive(Debug)]
pub struct Github {
    keys: Arc<Keys>,
    asking: mpsc::Sender<oneshot::Sender<()>>,
    throttle: Throttle,
}

/// What [`work`] reads.
#[derive(Debug)]
pub struct Asked {
    keys: Arc<Keys>,
    asked: mpsc::Receiver<oneshot::Sender<()>>,
}

#[derive(Debug)]
struct Keys {
    egress: Egress,
    url: Url,
    set: Mutex<KeySet>,
}

/// Makes what takes GitHub's reports, and what fetches the keys for it from `url`.
#[must_use]
pub fn github(egress: Egress, url: Url) -> (Github, Asked) {
    let (asking, asked) = mpsc::channel(WAITING);
    let keys = Arc::new(Keys { egress, url, set: Mutex::default() });
    let throttle = Throttle::new(AT_ONCE, REFILL);
    (Github { keys: Arc::clone(&keys), asking, throttle }, Asked { keys, asked })
}

/// Fetches keys when they are asked for: one attempt at a time, which goes on when whoever asked has gone.
pub async fn work(app: Arc<App>, mut asked: Asked) {
    while let Some(waiting) = asked.asked.recv().await {
        asked.keys.refresh(&app).await;
        let _gone = waiting.send(());
    }
}

impl Keys {
    fn set(&self) -> MutexGuard<'_, KeySet> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn refresh(&self, app: &App) {
        let Some(version) = self.set().attempt(app.clock.monotonic()) else { return };
        let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        headers.extend(version.map(|version| (IF_NONE_MATCH, version)));
        let answer = self.egress.get(&self.url, headers).await;
        let fetched = match &answer {
            Ok(answer) if answer.status() == StatusCode::OK => {
                Fetched::Keys(answer.body(), answer.headers().get(ETAG).cloned())
            }
            Ok(answer) if answer.status() == StatusCode::NOT_MODIFIED => Fetched::Unchanged,
            Ok(answer) => {
                tracing::warn!(status = answer.status().as_u16(), "GitHub's keys are not fetched");
                Fetched::Failed
            }
            Err(error) => {
                tracing::warn!(%error, "GitHub's keys are not fetched");
                Fetched::Failed
            }
        };
        self.set().learn(&fetched, app.clock.monotonic());
    }
}

/// One finding.
#[derive(Deserialize)]
struct Finding {
    token: String,
    r#type: String,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    source: Option<String>,
}

/// What GitHub is told of one finding.
#[derive(Serialize)]
struct Feedback<'a> {
    token_raw: &'a str,
    token_type: &'a str,
    label: &'static str,
}

impl Github {
    pub(crate) async fn take(&self, app: &App, request: Request<Incoming>, peer: Option<IpAddr>) -> Answer {
        if let Some(Err(wait)) = peer.map(|peer| self.throttle.admit(peer, app.clock.monotonic())) {
            return wire_error::too_many(wait);
        }
        let (head, body) = request.into_parts();
        let one = |name| only(&head.headers, name);
        let (Some(id), Some(signature)) = (one(KEY_IDENTIFIER), one(KEY_SIGNATURE)) else {
            return unsigned();
        };
        let key = match self.key(app, id).await {
            Standing::Current(key) => key,
            Standing::Refused => return unsigned(),
            Standing::Unavailable => return wire_error::from_unavailable(&Unavailable::Stale, None),
        };
        let body = match read_limited(body, MAX_BODY, PAUSE).await {
            Ok(body) => body,
            Err(error) => return wire_error::from_body(error, None),
        };
        let Some(signed) = key.verify(signature.as_bytes(), &body) else {
            return unsigned();
        };
        answer(app, &signed).await
    }

    /// Finds the key that `id` names, fetching the keys if that may help.
    async fn key(&self, app: &App, id: &str) -> Standing {
        if let Some(standing) = self.keys.set().known(id, app.clock.monotonic()) {
            return standing;
        }
        let (waiting, done) = oneshot::channel();
        if self.asking.try_send(waiting).is_err() || !matches!(timeout(WAIT, done).await, Ok(Ok(()))) {
            return Standing::Unavailable;
        }
        self.keys.set().standing(id, app.clock.monotonic())
    }
}

/// Ends what is ours among the findings, and tells GitHub which were.
async fn answer(app: &App, signed: &Signed<'_>) -> Answer {
    let Ok(findings) = serde_json::from_slice::<Vec<Finding>>(signed.bytes()) else {
        let expected = "Expected a list of {\"token\", \"type\", \"url\", \"source\"}";
        return wire_error::problem(Problem::BadRequest, expected, None);
    };
    match end_all(app, &findings).await {
        Ok(feedback) => feedback_answer(&feedback),
        Err(unavailable) => {
            tracing::error!(%unavailable, "keys that GitHub reported may not be revoked: GitHub is to report them again");
            wire_error::from_unavailable(&unavailable, None)
        }
    }
}

async fn end_all<'a>(app: &App, findings: &'a [Finding]) -> Result<Vec<Feedback<'a>>, Unavailable> {
    // A key that was minted a moment ago at another node is one of ours.
    app.store.catch_up().await?;
    let mut feedback = Vec::with_capacity(findings.len());
    for finding in findings {
        let Finding { token, r#type, url, source } = finding;
        // The audit never holds a key, not even where a page's address does.
        let word = |word: &Option<String>| match word {
            Some(word) if !token.is_empty() => word.replace(token, "…"),
            Some(_) | None => String::new(),
        };
        let (url, source) = (word(url), word(source));
        let words = [("reporter", "github"), ("source", source.as_str()), ("url", url.as_str())];
        let label = if end_one(app, token, &words).await? { "true_positive" } else { "false_positive" };
        feedback.push(Feedback { token_raw: token, token_type: r#type, label });
    }
    Ok(feedback)
}

fn feedback_answer(feedback: &[Feedback<'_>]) -> Answer {
    // A list of plain members always serialises.
    let body = serde_json::to_vec(feedback).unwrap_or_default();
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn unsigned() -> Answer {
    wire_error::problem(Problem::BadRequest, UNSIGNED, None)
}

/// Returns a header field that stands there once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}
