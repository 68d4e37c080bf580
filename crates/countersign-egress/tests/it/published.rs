//! A document that is fetched again and again, from a server on loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_core::context::Clock;
use countersign_core::timestamp::{Monotonic, Timestamp};
use countersign_egress::published::{Document, Publication, Published};
use http::HeaderValue;

use crate::support::{Names, Server, client, reach};

#[derive(Default)]
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(self.0.load(Ordering::SeqCst))
    }
}

fn number(document: &[u8]) -> Option<u32> {
    str::from_utf8(document).ok()?.parse().ok()
}

/// What `server` publishes: a number that is believed for an hour, and asked for once a minute.
fn published(server: &Server) -> (Arc<Published<u32>>, Arc<Hand>) {
    renewed(server, None)
}

fn renewed(server: &Server, renewed_after: Option<Duration>) -> (Arc<Published<u32>>, Arc<Hand>) {
    let source = Document {
        url: format!("http://127.0.0.1:{}/number", server.port).parse().unwrap(),
        accept: HeaderValue::from_static("text/plain"),
        read: number,
    };
    let publication = Publication {
        source: Box::new(source),
        life: Duration::from_secs(3600),
        renewed_after,
        cooldown: Duration::from_secs(60),
    };
    let (egress, clock) = (client(reach(&[]), Names::of(&[]), None), Arc::new(Hand::default()));
    let clock_of_it: Arc<dyn Clock> = Arc::<Hand>::clone(&clock);
    (Arc::new(Published::new(publication, egress, clock_of_it)), clock)
}

fn answer(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn rfc9110_13_1_2_a_document_is_asked_for_by_its_version_once_in_a_while() {
    let server =
        Server::in_turn(&[&answer("7"), "HTTP/1.1 304 Not Modified\r\n\r\n", &answer("x"), &answer("8")])
            .await;
    let (published, clock) = published(&server);
    assert_eq!(published.held(), None, "nothing is fetched before somebody asks");
    for (second, asked, expected) in [
        (0, 1, Some(7)),
        (59, 1, Some(7)),
        (60, 2, Some(7)),
        // What cannot be read is not known, and what was known stays.
        (120, 3, None),
        (179, 3, None),
        (180, 4, Some(8)),
    ] {
        clock.0.store(second * 1000, Ordering::SeqCst);
        assert_eq!(published.ask().await.map(|number| *number), expected, "after {second} s");
        assert_eq!(server.connections.load(Ordering::SeqCst), asked, "after {second} s");
        assert!(published.held().is_some());
        assert_eq!(server.asked().contains("if-none-match: \"v1\""), asked > 1);
    }
    assert!(server.asked().contains("accept: text/plain"));
}

#[tokio::test]
async fn a_document_that_is_to_be_renewed_is_fetched_while_it_is_used() {
    let server =
        Server::in_turn(&[&answer("7"), "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", &answer("8")]).await;
    let (published, clock) = renewed(&server, Some(Duration::from_secs(600)));
    assert_eq!(published.ask().await.as_deref(), Some(&7));
    for (second, asked, after) in [(599, 1, 7), (600, 2, 7), (659, 2, 7), (660, 3, 8), (661, 3, 8)] {
        clock.0.store(second * 1000, Ordering::SeqCst);
        assert!(published.held().is_some(), "nobody waits at {second} s");
        if second >= 600 {
            // Whoever does, waits for the attempt that was begun.
            let _certain = published.ask().await;
        }
        assert_eq!(published.held().as_deref(), Some(&after), "after {second} s");
        assert_eq!(server.connections.load(Ordering::SeqCst), asked, "after {second} s");
    }
}

#[tokio::test]
async fn whoever_asks_meanwhile_waits_for_the_same_attempt_which_goes_on_when_they_have_gone() {
    let server = Server::answering(&answer("7")).await;
    let (published, _clock) = published(&server);
    // The first one begins it, and goes before it has ended.
    assert!(given_up(&published).await.is_none());
    let (one, two) = tokio::join!(published.ask(), published.ask());
    assert_eq!((one.as_deref(), two.as_deref()), (Some(&7), Some(&7)));
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

/// Asks, and gives up at once.
async fn given_up(published: &Arc<Published<u32>>) -> Option<Arc<u32>> {
    tokio::select! {
        biased;
        found = published.ask() => found,
        () = std::future::ready(()) => None,
    }
}

#[tokio::test]
async fn a_document_that_cannot_be_fetched_is_not_known() {
    let server = Server::answering("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").await;
    let (published, _clock) = published(&server);
    assert_eq!((published.ask().await, published.held()), (None, None));
}
