//! `POST /v1/leaks/github` on the issuer listener: what GitHub's secret scanning found.
//!
//! The protocol is that of GitHub's page "Secret scanning partner program".
//!
//! **Invariant.** Nothing is read of a report, and nothing ended by it, before its raw bytes were proven to be signed
//! by a current key of GitHub: a `Signed`. A report that comes twice changes nothing the second time.
//!
//! What it does not do: tell anybody but GitHub whether a token is a key of ours.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::context::Clock;
use countersign_core::leak::End;
use countersign_core::ledger::Unavailable;
use countersign_edge::wire_error;
use countersign_egress::client::Egress;
use countersign_egress::published::{Document, Publication, Published};
use http::{HeaderMap, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use url::Url;

use crate::app::App;
use crate::failure::Failure;
use crate::github_keys::{ProviderKeys, Signed, Trust};
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
/// How long fetched keys are believed: GitHub limits how often they may be fetched and asks to keep them.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// The time between two attempts to fetch them.
const COOLDOWN: Duration = Duration::from_secs(60);
/// What a report is told that is not signed, by whom or how ever.
const UNSIGNED: &str = "Expected a report that is signed with a current key of GitHub's secret scanning";

/// Takes GitHub's reports.
#[derive(Debug)]
pub struct Github {
    keys: Arc<Published<ProviderKeys>>,
    throttle: Throttle,
    intake: Intake,
}

impl Github {
    /// Takes reports, each to arrive `within` a time, that are signed with the keys that `egress` finds at `url`.
    #[must_use]
    pub fn new(egress: Egress, url: Url, clock: Arc<dyn Clock>, within: Duration) -> Self {
        let accept = HeaderValue::from_static("application/json");
        let read = ProviderKeys::read;
        let source = Box::new(Document { url, accept, read });
        let publication = Publication { source, life: LIFE, renewed_after: None, cooldown: COOLDOWN };
        let (most, share) = READ_AT_ONCE;
        Self {
            keys: Arc::new(Published::new(publication, egress, clock)),
            throttle: Throttle::new(AT_ONCE, REFILL),
            intake: Intake::new(most, share, within),
        }
    }

    /// Finds the key that `id` names, fetching the keys if that may help.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if nothing is known now: the keys could not be fetched.
    async fn key(&self, id: &str) -> Result<Trust, Unavailable> {
        if let Some(trust) = self.keys.held().and_then(|keys| keys.trust(id)) {
            return Ok(trust);
        }
        let keys = timeout(WAIT, self.keys.ask()).await.ok().flatten().ok_or(Unavailable::Stale)?;
        Ok(keys.trust(id).unwrap_or(Trust::Refused))
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
    let key = match github.key(id).await? {
        Trust::Current(key) => key,
        Trust::Refused => return Err(unsigned()),
    };
    let signature = signature.to_owned();
    let sender = Sender::Address(peer);
    let _place = github.intake.enter(sender).await?;
    let body = github.intake.read(sender, received.body, MAX_REPORT).await?;
    let signed = key.verify(signature.as_bytes(), &body).ok_or_else(unsigned)?;
    answer(app, &signed).await
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
    use http::HeaderMap;

    use super::only;

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
