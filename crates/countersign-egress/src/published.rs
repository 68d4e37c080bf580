//! What somebody publishes for us to fetch: one document, kept as long as it may be believed.
//!
//! It is fetched when somebody asks for what it does not say yet, at most once in a while, whatever came of the time
//! before: strangers choose what is asked for. Whoever asks meanwhile waits for the same attempt, which goes on when they
//! have gone. Where it is to be renewed, whoever uses an old one begins an attempt and does not wait for it.
//!
//! **Invariant.** A document that is older than its life is not known any more. What cannot be read changes nothing.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use countersign_core::context::Clock;
use countersign_core::timestamp::Monotonic;
use http::header::{ACCEPT, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use tokio::sync::watch;
use url::Url;

use crate::client::{Egress, EgressError};

/// What is published, and how long it is good.
pub struct Publication<T> {
    /// How it is fetched.
    pub source: Box<dyn Source<T>>,
    /// How long a fetched document is believed.
    pub life: Duration,
    /// How old it may become before whoever uses it has it fetched anew; `None`: as old as it is believed.
    pub renewed_after: Option<Duration>,
    /// The time between two attempts to fetch.
    pub cooldown: Duration,
}

impl<T> fmt::Debug for Publication<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Publication").field("place", &self.source.place()).finish_non_exhaustive()
    }
}

/// A way to a document, in one step or in several.
pub trait Source<T>: Send + Sync {
    /// Where it begins, for logs.
    fn place(&self) -> &str;

    /// Fetches it; `version` is the one that is known.
    fn fetch<'a>(&'a self, egress: &'a Egress, version: Option<HeaderValue>) -> Fetching<'a, T>;
}

/// An attempt that is under way.
pub type Fetching<'a, T> = Pin<Box<dyn Future<Output = Fetched<T>> + Send + 'a>>;

/// What came of an attempt.
#[derive(Debug)]
pub enum Fetched<T> {
    /// A document, and its version.
    New(T, Option<HeaderValue>),
    /// It is what it was (RFC 9110 §15.4.5).
    Unchanged,
    /// Nothing, and why.
    Failed(String),
}

/// A document that stands at one place.
#[derive(Debug)]
pub struct Document<T> {
    /// Where.
    pub url: Url,
    /// The media type that is asked for.
    pub accept: HeaderValue,
    /// Makes a value of it; `None`: it is none.
    pub read: fn(&[u8]) -> Option<T>,
}

impl<T: Send + 'static> Source<T> for Document<T> {
    fn place(&self) -> &str {
        self.url.as_str()
    }

    fn fetch<'a>(&'a self, egress: &'a Egress, version: Option<HeaderValue>) -> Fetching<'a, T> {
        let mut headers = HeaderMap::from_iter([(ACCEPT, self.accept.clone())]);
        headers.extend(version.map(|version| (IF_NONE_MATCH, version)));
        Box::pin(async move { Fetched::of(&egress.get(&self.url, headers).await, self.read) })
    }
}

impl<T> Fetched<T> {
    /// Says what came of an attempt whose answer is `read`.
    pub fn of(answer: &Result<Response<Bytes>, EgressError>, read: impl Fn(&[u8]) -> Option<T>) -> Self {
        match answer {
            Ok(answer) if answer.status() == StatusCode::OK => match read(answer.body()) {
                Some(document) => Self::New(document, answer.headers().get(ETAG).cloned()),
                None => Self::Failed("it cannot be read".to_owned()),
            },
            Ok(answer) if answer.status() == StatusCode::NOT_MODIFIED => Self::Unchanged,
            Ok(answer) => Self::Failed(format!("the status is {}", answer.status())),
            Err(error) => Self::Failed(error.to_string()),
        }
    }
}

/// One remote document.
pub struct Published<T> {
    publication: Publication<T>,
    egress: Egress,
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept<T>>,
    /// What [`Published::held`] reads without a lock.
    latest: ArcSwapOption<Latest<T>>,
}

/// A document, and when it was fetched.
struct Latest<T> {
    document: Arc<T>,
    fetched: Monotonic,
}

impl<T> fmt::Debug for Published<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Published")
            .field("place", &self.publication.source.place())
            .finish_non_exhaustive()
    }
}

impl<T: Send + Sync + 'static> Published<T> {
    /// Knows nothing yet; `egress` fetches.
    #[must_use]
    pub fn new(publication: Publication<T>, egress: Egress, clock: Arc<dyn Clock>) -> Self {
        let kept = Mutex::new(Kept::default());
        Self { publication, egress, clock, kept, latest: ArcSwapOption::empty() }
    }

    /// Returns the document, if it may be believed still. One that is to be renewed is fetched meanwhile.
    #[must_use]
    pub fn held(self: &Arc<Self>) -> Option<Arc<T>> {
        let latest = self.latest.load();
        let latest = latest.as_ref()?;
        let age = since(latest.fetched, self.clock.monotonic());
        if age >= self.publication.life {
            return None;
        }
        if self.publication.renewed_after.is_some_and(|limit| age >= limit) {
            drop(self.join());
        }
        Some(Arc::clone(&latest.document))
    }

    /// Fetches the document, if that is due, and returns it; `None`: nothing is known that is as good as an attempt.
    pub async fn ask(self: &Arc<Self>) -> Option<Arc<T>> {
        if let Some(mut flight) = self.join() {
            // An error says that the attempt was dropped with its runtime.
            let _landed = flight.wait_for(|landed| *landed).await;
        }
        self.kept().certain(self.publication.life, self.clock.monotonic())
    }

    /// Joins the attempt that is under way, or begins one if it is due.
    fn join(self: &Arc<Self>) -> Option<watch::Receiver<bool>> {
        let mut kept = self.kept();
        if let Some(flight) = &kept.flight {
            return Some(flight.clone());
        }
        let version = kept.attempt(self.publication.cooldown, self.clock.monotonic())?;
        let (landed, flight) = watch::channel(false);
        kept.flight = Some(flight.clone());
        drop(kept);
        let this = Arc::clone(self);
        tokio::spawn(async move {
            this.fetch(version).await;
            landed.send_replace(true);
        });
        Some(flight)
    }

    async fn fetch(&self, version: Option<HeaderValue>) {
        let source = &self.publication.source;
        let fetched = source.fetch(&self.egress, version).await;
        if let Fetched::Failed(reason) = &fetched {
            tracing::warn!(place = source.place(), reason, "what is published is not fetched");
        }
        let now = self.clock.monotonic();
        let mut kept = self.kept();
        kept.learn(fetched, now);
        kept.flight = None;
        if let (Some(document), Some(fetched)) = (kept.document.clone(), kept.fetched) {
            self.latest.store(Some(Arc::new(Latest { document, fetched })));
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept<T>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The document that was fetched last, and when.
struct Kept<T> {
    document: Option<Arc<T>>,
    version: Option<HeaderValue>,
    fetched: Option<Monotonic>,
    attempted: Option<Monotonic>,
    failed: bool,
    flight: Option<watch::Receiver<bool>>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { document: None, version: None, fetched: None, attempted: None, failed: false, flight: None }
    }
}

impl<T> Kept<T> {
    fn held(&self, life: Duration, now: Monotonic) -> Option<Arc<T>> {
        let is_alive = self.fetched.is_some_and(|fetched| since(fetched, now) < life);
        self.document.as_ref().filter(|_| is_alive).map(Arc::clone)
    }

    /// Returns the document, unless the last attempt failed: then what it does not say is not known.
    fn certain(&self, life: Duration, now: Monotonic) -> Option<Arc<T>> {
        self.held(life, now).filter(|_| !self.failed)
    }

    /// Begins an attempt, if one is due; returns the version that is known.
    fn attempt(&mut self, cooldown: Duration, now: Monotonic) -> Option<Option<HeaderValue>> {
        if self.attempted.is_some_and(|attempted| since(attempted, now) < cooldown) {
            return None;
        }
        self.attempted = Some(now);
        // Until it has ended well: who gives up waiting for it is not told that there is nothing.
        self.failed = true;
        Some(self.version.clone())
    }

    fn learn(&mut self, fetched: Fetched<T>, now: Monotonic) {
        match fetched {
            Fetched::New(document, version) => {
                self.document = Some(Arc::new(document));
                self.version = version;
            }
            Fetched::Unchanged if self.version.is_some() => {}
            Fetched::Unchanged | Fetched::Failed(_) => return,
        }
        self.fetched = Some(now);
        self.failed = false;
    }
}

fn since(earlier: Monotonic, now: Monotonic) -> Duration {
    Duration::from_millis(u64::try_from(now.0.saturating_sub(earlier.0)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign_core::timestamp::Monotonic;
    use http::HeaderValue;

    use super::{Fetched, Kept};

    const MINUTE: i64 = 60_000;
    const DAY: i64 = 24 * 60 * MINUTE;
    const LIFE: Duration = Duration::from_secs(24 * 60 * 60);
    const COOLDOWN: Duration = Duration::from_secs(60);

    /// What is held, and whether it is certain.
    #[track_caller]
    fn check(kept: &Kept<u8>, at: i64, expected: (Option<u8>, bool)) {
        let held = kept.held(LIFE, Monotonic(at)).map(|document| *document);
        assert_eq!((held, kept.certain(LIFE, Monotonic(at)).is_some()), expected, "at {at}");
    }

    fn attempt(kept: &mut Kept<u8>, at: i64) -> Option<Option<HeaderValue>> {
        kept.attempt(COOLDOWN, Monotonic(at))
    }

    fn failed() -> Fetched<u8> {
        Fetched::Failed("no".to_owned())
    }

    #[test]
    fn a_document_is_believed_for_its_life() {
        let mut kept = Kept::default();
        check(&kept, 0, (None, false));
        assert_eq!(attempt(&mut kept, 0), Some(None));
        kept.learn(Fetched::New(7, None), Monotonic(10));
        for (at, expected) in [(10, (Some(7), true)), (DAY + 9, (Some(7), true)), (DAY + 10, (None, false))] {
            check(&kept, at, expected);
        }
    }

    #[test]
    fn every_attempt_is_stamped_and_the_next_waits() {
        let mut kept = Kept::default();
        assert!(attempt(&mut kept, 0).is_some());
        assert!(attempt(&mut kept, MINUTE - 1).is_none(), "while the first one runs, too");
        kept.learn(failed(), Monotonic(1));
        check(&kept, MINUTE - 1, (None, false));
        assert!(attempt(&mut kept, MINUTE).is_some());
        kept.learn(Fetched::New(7, None), Monotonic(MINUTE));
        check(&kept, MINUTE, (Some(7), true));
        assert!(attempt(&mut kept, 2 * MINUTE).is_some());
        check(&kept, 2 * MINUTE, (Some(7), false));
        kept.learn(failed(), Monotonic(2 * MINUTE));
        check(&kept, 2 * MINUTE, (Some(7), false));
        check(&kept, MINUTE + DAY, (None, false));
    }

    #[test]
    fn rfc9110_13_1_2_an_unchanged_document_lives_on() {
        let mut kept = Kept::default();
        attempt(&mut kept, 0);
        kept.learn(Fetched::Unchanged, Monotonic(0));
        check(&kept, 0, (None, false));
        let version = HeaderValue::from_static("\"1\"");
        attempt(&mut kept, MINUTE);
        kept.learn(Fetched::New(7, Some(version.clone())), Monotonic(MINUTE));
        assert_eq!(attempt(&mut kept, DAY), Some(Some(version)));
        kept.learn(Fetched::Unchanged, Monotonic(DAY));
        check(&kept, 2 * DAY - 1, (Some(7), true));
        check(&kept, 2 * DAY, (None, false));
    }
}
