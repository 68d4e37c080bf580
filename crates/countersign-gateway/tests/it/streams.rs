//! Streams that stay open: they end with the credential that opened them.

use std::time::Duration;

use countersign_core::change::Change;
use countersign_core::record::CredentialRecord;
use countersign_core::timestamp::Timestamp;

use crate::client::Client;
use crate::support::{NOW, World};

const PATIENCE: Duration = Duration::from_secs(20);

/// A way in which a credential ends, or is no longer known to be good.
pub(crate) struct End(pub(crate) &'static str, pub(crate) fn(&World, &mut CredentialRecord));

pub(crate) const ENDS: [End; 6] = [
    End("revoked", |world, record| {
        record.revoked_at = Some(Timestamp::from_millis(NOW));
        world.tell(record);
    }),
    End("disabled", |world, record| {
        record.disabled_at = Some(Timestamp::from_millis(NOW));
        world.tell(record);
    }),
    End("expired", |world, record| {
        record.expires_at = Some(Timestamp::from_millis(NOW));
        world.tell(record);
    }),
    End("forgotten", |world, record| {
        world.snapshot.apply(&Change::Forgotten(record.lookup));
    }),
    End("owner disabled", |world, _| {
        let mut owner = world.owner.clone();
        owner.disabled_at = Some(Timestamp::from_millis(NOW));
        world.snapshot.apply(&Change::Owner(Box::new(owner)));
    }),
    End("snapshot too old", |world, _| world.clock.advance(Duration::from_secs(6))),
];

fn open(world: &World, path: &str, key: Option<&str>) -> Client {
    let mut client = world.connect();
    let field = key.map_or_else(String::new, |key| format!("X-API-Key: {key}\r\n"));
    client.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n{field}\r\n"));
    client
}

#[test]
fn safety_18_an_open_answer_ends_with_its_credential() {
    for End(reason, end) in ENDS {
        let world = World::new();
        let (mut record, key) = world.key(3);
        let mut client = open(&world, "/endless", Some(&key));
        client.read_head();
        end(&world, &mut record);
        let answer = client.receive();
        assert_eq!((answer.status, answer.body.as_str(), answer.whole), (200, "one\n", false), "{reason}");
        world.upstream.gone.recv_timeout(PATIENCE).expect("the upstream's side is closed too");
        assert!(world.metrics.render().contains("countersign_ended_streams_total 1"), "{reason}");
    }
}

#[test]
fn safety_18_an_upload_ends_with_its_credential() {
    for End(reason, end) in ENDS {
        let world = World::new();
        let (mut record, key) = world.key(3);
        let mut client = world.connect();
        client.send(&format!(
            "POST /x HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\nContent-Length: 9\r\n\r\nhalf"
        ));
        // The head has arrived when the upstream has recorded it.
        let looks = std::iter::repeat_with(std::thread::yield_now).take(50_000_000);
        assert!(looks.map(|()| world.upstream.heads().len()).any(|count| count > 0), "{reason}");
        end(&world, &mut record);
        assert_eq!(client.receive().status, 400, "{reason}");
        assert!(client.is_closed(), "{reason}");
    }
}

#[test]
fn safety_18_a_stream_whose_credential_is_good_goes_on() {
    let world = World::new();
    let (mut record, ending) = world.key(3);
    let mut good = open(&world, "/events", Some(&world.key(4).1));
    let go = world.upstream.waiting.recv_timeout(PATIENCE).unwrap();
    let mut anonymous = open(&world, "/open/events", None);
    let go_on = world.upstream.waiting.recv_timeout(PATIENCE).unwrap();
    let mut ended = open(&world, "/endless", Some(&ending));
    ended.read_head();
    record.revoked_at = Some(Timestamp::from_millis(NOW));
    world.tell(&record);
    assert!(!ended.receive().whole);
    go.send(()).unwrap();
    go_on.send(()).unwrap();
    assert!(good.receive().whole && anonymous.receive().whole);
}

#[tokio::test]
async fn safety_18_an_open_http2_stream_is_reset_with_its_credential() {
    let world = World::new();
    let (mut record, key) = world.key(3);
    let mut sender = crate::http2::connect(world.address).await;
    let request = http::Request::get("http://a/endless").header("x-api-key", key).body(()).unwrap();
    let answer = sender.send_request(request, true).unwrap().0.await.unwrap();
    record.revoked_at = Some(Timestamp::from_millis(NOW));
    world.tell(&record);
    let mut body = answer.into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "one\n");
    let end = tokio::time::timeout(PATIENCE, body.data()).await.unwrap();
    assert!(end.unwrap().unwrap_err().is_reset());
    let open = http::Request::get("http://a/open/x").body(()).unwrap();
    assert_eq!(sender.send_request(open, true).unwrap().0.await.unwrap().status(), 200);
}
