//! `POST /v1/leaks/github` on the issuer listener: what GitHub's secret scanning found.
//!
//! The protocol is that of GitHub's page "Secret scanning partner program".
//!
//! **Invariant.** Nothing is read of a report, and nothing ended by it, before its raw bytes were proven to be signed
//! by a current key of GitHub: a `Signed`. A report that comes twice changes nothing the second time.
//!
//! What it does not do: tell anybody but GitHub whether a token is a key of ours.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::context::Clock;
use countersign_core::leak::End;
use countersign_core::ledger::Unavailable;
use countersign_edge::wire_error;
use countersign_egress::client::Egress;
use http::header::{ACCEPT, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use url::Url;

use crate::app::App;
use crate::failure::Failure;
use crate::github_keys::{Fetched, ProviderKeys, Signed, Trust};
use crate::intake::Intake;
use crate::leaks::{MAX_REPORT, end_one};
use crate::places::Sender;
use crate::received::Received;
use crate::reply::Reply;
use crate::throttle::Throttle;

const KEY_IDENTIFIER: &str = "github-public-key-identifier";
const KEY_SIGNATURE: &str = "github-public-key-signature";

/// Reports that an address may make at once, and how soon one more: far beyond what GitHub sends, and a bound for
/// everybody else.
const AT_ONCE: u32 = 300;
const REFILL: Duration = Duration::from_millis(100);
/// Reports beyond 64 KiB that are read at a time, and those of one address: together at most 16 MiB.
const READ_AT_ONCE: (usize, usize) = (16, 8);
/// The longest wait for keys: GitHub itself gives up after 30 s.
const WAIT: Duration = Duration::from_secs(20);
/// Reports that wait for keys.
const WAITING: usize = 64;
/// What a report is told that is not signed, by whom or how ever.
const UNSIGNED: &str = "Expected a report that is signed with a current key of GitHub's secret scanning";

/// Takes GitHub's reports.
#[derive(Debug)]
pub struct Github {
    keys: Arc<Keys>,
    asking: mpsc::Sender<oneshot::Sender<()>>,
    throttle: Throttle,
    intake: Intake,
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
    set: Mutex<ProviderKeys>,
}

/// Makes what takes GitHub's reports, each to arrive `within` a time, and what fetches the keys for it from `url`.
#[must_use]
pub fn github(egress: Egress, url: Url, within: Duration) -> (Github, Asked) {
    let (asking, asked) = mpsc::channel(WAITING);
    let keys = Arc::new(Keys { egress, url, set: Mutex::default() });
    let throttle = Throttle::new(AT_ONCE, REFILL);
    let (most, share) = READ_AT_ONCE;
    let intake = Intake::new(most, share, within);
    (Github { keys: Arc::clone(&keys), asking, throttle, intake }, Asked { keys, asked })
}

/// Fetches keys when they are asked for: one attempt at a time, which goes on when whoever asked has gone.
pub async fn work(app: Arc<App>, mut asked: Asked) {
    while let Some(waiting) = asked.asked.recv().await {
        asked.keys.refresh(app.clock.as_ref()).await;
        let _gone = waiting.send(());
    }
}

impl Keys {
    fn set(&self) -> MutexGuard<'_, ProviderKeys> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn refresh(&self, clock: &dyn Clock) {
        let Some(version) = self.set().attempt(clock.monotonic()) else { return };
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
        self.set().learn(&fetched, clock.monotonic());
    }
}

/// A token that was found somewhere.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Finding {
    /// The token, as it was found.
    token: String,
    /// What GitHub takes it for.
    r#type: String,
    /// Where it was found.
    #[serde(default)]
    url: Option<String>,
    /// In what kind of text it was found.
    #[serde(default)]
    source: Option<String>,
}

/// What GitHub is told of one token.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Feedback {
    /// The token, as it was reported.
    token_raw: String,
    /// What GitHub takes it for.
    token_type: String,
    /// `true_positive`: it is a key; `false_positive`: it is none.
    label: &'static str,
}

/// Takes a report.
pub(crate) async fn take(
    app: &App,
    github: Option<Arc<Github>>,
    received: Received,
) -> Result<Reply, Failure> {
    let Some(github) = github else { return Err(Failure::Unavailable(Unavailable::Contended)) };
    let peer = received.address();
    if let Some(Err(wait)) = peer.map(|peer| github.throttle.admit(peer, app.clock.monotonic())) {
        return Err(wire_error::too_many(wait).into());
    }
    let one = |name| only(&received.head.headers, name);
    let (Some(id), Some(signature)) = (one(KEY_IDENTIFIER), one(KEY_SIGNATURE)) else {
        return Err(unsigned());
    };
    let key = match github.key(app, id).await {
        Trust::Current(key) => key,
        Trust::Refused => return Err(unsigned()),
        Trust::Unavailable => return Err(Failure::Unavailable(Unavailable::Stale)),
    };
    let signature = signature.to_owned();
    let sender = Sender::Address(peer);
    let _place = github.intake.enter(sender).await?;
    let body = github.intake.read(sender, received.body, MAX_REPORT).await?;
    let signed = key.verify(signature.as_bytes(), &body).ok_or_else(unsigned)?;
    answer(app, &signed).await
}

impl Github {
    /// Finds the key that `id` names, fetching the keys if that may help.
    async fn key(&self, app: &App, id: &str) -> Trust {
        if let Some(standing) = self.keys.set().known(id, app.clock.monotonic()) {
            return standing;
        }
        let (waiting, done) = oneshot::channel();
        if self.asking.try_send(waiting).is_err() || !matches!(timeout(WAIT, done).await, Ok(Ok(()))) {
            return Trust::Unavailable;
        }
        self.keys.set().trust(id, app.clock.monotonic())
    }
}

/// Ends what is ours among the findings, and tells GitHub which were.
async fn answer(app: &App, signed: &Signed<'_>) -> Result<Reply, Failure> {
    let Ok(findings) = serde_json::from_slice::<Vec<Finding>>(signed.bytes()) else {
        let expected = "Expected a list of {\"token\", \"type\", \"url\", \"source\"}";
        return Err(Failure::Invalid(expected.to_owned()));
    };
    match end_all(app, findings).await {
        Ok(feedback) => Reply::ok(&feedback),
        Err(unavailable) => {
            tracing::error!(%unavailable, "keys that GitHub reported may not be revoked: GitHub is to report them again");
            Err(Failure::Unavailable(unavailable))
        }
    }
}

async fn end_all(app: &App, findings: Vec<Finding>) -> Result<Vec<Feedback>, Unavailable> {
    // A key that was minted a moment ago at another node is one of ours.
    app.store.catch_up().await?;
    let mut feedback = Vec::with_capacity(findings.len());
    for finding in findings {
        let Finding { token, r#type, url, source } = finding;
        // The audit never holds a key, not even where a page's address does.
        let word = |word: &Option<String>| match word {
            Some(word) if !token.is_empty() => word.replace(&token, "…"),
            Some(_) | None => String::new(),
        };
        let words = vec![("reporter", "github".to_owned()), ("source", word(&source)), ("url", word(&url))];
        let ours = end_one(app, &token, &End { words }).await?;
        let label = if ours { "true_positive" } else { "false_positive" };
        feedback.push(Feedback { token_raw: token, token_type: r#type, label });
    }
    Ok(feedback)
}

fn unsigned() -> Failure {
    Failure::Invalid(UNSIGNED.to_owned())
}

/// Returns a header field that stands there once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::thread;
    use std::time::Duration;

    use countersign_core::context::Clock;
    use countersign_core::timestamp::{Monotonic, Timestamp};
    use countersign_egress::address::AddressPolicy;
    use countersign_egress::client::{CallLimits, Egress};
    use countersign_egress::resolve::System;
    use http::HeaderMap;
    use rustls::crypto::aws_lc_rs::default_provider;
    use rustls::{ClientConfig, RootCertStore};

    use super::{Keys, github, only};

    struct Hand(AtomicI64);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }

        fn monotonic(&self) -> Monotonic {
            Monotonic(self.0.load(Ordering::SeqCst))
        }
    }

    fn keys(port: u16) -> Arc<Keys> {
        let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let reach = AddressPolicy { allow: vec!["127.0.0.1".parse().unwrap()], own: Vec::new() };
        let second = Duration::from_secs(10);
        let limits = CallLimits { connect: second, answer: second, total: second, bytes: 4096 };
        let egress = Egress::new(reach, Arc::new(System), Arc::new(tls), limits);
        let url = format!("http://127.0.0.1:{port}/keys").parse().unwrap();
        Arc::clone(&github(egress, url, Duration::ZERO).1.keys)
    }

    #[tokio::test]
    async fn rfc9110_13_1_2_keys_are_asked_for_by_their_version_once_in_a_while() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let keys = keys(listener.local_addr().unwrap().port());
        let set = crate::github_keys::tests::document(&[("one", true)]);
        let set = String::from_utf8(set).unwrap();
        let answers = [
            format!("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: {}\r\n\r\n{set}", set.len()),
            "HTTP/1.1 304 Not Modified\r\n\r\n".to_owned(),
            "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ];
        let server = thread::spawn(move || {
            answers.map(|answer| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = [0; 4096];
                let read = stream.read(&mut head).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
                String::from_utf8(head.get(..read).unwrap().to_vec()).unwrap()
            })
        });
        let clock = Hand(AtomicI64::new(0));
        for (at, known) in [(0, true), (59_999, true), (60_000, true), (100_000, true), (120_000, true)] {
            clock.0.store(at, Ordering::SeqCst);
            keys.refresh(&clock).await;
            assert_eq!(keys.set().known("one", Monotonic(at)).is_some(), known, "{at}");
        }
        let [first, second, third] = server.join().unwrap();
        assert!(!first.contains("if-none-match") && first.contains("accept: application/json"), "{first}");
        assert!(second.contains("if-none-match: \"v1\""), "{second}");
        assert!(third.contains("if-none-match: \"v1\""), "{third}");
    }

    #[test]
    fn a_field_that_is_repeated_is_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(only(&headers, "a"), None);
        headers.append("a", "1".parse().unwrap());
        assert_eq!(only(&headers, "a"), Some("1"));
        headers.append("a", "1".parse().unwrap());
        assert_eq!(only(&headers, "a"), None);
    }
}
